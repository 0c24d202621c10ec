//! What a vault may lie on, and what may lie on a mount: the same operations as on ext4 (or whatever the temporary directory is on) elsewhere, in short.

use crate::corpus;
use crate::differential;
use crate::harness::{Options, Vault, errno};
use crate::people::{Who, root_or_skip, run, run_unmount, skipped};
use crate::places::SmallFilesystem;
use crate::tree::Tree;
use rustix::fs::XattrFlags;
use rustix::io::Errno;
use std::fs;
use std::path::Path;

/// Whether we are root and the kernel has the filesystem `kind`; if not, says that the test is skipped.
fn there_is(kind: &str) -> bool {
    // mount(8) loads what can be loaded.
    let known = fs::read_to_string("/proc/filesystems").is_ok_and(|list| list.split_whitespace().any(|word| word == kind))
        || run(Who::Root.command("modprobe").arg(kind)).code == 0;
    if !known {
        skipped(&format!("this kernel has no {kind}"));
    }
    known
}

#[test]
fn a_vault_on_xfs() {
    if root_or_skip() && there_is("xfs") {
        differential::short_run(SmallFilesystem::xfs().path());
    }
}

#[test]
fn a_vault_on_btrfs() {
    if root_or_skip() && there_is("btrfs") {
        differential::short_run(SmallFilesystem::btrfs(400).path());
    }
}

#[test]
fn a_vault_on_ext4() {
    if root_or_skip() {
        differential::short_run(SmallFilesystem::ext4(400).path());
    }
}

#[test]
fn a_vault_on_tmpfs() {
    if root_or_skip() {
        differential::short_run(SmallFilesystem::tmpfs(400).path());
    }
}

#[test]
fn a_vault_on_overlayfs() {
    if root_or_skip() && there_is("overlay") {
        let disk = SmallFilesystem::tmpfs(400);
        let lower = disk.path().join("lower");
        fs::create_dir(&lower).unwrap();
        fs::write(lower.join("below"), b"below").unwrap();
        let overlay = SmallFilesystem::overlay(&lower, disk.path());
        differential::short_run(overlay.path());
    }
}

/// A vault that was made before is in the lower layer: what is changed is copied up. Hard links in it need the overlay's `index=on`: without, overlayfs takes them
/// apart when one of them is opened for writing, as a vault's files are.
#[test]
fn a_vault_in_the_lower_layer_of_an_overlay_below() {
    if !root_or_skip() || !there_is("overlay") {
        return;
    }
    let disk = SmallFilesystem::tmpfs(400);
    let vault = Vault::new(Options {
        base: Some(disk.path().to_owned()),
        ..Options::default()
    });
    let mounted = vault.mount(&[]);
    corpus::fill(mounted.path());
    let before = Tree::of(mounted.path()).without_root();
    mounted.unmount();
    let overlay = SmallFilesystem::overlay(vault.path(), disk.path());
    let point = vault.scratch().dir("other", Who::Root);
    let passfile = vault.passfile().to_str().unwrap();
    let paths = [overlay.path(), &point].map(|path| path.to_str().unwrap());
    run(&mut vault.plainview(Who::Root, &[&["mount", "--passfile", passfile], &paths[..]].concat())).ok();
    Tree::of(&point).without_root().assert_same(&before);
    let file = point.join("sizes/4097 bytes");
    let mut changed = fs::read(&file).unwrap();
    changed[5] ^= 1;
    std::os::unix::fs::FileExt::write_all_at(&fs::OpenOptions::new().write(true).open(&file).unwrap(), &changed[5..6], 5).unwrap();
    assert!(fs::read(&file).unwrap() == changed);
    fs::remove_dir_all(point.join("links")).unwrap();
    run_unmount(&mut vault.plainview(Who::Root, &["umount", paths[1]])).ok();
    let mounted = vault.mount(&[]);
    Tree::of(mounted.path()).without_root().assert_same(&before);
    mounted.unmount();
}

/// What is shown can be the lower layer of an overlay: read through it, copied up when it is changed, whited out when it is removed, and itself unchanged.
#[test]
fn a_mount_as_the_lower_layer_of_an_overlay() {
    if !root_or_skip() || !there_is("overlay") {
        return;
    }
    let disk = SmallFilesystem::tmpfs(400);
    let vault = Vault::new(Options::default());
    let mounted = vault.mount(&["-o", "allow_other,dev,suid"]);
    corpus::fill(mounted.path());
    let before = Tree::of(mounted.path()).without_root();
    let overlay = SmallFilesystem::overlay(mounted.path(), disk.path());
    let top = overlay.path();
    Tree::of(top).without_root().assert_same(&before);
    let file = top.join("sizes/4097 bytes");
    let contents = fs::read(&file).unwrap();
    let mut appended = fs::OpenOptions::new().append(true).open(&file).unwrap();
    std::io::Write::write_all(&mut appended, b"copied up").unwrap();
    drop(appended);
    assert!(fs::read(&file).unwrap() == [&contents[..], b"copied up"].concat());
    fs::remove_file(top.join("sizes/4096 bytes")).unwrap();
    fs::rename(top.join("sizes/4095 bytes"), top.join("moved")).unwrap();
    fs::remove_dir_all(top.join("names")).unwrap();
    fs::create_dir(top.join("names")).unwrap();
    assert_eq!(fs::read_dir(top.join("names")).unwrap().count(), 0);
    assert_eq!(errno(fs::metadata(top.join("sizes/4096 bytes"))), Some(Errno::NOENT));
    drop(overlay);
    Tree::of(mounted.path()).without_root().assert_same(&before);
    mounted.unmount();
}

/// The encrypted form of a symlink's target has to fit where the backing filesystem keeps it.
#[test]
fn targets_as_long_as_fit() {
    if !root_or_skip() || !there_is("xfs") {
        return;
    }
    for (disk, longest) in [(SmallFilesystem::ext4(100), 3039), (SmallFilesystem::xfs(), 735)] {
        let vault = Vault::new(Options {
            base: Some(disk.path().to_owned()),
            ..Options::default()
        });
        let mounted = vault.mount(&[]);
        let target = "t".repeat(longest);
        let link = mounted.path().join("link");
        std::os::unix::fs::symlink(&target, &link).unwrap();
        let longer = std::os::unix::fs::symlink(target.clone() + "t", mounted.path().join("longer"));
        assert_eq!(errno(longer), Some(Errno::NAMETOOLONG));
        mounted.forget_all();
        assert_eq!(fs::read_link(&link).unwrap(), Path::new(&target));
        mounted.unmount();
    }
}

/// Where the backing filesystem takes values as long as Linux does, a vault on it does: what their encryption adds is in attributes of its own.
#[test]
fn attributes_of_64_kib() {
    if !root_or_skip() || !there_is("xfs") {
        return;
    }
    const LONGEST: usize = 65_536;
    let disk = SmallFilesystem::xfs();
    let vault = Vault::new(Options {
        base: Some(disk.path().to_owned()),
        ..Options::default()
    });
    let mounted = vault.mount(&[]);
    let value = corpus::noise(1, LONGEST + 1);
    let set = |path: &Path, name: &str, len: usize, flags| rustix::fs::setxattr(path, name, &value[..len], flags);
    let (file, dir) = (mounted.path().join("file"), mounted.path().join("dir"));
    fs::write(&file, b"").unwrap();
    fs::create_dir(&dir).unwrap();
    for path in [&file, &dir] {
        set(path, "user.long", LONGEST, XattrFlags::CREATE).unwrap();
        set(path, "user.nearly", LONGEST - 32, XattrFlags::empty()).unwrap();
        set(path, "user.more", LONGEST - 31, XattrFlags::empty()).unwrap();
        assert_eq!(set(path, "user.too.long", LONGEST + 1, XattrFlags::empty()), Err(Errno::TOOBIG));
        // Replaced by what needs no second attribute, and removed.
        for name in ["user.replaced", "user.removed"] {
            set(path, name, LONGEST, XattrFlags::empty()).unwrap();
            set(path, name, LONGEST, XattrFlags::REPLACE).unwrap();
        }
        assert_eq!(set(path, "user.replaced", LONGEST, XattrFlags::CREATE), Err(Errno::EXIST));
        set(path, "user.replaced", 1, XattrFlags::REPLACE).unwrap();
        rustix::fs::removexattr(path, "user.removed").unwrap();
    }
    mounted.unmount();
    let read = |path: &Path, name: &str| {
        let mut read = vec![0; LONGEST];
        let len = rustix::fs::getxattr(path, name, read.as_mut_slice())?;
        read.truncate(len);
        Ok(read)
    };
    let names = |path: &Path| {
        let mut names = vec![0; 4096];
        let len = rustix::fs::listxattr(path, names.as_mut_slice()).unwrap();
        let mut names: Vec<_> = String::from_utf8(names[..len].to_vec())
            .unwrap()
            .split_terminator('\0')
            .map(str::to_owned)
            .collect();
        names.sort();
        names
    };
    let mut mounted = vault.mount(&[]);
    for path in [&file, &dir] {
        assert_eq!(names(path), ["user.long", "user.more", "user.nearly", "user.replaced"]);
        for (name, len) in [
            ("user.long", LONGEST),
            ("user.nearly", LONGEST - 32),
            ("user.more", LONGEST - 31),
            ("user.replaced", 1),
        ] {
            assert!(read(path, name).as_deref() == Ok(&value[..len]), "{name}");
        }
        assert_eq!(rustix::fs::getxattr(path, "user.nearly", &mut [0; 100][..]), Err(Errno::RANGE));
    }
    // Each value that has a rest has one, and there is no other.
    let rests = |path: &Path| {
        let mut names = names(path);
        names.retain(|name| name.starts_with("user.plainview.rest."));
        names
    };
    let stored: Vec<_> = fs::read_dir(vault.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| !path.file_name().unwrap().to_str().unwrap().starts_with("plainview."))
        .collect();
    assert_eq!(stored.len(), 2);
    for path in &stored {
        assert_eq!(rests(path).len(), 2);
    }
    // Without its rest a value is damaged, whichever it was.
    for path in &stored {
        for rest in rests(path) {
            rustix::fs::removexattr(path, rest.as_str()).unwrap();
        }
    }
    for path in [&file, &dir] {
        for name in ["user.long", "user.more"] {
            assert_eq!(read(path, name), Err(Errno::IO));
        }
        assert!(read(path, "user.nearly").as_deref() == Ok(&value[..LONGEST - 32]));
    }
    mounted.expect_log("extended attribute");
    mounted.unmount();
}

/// What is set while others read it is always one value or the other, though it is in two parts.
#[test]
fn attributes_of_64_kib_that_are_replaced() {
    if !root_or_skip() || !there_is("xfs") {
        return;
    }
    let disk = SmallFilesystem::xfs();
    let vault = Vault::new(Options {
        base: Some(disk.path().to_owned()),
        ..Options::default()
    });
    let mounted = vault.mount(&[]);
    let file = mounted.path().join("file");
    fs::write(&file, b"").unwrap();
    let set = |byte| rustix::fs::setxattr(&file, "user.long", &[byte; 65_536], XattrFlags::empty()).unwrap();
    set(0);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| (0..200).for_each(set));
        let mut value = vec![0; 65_536];
        let mut seen = 0;
        while !writer.is_finished() || seen == 0 {
            assert_eq!(rustix::fs::getxattr(&file, "user.long", value.as_mut_slice()), Ok(65_536));
            assert!(value.iter().all(|byte| *byte == value[0]));
            seen += 1;
        }
        writer.join().unwrap();
    });
    mounted.unmount();
}
