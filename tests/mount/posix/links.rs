//! Hard links: as many as the backing filesystem allows, with names of every length, from many directories.

use crate::harness::{Options, Vault, errno};
use crate::people::{Who, root_or_skip};
use crate::places::SmallFilesystem;
use rustix::io::Errno;
use std::fs;
use std::os::unix::fs::MetadataExt;

/// How many links ext4 allows an inode.
const EXT4_LINKS: u64 = 65_000;

/// Hundreds of links, more than the daemon keeps in mind, from directories that are renamed, with short and long names; removed in another order.
#[test]
fn hundreds_of_links_share_one_inode() {
    let vault = Vault::new(Options::default());
    let mounted = vault.mount(&[]);
    let path = mounted.path();
    let name = |number: usize| format!("{number:03}{}", "n".repeat(number * 37 % 253));
    let link = |dir: &str, number: usize| path.join(dir).join(name(number));
    for dir in 0..3 {
        fs::create_dir(path.join(format!("{dir}"))).unwrap();
    }
    fs::write(path.join("file"), b"contents").unwrap();
    let first = fs::metadata(path.join("file")).unwrap().ino();
    for number in 0..300 {
        fs::hard_link(path.join("file"), link(&format!("{}", number % 3), number)).unwrap();
    }
    fs::rename(path.join("1"), path.join("moved")).unwrap();
    mounted.forget_all();
    let dir = |number: usize| ["0", "moved", "2"][number % 3];
    for number in 0..300 {
        let stat = fs::metadata(link(dir(number), number)).unwrap();
        assert_eq!((stat.ino(), stat.nlink(), stat.len()), (first, 301, 8), "{number}");
    }
    fs::write(link("2", 299), b"changed by its last name").unwrap();
    fs::remove_file(path.join("file")).unwrap();
    for number in (0..300).rev().filter(|number| number % 7 != 0) {
        fs::remove_file(link(dir(number), number)).unwrap();
    }
    assert_eq!(fs::metadata(link("0", 0)).unwrap().nlink(), 43);
    assert_eq!(fs::read(link("moved", 7)).unwrap(), b"changed by its last name");
    assert_eq!(
        errno(fs::hard_link(path.join("moved"), path.join("dir"))),
        Some(Errno::PERM),
        "a directory"
    );
    mounted.unmount();
}

/// pjdfstest leaves this out, since the C library knows no limit for FUSE.
#[test]
fn too_many_links_are_refused_as_on_ext4() {
    if !root_or_skip() {
        return;
    }
    let small = SmallFilesystem::ext4(64);
    let vault = Vault::new(Options {
        base: Some(small.path().to_owned()),
        ..Options::default()
    });
    let mounted = vault.mount(&[]);
    let file = mounted.path().join("file");
    fs::write(&file, b"contents").unwrap();
    // Most of them outside the vault, where they are made faster.
    let beside = vault.scratch().dir("beside", Who::Root);
    let stored = fs::read_dir(vault.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| !path.file_name().unwrap().to_string_lossy().starts_with("plainview."))
        .unwrap();
    for number in 0..EXT4_LINKS - 3 {
        fs::hard_link(&stored, beside.join(format!("{number}"))).unwrap();
    }
    mounted.forget_all();
    let links = || fs::metadata(&file).unwrap().nlink();
    assert_eq!(links(), EXT4_LINKS - 2);
    for name in ["one".to_owned(), "l".repeat(255)] {
        fs::hard_link(&file, mounted.path().join(name)).unwrap();
    }
    for name in ["two".to_owned(), "m".repeat(255)] {
        assert_eq!(errno(fs::hard_link(&file, mounted.path().join(&name))), Some(Errno::MLINK));
        assert_eq!(errno(fs::symlink_metadata(mounted.path().join(&name))), Some(Errno::NOENT));
    }
    assert_eq!(links(), EXT4_LINKS);
    fs::remove_file(mounted.path().join("l".repeat(255))).unwrap();
    fs::hard_link(&file, mounted.path().join("m".repeat(255))).unwrap();
    mounted.unmount();
    let left = fs::read_dir(vault.path()).unwrap().count();
    assert_eq!(left, 5, "plainview.toml, three names, and what the long one is");
}
