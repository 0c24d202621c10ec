//! Files that are none, or are none any more.

use super::*;
use crate::error::Error;
use rustix::fs::OFlags;
use rustix::io::Errno;
use std::fs::File;
use std::os::fd::AsFd;

/// A file that says it has `size` bytes, and has that many on disk.
fn lying(size: u64, on_disk: usize) -> Vec<u8> {
    let mut bytes = pattern(on_disk);
    let header = size.to_le_bytes();
    let len = bytes.len().min(8);
    bytes[..len].copy_from_slice(&header[..len]);
    bytes
}

fn assert_misfit<T: std::fmt::Debug>(result: Result<T>) {
    let error = result.unwrap_err();
    assert!(matches!(error, Error::Recipe(_)), "{error}");
    assert_eq!(error.errno(), Errno::IO);
}

#[test]
fn a_length_that_does_not_fit_is_an_error_whatever_is_done() {
    let cases = [
        (0, 0),
        (0, 1),
        (0, 8),
        (0, 23),
        (0, 25),
        (0, 40),
        (1, 24),
        (1, 39),
        (1, 41),
        (1, 56),
        (16, 24),
        (16, 56),
        (17, 40),
        (u64::MAX, 24),
        (u64::MAX - 15, 24),
        (u64::MAX - 30, 24),
        (1 << 63, 40),
        (1_000, 1_000),
    ];
    for (size, on_disk) in cases {
        let before = lying(size, on_disk);
        let mut bench = Bench::of_bytes(32, &before);
        assert_eq!(bench.state.len(), disk::bytes(on_disk.saturating_sub(24)), "{size} in {on_disk}");
        bench.age();
        for offset in [0, 1, 1 << 40] {
            assert_misfit(bench.read(offset, 1));
            assert_misfit(bench.state.write_at(bench.file.as_fd(), offset, b"x"));
        }
        assert_misfit(bench.read(0, 0));
        assert_misfit(bench.state.resize(bench.file.as_fd(), 1));
        assert_misfit(bench.state.resize(bench.file.as_fd(), bench.state.len().max(1)));
        assert_misfit(bench.state.zero(bench.file.as_fd(), 0, 1));
        assert_misfit(bench.state.allocate(bench.file.as_fd(), 0, 1));
        let into = tempfile::tempfile().unwrap();
        assert_misfit(bench.state.write_anew(bench.file.as_fd(), into.as_fd()));
        assert!(!bench.state.has_pending() && bench.is_aged() && bench.on_disk() == before);
        // But it can be made a new one.
        bench.change(|state, file| state.resize(file, 0)).unwrap();
        bench.dirty = true;
        bench.check();
        bench.change(|state, file| state.write_at(file, 3, b"new")).unwrap();
        bench.model = b"\0\0\0new".to_vec();
        bench.write_anew();
        bench.reopen();
        bench.check();
    }
}

#[test]
fn a_file_that_is_cut_while_it_is_open_is_an_error_and_never_garbage() {
    let plain = pattern(100);
    for left in [0, 7, 8, 23, 24, 39, 40, 135] {
        let bench = Bench::new(16, &plain, 0);
        bench.file.set_len(left).unwrap();
        for (offset, len) in [(0, 1), (0, 16), (15, 2), (16, 16), (0, 100), (96, 4), (99, 1), (50, usize::MAX)] {
            let to = plain.len().min(offset + len.min(100));
            let needed = 24 + disk::bytes(to.next_multiple_of(16));
            let read = bench.read(disk::bytes(offset), len);
            if needed <= left {
                assert_eq!(read.unwrap(), &plain[offset..to], "{len} at {offset} of {left}");
            } else {
                assert_misfit(read);
            }
        }
        // Beyond the end there is nothing, cut or not.
        assert_eq!(bench.read(100, 1).unwrap(), b"");
    }
}

/// Another program begins a new file in the old one's place, as the article's program does.
fn overwrite(bench: &Bench, plain: &[u8]) {
    let iv = rand::random();
    std::fs::write(bench.path(), encrypted(&key(16), plain, iv, b' ')).unwrap();
}

#[test]
fn what_another_program_has_overwritten_is_not_changed() {
    // Made longer, made shorter, of the same length.
    for other in [pattern(5000), pattern(3), pattern(100)] {
        let mut bench = Bench::new(16, &pattern(100), 0);
        overwrite(&bench, &other);
        bench.age();
        let before = bench.on_disk();
        let file = bench.file.try_clone().unwrap();
        let file = file.as_fd();
        for result in [
            bench.state.write_at(file, 0, b"x"),
            bench.state.resize(file, 50),
            bench.state.resize(file, 0),
            bench.state.zero(file, 0, 10),
            bench.state.allocate(file, 0, 200),
        ] {
            assert!(matches!(result, Err(Error::Stale)));
        }
        assert!(bench.is_aged() && bench.on_disk() == before && bench.state.scratch.is_none());
        // Looked at again, it can be.
        bench.reopen();
        bench.model = other;
        bench.check();
        bench.change(|state, file| state.write_at(file, 0, b"x")).unwrap();
        assert!(!bench.state.is_overwritten(bench.file.as_fd()).unwrap());
    }
}

#[test]
fn a_change_of_another_program_beside_ours_is_seen() {
    let mut bench = Bench::new(16, &pattern(100), 0);
    bench.change(|state, file| state.write_at(file, 0, b"x")).unwrap();
    bench.model[0] = b'x';
    bench.dirty = true;
    assert!(!bench.state.is_overwritten(bench.file.as_fd()).unwrap());
    bench.write_anew();
    // What we have written ourselves is no change of others.
    assert!(!bench.state.is_overwritten(bench.file.as_fd()).unwrap());
    bench.change(|state, file| state.write_at(file, 0, b"y")).unwrap();
    bench.model[0] = b'y';
    bench.dirty = true;
    overwrite(&bench, &pattern(100));
    assert!(bench.state.is_overwritten(bench.file.as_fd()).unwrap());
    bench.check();
}

#[test]
fn a_copy_that_fails_gives_no_scratch_file() {
    let bench = Bench::new(24, &pattern(3 * PIECE), b' ');
    bench.file.set_len(disk::bytes(2 * PIECE)).unwrap();
    let len = disk::bytes(bench.model.len());
    assert_misfit(bench.state.copied(bench.file.as_fd(), len).map(|scratch| scratch.len()));
    assert!(bench.state.copied(bench.file.as_fd(), disk::bytes(PIECE)).is_ok());
    assert!(bench.read(0, PIECE).unwrap() == bench.model[..PIECE]);
    assert_eq!(bench.state.len(), len);
}

#[test]
fn a_header_that_cannot_be_read_says_why() {
    let bench = Bench::new(16, b"x", 0);
    let write_only = File::options().write(true).open(bench.path()).unwrap();
    assert_eq!(bench::open(&bench.shared, &write_only).err().unwrap().errno(), Errno::BADF);
}

/// What the disk says to a scratch file that cannot be written to, as when it is full.
fn break_scratch(bench: &mut Bench) {
    let scratch = bench.state.scratch.as_mut().unwrap();
    scratch.fd = crate::sys::descriptor::reopen(scratch.fd.as_fd(), OFlags::RDONLY).unwrap();
}

#[test]
fn a_failed_change_of_an_unchanged_file_leaves_it_unchanged() {
    let mut bench = Bench::new(16, &pattern(5000), 0);
    bench.change(|state, file| state.allocate(file, 0, 9000)).unwrap();
    break_scratch(&mut bench);
    assert_eq!(
        bench.state.write_at(bench.file.as_fd(), 100, b"x").unwrap_err().errno(),
        Errno::BADF
    );
    assert!(bench.state.scratch.is_none());
    bench.check();
}

#[test]
fn a_failed_change_of_a_changed_file_loses_nothing() {
    let mut bench = Bench::new(16, &pattern(5000), 0);
    bench
        .change(|state, file| state.write_at(file, 4990, b"appended over the end"))
        .unwrap();
    bench.model.truncate(4990);
    bench.model.extend_from_slice(b"appended over the end");
    bench.dirty = true;
    break_scratch(&mut bench);
    assert_eq!(
        bench.state.write_at(bench.file.as_fd(), 100, b"x").unwrap_err().errno(),
        Errno::BADF
    );
    assert_eq!(bench.state.resize(bench.file.as_fd(), 0).unwrap_err().errno(), Errno::INVAL);
    bench.check();
    bench.write_anew();
}
