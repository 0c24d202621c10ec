//! What a vault may lie on, and what may lie on a mount: the same operations as on ext4 (or whatever the temporary directory is on) elsewhere, in short.

use crate::corpus;
use crate::differential;
use crate::harness::{Options, Vault, errno};
use crate::people::{Who, root_or_skip, run, run_unmount, skipped};
use crate::places::SmallFilesystem;
use crate::tree::Tree;
use rustix::io::Errno;
use std::fs;
use std::path::Path;

/// Whether we are root and the kernel has the filesystem `kind`; if not, says that the test is skipped.
pub(super) fn there_is(kind: &str) -> bool {
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
