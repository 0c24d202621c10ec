//! A changed file is replaced by a new one that is like it but for its bytes; an unchanged one is left as it is.

use super::program::Program;
use super::{assert_nothing_left, folder, list, stored};
use crate::corpus::noise;
use crate::harness::{Key, Options, Vault};
use crate::people::{Who, root_or_skip, run, without_new_processes};
use crate::tree::Tree;
use rustix::fs::{AtFlags, CWD, StatxFlags, Timespec, Timestamps, UTIME_OMIT, statx};
use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, chown};
use std::path::Path;
use std::thread;

/// Which file it is, and when it was modified.
fn identity(path: &Path) -> (u64, i64, i64) {
    let found = fs::metadata(path).unwrap();
    (found.ino(), found.mtime(), found.mtime_nsec())
}

fn modified(path: &Path) -> (i64, i64) {
    let (_, secs, nanos) = identity(path);
    (secs, nanos)
}

fn vector(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap()[8..24].to_vec()
}

#[test]
fn unchanged_files_are_not_rewritten() {
    let Some(program) = Program::or_skip() else { return };
    let vault = folder();
    program.make(&vault, "file", &noise(1, 100_000));
    program.make(&vault, "empty", b"");
    let names = ["file", "empty"].map(|name| stored(&vault, name));
    let now = |names: &[std::path::PathBuf]| {
        names
            .iter()
            .map(|path| (identity(path), fs::read(path).unwrap()))
            .collect::<Vec<_>>()
    };
    let before = now(&names);
    let mounted = vault.mount(&[]);
    for name in ["file", "empty"] {
        let path = mounted.path().join(name);
        let contents = fs::read(&path).unwrap();
        let file = OpenOptions::new().read(true).write(true).open(&path).unwrap();
        assert_eq!(file.write_at(b"", 10).unwrap(), 0);
        file.sync_all().unwrap();
        drop(file);
        fs::set_permissions(&path, PermissionsExt::from_mode(0o640)).unwrap();
        run(&mut mounted.shell(
            "setfattr -n user.a -v b \"$1\"; cat \"$1\" > /dev/null; cp \"$1\" \"$2\"",
            &[&path, &vault.scratch().path().join("copy")],
        ))
        .ok();
        assert!(fs::read(&path).unwrap() == contents);
    }
    fs::rename(mounted.path().join("file"), mounted.path().join("other")).unwrap();
    fs::rename(mounted.path().join("other"), mounted.path().join("file")).unwrap();
    assert_eq!(now(&names), before);
    mounted.unmount();
    assert_eq!(now(&names), before);
}

#[test]
fn each_change_has_a_fresh_vector() {
    let vault = folder();
    let mounted = vault.mount(&[]);
    let (path, stored) = (mounted.path().join("file"), stored(&vault, "file"));
    let mut vectors = vec![];
    for how in 0..6 {
        match how {
            0..=2 => fs::write(&path, b"the same each time").unwrap(),
            3 => OpenOptions::new().write(true).open(&path).unwrap().write_all_at(b"the", 0).unwrap(),
            4 => OpenOptions::new()
                .append(true)
                .open(&path)
                .unwrap()
                .write_all(b" and more")
                .unwrap(),
            _ => OpenOptions::new().write(true).open(&path).unwrap().set_len(5).unwrap(),
        }
        vectors.push(vector(&stored));
    }
    fs::write(mounted.path().join("other"), b"the same each time").unwrap();
    vectors.push(vector(&vault.path().join("other.enc")));
    mounted.unmount();
    let count = vectors.len();
    vectors.sort();
    vectors.dedup();
    assert_eq!(vectors.len(), count);
}

#[test]
fn all_but_the_bytes_is_kept() {
    if !root_or_skip() {
        return;
    }
    let vault = folder();
    let mounted = vault.mount(&[]);
    let path = mounted.path().join("file");
    fs::write(&path, b"old").unwrap();
    chown(&path, Some(1234), Some(5678)).unwrap();
    fs::set_permissions(&path, PermissionsExt::from_mode(0o640)).unwrap();
    let script = "setfattr -n user.comment -v 'a comment' \"$1\"; setfattr -n user.empty \"$1\"; setfattr -n trusted.t -v t \"$1\"; setfacl -m u:1000:rw,g:99:x \"$1\"";
    run(&mut mounted.shell(script, &[&path])).ok();
    let facts = |dir: &Path, name: &str| {
        let script = "cd \"$1\"; stat -c '%a %u %g' \"$2\"; getfattr -d -m - -e hex \"$2\"; getfacl -n \"$2\"";
        run(&mut Who::Root.shell(script, &[dir, Path::new(name)])).ok()
    };
    let (shown, on_disk) = (facts(mounted.path(), "file"), facts(vault.path(), "file.enc"));
    assert!(
        ["1234 5678", "user.comment", "trusted.t", "user:1000:rw"]
            .iter()
            .all(|fact| shown.contains(fact)),
        "{shown}"
    );
    for (contents, how) in [("new", true), ("in place", false)] {
        let before = fs::metadata(stored(&vault, "file")).unwrap().ino();
        let file = OpenOptions::new().write(true).truncate(how).open(&path).unwrap();
        file.write_all_at(contents.as_bytes(), 0).unwrap();
        drop(file);
        assert_ne!(fs::metadata(stored(&vault, "file")).unwrap().ino(), before, "it was not replaced");
        assert_eq!(facts(mounted.path(), "file"), shown);
        assert_eq!(facts(vault.path(), "file.enc"), on_disk);
        mounted.forget_all();
        assert_eq!(facts(mounted.path(), "file"), shown);
        assert_eq!(fs::read_to_string(&path).unwrap(), contents);
    }
    mounted.unmount();
    assert_eq!(facts(vault.path(), "file.enc"), on_disk);
}

/// A user's own file stays as it is, too, also when neither it nor its directory may be read or written any more.
#[test]
fn an_ordinary_users_file_is_replaced() {
    let vault = Vault::new(Options::recipe(Who::User, Key::Password));
    let mounted = vault.mount(&[]);
    let set_mode = |path: &Path, mode| fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
    mounted.enter(|path| {
        let dir = path.join("dir");
        fs::create_dir(&dir).unwrap();
        let path = dir.join("file");
        fs::write(&path, b"old").unwrap();
        let file = OpenOptions::new().write(true).open(&path).unwrap();
        rustix::fs::setxattr(&path, "user.a", b"b", rustix::fs::XattrFlags::CREATE).unwrap();
        file.write_all_at(b"new contents", 0).unwrap();
        set_mode(&path, 0o000);
        set_mode(&dir, 0o500);
        let before = (modified(&dir), identity(&path));
        file.sync_all().unwrap();
        drop(file);
        mounted.forget_all();
        assert_eq!((modified(&dir), identity(&path).1), (before.0, before.1.1));
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0);
        set_mode(&path, 0o400);
        assert_eq!(fs::read(&path).unwrap(), b"new contents");
        let mut value = [0; 10];
        assert_eq!(rustix::fs::getxattr(&path, "user.a", value.as_mut_slice()), Ok(1));
        set_mode(&dir, 0o755);
    });
    mounted.unmount();
    let found = fs::metadata(stored(&vault, "dir/file")).unwrap();
    assert_eq!(
        (found.mode() & 0o7777, found.uid(), found.gid()),
        (0o400, Who::User.uid(), Who::User.gid())
    );
}

/// What plainview needs for a moment (`sys::passing`), it does not show, else the kernel would believe it for a second: here the directory must be writable for each file
/// that is stored.
#[test]
fn regression_a_mode_that_is_wider_for_a_moment_is_not_seen() {
    let vault = Vault::new(Options::recipe(Who::User, Key::Raw(16)));
    let mounted = vault.mount(&[]);
    mounted.enter(|path| {
        let dir = path.join("dir");
        fs::create_dir(&dir).unwrap();
        let create = |i: u32| {
            OpenOptions::new()
                .write(true)
                .create_new(true)
                .open(dir.join(i.to_string()))
                .unwrap()
        };
        let files: Vec<File> = (0..300).map(create).collect();
        fs::set_permissions(&dir, PermissionsExt::from_mode(0o500)).unwrap();
        // Asks the daemon, whatever the kernel has kept.
        let asked = || {
            statx(CWD, &dir, AtFlags::STATX_FORCE_SYNC, StatxFlags::BASIC_STATS)
                .unwrap()
                .stx_mode
        };
        let stored = || {
            files
                .into_iter()
                .for_each(|file| file.write_all_at(b"stored when it is closed", 0).unwrap())
        };
        assert_eq!(beside(asked, stored), BTreeSet::from([0o40_500]));
        fs::set_permissions(&dir, PermissionsExt::from_mode(0o700)).unwrap();
        assert_eq!(asked(), 0o40_700);
    });
    mounted.unmount();
}

/// What `look` saw, again and again, while `work` was done, and once after it.
fn beside(look: impl Fn() -> u16, work: impl FnOnce() + Send) -> BTreeSet<u16> {
    thread::scope(|scope| {
        let worker = scope.spawn(work);
        let mut seen = BTreeSet::new();
        while !worker.is_finished() {
            seen.insert(look());
        }
        worker.join().unwrap();
        seen.insert(look());
        seen
    })
}

/// What a directory has new files get is not for one that takes the place of an old one.
#[test]
fn a_default_acl_is_for_new_files() {
    let vault = folder();
    let mounted = vault.mount(&[]);
    let script = "
        echo old > file; chmod 640 file
        setfacl -d -m u:1000:rw .
        echo new > other
        echo changed > file
        getfacl -n --omit-header file; getfacl -n --omit-header other";
    let shown = run(&mut mounted.shell(script, &[])).ok();
    let (file, other) = shown.split_once("\n\n").unwrap();
    assert_eq!(file, "user::rw-\ngroup::r--\nother::---");
    assert!(other.contains("user:1000:rw-"), "{shown}");
    mounted.unmount();
}

/// When a file was modified is what the application made it, however late the file was stored.
#[test]
fn the_time_of_modification_is_the_applications() {
    let vault = folder();
    let mounted = vault.mount(&[]);
    let open = |name: &str| File::create(mounted.path().join(name)).unwrap();
    let then = Timespec {
        tv_sec: 1_000_000_000,
        tv_nsec: 123_456_789,
    };
    let times = Timestamps {
        last_access: Timespec {
            tv_sec: 0,
            tv_nsec: UTIME_OMIT,
        },
        last_modification: then,
    };
    let mut file = open("written");
    file.write_all(b"contents").unwrap();
    drop(file);
    let mut file = open("set while open");
    file.write_all(b"contents").unwrap();
    rustix::fs::futimens(&file, &times).unwrap();
    drop(file);
    fs::write(mounted.path().join("set later"), b"contents").unwrap();
    rustix::fs::utimensat(CWD, mounted.path().join("set later"), &times, rustix::fs::AtFlags::empty()).unwrap();
    let mut file = open("synced, then closed late");
    file.write_all(b"contents").unwrap();
    file.sync_all().unwrap();
    let synced = modified(&mounted.path().join("synced, then closed late"));
    std::thread::sleep(std::time::Duration::from_millis(30)); // several ticks of the clock that files are stamped with
    drop(file);
    let names = ["written", "set while open", "set later", "synced, then closed late"];
    let shown = names.map(|name| modified(&mounted.path().join(name)));
    assert_eq!(
        (shown[1], shown[2], shown[3]),
        ((1_000_000_000, 123_456_789), (1_000_000_000, 123_456_789), synced)
    );
    let on_disk = || names.map(|name| modified(&stored(&vault, name)));
    assert_eq!(on_disk(), shown);
    mounted.forget_all();
    assert_eq!(names.map(|name| modified(&mounted.path().join(name))), shown);
    mounted.unmount();
    assert_eq!(on_disk(), shown);
    let mounted = vault.mount(&[]);
    assert_eq!(names.map(|name| modified(&mounted.path().join(name))), shown);
    mounted.unmount();
}

/// The directory has the same entries afterwards, so its time does not change.
#[test]
fn a_directory_does_not_change_with_its_files() {
    let vault = folder();
    let mounted = vault.mount(&[]);
    fs::write(mounted.path().join("file"), b"old").unwrap();
    let before = modified(mounted.path());
    std::thread::sleep(std::time::Duration::from_millis(30)); // several ticks of the clock that files are stamped with
    fs::write(mounted.path().join("file"), b"new").unwrap();
    mounted.forget_all();
    assert_eq!(modified(mounted.path()), before);
    mounted.unmount();
}

#[test]
fn nothing_is_left_beside_the_files() {
    let vault = folder();
    let mounted = vault.mount(&[]);
    fs::create_dir(mounted.path().join("dir")).unwrap();
    // Or else files would be stored, and be in the making, at any moment.
    without_new_processes(|| {
        let open: Vec<_> = (0..20)
            .map(|number| {
                let mut file = File::create(mounted.path().join(format!("dir/{number}"))).unwrap();
                file.write_all(&noise(number, 200_000)).unwrap();
                file.set_len(150_000).unwrap(); // so that all of it has been handed over
                file
            })
            .collect();
        assert_nothing_left(vault.path());
        assert_eq!(list(&vault.path().join("dir")).len(), 20);
        let shown = Tree::of(mounted.path());
        drop(open);
        shown.assert_same(&Tree::of(mounted.path()));
        assert_nothing_left(vault.path());
    });
    mounted.unmount();
    assert_nothing_left(vault.path());
}
