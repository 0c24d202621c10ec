//! Space: sparse files, holes made and found, a full disk, a disk that turns read-only.

use crate::corpus::noise;
use crate::harness::{Options, Vault, errno};
use crate::people::{Who, root_or_skip, run};
use crate::places::SmallFilesystem;
use rustix::fs::{SeekFrom, seek};
use rustix::io::Errno;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::time::{Duration, Instant};

const MIB: usize = 1 << 20;
/// Plaintext bytes of a record.
const RECORD: u64 = 4096;

/// Bytes that a file takes on disk.
fn allocated(path: &Path) -> u64 {
    fs::metadata(path).unwrap().blocks() * 512
}

#[test]
fn a_tebibyte_is_truncated_at_once_and_takes_no_space() {
    let vault = Vault::new(Options::default());
    let mounted = vault.mount(&[]);
    let path = mounted.path().join("huge");
    let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path).unwrap();
    let tebibyte = 1_u64 << 40;
    let begin = Instant::now();
    file.set_len(tebibyte).unwrap();
    // It takes a millisecond; writing it out would take hours.
    assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
    assert_eq!(file.metadata().unwrap().len(), tebibyte);
    assert!(allocated(&path) < 64 << 10, "{}", allocated(&path));
    let mut bytes = vec![1; 10_000];
    file.read_exact_at(&mut bytes, tebibyte / 2 + 1).unwrap();
    assert!(bytes.iter().all(|byte| *byte == 0));
    file.write_all_at(b"far out", tebibyte - 100).unwrap();
    file.sync_all().unwrap();
    // The first record shares a block of the disk with the header, so it counts as data; and so may what shares one with the last.
    assert!(seek(&file, SeekFrom::Hole(0)).unwrap() <= 2 * RECORD);
    let data = seek(&file, SeekFrom::Data(2 * RECORD)).unwrap();
    assert!((tebibyte - 3 * RECORD..=tebibyte - 100).contains(&data), "{data}");
    drop(file);
    mounted.unmount();

    let mounted = vault.mount(&[]);
    let file = OpenOptions::new().read(true).write(true).open(&path).unwrap();
    let mut bytes = [0; 7];
    file.read_exact_at(&mut bytes, tebibyte - 100).unwrap();
    assert_eq!(&bytes, b"far out");
    assert!(allocated(&path) < 64 << 10, "{}", allocated(&path));
    file.set_len(10).unwrap();
    assert_eq!(fs::read(&path).unwrap(), [0; 10]);
    drop(file);
    mounted.unmount();
}

#[test]
fn holes_are_made_kept_and_found() {
    let vault = Vault::new(Options::default());
    let mounted = vault.mount(&[]);
    let script = "
        dd if=/dev/urandom of=\"$1/block\" bs=4096 count=1 status=none
        dd if=\"$1/block\" of=sparse bs=4096 seek=1000 conv=notrunc status=none
        cp --sparse=always sparse copy
        test $(stat -c %b sparse) -lt 64
        test $(stat -c %b copy) -lt 64
        cmp sparse copy
        cmp -n 4096 -i 4096000:0 sparse \"$1/block\"";
    run(&mut mounted.shell(script, &[vault.scratch().path()])).ok();
    let file = File::open(mounted.path().join("sparse")).unwrap();
    assert!(seek(&file, SeekFrom::Hole(0)).unwrap() <= 2 * RECORD);
    let data = seek(&file, SeekFrom::Data(2 * RECORD)).unwrap();
    assert!((1000 * RECORD - RECORD..=1000 * RECORD).contains(&data), "{data}");
    assert_eq!(seek(&file, SeekFrom::Data(4_096_100)), Ok(4_096_100));
    assert_eq!(seek(&file, SeekFrom::Hole(4_096_000)), Ok(4_100_096), "the end counts as a hole");
    assert_eq!(seek(&file, SeekFrom::Data(4_100_096)), Err(Errno::NXIO));
    assert_eq!(seek(&file, SeekFrom::Hole(5_000_000)), Err(Errno::NXIO));
    drop(file);
    mounted.unmount();
}

#[test]
fn fallocate_punches_zeroes_and_allocates() {
    let vault = Vault::new(Options::default());
    let plain = vault.scratch().dir("plain", Who::me());
    fs::write(plain.join("file"), noise(1, 4 * MIB + 100)).unwrap();
    let mounted = vault.mount(&[]);
    fs::copy(plain.join("file"), mounted.path().join("file")).unwrap();
    let before = allocated(&mounted.path().join("file"));
    let calls = [
        "-p -o 1000000 -l 2000000",
        "-p -o 1 -l 10",
        "-p -o 4096 -l 4096",
        "-p -o 4194000 -l 1000000",
        "-z -o 3500001 -l 20000",
        "-z -o 4194300 -l 9000",
        "-z -n -o 4200000 -l 50000",
        "-o 4200000 -l 100000",
        "-n -o 5000000 -l 100000",
        "-x -o 4300000 -l 10",
    ];
    for call in calls {
        for dir in [plain.as_path(), mounted.path()] {
            run(&mut Who::me().shell(&format!("fallocate {call} \"$1/file\""), &[dir])).ok();
        }
        let (expected, found) = (
            fs::read(plain.join("file")).unwrap(),
            fs::read(mounted.path().join("file")).unwrap(),
        );
        assert_eq!(expected.len(), found.len(), "fallocate {call}");
        assert!(expected == found, "fallocate {call}");
    }
    assert!(
        allocated(&mounted.path().join("file")) + (1 << 20) < before,
        "the punched space was given back"
    );
    for call in ["-c -o 0 -l 4096", "-i -o 0 -l 4096"] {
        let answer = run(&mut mounted.shell(&format!("fallocate {call} file"), &[])).code(1);
        answer.says(&["not supported"]);
    }
    mounted.unmount();
    let mounted = vault.mount(&[]);
    assert!(fs::read(plain.join("file")).unwrap() == fs::read(mounted.path().join("file")).unwrap());
    mounted.unmount();
}

/// Writes files of 1 MiB, each synced, until the disk is full; returns how many were written whole.
fn fill(dir: &Path) -> usize {
    for number in 0.. {
        let written = File::create(dir.join(format!("file {number}"))).and_then(|mut file| {
            file.write_all(&noise(u64::try_from(number).unwrap(), MIB))?;
            file.sync_all()
        });
        if let Err(error) = written {
            assert_eq!(Errno::from_io_error(&error), Some(Errno::NOSPC), "{error}");
            return number;
        }
        assert!(number < 1000, "the disk never gets full");
    }
    unreachable!()
}

fn check_filled(dir: &Path, numbers: impl Iterator<Item = usize>) {
    for number in numbers {
        let expected = noise(u64::try_from(number).unwrap(), MIB);
        assert!(fs::read(dir.join(format!("file {number}"))).unwrap() == expected, "file {number}");
    }
}

fn full_disk(small: &SmallFilesystem) {
    let vault = Vault::new(Options {
        base: Some(small.path().to_owned()),
        ..Options::default()
    });
    let mounted = vault.mount(&[]);
    let dir = vault.point();
    fs::write(dir.join("early"), noise(77, 100_000)).unwrap();
    let count = fill(dir);
    assert!(count > 5, "{count}");
    check_filled(dir, 0..count);
    // The file that did not fit is readable, too: what is there is right, and what could not be stored is zeros.
    let partial = fs::read(dir.join(format!("file {count}"))).unwrap();
    let whole = noise(u64::try_from(count).unwrap(), MIB);
    let is_right = |(found, written): (&[u8], &[u8])| written.starts_with(found) || found.iter().all(|byte| *byte == 0);
    assert!(partial.chunks(4096).zip(whole.chunks(4096)).all(is_right), "{}", partial.len());
    // An append that does not fit leaves what was there.
    let mut early = OpenOptions::new().append(true).open(dir.join("early")).unwrap();
    let appended = early.write_all(&noise(78, 8 * MIB)).and_then(|()| early.sync_all());
    assert_eq!(errno(appended), Some(Errno::NOSPC));
    drop(early);
    assert!(fs::read(dir.join("early")).unwrap().starts_with(&noise(77, 100_000)));
    // New entries may or may not fit, but nothing may break.
    let _ = fs::create_dir(dir.join("new"));
    let _ = fs::write(dir.join("x".repeat(255)), b"");
    mounted.unmount();

    let mounted = vault.mount(&[]);
    check_filled(dir, 0..count);
    assert!(fs::read(dir.join("early")).unwrap().starts_with(&noise(77, 100_000)));
    for number in 0..count / 2 {
        fs::remove_file(dir.join(format!("file {number}"))).unwrap();
    }
    let mut again = File::create(dir.join("file 0")).unwrap();
    again.write_all(&noise(0, MIB)).unwrap();
    again.sync_all().unwrap();
    drop(again);
    mounted.unmount();
    let mounted = vault.mount(&[]);
    check_filled(dir, std::iter::once(0).chain(count / 2..count));
    mounted.unmount();
}

#[test]
fn a_full_tmpfs() {
    if root_or_skip() {
        full_disk(&SmallFilesystem::tmpfs(24));
    }
}

#[test]
fn a_full_ext4() {
    if root_or_skip() {
        full_disk(&SmallFilesystem::ext4(40));
    }
}

#[test]
fn a_read_only_disk() {
    if !root_or_skip() {
        return;
    }
    let small = SmallFilesystem::ext4(16);
    let vault = Vault::new(Options {
        base: Some(small.path().to_owned()),
        ..Options::default()
    });
    let mounted = vault.mount(&[]);
    fs::write(mounted.path().join("file"), b"contents").unwrap();
    mounted.unmount();
    for args in [&[][..], &["--ro"]] {
        small.remount("ro");
        let mounted = vault.mount(args);
        assert_eq!(fs::read(mounted.path().join("file")).unwrap(), b"contents");
        let read_only = Some(Errno::ROFS);
        assert_eq!(errno(fs::write(mounted.path().join("file"), b"")), read_only);
        assert_eq!(errno(fs::write(mounted.path().join("new"), b"")), read_only);
        assert_eq!(errno(fs::remove_file(mounted.path().join("file"))), read_only);
        assert_eq!(errno(fs::create_dir(mounted.path().join("dir"))), read_only);
        assert_eq!(
            errno(fs::rename(mounted.path().join("file"), mounted.path().join("other"))),
            read_only
        );
        mounted.unmount();
        small.remount("rw");
    }
}

/// What the backing filesystem refuses, the mount refuses with the same words.
#[test]
fn what_the_vaults_owner_may_not_do_is_refused() {
    if !root_or_skip() {
        return;
    }
    let vault = Vault::new(Options::of(Who::User));
    let mounted = vault.mount(&[]);
    mounted.enter(|path| {
        fs::create_dir(path.join("dir")).unwrap();
        fs::write(path.join("dir/file"), b"contents").unwrap();
    });
    mounted.unmount();
    let only = |dir: &Path| {
        fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .find(|path| !path.ends_with("plainview.toml"))
            .unwrap()
    };
    let file = only(&only(vault.path()));
    // The view shows it as the user's to read, so that only the daemon's own rights are in the way.
    std::os::unix::fs::chown(&file, Some(0), Some(0)).unwrap();
    fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let mounted = vault.mount(&[]);
    mounted.enter(|path| {
        assert_eq!(errno(fs::read(path.join("dir/file"))), Some(Errno::ACCESS));
        assert_eq!(
            errno(fs::set_permissions(
                path.join("dir/file"),
                std::os::unix::fs::PermissionsExt::from_mode(0o666)
            )),
            Some(Errno::PERM)
        );
    });
    mounted.unmount();
}
