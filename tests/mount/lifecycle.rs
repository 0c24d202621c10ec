//! From mount to unmount: background and foreground, signals, a daemon that was killed, and how the mount looks to the system.

use crate::harness::{Options, Vault, errno, wait_for};
use crate::people::{Who, root_or_skip, run, run_unmount};
use crate::places::{detach, mount_at};
use rustix::io::Errno;
use rustix::process::Signal;
use std::fs;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The processes whose command line contains `argument`.
pub(crate) fn processes_with(argument: &Path) -> Vec<PathBuf> {
    let argument = argument.to_str().unwrap();
    let has_it = |dir: &PathBuf| {
        fs::read(dir.join("cmdline")).is_ok_and(|line| line.split(|byte| *byte == 0).any(|word| word == argument.as_bytes()))
    };
    let numbered = |dir: &PathBuf| dir.file_name().is_some_and(|name| name.to_str().unwrap().parse::<u32>().is_ok());
    fs::read_dir("/proc")
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(numbered)
        .filter(has_it)
        .collect()
}

/// Names in the vault's root that are not there for good.
fn leftovers(vault: &Vault) -> Vec<String> {
    let names = fs::read_dir(vault.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names
        .filter(|name| name.starts_with("plainview.") && name != "plainview.toml")
        .collect()
}

#[test]
fn background_mount_answers_when_the_command_is_done() {
    for who in Who::both() {
        let vault = Vault::new(Options::of(who));
        let answer = run(&mut vault.mount_command(who, &[])).code(0);
        assert_eq!((answer.out.as_str(), answer.err.as_str()), ("", ""));
        who.run(|| {
            fs::write(vault.point().join("file"), b"contents").unwrap();
            assert_eq!(fs::read(vault.point().join("file")).unwrap(), b"contents");
        });
        let daemons = processes_with(vault.point());
        assert_eq!(daemons.len(), 1, "{daemons:?}");
        if who == Who::me() || Who::me() == Who::Root {
            assert_eq!(
                fs::read_link(daemons[0].join("cwd")).unwrap(),
                Path::new("/"),
                "a daemon must not hold a directory"
            );
        }
        run_unmount(vault.plainview(who, &["umount"]).arg(vault.point())).ok();
        wait_for("the daemon's end", || processes_with(vault.point()).is_empty());
        assert_eq!(leftovers(&vault), [""; 0]);
    }
}

/// A background mount that cannot work says so and fails, as a foreground one does.
#[test]
fn background_mount_fails_aloud() {
    let vault = Vault::new(Options::default());
    let wrong = vault.scratch().file("wrong", b"wrong\n", Who::me());
    let mut mount = vault.plainview(Who::me(), &["mount", "--passfile"]);
    run(mount.args([&wrong, vault.path(), vault.point()])).code(12).says(&["password"]);
    assert_eq!(mount_at(vault.point()), None);
    assert!(processes_with(vault.point()).is_empty());
}

#[test]
fn signals_unmount_cleanly() {
    for who in Who::both() {
        let vault = Vault::new(Options::of(who));
        for signal in [Signal::TERM, Signal::INT] {
            let mut mounted = vault.mount(&[]);
            // See `run_unmount`.
            mounted.allow_log("in use");
            let name = format!("{signal:?}");
            mounted.enter(|path| fs::write(path.join(&name), &name).unwrap());
            mounted.signal(signal);
            mounted.wait_for_end();
            assert_eq!(leftovers(&vault), [""; 0]);
            let mounted = vault.mount(&[]);
            assert_eq!(mounted.enter(|path| fs::read_to_string(path.join(&name)).unwrap()), name);
            mounted.unmount();
        }
    }
}

/// SIGTERM takes a mount away that is in use; those who have files open can go on with them, and the daemon ends with the last.
#[test]
fn a_signal_detaches_a_mount_in_use() {
    let vault = Vault::new(Options::default());
    let mut mounted = vault.mount(&[]);
    let file = fs::File::create(mounted.path().join("open")).unwrap();
    fs::write(mounted.path().join("written"), b"contents").unwrap();
    mounted.expect_log("in use");
    mounted.signal(Signal::TERM);
    wait_for("the mount to go", || mount_at(vault.point()).is_none());
    file.write_all_at(b"written after", 0).unwrap();
    run(&mut vault.mount_command(Who::me(), &[])).code(8);
    drop(file);
    mounted.wait_for_end();
    let mounted = vault.mount(&[]);
    assert_eq!(fs::read(mounted.path().join("written")).unwrap(), b"contents");
    assert_eq!(fs::read(mounted.path().join("open")).unwrap(), b"written after");
    mounted.unmount();
}

#[test]
fn umount_says_when_it_cannot() {
    let vault = Vault::new(Options::default());
    let umount = || run(vault.plainview(Who::me(), &["umount"]).arg(vault.point()));
    let idle = umount();
    assert_ne!(idle.code, 0);
    idle.says(&[vault.point().to_str().unwrap()]);
    let mounted = vault.mount(&[]);
    let file = fs::File::create(mounted.path().join("open")).unwrap();
    let busy = umount();
    assert_ne!(busy.code, 0);
    busy.says(&[vault.point().to_str().unwrap(), "use"]);
    drop(file);
    mounted.unmount();
}

#[test]
fn fusermount_unmounts_as_well() {
    for who in Who::both() {
        let vault = Vault::new(Options::of(who));
        let mounted = vault.mount(&[]);
        mounted.enter(|path| fs::write(path.join("file"), b"contents").unwrap());
        run_unmount(who.command("fusermount3").arg("-u").arg(vault.point())).ok();
        mounted.wait_for_end();
        assert_eq!(leftovers(&vault), [""; 0]);
    }
}

#[test]
fn a_killed_daemon_leaves_a_dead_mount_that_umount_and_mount_cope_with() {
    for who in Who::both() {
        let vault = Vault::new(Options::of(who));
        for way in ["umount", "mount"] {
            let mounted = vault.mount(&[]);
            mounted.enter(|path| fs::write(path.join(way), b"contents").unwrap());
            mounted.kill();
            who.run(|| {
                let not_connected = Some(Errno::NOTCONN);
                assert_eq!(errno(fs::read_dir(vault.point())), not_connected);
                assert_eq!(errno(fs::read(vault.point().join(way))), not_connected);
            });
            if way == "umount" {
                run_unmount(vault.plainview(who, &["umount"]).arg(vault.point())).ok();
                assert_eq!(mount_at(vault.point()), None);
            }
            // Where nobody unmounted, straight over the dead mount.
            let mounted = vault.mount(&[]);
            mounted.enter(|path| assert!(path.join(way).exists()));
            mounted.unmount();
            assert_eq!(leftovers(&vault), [""; 0]);
        }
    }
}

#[test]
fn the_mount_table_shows_the_vault() {
    for who in Who::both() {
        let vault = Vault::new(Options {
            directory: "my vault, of \\old",
            ..Options::of(who)
        });
        let mounted = vault.mount(&[]);
        let info = mount_at(vault.point()).unwrap();
        assert_eq!((info.kind.as_str(), Path::new(&info.source)), ("fuse.plainview", vault.path()));
        let options: Vec<_> = info.options.split(',').collect();
        assert!(
            ["nosuid", "nodev"].iter().all(|option| options.contains(option)) || who == Who::Root,
            "{options:?}"
        );
        mounted.unmount();
    }
}

#[test]
fn options_of_fstab_are_understood() {
    let vault = Vault::new(Options::default());
    let fstab = "rw,nodev,nosuid,noexec,noatime,nofail,_netdev,noauto,user,users,x-systemd.automount,x-systemd.idle-timeout=60,x-gvfs-show,defaults,auto";
    vault.mount(&["-o", fstab]).unmount();
    let mounted = vault.mount(&["-o", "nodev,fsname=another,noexec", "-o", "nosuid"]);
    let info = mount_at(vault.point()).unwrap();
    assert_eq!(
        (info.kind.as_str(), Path::new(&info.source)),
        ("fuse.plainview", vault.path()),
        "the source is always the vault"
    );
    let options: Vec<_> = info.options.split(',').collect();
    assert!(
        ["nosuid", "nodev", "noexec"].iter().all(|option| options.contains(option)),
        "{options:?}"
    );
    mounted.unmount();
}

#[test]
fn a_root_mount_can_be_opened_to_others() {
    if !root_or_skip() {
        return;
    }
    let vault = Vault::new(Options::default());
    let mounted = vault.mount(&[]);
    assert_eq!(Who::User.run(|| errno(fs::read_dir(vault.point()))), Some(Errno::ACCESS));
    mounted.unmount();
    let mounted = vault.mount(&["-o", "allow_other"]);
    fs::set_permissions(vault.point(), PermissionsExt::from_mode(0o755)).unwrap();
    assert_eq!(Who::User.run(|| errno(fs::read_dir(vault.point()))), None);
    assert_eq!(
        Who::User.run(|| errno(fs::write(vault.point().join("file"), b""))),
        Some(Errno::ACCESS)
    );
    mounted.unmount();
}

/// What the kernel may hold of a mount: root has more than FUSE gives by itself, everybody else that.
#[test]
fn root_lets_the_kernel_hold_more() {
    for who in Who::both() {
        let vault = Vault::new(Options::of(who));
        let mounted = vault.mount(&[]);
        let device = mounted.enter(|path| fs::metadata(path).unwrap().dev());
        let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
        let limit = |name: &str| {
            let text = fs::read_to_string(format!("/sys/class/bdi/{major}:{minor}/{name}")).unwrap();
            text.trim().parse::<u64>().unwrap()
        };
        let limits = ["read_ahead_kb", "max_ratio"].map(limit);
        assert_eq!(limits, if who == Who::Root { [1024, 5] } else { [128, 1] });
        mounted.unmount();
    }
}

#[test]
fn a_read_only_mount_refuses_every_change() {
    let vault = Vault::new(Options::default());
    let mounted = vault.mount(&[]);
    fs::write(mounted.path().join("file"), b"contents").unwrap();
    mounted.unmount();
    for args in [&["--ro"][..], &["-o", "ro"]] {
        let mounted = vault.mount(args);
        let file = mounted.path().join("file");
        assert!(mount_at(vault.point()).unwrap().options.split(',').any(|option| option == "ro"));
        assert_eq!(fs::read(&file).unwrap(), b"contents");
        let read_only = Some(Errno::ROFS);
        assert_eq!(errno(fs::write(mounted.path().join("new"), b"")), read_only);
        assert_eq!(errno(fs::OpenOptions::new().append(true).custom_flags(0).open(&file)), read_only);
        assert_eq!(errno(fs::remove_file(&file)), read_only);
        assert_eq!(errno(fs::rename(&file, mounted.path().join("other"))), read_only);
        assert_eq!(errno(fs::create_dir(mounted.path().join("dir"))), read_only);
        assert_eq!(errno(fs::set_permissions(&file, PermissionsExt::from_mode(0o600))), read_only);
        mounted.unmount();
    }
}

/// A dead mount of something else is not ours to take away.
#[test]
fn a_mount_of_another_vault_is_left_alone() {
    let (one, other) = (Vault::new(Options::default()), Vault::new(Options::default()));
    let mounted = one.mount(&[]);
    let mut mount = other.plainview(Who::me(), &["mount", "--passfile"]);
    run(mount.args([other.passfile(), other.path(), one.point()])).code(9);
    fs::write(mounted.path().join("file"), b"").unwrap();
    mounted.unmount();
    detach(one.point());
    assert_eq!(leftovers(&other), [""; 0]);
}
