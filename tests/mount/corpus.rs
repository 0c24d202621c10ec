//! A tree with something of everything: what other programs copy in and out, and what the decoder has to find again.

use crate::people::Who;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, XattrFlags, utimensat};
use std::ffi::OsString;
use std::fs::{self, File};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};
use std::path::Path;

/// Plaintext bytes of a record.
const RECORD: usize = 4096;

/// Sizes around every border of the format: of a cipher block, of a record, and of the kernel's largest request.
pub(crate) fn border_sizes() -> Vec<usize> {
    let around = |size: usize| [size - 1, size, size + 1];
    let mut sizes = vec![0, 1, 2];
    for size in [
        16,
        32,
        RECORD - 16,
        RECORD,
        RECORD + 16,
        2 * RECORD,
        32 * RECORD,
        33 * RECORD,
        256 * RECORD,
    ] {
        sizes.extend(around(size));
    }
    sizes.sort_unstable();
    sizes.dedup();
    sizes
}

/// `len` bytes that no two seeds share.
pub(crate) fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    StdRng::seed_from_u64(seed).fill_bytes(&mut bytes);
    bytes
}

/// Fills the empty directory `dir`. The same each time.
pub(crate) fn fill(dir: &Path) {
    sizes(&dir.join("sizes"));
    sparse(&dir.join("sparse"));
    names(&dir.join("names"));
    links(&dir.join("links"));
    renamed(&dir.join("renamed"));
    metadata(&dir.join("metadata"));
    set_times(dir);
}

/// As [`fill`], but only what any kind of folder can hold: no hard links, and no name of more than 251 bytes.
pub(crate) fn fill_with_less(dir: &Path) {
    sizes(&dir.join("sizes"));
    sparse(&dir.join("sparse"));
    renamed(&dir.join("renamed"));
    metadata(&dir.join("metadata"));
    set_times(dir);
}

/// As [`fill`], as `who`.
pub(crate) fn fill_as(who: Who, dir: &Path) {
    who.run(|| fill(dir));
}

fn sizes(dir: &Path) {
    fs::create_dir(dir).unwrap();
    for size in border_sizes() {
        let contents = noise(u64::try_from(size).unwrap(), size);
        fs::write(dir.join(format!("{size} bytes")), contents).unwrap();
    }
}

fn sparse(dir: &Path) {
    fs::create_dir(dir).unwrap();
    File::create(dir.join("only a hole")).unwrap().set_len(10 << 20).unwrap();
    File::create(dir.join("a short hole")).unwrap().set_len(100).unwrap();
    for (name, offsets) in [
        ("in the middle", vec![0, 1 << 20]),
        ("many", (0..40).map(|i| i * 5 * 4096 + 1).collect()),
        ("at the border", vec![8 * 4096]),
    ] {
        let file = File::create(dir.join(name)).unwrap();
        for offset in offsets {
            file.write_all_at(&noise(offset, 5000), offset).unwrap();
        }
    }
    let cut = File::create(dir.join("cut and grown")).unwrap();
    cut.write_all_at(&noise(7, 20_000), 0).unwrap();
    cut.set_len(5000).unwrap();
    cut.set_len(15_000).unwrap();
}

fn names(dir: &Path) {
    fs::create_dir(dir).unwrap();
    for len in [1, 15, 16, 17, 174, 175, 176, 177, 191, 192, 193, 254, 255] {
        let name = "n".repeat(len);
        fs::write(dir.join(&name), format!("{len}")).unwrap();
        let inner = dir.join("d".repeat(len));
        fs::create_dir(&inner).unwrap();
        fs::write(inner.join(&name), format!("{len} in {len}")).unwrap();
    }
    let odd: [&[u8]; 7] = [
        "Müller & Söhne ☃".as_bytes(),
        b"\xff\xfe",
        b"a\nb",
        b" ",
        b"-rf",
        b"...",
        b"back\\slash",
    ];
    for name in odd {
        fs::write(dir.join(OsString::from_vec(name.to_vec())), name).unwrap();
    }
}

fn links(dir: &Path) {
    fs::create_dir(dir).unwrap();
    for (name, target) in [
        ("relative", "../sizes/1 bytes"),
        ("absolute", "/etc/passwd"),
        ("dangling", "nowhere"),
    ] {
        symlink(target, dir.join(name)).unwrap();
    }
    symlink("l".repeat(255), dir.join("long")).unwrap();
    symlink("x/".repeat(1000), dir.join("longer")).unwrap();
    symlink(OsString::from_vec(b"\xff\x80".to_vec()), dir.join("not text")).unwrap();
    fs::write(dir.join("one"), noise(1, 9000)).unwrap();
    fs::create_dir(dir.join("deeper")).unwrap();
    fs::hard_link(dir.join("one"), dir.join("two")).unwrap();
    fs::hard_link(dir.join("one"), dir.join("deeper").join("three")).unwrap();
}

/// Directories that moved, each with files from before and from after; names that were taken again.
fn renamed(dir: &Path) {
    fs::create_dir(dir).unwrap();
    let mark = |path: &Path, text: &str| fs::write(path.join(text), text).unwrap();
    let make = |name: &str| {
        fs::create_dir_all(dir.join(name)).unwrap();
        mark(&dir.join(name), "before");
    };
    make("once-a/inner/inmost");
    fs::rename(dir.join("once-a"), dir.join("once-b")).unwrap();
    mark(&dir.join("once-b/inner"), "after");

    make("twice-a");
    fs::rename(dir.join("twice-a"), dir.join("twice-b")).unwrap();
    mark(&dir.join("twice-b"), "between");
    fs::rename(dir.join("twice-b"), dir.join("once-b/inner/twice-c")).unwrap();
    mark(&dir.join("once-b/inner/twice-c"), "after");

    make("nest-a/inner");
    fs::rename(dir.join("nest-a/inner"), dir.join("nest-a/moved")).unwrap();
    fs::rename(dir.join("nest-a"), dir.join("nest-b")).unwrap();
    mark(&dir.join("nest-b/moved"), "after");

    make("again");
    fs::rename(dir.join("again"), dir.join("away")).unwrap();
    make("again");
    fs::rename(dir.join("again"), dir.join("away too")).unwrap();

    make(&"long".repeat(60));
    fs::rename(dir.join("long".repeat(60)), dir.join("short")).unwrap();
    make("to be long");
    fs::rename(dir.join("to be long"), dir.join("other".repeat(50))).unwrap();
    mark(&dir.join("other".repeat(50)), &"after".repeat(40));
}

fn metadata(dir: &Path) {
    fs::create_dir(dir).unwrap();
    for mode in [0o400, 0o444, 0o600, 0o640, 0o755, 0o700] {
        let path = dir.join(format!("{mode:o}"));
        fs::write(&path, noise(mode.into(), 100)).unwrap();
        fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
    }
    let path = dir.join("attributes");
    fs::write(&path, b"with attributes").unwrap();
    let attributes: [(&str, Vec<u8>); 4] = [
        ("user.empty", vec![]),
        ("user.comment", b"a comment".to_vec()),
        ("user.binary", noise(3, 500)),
        ("user.\u{e9}", vec![0]),
    ];
    for (name, value) in attributes {
        rustix::fs::setxattr(&path, name, &value, XattrFlags::CREATE).unwrap();
    }
    rustix::fs::setxattr(dir, "user.of.a.directory", b"value", XattrFlags::CREATE).unwrap();
}

/// Gives everything in `dir` a time of its own, to the nanosecond, from the leaves up.
pub(crate) fn set_times(dir: &Path) {
    let mut entries: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap()).collect();
    entries.sort_by_key(fs::DirEntry::file_name);
    for (number, entry) in entries.iter().enumerate() {
        if entry.file_type().unwrap().is_dir() {
            set_times(&entry.path());
        }
        let number = i64::try_from(number).unwrap();
        let time = Timespec {
            tv_sec: 1_000_000_000 + number,
            tv_nsec: 123_456_789 + number,
        };
        let times = Timestamps {
            last_access: time,
            last_modification: time,
        };
        utimensat(CWD, entry.path(), &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
    }
}
