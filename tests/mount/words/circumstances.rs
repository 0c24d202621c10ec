//! What is not the fault of who typed the command: a damaged configuration, a vault in use, permissions, disks.

use super::{plainview, scene, try_all};
use crate::cli::code::{CANNOT_MOUNT, DAMAGED, IN_USE, NEWER, OTHER};
use crate::harness::{Options, Vault};
use crate::people::{Who, root_or_skip, run};
use crate::places::SmallFilesystem;
use std::fs;
use std::os::unix::fs::PermissionsExt;

#[test]
fn a_configuration_that_is_none_is_named() {
    let vault = scene();
    let path = vault.path().join("plainview.toml");
    let good = fs::read_to_string(&path).unwrap();
    let cut = &good[..good.len() / 2];
    let newer = good.replace("format = 1", "format = 7");
    for (text, code, part) in [
        (cut, DAMAGED, "put back a copy"),
        ("", DAMAGED, "put back a copy"),
        ("\u{1b}[2J garbage", DAMAGED, "put back a copy"),
        (&newer, NEWER, "get a newer one"),
    ] {
        fs::write(&path, text).unwrap();
        for words in ["info vault", "mount @ vault mnt", "ls @ vault", "key add @ --recovery vault"] {
            run(&mut plainview(&vault, Who::me(), words)).one_message(code, &["vault/plainview.toml", part]);
        }
    }
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    try_all(&vault, &[("info vault", DAMAGED, &["vault/plainview.toml", "not a regular file"])]);
}

#[test]
fn a_vault_in_use_says_where_and_how_to_end_that() {
    let vault = scene();
    let mounted = vault.mount(&[]);
    let parts: &[&str] = &["plainview umount", vault.point().to_str().unwrap()];
    for words in [
        "mount @ vault bare",
        "mount @ vault mnt",
        "check @ vault",
        "salvage @ vault file out",
        "import @ vault file /",
    ] {
        run(&mut plainview(&vault, Who::me(), words)).one_message(IN_USE, parts);
    }
    let other = Vault::new(Options::default());
    let mut mount = other.plainview(Who::me(), &["mount", "--passfile"]);
    run(mount.args([other.passfile(), other.path(), vault.point()])).one_message(CANNOT_MOUNT, parts);
    let busy = fs::File::create(vault.point().join("busy")).unwrap();
    run(&mut plainview(&vault, Who::me(), "umount mnt"))
        .code(OTHER)
        .says(&["in use", "close", vault.point().to_str().unwrap()]);
    drop(busy);
    mounted.unmount();
}

#[test]
fn what_an_ordinary_user_may_not_do_is_told() {
    if !root_or_skip() {
        return;
    }
    let vault = scene();
    let private = |path: &str, mode| fs::set_permissions(vault.scratch().path().join(path), PermissionsExt::from_mode(mode)).unwrap();
    for (closed, mode, words, code, parts) in [
        ("passfile", 0o600, "ls @ vault", OTHER, ["passfile", "permit"]),
        (
            "vault/plainview.toml",
            0o600,
            "info vault",
            OTHER,
            ["vault/plainview.toml", "permit"],
        ),
        ("vault", 0o700, "info vault", OTHER, ["vault", "permit"]),
        ("keyfile", 0o600, "key add @ --keyfile keyfile vault", OTHER, ["keyfile", "permit"]),
        ("bare", 0o700, "init @ bare", OTHER, ["bare", "permit"]),
        ("bare", 0o755, "init @ bare/new", OTHER, ["bare/new", "permit"]),
        ("bare", 0o755, "export @ vault / bare/out", OTHER, ["bare/out", "permit"]),
        (
            "mnt",
            0o755,
            "passwd @ --new-passfile file vault",
            OTHER,
            ["plainview.toml", "permit"],
        ),
        ("mnt", 0o755, "mount @ --ro vault mnt", CANNOT_MOUNT, ["mnt", "mnt"]),
    ] {
        for open in ["passfile", "vault/plainview.toml", "keyfile"] {
            private(open, 0o644);
        }
        for open in ["vault", "bare", "mnt"] {
            private(open, 0o755);
        }
        private(closed, mode);
        run(&mut plainview(&vault, Who::User, words)).one_message(code, &parts);
    }
}

#[test]
fn a_disk_that_takes_nothing_is_told() {
    if !root_or_skip() {
        return;
    }
    let disk = SmallFilesystem::tmpfs(1);
    let options = Options {
        base: Some(disk.path().to_owned()),
        ..Options::of(Who::Root)
    };
    let vault = Vault::new(options);
    vault.scratch().file("new", b"another password\n", Who::Root);
    let here = |words: &str| run(&mut plainview(&vault, Who::Root, words));
    vault.scratch().dir("bare", Who::Root);
    let full = disk.path().join("full");
    let status = Who::Root
        .shell("dd if=/dev/zero of=\"$1\" bs=4k 2> /dev/null || true", &[&full])
        .status()
        .unwrap();
    assert!(status.success());
    for words in ["init --kdf-memory 8M @ bare", "passwd @ --new-passfile new vault"] {
        here(words).one_message(OTHER, &["plainview.toml", "make room"]);
    }
    assert_eq!(fs::read_dir(vault.scratch().path().join("bare")).unwrap().count(), 0);
    fs::remove_file(full).unwrap();

    disk.remount("ro");
    for words in [
        "init @ bare",
        "init @ new-one",
        "passwd @ --new-passfile new vault",
        "key add @ --recovery vault",
    ] {
        here(words).one_message(OTHER, &["can be written to"]);
    }
    here("ls @ vault").ok();
    disk.remount("rw");
}
