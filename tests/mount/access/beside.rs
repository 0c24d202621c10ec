//! Reading a vault that may not be written to, that somebody else has, or that was not unmounted.

use super::{answer, command_as, imported, plain};
use crate::corpus::{fill, noise};
use crate::harness::{Options, Vault};
use crate::people::{Who, root_or_skip, run};
use crate::places::read_only_view;
use crate::recovery::{after, leave};
use crate::tree::Tree;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Everything in a directory, and when it was changed last.
fn stamps(dir: &Path) -> BTreeMap<PathBuf, (i64, i64)> {
    let (mut all, mut pending) = (BTreeMap::new(), vec![dir.to_owned()]);
    while let Some(at) = pending.pop() {
        let meta = at.symlink_metadata().unwrap();
        if meta.is_dir() {
            pending.extend(fs::read_dir(&at).unwrap().map(|entry| entry.unwrap().path()));
        }
        all.insert(at, (meta.ctime(), meta.ctime_nsec()));
    }
    all
}

#[test]
fn a_read_only_disk_is_enough_and_nothing_is_changed() {
    if !root_or_skip() {
        return;
    }
    for who in Who::both() {
        let (vault, original) = imported(who, fill);
        let before = stamps(vault.path());
        let disk = read_only_view(vault.scratch(), vault.path());
        for at in [&disk, vault.path()] {
            let out = vault.scratch().dir(&format!("out-{}", at.file_name().unwrap().display()), who);
            run(&mut command_as(who, &vault, at, &["export"], &[plain("/"), &out])).ok();
            let exported = who.run(|| Tree::of(&out).without_root());
            who.run(|| Tree::of(&original)).without_root().assert_same(&exported);
            let listed = run(&mut command_as(who, &vault, at, &["ls"], &[])).ok();
            assert!(listed.starts_with("links\n"), "{listed}");
            run(&mut command_as(who, &vault, at, &["cat"], &[plain("sizes/17 bytes")])).ok();
            let place = run(&mut command_as(who, &vault, at, &["path"], &[plain("links/one")])).ok();
            let back = command_as(who, &vault, at, &["path", "--reverse"], &[plain(place.trim_end())]);
            assert_eq!(run(&mut { back }).ok(), "/links/one\n");
        }
        let original = original.join("links/one");
        run(&mut command_as(who, &vault, &disk, &["import"], &[&original, plain("/")])).code(17);
        assert_eq!(stamps(vault.path()), before);
    }
}

#[test]
fn whoever_can_read_the_vault_can_look_into_it() {
    if !root_or_skip() {
        return;
    }
    let (vault, _) = imported(Who::Root, |dir| {
        fs::write(dir.join("for all"), "text").unwrap();
        fs::write(dir.join("for few"), "text").unwrap();
        fs::set_permissions(dir.join("for few"), PermissionsExt::from_mode(0o600)).unwrap();
    });
    for path in [vault.passfile(), &vault.path().join("plainview.toml")] {
        fs::set_permissions(path, PermissionsExt::from_mode(0o644)).unwrap();
    }
    let as_user = |words: &[&str], paths: &[&Path]| run(&mut command_as(Who::User, &vault, vault.path(), words, paths));
    assert_eq!(as_user(&["ls"], &[]).ok(), "for all\nfor few\n");
    assert_eq!(as_user(&["cat"], &[plain("for all")]).ok(), "text");
    as_user(&["cat"], &[plain("for few")])
        .code(1)
        .says(&["/for few: ", "Permission denied"]);
    let out = vault.scratch().dir("out", Who::User);
    as_user(&["export"], &[plain("/"), &out])
        .code(17)
        .says(&["/for few: cannot be read"]);
    assert_eq!(fs::read(out.join("for all")).unwrap(), b"text");
    assert_eq!(fs::metadata(out.join("for all")).unwrap().uid(), Who::User.uid());
    // Beside a mount that this user may not look into, there is what is on disk.
    let mounted = vault.mount(&[]);
    fs::write(mounted.path().join("new"), "new").unwrap();
    File::open(mounted.path().join("new")).unwrap().sync_all().unwrap();
    let said = as_user(&["cat"], &[plain("for all"), plain("new")]).code(0);
    assert_eq!(said.out, "textnew");
    said.says(&["warning", "is mounted", "may be missing"]);
    mounted.unmount();
}

#[test]
fn beside_a_mount_there_is_what_was_just_written() {
    for who in Who::both() {
        let vault = Vault::new(Options::of(who));
        let mounted = vault.mount(&[]);
        mounted.enter(fill);
        // Held back by the kernel, and not yet in the vault.
        let (late, text) = (mounted.path().join("late"), noise(5, 100_000));
        let file = who.run(|| File::create(&late).unwrap());
        std::io::Write::write_all(&mut &file, &text).unwrap();
        let before = mounted.enter(|path| Tree::of(path).without_root());
        let out = vault.scratch().dir("out", who);
        let said = answer(&vault, &["export"], &[plain("/"), &out]).code(0);
        assert_eq!(said.err, "");
        before.assert_same(&who.run(|| Tree::of(&out).without_root()));
        assert!(fs::read(out.join("late")).unwrap() == text);
        drop(file);
        let place = answer(&vault, &["path"], &[plain("late")]).ok();
        assert!(vault.path().join(place.trim_end()).exists());
        answer(&vault, &["import"], &[&out.join("late"), plain("/new")])
            .code(8)
            .says(&["is mounted"]);
        mounted.unmount();
        // Read-only mounts do not mind.
        let mounted = vault.mount(&["--ro"]);
        answer(&vault, &["ls"], &[]).ok();
        mounted.unmount();
    }
}

#[test]
fn what_a_crash_left_is_read_from_the_journal() {
    let vault = Vault::new(Options::default());
    leave(&vault, Who::me());
    let before = stamps(vault.path());
    let out = vault.scratch().dir("out", Who::me());
    answer(&vault, &["export"], &[plain("directory"), &out])
        .code(0)
        .says(&["was not unmounted"]);
    for n in 0..8 {
        assert!(fs::read(out.join(format!("directory/{n}"))).unwrap() == after(n), "{n}");
    }
    answer(&vault, &["ls", "-lR"], &[]).ok();
    assert_eq!(stamps(vault.path()), before);
    // Who imports puts it right.
    answer(&vault, &["import"], &[&out.join("directory/0"), plain("/")]).ok();
    assert!(!vault.path().join("plainview.journal").exists());
    assert!(
        answer(&vault, &["export"], &[plain("/"), &out])
            .ok()
            .contains(" 8 skipped, 0 conflicts")
    );
}
