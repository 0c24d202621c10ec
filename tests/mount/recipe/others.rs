//! A folder that is changed by others while it is mounted, and files in it that are somebody else's, or have several names.

use super::program::Program;
use super::{folder, list, stored};
use crate::corpus::noise;
use crate::harness::{Key, Options, Vault, errno, wait_for};
use crate::people::{Who, root_or_skip, without_new_processes};
use rustix::io::Errno;
use std::fs::{self, OpenOptions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};

/// What another program puts into the folder while it is mounted is seen soon.
#[test]
fn changes_by_others_are_seen() {
    let Some(program) = Program::or_skip() else { return };
    let vault = folder();
    program.make(&vault, "file", b"old");
    let mounted = vault.mount(&[]);
    let path = mounted.path().join("file");
    assert_eq!(fs::read(&path).unwrap(), b"old");
    program.make(&vault, "file", b"the new contents");
    wait_for("the new contents", || fs::read(&path).unwrap() == b"the new contents");
    program.make(&vault, "more", b"more");
    wait_for("the new file", || list(mounted.path()).len() == 2);
    // By a rename, as synchronisers do it.
    program.make(&vault, "elsewhere", b"the newest contents");
    fs::rename(stored(&vault, "elsewhere"), stored(&vault, "file")).unwrap();
    wait_for("the newest contents", || fs::read(&path).unwrap() == b"the newest contents");
    fs::write(&path, b"ours").unwrap();
    assert_eq!(program.contents(&vault, "file"), b"ours");
    fs::remove_file(stored(&vault, "file")).unwrap();
    wait_for("the file to go", || !path.exists());
    mounted.unmount();
}

/// Whoever comes second does not undo the other's change: ours is then beside it.
#[test]
fn changes_by_both_are_both_kept() {
    let Some(program) = Program::or_skip() else { return };
    let vault = folder();
    for name in ["replaced", "overwritten", "removed"] {
        program.make(&vault, name, b"old");
    }
    program.make(&vault, "theirs", b"theirs");
    let mut mounted = vault.mount(&[]);
    mounted.allow_log("conflict");
    // Or else ours could be stored before theirs.
    without_new_processes(|| {
        let files = ["replaced", "overwritten", "removed"].map(|name| {
            let file = OpenOptions::new().write(true).open(mounted.path().join(name)).unwrap();
            file.set_len(2).unwrap();
            file
        });
        let theirs = fs::read(stored(&vault, "theirs")).unwrap();
        fs::rename(stored(&vault, "theirs"), stored(&vault, "replaced")).unwrap();
        fs::write(stored(&vault, "overwritten"), &theirs).unwrap();
        fs::remove_file(stored(&vault, "removed")).unwrap();
        for file in files {
            file.sync_all().unwrap();
        }
    });
    mounted.unmount();
    let names = list(vault.path());
    for name in ["replaced", "overwritten"] {
        assert_eq!(program.contents(&vault, name), b"theirs", "{name}");
        let ours = names.iter().find(|other| other.starts_with(&format!("{name}.conflict-")));
        let ours = ours.unwrap_or_else(|| panic!("none for {name} in {names:?}"));
        assert_eq!(program.contents(&vault, ours.strip_suffix(".enc").unwrap()), b"ol", "{name}");
    }
    assert_eq!(program.contents(&vault, "removed"), b"ol");
    assert_eq!(names.len(), 5, "{names:?}");
}

/// A file cut by others is an error where something is missing, never other bytes.
#[test]
fn a_file_that_others_cut_cannot_be_read() {
    let Some(program) = Program::or_skip() else { return };
    let vault = folder();
    program.make(&vault, "file", &noise(1, 100_000));
    program.make(&vault, "whole", b"whole");
    let mut mounted = vault.mount(&[]);
    mounted.expect_log("file.enc");
    let path = mounted.path().join("file");
    assert!(fs::read(&path).unwrap() == noise(1, 100_000));
    OpenOptions::new()
        .write(true)
        .open(stored(&vault, "file"))
        .unwrap()
        .set_len(50_000)
        .unwrap();
    wait_for("the cut to be seen", || errno(fs::read(&path)) == Some(Errno::IO));
    mounted.unmount();
}

/// An ordinary user's plainview could not give a new file back to whose the old one was.
#[test]
fn somebody_elses_files_are_not_changed() {
    let Some(program) = root_or_skip().then(Program::or_skip).flatten() else {
        return;
    };
    let vault = Vault::new(Options::recipe(Who::User, Key::Password));
    program.make(&vault, "theirs", b"contents");
    std::os::unix::fs::chown(stored(&vault, "theirs"), Some(0), None).unwrap();
    fs::set_permissions(stored(&vault, "theirs"), PermissionsExt::from_mode(0o666)).unwrap();
    let before = fs::read(stored(&vault, "theirs")).unwrap();
    let mounted = vault.mount(&[]);
    mounted.enter(|path| {
        let path = path.join("theirs");
        assert_eq!(fs::read(&path).unwrap(), b"contents");
        assert_eq!(errno(OpenOptions::new().write(true).open(&path)), Some(Errno::PERM));
        assert_eq!(errno(fs::write(&path, b"new")), Some(Errno::PERM));
        assert_eq!(fs::read(&path).unwrap(), b"contents");
    });
    mounted.unmount();
    assert_eq!(fs::read(stored(&vault, "theirs")).unwrap(), before);
}

/// Of a file with two names, both in use, there are not two afterwards.
#[test]
fn a_file_with_two_names_stays_one() {
    let Some(program) = Program::or_skip() else { return };
    let vault = folder();
    program.make(&vault, "one", b"old");
    fs::hard_link(stored(&vault, "one"), stored(&vault, "two")).unwrap();
    let mounted = vault.mount(&[]);
    let at = |name: &str| mounted.path().join(name);
    assert_eq!(fs::metadata(at("one")).unwrap().ino(), fs::metadata(at("two")).unwrap().ino());
    fs::write(at("one"), b"new").unwrap();
    assert_eq!(fs::read(at("two")).unwrap(), b"new");
    assert_eq!(fs::metadata(at("one")).unwrap().nlink(), 2);
    mounted.unmount();
    for name in ["one", "two"] {
        assert_eq!(program.contents(&vault, name), b"new");
    }
    let number = |name: &str| fs::metadata(stored(&vault, name)).unwrap().ino();
    assert_eq!(number("one"), number("two"));
}
