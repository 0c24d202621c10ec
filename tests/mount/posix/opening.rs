//! How a file is opened: by many at once, past the cache, to the disk, only if it is new.

use super::{Language, same_in_mount_and_beside};
use crate::harness::{Options, Vault, errno};
use crate::people::Who;
use crate::places::detach;
use rustix::io::Errno;
use std::fs::{self, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::sync::Barrier;

/// Direct I/O beside the cache, by whole blocks as ext4 wants it; and what else there is to ask for, and to read and write with.
const DIRECT: &str = r#"
import hashlib, mmap, os
block = mmap.mmap(-1, 8192); block.write(bytes(range(256)) * 32)
fd = os.open("direct", os.O_RDWR | os.O_CREAT | os.O_DIRECT, 0o644)
cached = os.open("direct", os.O_RDWR)
print(os.writev(fd, [block]), os.fstat(fd).st_size)
print(hashlib.sha256(os.pread(cached, 9000, 0)).hexdigest())
os.pwrite(cached, b"by the cache", 4090)
into = mmap.mmap(-1, 8192)
print(os.preadv(fd, [into], 0), into[4088:4104])
mapping = mmap.mmap(cached, 8192); mapping[100:106] = b"mapped"
print(os.preadv(fd, [into], 0), into[98:108])
print(os.pwritev(fd, [block], 4096), mapping[4096:4100], os.fstat(cached).st_size)
print(os.preadv(fd, [into], 8192), os.preadv(fd, [into], 12288), os.preadv(fd, [into], 1 << 30))
print(os.pwritev(fd, [block], 1 << 20), os.fstat(fd).st_size, os.pread(cached, 4, (1 << 20) - 2))
os.ftruncate(fd, 5000)
print(os.preadv(fd, [into], 0), into[4996:5000], os.preadv(fd, [into], 4096))
print(hashlib.sha256(os.pread(cached, 1 << 21, 0)).hexdigest())
# O_TRUNC: at once for all who have it open; also by who only reads.
for flags in (os.O_WRONLY, os.O_RDWR, os.O_RDONLY):
    os.pwrite(cached, b"something", 0)
    os.close(os.open("direct", flags | os.O_TRUNC))
    print(os.fstat(cached).st_size, os.pread(cached, 10, 0))
os.pwrite(cached, b"after", 10)
print(os.pread(cached, 100, 0))
# Each open has its offset; O_APPEND has none, and can be taken back.
one = os.open("direct", os.O_RDWR | os.O_APPEND)
os.lseek(one, 0, os.SEEK_SET); os.write(one, b"at the end")
print(os.lseek(one, 0, os.SEEK_CUR), os.pread(cached, 100, 0), os.pwrite(one, b"!", 0), os.fstat(one).st_size)
# Several buffers at once, and what never comes by a buffer of ours.
print(os.pwritev(cached, [b"one", b"", b"two"], 4000), os.lseek(cached, 3998, os.SEEK_SET))
first, second = bytearray(4), bytearray(100)
print(os.readv(cached, [first, second]), first, second, os.writev(cached, [b"at", b" it"]), os.preadv(cached, [first, second], 4001), first)
receive, send = os.pipe()
print(os.splice(cached, send, 3000, offset_src=2000), hashlib.sha256(os.read(receive, 5000)).hexdigest())
print(os.write(send, b"spliced"), os.splice(receive, cached, 7, offset_dst=4094), os.pread(cached, 100, 4090), os.fstat(cached).st_size)
path = os.open("direct", os.O_PATH)
print(os.fstat(path).st_size, open(f"/proc/self/fd/{path}", "rb").read()[:3])
"#;

#[test]
fn direct_and_truncating_opens_work_as_on_ext4() {
    for who in Who::both() {
        same_in_mount_and_beside(who, &[], Language::Python, DIRECT);
    }
}

#[test]
fn several_appenders_lose_nothing() {
    const WRITERS: usize = 4;
    const LINES: usize = 500;
    let vault = Vault::new(Options::default());
    let mounted = vault.mount(&[]);
    let path = mounted.path().join("log");
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let path = &path;
            scope.spawn(move || {
                let mut file = OpenOptions::new().append(true).create(true).open(path).unwrap();
                for line in 0..LINES {
                    // Lengths of all kinds, so that the ends fall anywhere in a record.
                    let text = format!("{writer} {line} {}\n", "x".repeat(line * 7 % 300));
                    assert_eq!(file.write(text.as_bytes()).unwrap(), text.len());
                }
            });
        }
    });
    let text = fs::read_to_string(&path).unwrap();
    let mut next = [0; WRITERS];
    for line in text.lines() {
        let mut words = line.split(' ');
        let mut number = || words.next().unwrap().parse::<usize>().unwrap();
        let (writer, line) = (number(), number());
        assert_eq!((next[writer], words.next().unwrap().len()), (line, line * 7 % 300));
        next[writer] += 1;
    }
    assert_eq!(next, [LINES; WRITERS]);
    mounted.unmount();
}

/// What was written with O_SYNC or O_DSYNC is in the vault when the write returns: it survives the daemon, and the kernel's cache with it.
#[test]
fn synchronous_writes_survive_the_daemon() {
    let vault = Vault::new(Options::default());
    let mut kept = vec![];
    for (name, flag) in [("sync", libc::O_SYNC), ("dsync", libc::O_DSYNC)] {
        let mounted = vault.mount(&[]);
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .custom_flags(flag)
            .open(mounted.path().join(name))
            .unwrap();
        for part in 0..20 {
            file.write_all(format!("{part} {}\n", "y".repeat(part * 100)).as_bytes()).unwrap();
        }
        file.write_all_at(b"over", 4094).unwrap();
        let mut text = vec![];
        fs::File::open(mounted.path().join(name)).unwrap().read_to_end(&mut text).unwrap();
        kept.push((name, text));
        mounted.kill();
        drop(file);
        detach(vault.point());
    }
    let mounted = vault.mount(&[]);
    for (name, text) in kept {
        assert!(fs::read(mounted.path().join(name)).unwrap() == text, "{name}");
    }
    mounted.unmount();
}

/// Of all who make a file with O_EXCL, one does.
#[test]
fn one_wins_each_exclusive_create() {
    const THREADS: usize = 6;
    const NAMES: usize = 150;
    let vault = Vault::new(Options::default());
    let mounted = vault.mount(&[]);
    let (path, barrier) = (vault.point(), Barrier::new(THREADS));
    let won: Vec<usize> = std::thread::scope(|scope| {
        let racer = || {
            let make = |name: usize| {
                barrier.wait();
                let name = path.join(format!("{name}"));
                OpenOptions::new().write(true).create_new(true).open(name).map(drop)
            };
            let wins = |name: &usize| match make(*name) {
                Ok(()) => true,
                made => {
                    assert_eq!(errno(made), Some(Errno::EXIST));
                    false
                }
            };
            (0..NAMES).filter(wins).count()
        };
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(racer)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(won.iter().sum::<usize>(), NAMES, "{won:?}");
    mounted.unmount();
}

/// Whoever opens a file that may be there or not, and makes it if it is not, gets one, whatever others remove meanwhile.
#[test]
fn opening_or_creating_never_fails_beside_removals() {
    let vault = Vault::new(Options::default());
    let mounted = vault.mount(&[]);
    let path = vault.point().join("now and then");
    std::thread::scope(|scope| {
        let opener = || {
            for _ in 0..500 {
                let mut file = OpenOptions::new().append(true).create(true).open(&path).unwrap();
                file.write_all(b"x").unwrap();
            }
        };
        let openers: Vec<_> = (0..3).map(|_| scope.spawn(opener)).collect();
        while openers.iter().any(|opener| !opener.is_finished()) {
            let removed = fs::remove_file(&path);
            assert!(matches!(errno(removed), None | Some(Errno::NOENT)));
        }
    });
    mounted.unmount();
}
