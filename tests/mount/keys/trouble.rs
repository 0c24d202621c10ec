//! Slots changed where something is in the way: a mount, another program, a full disk, one that cannot be written, a kill.

use super::*;
use crate::cli::code;
use crate::people::{root_or_skip, start};
use crate::places::{SmallFilesystem, read_only_view};
use std::os::unix::fs::PermissionsExt;

/// The names in the vault's root.
fn entries(vault: &Vault) -> Vec<String> {
    let names = fs::read_dir(vault.path()).unwrap();
    let mut names: Vec<String> = names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_mount_goes_on_while_its_keys_change() {
    let vault = vault();
    let (old, new) = (text(vault.passfile()), passfile(&vault, "new", "another password"));
    let recovery = passfile(&vault, "recovery", "");
    let mounted = vault.mount(&[]);
    fs::write(mounted.path().join("before"), b"before").unwrap();
    run(&mut on(&vault, &["passwd", "--passfile", &old, "--new-passfile", &new])).ok();
    let key = recovery_key(&run(&mut on(&vault, &["key", "add", "--recovery", "--passfile", &new])).ok());
    run(on(&vault, &["key", "remove", "--passfile", &new]).arg("1")).ok();
    fs::write(mounted.path().join("after"), b"after").unwrap();
    assert_eq!(fs::read(mounted.path().join("before")).unwrap(), b"before");
    // It still has the vault: nobody else can mount it.
    run(&mut on(&vault, &["check", "--passfile", &old])).code(code::IN_USE);
    mounted.unmount();

    fs::write(&recovery, key).unwrap();
    assert_eq!(opens(&vault, &["--passfile", &new]), None);
    let mounted = mount_with(&vault, &["--recovery", "--passfile", &recovery]);
    assert_eq!(fs::read(mounted.path().join("after")).unwrap(), b"after");
    mounted.unmount();
    run(&mut on(&vault, &["check", "--recovery", "--passfile", &recovery])).ok();
}

#[test]
fn commands_that_run_at_once_all_do_their_work() {
    let vault = vault();
    let (_, key) = beside(&vault, "key");
    add(&vault, &["--keyfile", &key, "--generate"]).ok();
    let children: Vec<_> = (0..12)
        .map(|number| {
            let mut command = on(
                &vault,
                &["key", "add", "--recovery", "--unlock-keyfile", &key, "--label", &number.to_string()],
            );
            start(command.stdout(std::process::Stdio::null())).unwrap()
        })
        .collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    let list = run(&mut on(&vault, &["key", "list"])).ok();
    assert_eq!(list.lines().count(), 14, "{list}");
    assert!((0..12).all(|number| list.contains(&format!("recovery \"{number}\""))), "{list}");
    assert_eq!(opens(&vault, &["--keyfile", &key]), Some(2));
    assert_eq!(entries(&vault), ["plainview.toml"]);
}

#[test]
fn a_full_disk_changes_nothing() {
    if !root_or_skip() {
        return;
    }
    // Which counts its pages exactly: an ext4 that is full finds another block a moment later.
    let small = SmallFilesystem::tmpfs(2);
    let vault = Vault::new(Options {
        base: Some(small.path().to_owned()),
        ..Options::default()
    });
    let elsewhere = crate::places::Scratch::new(Who::me(), None);
    let new = text(&elsewhere.file("new", b"another password\n", Who::me()));
    let (old, before) = (text(vault.passfile()), config(&vault));
    let filler = small.path().join("filler");
    // It ends where there is no room left.
    let _ = std::io::copy(&mut std::io::repeat(7), &mut fs::File::create(&filler).unwrap());
    let answer = run(&mut on(&vault, &["passwd", "--passfile", &old, "--new-passfile", &new]));
    answer.code(code::OTHER).says(&["plainview.toml", "No space left"]);
    assert_eq!(config(&vault), before);
    assert_eq!(entries(&vault), ["plainview.toml"]);
    fs::remove_file(filler).unwrap();
    run(&mut on(&vault, &["passwd", "--passfile", &old, "--new-passfile", &new])).ok();
    assert_eq!(opens(&vault, &["--passfile", &new]), Some(1));
}

#[test]
fn a_vault_that_cannot_be_written_says_so() {
    if !root_or_skip() {
        return;
    }
    let vault = vault();
    let before = config(&vault);
    let view = read_only_view(vault.scratch(), vault.path());
    let (old, new) = (text(vault.passfile()), passfile(&vault, "new", "another password"));
    let mut passwd = vault.plainview(Who::me(), &["passwd", "--passfile", &old, "--new-passfile", &new]);
    run(passwd.arg(&view)).code(code::OTHER).says(&["Read-only file system"]);
    // It can be tested there.
    run(vault.plainview(Who::me(), &["key", "test", "--passfile", &old]).arg(&view)).ok();
    assert_eq!(config(&vault), before);
}

#[test]
fn a_directory_of_others_says_so() {
    if !root_or_skip() {
        return;
    }
    let vault = Vault::new(Options::of(Who::User));
    let before = config(&vault);
    fs::set_permissions(vault.path(), fs::Permissions::from_mode(0o555)).unwrap();
    let (old, new) = (text(vault.passfile()), text(&vault.scratch().file("new", b"new\n", Who::User)));
    let passwd = || vault.plainview(Who::User, &["passwd", "--passfile", &old, "--new-passfile", &new]);
    run(passwd().arg(vault.path())).code(code::OTHER).says(&["Permission denied"]);
    assert_eq!(config(&vault), before);
    fs::set_permissions(vault.path(), fs::Permissions::from_mode(0o755)).unwrap();
    // Root changes it, and it stays its owner's.
    let mut as_root = vault.plainview(Who::Root, &["passwd", "--passfile", &old, "--new-passfile", &new]);
    run(as_root.arg(vault.path())).ok();
    run(vault.plainview(Who::User, &["key", "test", "--passfile", &new]).arg(vault.path())).ok();
}

/// Every call that can fail on the way to the new file fails once, or the program is killed there: then the file is the old one or the new one, whole.
#[test]
fn whatever_fails_the_file_is_whole() {
    let vault = vault();
    if run(Who::me().command("strace").arg("-V")).code != 0 {
        crate::people::skipped("strace is not there");
        return;
    }
    let (old, new) = (text(vault.passfile()), passfile(&vault, "new", "another password"));
    let before = config(&vault);
    let mut changed = 0;
    for inject in [
        "fchmod:error=EPERM",
        "fsync:error=EIO:when=1",
        "fsync:error=EIO:when=2",
        "renameat,renameat2:error=EIO",
        "flock:error=ENOLCK",
        "fsync:signal=KILL:when=1",
        "renameat,renameat2:signal=KILL",
        "fsync:signal=KILL:when=2",
    ] {
        let passwd = on(&vault, &["passwd", "--passfile", &old, "--new-passfile", &new]);
        let mut strace = Who::me().command("strace");
        strace.args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("inject={inject}")]);
        let answer = run(strace.arg(passwd.get_program()).args(passwd.get_args()));
        assert_ne!(answer.code, 0, "{inject}: {answer:?}");
        if config(&vault) == before {
            assert_eq!(opens(&vault, &["--passfile", &old]), Some(1), "{inject}");
        } else {
            changed += 1;
            assert_eq!(opens(&vault, &["--passfile", &new]), Some(1), "{inject}");
            fs::write(vault.path().join("plainview.toml"), &before).unwrap();
        }
        if !inject.contains("KILL") {
            assert_eq!(entries(&vault), ["plainview.toml"], "{inject}");
        }
    }
    // Once the new one has its name, only its durability can be missing.
    assert!((1..=3).contains(&changed), "{changed}");
    vault.mount(&[]).unmount();
}
