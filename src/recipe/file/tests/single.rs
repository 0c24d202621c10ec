//! Single cases of reading, changing and writing anew.

use super::*;
use rustix::io::Errno;
use std::fs::File;
use std::os::fd::AsFd;

#[test]
fn every_size_around_a_border_both_ways() {
    let sizes = [
        0,
        1,
        15,
        16,
        17,
        4095,
        4096,
        4097,
        65535,
        65536,
        65537,
        PIECE - 1,
        PIECE,
        PIECE + 1,
        2 * PIECE + 15,
    ];
    for size in sizes {
        for (key_len, padding) in KEYS.into_iter().zip([b' ', 0, 0x10]) {
            let plain = pattern(size);
            let mut bench = Bench::new(key_len, &plain, padding);
            bench.check();
            // As it is, from the file itself.
            bench.write_anew();
            bench.reopen();
            bench.check();
            // Grown by a byte, from the scratch file.
            bench.change(|state, file| state.write_at(file, disk::bytes(size), b"!")).unwrap();
            bench.model.push(b'!');
            bench.dirty = true;
            bench.check();
            bench.write_anew();
            bench.state.release();
            bench.check();
        }
    }
}

#[test]
fn reading_takes_any_range() {
    let bench = Bench::new(32, &pattern(100), b' ');
    for offset in 0..=101 {
        for len in (0..=101).chain([usize::MAX]) {
            let to = 100.min(offset.min(100) + len.min(100));
            let got = bench.read(disk::bytes(offset), len).unwrap();
            assert_eq!(got, &bench.model[offset.min(100)..to], "{len} at {offset}");
        }
    }
    assert_eq!(bench.read(u64::MAX, usize::MAX).unwrap(), b"");
}

#[test]
fn what_is_only_read_is_not_pending_and_keeps_its_time() {
    let mut bench = Bench::new(16, &pattern(5000), 0);
    bench.age();
    let file = bench.file.try_clone().unwrap();
    let file = file.as_fd();
    bench.read(0, 5000).unwrap();
    bench.state.seek(file, 0, SeekTo::Data).unwrap();
    bench.state.write_at(file, 100, b"").unwrap();
    bench.state.write_at(file, 1 << 40, b"").unwrap();
    bench.state.resize(file, 5000).unwrap();
    bench.state.zero(file, 5000, 10).unwrap();
    bench.state.zero(file, 10, 0).unwrap();
    bench.state.sync(file, Durability::All).unwrap();
    bench.state.release();
    assert!(bench.is_aged() && bench.state.scratch.is_none());
    bench.check();
}

#[test]
fn emptying_an_empty_file_sets_its_time_and_needs_no_writing() {
    let mut bench = Bench::new(16, b"", 0);
    bench.change(|state, file| state.resize(file, 0)).unwrap();
    assert!(bench.state.scratch.is_none());
    bench.check();
}

#[test]
fn a_file_has_no_holes_until_it_is_changed() {
    let mut bench = Bench::new(16, &[0; 100_000], 0);
    let file = bench.file.try_clone().unwrap();
    let file = file.as_fd();
    for offset in [0, 1, 50_000, 99_999] {
        assert_eq!(bench.state.seek(file, offset, SeekTo::Data).unwrap(), offset);
        assert_eq!(bench.state.seek(file, offset, SeekTo::Hole).unwrap(), 100_000);
    }
    for (offset, to) in [(100_000, SeekTo::Data), (100_000, SeekTo::Hole), (u64::MAX, SeekTo::Data)] {
        assert_eq!(bench.state.seek(file, offset, to).unwrap_err().errno(), Errno::NXIO);
    }
    bench.state.resize(file, 10_000_000).unwrap();
    // All of what was appended but its end.
    assert!(bench.state.seek(file, 200_000, SeekTo::Data).unwrap() > 9_900_000);
}

#[test]
fn only_what_stays_is_copied() {
    let mut bench = Bench::new(16, &pattern(PIECE), 0);
    let on_disk = |bench: &Bench| rustix::fs::fstat(&bench.state.scratch.as_ref().unwrap().fd).unwrap().st_size;
    bench.change(|state, file| state.resize(file, 10)).unwrap();
    assert!(on_disk(&bench) < 4096);
    bench.state = bench::open(&bench.shared, &bench.file).unwrap();
    bench.change(|state, file| state.resize(file, 0)).unwrap();
    assert_eq!(on_disk(&bench), 0);
}

#[test]
fn lengths_that_no_file_has_are_refused_before_anything_is_copied() {
    let mut bench = Bench::new(16, b"x", 0);
    let file = bench.file.try_clone().unwrap();
    let file = file.as_fd();
    bench.age();
    for result in [
        bench.state.write_at(file, MAX_PLAIN_LEN, b"y"),
        bench.state.write_at(file, u64::MAX, b"y"),
        bench.state.resize(file, MAX_PLAIN_LEN + 1),
        bench.state.allocate(file, MAX_PLAIN_LEN, 1),
        bench.state.allocate(file, u64::MAX, u64::MAX),
    ] {
        assert_eq!(result.unwrap_err().errno(), Errno::FBIG);
    }
    assert!(bench.is_aged() && bench.state.scratch.is_none());
    bench.check();
}

#[test]
fn a_file_too_large_for_the_disk_is_refused_before_the_disk_is_full() {
    let mut bench = Bench::new(16, b"begin", 0);
    let into = tempfile::tempfile().unwrap();
    let below = rustix::fs::fstatvfs(&into).unwrap();
    // The scratch file takes no space for a hole.
    let too_large = below.f_bfree * below.f_frsize + (16 << 30);
    bench.change(|state, file| state.resize(file, too_large)).unwrap();
    let error = bench.state.write_anew(bench.file.as_fd(), into.as_fd()).unwrap_err();
    assert_eq!(error.errno(), Errno::NOSPC);
    assert_eq!(rustix::fs::fstat(&into).unwrap().st_blocks, 0);
    assert!(bench.state.has_pending());
    assert_eq!(bench.read(0, 6).unwrap(), b"begin\0");
}

/// Every byte that a file has on disk.
fn raw(fd: BorrowedFd<'_>) -> Vec<u8> {
    let len = usize::try_from(rustix::fs::fstat(fd).unwrap().st_size).unwrap();
    let mut bytes = vec![0; len];
    assert_eq!(disk::read_full(fd, &mut bytes, 0).unwrap(), len);
    bytes
}

#[test]
fn the_scratch_file_has_no_name_and_holds_no_plaintext() {
    let secret = b"In the clear this would be readable. ";
    let plain = secret.repeat(10_000);
    let mut bench = Bench::new(32, &plain, 0);
    bench.change(|state, file| state.write_at(file, 1000, secret)).unwrap();
    let fd = bench.state.scratch.as_ref().unwrap().fd.as_fd();
    assert_eq!(rustix::fs::fstat(fd).unwrap().st_nlink, 0);
    let bytes = raw(fd);
    assert!(bytes.len() > plain.len());
    let needle = &secret[..8];
    assert!(plain.windows(needle.len()).any(|window| window == needle));
    assert!(!bytes.windows(needle.len()).any(|window| window == needle));
    // The folder holds the file and nothing else.
    let folder = bench.path().parent().unwrap().to_owned();
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), 1);
}

#[test]
fn where_the_folder_takes_no_file_the_scratch_is_elsewhere() {
    // Nobody makes files there.
    let mut bench = Bench::new(32, &pattern(100), 0);
    bench.shared = shared(32, File::open("/proc/self").unwrap().into());
    bench.reopen();
    bench.change(|state, file| state.write_at(file, 0, b"changed")).unwrap();
    bench.model[..7].copy_from_slice(b"changed");
    bench.dirty = true;
    bench.check();
    bench.write_anew();
}

#[test]
fn an_abandoned_file_is_read_on() {
    let mut bench = Bench::new(16, &pattern(100), 0);
    bench.change(|state, file| state.write_at(file, 0, b"changed")).unwrap();
    bench.model[..7].copy_from_slice(b"changed");
    bench.state.abandon();
    bench.check();
    bench.state.release();
    bench.check();
    bench.change(|state, file| state.write_at(file, 100, b"more")).unwrap();
    bench.model.extend_from_slice(b"more");
    // It may have got a name after all: who knows better says so again.
    bench.dirty = true;
    bench.check();
    bench.state.abandon();
    bench.dirty = false;
    bench.state.release();
    bench.check();
    // One that was not changed before.
    let mut bench = Bench::new(16, &pattern(100), 0);
    bench.state.abandon();
    bench.change(|state, file| state.resize(file, 3)).unwrap();
    bench.state.abandon();
    bench.state.release();
    bench.model.truncate(3);
    bench.check();
}

#[test]
fn release_keeps_what_is_pending_and_lets_go_of_what_is_not() {
    let mut bench = Bench::new(16, &pattern(100), 0);
    bench.change(|state, file| state.write_at(file, 0, b"x")).unwrap();
    bench.model[0] = b'x';
    bench.dirty = true;
    bench.state.release();
    bench.check();
    bench.write_anew();
    assert!(bench.state.scratch.is_some());
    bench.state.release();
    assert!(bench.state.scratch.is_none());
    bench.check();
}
