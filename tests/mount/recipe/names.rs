//! Which entries of a folder are shown, under which names, and which names can be given.

use super::program::Program;
use super::{folder, list, stored};
use crate::harness::errno;
use crate::people::{Who, run, start};
use crate::tree::Tree;
use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::io::Errno;
use std::collections::BTreeSet;
use std::fs::{self, OpenOptions, Permissions};
use std::io::Read;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn other_files_are_hidden() {
    let Some(program) = Program::or_skip() else { return };
    let vault = folder();
    program.make(&vault, "file", b"encrypted");
    fs::write(vault.path().join("notes.txt"), b"not encrypted").unwrap();
    fs::write(vault.path().join(".enc"), b"only the suffix").unwrap();
    fs::write(vault.path().join("plainview.tmp.1"), b"left by a crash").unwrap();
    fs::create_dir_all(vault.path().join("dir/deeper")).unwrap();
    fs::write(vault.path().join("dir/deeper/notes.txt"), b"not encrypted").unwrap();
    symlink("notes.txt", vault.path().join("link")).unwrap();
    let mounted = vault.mount(&[]);
    let at = |name: &str| mounted.path().join(name);
    assert_eq!(list(mounted.path()), set(&["dir", "file"]));
    assert!(list(&at("dir/deeper")).is_empty());
    for name in ["notes.txt", ".enc", "link", "plainview.tmp.1", "dir/deeper/notes.txt", "file.enc"] {
        assert_eq!(errno(fs::symlink_metadata(at(name))), Some(Errno::NOENT), "{name}");
        assert_eq!(errno(fs::remove_file(at(name))), Some(Errno::NOENT), "{name}");
    }
    // What is not seen is not removed either.
    assert_eq!(errno(fs::remove_dir(at("dir/deeper"))), Some(Errno::NOTEMPTY));
    // Nor is it in the way.
    fs::write(at("notes.txt"), b"encrypted, too").unwrap();
    assert_eq!(fs::read(at("notes.txt")).unwrap(), b"encrypted, too");
    mounted.unmount();
    assert_eq!(program.contents(&vault, "notes.txt"), b"encrypted, too");
    for (name, contents) in [
        ("notes.txt", "not encrypted"),
        (".enc", "only the suffix"),
        ("dir/deeper/notes.txt", "not encrypted"),
    ] {
        assert_eq!(fs::read_to_string(vault.path().join(name)).unwrap(), contents);
    }
}

#[test]
fn other_files_are_shown_and_never_changed() {
    for who in Who::both() {
        let vault = crate::harness::Vault::new(crate::harness::Options::recipe(who, crate::harness::Key::Password));
        who.run(|| {
            fs::write(vault.path().join("notes.txt"), b"not encrypted").unwrap();
            symlink("notes.txt", vault.path().join("link")).unwrap();
            fs::create_dir(vault.path().join("dir")).unwrap();
            fs::write(vault.path().join("dir/other"), vec![7; 100_000]).unwrap();
        });
        let before = Tree::of(vault.path());
        let mounted = vault.mount(&["--show-others"]);
        mounted.enter(|path| {
            let at = |name: &str| path.join(name);
            assert_eq!(list(path), set(&["dir", "link", "notes.txt"]));
            assert_eq!(fs::read(at("notes.txt")).unwrap(), b"not encrypted");
            assert_eq!(fs::metadata(at("dir/other")).unwrap().len(), 100_000);
            assert!(fs::read(at("dir/other")).unwrap() == vec![7; 100_000]);
            assert_eq!(fs::read_link(at("link")).unwrap(), Path::new("notes.txt"));
            let refused = [
                ("open", errno(OpenOptions::new().write(true).open(at("notes.txt")))),
                ("append", errno(OpenOptions::new().append(true).open(at("notes.txt")))),
                (
                    "truncate",
                    errno(
                        rustix::fs::open(at("notes.txt"), rustix::fs::OFlags::RDWR | rustix::fs::OFlags::TRUNC, Mode::empty())
                            .map_err(Into::into),
                    ),
                ),
                ("unlink", errno(fs::remove_file(at("notes.txt")))),
                ("unlink a link", errno(fs::remove_file(at("link")))),
                ("rename", errno(fs::rename(at("notes.txt"), at("else")))),
                ("rename a link", errno(fs::rename(at("link"), at("else")))),
                ("chmod", errno(fs::set_permissions(at("notes.txt"), Permissions::from_mode(0o600)))),
                ("utimens", errno(run_touch(&at("notes.txt")))),
                (
                    "setxattr",
                    errno(rustix::fs::setxattr(at("notes.txt"), "user.a", b"b", rustix::fs::XattrFlags::empty()).map_err(Into::into)),
                ),
            ];
            for (what, answer) in refused {
                // Root may write whatever the mode says, which is what stops others first.
                let is_right = answer == Some(Errno::ROFS) || who == Who::User && answer == Some(Errno::ACCESS);
                assert!(is_right, "{what}: {answer:?}");
            }
            // They are in the way of new ones.
            let taken = OpenOptions::new().write(true).create_new(true).open(at("notes.txt"));
            assert_eq!(errno(taken), Some(Errno::EXIST));
            assert_eq!(errno(fs::create_dir(at("notes.txt"))), Some(Errno::EXIST));
            assert_eq!(errno(symlink("x", at("notes.txt"))), Some(Errno::EXIST));
            fs::write(at("new"), b"new").unwrap();
            assert!(fs::rename(at("new"), at("notes.txt")).is_err());
            fs::remove_file(at("new")).unwrap();
        });
        mounted.unmount();
        before.without_root().assert_same(&Tree::of(vault.path()).without_root());
    }
}

fn run_touch(path: &Path) -> std::io::Result<()> {
    let now = rustix::fs::Timespec { tv_sec: 5, tv_nsec: 0 };
    let times = rustix::fs::Timestamps {
        last_access: now,
        last_modification: now,
    };
    rustix::fs::utimensat(CWD, path, &times, rustix::fs::AtFlags::empty()).map_err(Into::into)
}

/// Room is needed for the suffix, but not behind a directory's name.
#[test]
fn names_may_have_251_bytes() {
    let vault = folder();
    let mounted = vault.mount(&[]);
    let at = |len: usize| mounted.path().join("n".repeat(len));
    fs::write(at(251), b"contents").unwrap();
    fs::rename(at(251), at(250)).unwrap();
    fs::rename(at(250), at(251)).unwrap();
    symlink("target", mounted.path().join("s".repeat(251))).unwrap();
    for len in [252, 255, 256] {
        let too_long = Some(Errno::NAMETOOLONG);
        assert_eq!(errno(fs::write(at(len), b"contents")), too_long, "{len}");
        assert_eq!(errno(symlink("target", at(len))), too_long, "{len}");
        assert_eq!(errno(fs::rename(at(251), at(len))), too_long, "{len}");
        let fifo = mknodat(CWD, at(len), FileType::Fifo, Mode::RWXU, 0);
        assert_eq!(fifo.err(), too_long, "{len}");
    }
    assert_eq!(errno(fs::metadata(at(252))), Some(Errno::NOENT));
    for len in [252, 255] {
        fs::create_dir(at(len)).unwrap();
        fs::write(at(len).join("file"), b"").unwrap();
    }
    assert_eq!(errno(fs::create_dir(at(256))), Some(Errno::NAMETOOLONG));
    mounted.unmount();
    let mounted = vault.mount(&[]);
    assert_eq!(list(mounted.path()).len(), 4);
    assert_eq!(fs::read(mounted.path().join("n".repeat(251))).unwrap(), b"contents");
    mounted.unmount();
}

/// The suffix is nothing special in a name that is shown.
#[test]
fn names_that_end_in_the_suffix() {
    let Some(program) = Program::or_skip() else { return };
    let vault = folder();
    fs::create_dir(vault.path().join("photos.enc")).unwrap();
    program.make(&vault, "photos.enc/one", b"1");
    program.make(&vault, "twice.enc", b"2");
    let mounted = vault.mount(&[]);
    let at = |name: &str| mounted.path().join(name);
    assert_eq!(list(mounted.path()), set(&["photos.enc", "twice.enc"]));
    assert_eq!(fs::read(at("photos.enc/one")).unwrap(), b"1");
    assert_eq!(fs::read(at("twice.enc")).unwrap(), b"2");
    fs::write(at("new.enc"), b"3").unwrap();
    fs::create_dir(at("dir.enc")).unwrap();
    fs::rename(at("dir.enc"), at("moved.enc")).unwrap();
    fs::write(at("moved.enc/file"), b"4").unwrap();
    symlink("new.enc", at("link.enc")).unwrap();
    assert_eq!(fs::read(at("link.enc")).unwrap(), b"3");
    mounted.unmount();
    let on_disk = ["link.enc.enc", "moved.enc", "new.enc.enc", "photos.enc", "twice.enc.enc"];
    assert_eq!(list(vault.path()), set(&on_disk));
    assert_eq!(fs::read_link(vault.path().join("link.enc.enc")).unwrap(), Path::new("new.enc.enc"));
    assert_eq!(program.contents(&vault, "new.enc"), b"3");
}

/// Two names that would be one on disk cannot both be given.
#[test]
fn a_file_is_not_made_where_its_stored_name_is_taken() {
    let vault = folder();
    let mounted = vault.mount(&[]);
    let at = |name: &str| mounted.path().join(name);
    let exists = Some(Errno::EXIST);
    // A directory is stored as it is called, so `a.enc` is taken for the file `a`, and the reverse.
    fs::create_dir(at("a.enc")).unwrap();
    assert_eq!(errno(OpenOptions::new().write(true).create_new(true).open(at("a"))), exists);
    assert_eq!(errno(symlink("x", at("a"))), exists);
    fs::write(at("b"), b"b").unwrap();
    assert_eq!(errno(fs::create_dir(at("b.enc"))), exists);
    assert!(fs::rename(at("b"), at("a")).is_err());
    assert!(fs::rename(at("a.enc"), at("b.enc")).is_err());
    // A file and a directory of one name are stored apart, but shown under one name.
    assert_eq!(errno(fs::create_dir(at("b"))), exists);
    fs::create_dir(at("c")).unwrap();
    assert_eq!(errno(OpenOptions::new().write(true).create_new(true).open(at("c"))), exists);
    assert_eq!(errno(fs::rename(at("b"), at("c"))), Some(Errno::ISDIR));
    assert_eq!(errno(fs::rename(at("c"), at("b"))), Some(Errno::NOTDIR));
    assert_eq!(list(mounted.path()), set(&["a.enc", "b", "c"]));
    mounted.unmount();
    assert_eq!(list(vault.path()), set(&["a.enc", "b.enc", "c"]));
}

#[test]
fn of_two_entries_with_one_name_the_encrypted_one_is_shown() {
    let Some(program) = Program::or_skip() else { return };
    let vault = folder();
    program.make(&vault, "both", b"encrypted");
    fs::create_dir(vault.path().join("both")).unwrap();
    fs::write(vault.path().join("both/inside"), b"").unwrap();
    let mut mounted = vault.mount(&[]);
    mounted.expect_log("both");
    for _ in 0..3 {
        assert_eq!(list(mounted.path()), set(&["both"]));
        assert_eq!(fs::read(mounted.path().join("both")).unwrap(), b"encrypted");
        mounted.forget_all();
    }
    assert_eq!(fs::read_dir(mounted.path()).unwrap().count(), 1, "once");
    let log = mounted.log();
    assert_eq!(log.lines().filter(|line| line.contains("both")).count(), 1, "{log}");
    // Without the one, the other is seen.
    fs::remove_file(mounted.path().join("both")).unwrap();
    assert_eq!(list(&mounted.path().join("both")).len(), 0, "what is in it is not encrypted");
    mounted.unmount();
}

#[test]
fn hard_links_cannot_be_made() {
    for who in Who::both() {
        let vault = crate::harness::Vault::new(crate::harness::Options::recipe(who, crate::harness::Key::Password));
        let mounted = vault.mount(&[]);
        mounted.enter(|path| {
            fs::write(path.join("file"), b"contents").unwrap();
            assert_eq!(errno(fs::hard_link(path.join("file"), path.join("link"))), Some(Errno::PERM));
            assert_eq!(list(path), set(&["file"]));
        });
        mounted.unmount();
    }
}

/// Whatever has no contents is there as well.
#[test]
fn fifos_and_sockets_have_the_suffix_too() {
    let vault = folder();
    let mounted = vault.mount(&[]);
    mknodat(CWD, mounted.path().join("fifo"), FileType::Fifo, Mode::RWXU, 0).unwrap();
    mknodat(CWD, mounted.path().join("socket"), FileType::Socket, Mode::RWXU, 0).unwrap();
    let mut cat = start(&mut mounted.shell("echo through > fifo", &[])).unwrap();
    let mut said = String::new();
    fs::File::open(mounted.path().join("fifo"))
        .unwrap()
        .read_to_string(&mut said)
        .unwrap();
    assert_eq!(said, "through\n");
    assert!(cat.wait().unwrap().success());
    mounted.unmount();
    assert_eq!(list(vault.path()), set(&["fifo.enc", "socket.enc"]));
    run(Who::me().command("test").arg("-p").arg(stored(&vault, "fifo"))).ok();
}
