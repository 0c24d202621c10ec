//! Permissions and owners: files and directories without permissions behave as on ext4, and what others make is theirs. Where ext4 is the measure, the same
//! steps are done beside the mount in a plain directory, and must say the same.

use crate::harness::{Options, Vault, assert_same_steps, errno};
use crate::people::{Who, root_or_skip};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::io::Errno;
use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// What each step on a new file with `mode` says.
fn steps_without_permissions(dir: &Path, mode: u32) -> Vec<String> {
    let path = dir.join(format!("{mode:o}"));
    let mut said = vec![];
    let mut say =
        |what: &str, result: std::io::Result<String>| said.push(format!("{mode:o} {what}: {}", result.unwrap_or_else(|e| e.to_string())));
    let created = OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&path)
        .unwrap();
    say("write", created.write_all_at(&[b'a'; 5000], 0).map(|()| String::new()));
    say("write inside", created.write_all_at(b"inside", 4093).map(|()| String::new()));
    let mut text = vec![0; 8];
    say(
        "read",
        created.read_exact_at(&mut text, 4092).map(|()| String::from_utf8(text).unwrap()),
    );
    say("fsync", created.sync_all().map(|()| String::new()));
    drop(created);
    reopen(&path, &mut say);
    said
}

/// What each step on the file `path` says to one who comes to it new.
fn reopen(path: &Path, say: &mut impl FnMut(&str, std::io::Result<String>)) {
    let len = |file: File| file.metadata().unwrap().len().to_string();
    say("open for reading", File::open(path).map(len));
    say("open for writing", OpenOptions::new().write(true).open(path).map(len));
    say(
        "append",
        OpenOptions::new()
            .append(true)
            .open(path)
            .and_then(|mut file| file.write_all(b"end"))
            .map(|()| String::new()),
    );
    say(
        "overwrite",
        OpenOptions::new()
            .write(true)
            .open(path)
            .and_then(|file| file.write_all_at(b"overwritten", 4090))
            .map(|()| String::new()),
    );
    say(
        "truncate",
        OpenOptions::new()
            .write(true)
            .open(path)
            .and_then(|file| file.set_len(4500))
            .map(|()| String::new()),
    );
    say("stat", fs::metadata(path).map(|stat| format!("{} {:o}", stat.len(), stat.mode())));
    let before = fs::metadata(path).unwrap().permissions();
    fs::set_permissions(path, PermissionsExt::from_mode(0o600)).unwrap();
    say("contents", fs::read(path).map(|bytes| blake3::hash(&bytes).to_string()));
    fs::set_permissions(path, before).unwrap();
}

#[test]
fn files_without_permissions_work_as_on_ext4() {
    for who in Who::both() {
        let vault = Vault::new(Options::of(who));
        let plain = vault.scratch().dir("plain", who);
        for mode in [0o000, 0o200, 0o400, 0o444, 0o111, 0o600] {
            let mounted = vault.mount(&[]);
            let expected = who.run(|| steps_without_permissions(&plain, mode));
            assert_same_steps(&mounted.enter(|path| steps_without_permissions(path, mode)), &expected);
            mounted.unmount();
            // Once more in a mount that has never seen the file open.
            let mounted = vault.mount(&[]);
            let steps = |dir: &Path| {
                let mut said = vec![];
                reopen(&dir.join(format!("{mode:o}")), &mut |what, result| {
                    said.push(format!("{what}: {}", result.unwrap_or_else(|e| e.to_string())))
                });
                said
            };
            assert_same_steps(&mounted.enter(steps), &who.run(|| steps(&plain)));
            mounted.unmount();
        }
    }
}

/// What steps on a directory with `mode` say.
fn steps_in_directory(dir: &Path, mode: u32) -> Vec<String> {
    let inner = dir.join(format!("{mode:o}"));
    fs::create_dir(&inner).unwrap();
    fs::write(inner.join("file"), b"contents").unwrap();
    fs::create_dir(inner.join("dir")).unwrap();
    fs::set_permissions(&inner, PermissionsExt::from_mode(mode)).unwrap();
    let said = [
        (
            "list",
            fs::read_dir(&inner)
                .and_then(|list| list.map(|entry| Ok(entry?.file_name())).collect::<io::Result<BTreeSet<_>>>())
                .map(|names| format!("{names:?}")),
        ),
        ("read", fs::read_to_string(inner.join("file"))),
        ("create", fs::write(inner.join("new"), b"new").map(|()| String::new())),
        ("rename", fs::rename(inner.join("dir"), inner.join("moved")).map(|()| String::new())),
        ("remove", fs::remove_file(inner.join("file")).map(|()| String::new())),
        (
            "move",
            fs::rename(&inner, dir.join(format!("moved {mode:o}"))).map(|()| String::new()),
        ),
    ];
    said.into_iter()
        .map(|(what, result)| format!("{mode:o} {what}: {}", result.unwrap_or_else(|e| e.to_string())))
        .collect()
}

#[test]
fn directories_without_permissions_work_as_on_ext4() {
    for who in Who::both() {
        let vault = Vault::new(Options::of(who));
        let plain = vault.scratch().dir("plain", who);
        let mounted = vault.mount(&[]);
        for mode in [0o000, 0o100, 0o200, 0o300, 0o400, 0o500, 0o700] {
            assert_same_steps(
                &mounted.enter(|path| steps_in_directory(path, mode)),
                &who.run(|| steps_in_directory(&plain, mode)),
            );
        }
        // What cannot be removed for want of permissions would stay for ever.
        for dir in [mounted.path(), &plain] {
            who.run(|| {
                fs::read_dir(dir)
                    .unwrap()
                    .for_each(|entry| fs::set_permissions(entry.unwrap().path(), PermissionsExt::from_mode(0o700)).unwrap())
            });
        }
        mounted.unmount();
    }
}

#[test]
fn what_others_make_in_a_root_mount_is_theirs() {
    if !root_or_skip() {
        return;
    }
    let vault = Vault::new(Options::default());
    let mounted = vault.mount(&["-o", "allow_other"]);
    let shared = mounted.path().join("shared");
    fs::create_dir(&shared).unwrap();
    fs::set_permissions(&shared, PermissionsExt::from_mode(0o1777)).unwrap();
    fs::set_permissions(mounted.path(), PermissionsExt::from_mode(0o755)).unwrap();
    fs::write(shared.join("of root"), b"").unwrap();
    Who::User.run(|| {
        fs::write(shared.join("file"), b"contents").unwrap();
        fs::create_dir(shared.join("dir")).unwrap();
        fs::write(shared.join("dir/inner"), b"contents").unwrap();
        std::os::unix::fs::symlink("x", shared.join("link")).unwrap();
        mknodat(CWD, shared.join("fifo"), FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
        assert_eq!(
            errno(fs::remove_file(shared.join("of root"))),
            Some(Errno::PERM),
            "the directory is sticky"
        );
        assert_eq!(errno(fs::write(mounted.path().join("file"), b"")), Some(Errno::ACCESS));
        assert_eq!(
            errno(std::os::unix::fs::chown(shared.join("file"), Some(0), None)),
            Some(Errno::PERM)
        );
    });
    let group = shared.join("group");
    fs::create_dir(&group).unwrap();
    std::os::unix::fs::chown(&group, None, Some(12_345)).unwrap();
    fs::set_permissions(&group, PermissionsExt::from_mode(0o2777)).unwrap();
    Who::User.run(|| fs::write(group.join("file"), b"").unwrap());
    Who::User.run(|| fs::create_dir(group.join("dir")).unwrap());
    mounted.unmount();

    let mounted = vault.mount(&[]);
    let owner = |name: &str| {
        fs::symlink_metadata(mounted.path().join("shared").join(name))
            .map(|stat| (stat.uid(), stat.gid()))
            .unwrap()
    };
    let theirs = (Who::User.uid(), Who::User.gid());
    for name in ["file", "dir", "dir/inner", "link", "fifo"] {
        assert_eq!(owner(name), theirs, "{name}");
    }
    assert_eq!(
        (owner("of root"), owner("group/file"), owner("group/dir")),
        ((0, 0), (theirs.0, 12_345), (theirs.0, 12_345))
    );
    mounted.unmount();
}
