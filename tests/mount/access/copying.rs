//! Export and import: that a tree comes out as it went in, and what becomes of what is there already.

use super::{answer, imported, plain};
use crate::corpus::{fill, noise};
use crate::harness::{Options, Vault};
use crate::people::{Who, is_root, run, run_unmount, run_with_input};
use crate::tree::Tree;
use rustix::fs::{CWD, FileType, Mode, XattrFlags, mknodat};
use rustix::io::Errno;
use serde_json::Value;
use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

/// As the corpus, and what only some can make: fifos, and as root devices, other owners and capabilities.
fn fill_with_more(who: Who, dir: &Path) {
    fill(dir);
    let more = dir.join("more");
    fs::create_dir(&more).unwrap();
    let node = |name: &str, kind, device| mknodat(CWD, more.join(name), kind, Mode::from_raw_mode(0o640), device);
    node("fifo", FileType::Fifo, 0).unwrap();
    // Besides owner, group and others, user 12345 may read.
    let entries = [(1_u16, 7_u16, !0_u32), (2, 4, 12345), (4, 4, !0), (0x10, 4, !0), (0x20, 0, !0)];
    let entries = entries
        .iter()
        .flat_map(|(tag, perm, id)| [&tag.to_le_bytes()[..], &perm.to_le_bytes(), &id.to_le_bytes()].concat());
    let acl: Vec<u8> = 2_u32.to_le_bytes().into_iter().chain(entries).collect();
    fs::write(more.join("acl"), "listed").unwrap();
    for (name, acl_name) in [("acl", "system.posix_acl_access"), ("", "system.posix_acl_default")] {
        match rustix::fs::setxattr(more.join(name), acl_name, &acl, XattrFlags::empty()) {
            Err(Errno::OPNOTSUPP) => crate::people::skipped("no ACLs on this filesystem"),
            set => set.unwrap(),
        }
    }
    if who == Who::Root {
        node("device", FileType::CharacterDevice, rustix::fs::makedev(1, 3)).unwrap();
        fs::write(more.join("theirs"), "somebody's").unwrap();
        std::os::unix::fs::chown(more.join("theirs"), Some(12345), Some(54321)).unwrap();
        fs::set_permissions(more.join("theirs"), PermissionsExt::from_mode(0o6751)).unwrap();
    }
    let mut deep = more;
    for level in 0..12 {
        deep = deep.join(format!("{level}{}", "deep".repeat(63)));
        fs::create_dir(&deep).unwrap();
        fs::write(deep.join(format!("{level}")), "in the deep").unwrap();
    }
}

#[test]
fn what_goes_in_comes_out() {
    for who in Who::both() {
        let (vault, original) = imported(who, |dir| fill_with_more(who, dir));
        let before = who.run(|| Tree::of(&original).without_root());
        let mounted = vault.mount(&["-o", "acl"]);
        before.assert_same(&mounted.enter(|path| Tree::of(path).without_root()));
        mounted.unmount();
        let out = vault.scratch().path().join("out");
        let said = answer(&vault, &["export"], &[plain("/"), &vault.scratch().dir("out", who)]).ok();
        assert!(said.ends_with(" 0 skipped, 0 conflicts, 0 failed\n"), "{said}");
        before.assert_same(&who.run(|| Tree::of(&out).without_root()));
        assert_same_holes(&original.join("sparse"), &out.join("sparse"));
    }
}

/// A hole in a vault is made of whole records, so at its ends there may be a little less of it.
fn assert_same_holes(original: &Path, copy: &Path) {
    for entry in fs::read_dir(original).unwrap().map(|entry| entry.unwrap()) {
        let (one, other) = (entry.metadata().unwrap(), fs::metadata(copy.join(entry.file_name())).unwrap());
        let segments = 1 + one.blocks() * 512 / 8192;
        assert!(
            other.blocks() <= one.blocks() + segments * 32,
            "{:?}: {} and {} blocks",
            entry.file_name(),
            one.blocks(),
            other.blocks()
        );
    }
}

#[test]
fn single_paths_come_under_their_own_names() {
    let (vault, original) = imported(Who::me(), fill);
    let out = vault.scratch().path().join("made by it");
    let paths = [
        plain("links/one"),
        plain("/links/two"),
        plain("names/"),
        plain("links/dangling"),
        &out,
    ];
    answer(&vault, &["export"], &paths).ok();
    let mut names: Vec<_> = fs::read_dir(&out).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["dangling", "names", "one", "two"]);
    assert_eq!(
        fs::metadata(out.join("one")).unwrap().ino(),
        fs::metadata(out.join("two")).unwrap().ino()
    );
    Tree::of(&original.join("names")).assert_same(&Tree::of(&out.join("names")));
    // By a symlink on the way, and two of one name.
    answer(&vault, &["import"], &[&out.join("names"), &out.join("one"), plain("new")]).ok();
    answer(&vault, &["cat"], &[plain("new/names/ ")]).ok();
    answer(&vault, &["export"], &[plain("new/one"), plain("links/one"), &out])
        .code(2)
        .says(&["two of the paths"]);
    answer(&vault, &["export"], &[plain("links/two"), plain("missing"), &out])
        .code(1)
        .says(&["/missing: there is no such"]);
    answer(&vault, &["import"], &[&out.join("one"), plain("new/one/below")])
        .code(1)
        .says(&["/new/one/below: something on the way there is not a directory"]);
    answer(&vault, &["import"], &[&out.join("one"), plain("no/such")])
        .code(1)
        .says(&["/no/such: there is no such"]);
    answer(&vault, &["import"], &[&out.join("none"), plain("/")])
        .code(1)
        .says(&["cannot read"]);
}

#[test]
fn what_is_the_same_is_skipped_and_what_differs_is_left_or_replaced() {
    let (vault, original) = imported(Who::me(), |dir| {
        for name in ["same", "changed", "touched", "kind"] {
            fs::write(dir.join(name), noise(1, 9000)).unwrap();
        }
        fs::create_dir(dir.join("directory")).unwrap();
    });
    let out = vault.scratch().dir("out", Who::me());
    let files = [plain("/"), &*out];
    answer(&vault, &["export"], &files).ok();
    let all_skipped = "0 files, 0 directories, 0 bytes exported, 4 skipped, 0 conflicts, 0 failed\n";
    assert_eq!(answer(&vault, &["export"], &files).ok(), all_skipped);
    assert_eq!(answer(&vault, &["export", "--compare"], &files).ok(), all_skipped);

    fs::write(out.join("changed"), "something else").unwrap();
    // Other bytes, the same size and time: only --compare sees that.
    let modified = fs::metadata(out.join("same")).unwrap().modified().unwrap();
    let sly = File::options().write(true).open(out.join("same")).unwrap();
    sly.write_all_at(b"sly", 4000).unwrap();
    sly.set_modified(modified).unwrap();
    let touched = File::options().write(true).open(out.join("touched")).unwrap();
    touched.set_modified(UNIX_EPOCH + Duration::from_secs(1)).unwrap();
    fs::remove_file(out.join("kind")).unwrap();
    fs::create_dir(out.join("kind")).unwrap();
    fs::remove_dir(out.join("directory")).unwrap();
    symlink(&original, out.join("directory")).unwrap();

    let said = answer(&vault, &["export"], &files).code(17);
    assert!(said.out.ends_with(" 2 skipped, 3 conflicts, 0 failed\n"), "{said:?}");
    said.says(&[
        "/changed: there is something else of that name",
        "/kind: there is",
        "/directory: there is",
        "--force",
    ]);
    answer(&vault, &["export", "--compare"], &files).code(17).says(&["/same: there is"]);
    assert_eq!(fs::read(out.join("changed")).unwrap(), b"something else");
    answer(&vault, &["export", "--compare", "--force"], &files)
        .code(17)
        .says(&["/kind: there is", "/directory: there is"]);
    for name in ["same", "changed", "touched"] {
        let (one, other) = (original.join(name), out.join(name));
        assert!(fs::read(&one).unwrap() == fs::read(&other).unwrap(), "{name}");
        assert_eq!(
            fs::metadata(&one).unwrap().modified().unwrap(),
            fs::metadata(&other).unwrap().modified().unwrap(),
            "{name}"
        );
    }
    assert!(out.join("directory").is_symlink());
    assert_eq!(fs::read_dir(&original).unwrap().count(), 5);
}

#[test]
fn import_replaces_only_by_force() {
    let (vault, original) = imported(Who::me(), |dir| fs::write(dir.join("file"), "old").unwrap());
    fs::write(original.join("file"), "the new one").unwrap();
    let paths = [&*original.join("file"), plain("/")];
    answer(&vault, &["import"], &paths)
        .code(17)
        .says(&["file: there is something else"]);
    assert_eq!(answer(&vault, &["cat"], &[plain("file")]).ok(), "old");
    answer(&vault, &["import", "--force"], &paths).ok();
    assert_eq!(answer(&vault, &["cat"], &[plain("file")]).ok(), "the new one");
}

#[test]
fn what_cannot_be_meant_is_refused() {
    let vault = Vault::new(Options::default());
    let inside = vault.path().join("inside");
    for dir in [&inside, vault.path()] {
        answer(&vault, &["export"], &[plain("/"), dir])
            .code(2)
            .says(&["in the vault's own directory"]);
    }
    assert!(!inside.exists());
    for source in [
        vault.path(),
        &vault.path().join("."),
        &vault.path().join("plainview.toml"),
        vault.scratch().path(),
    ] {
        answer(&vault, &["import"], &[source, plain("/")])
            .code(2)
            .says(&["lie in each other"]);
    }
    assert_eq!(fs::read_dir(vault.path()).unwrap().count(), 1);
    let wrong = vault.scratch().file("wrong", b"wrong", Who::me());
    let mut with_wrong = vault.plainview(Who::me(), &["export", "--passfile"]);
    run(with_wrong.args([&wrong, vault.path(), plain("/"), &vault.scratch().path().join("out")])).code(12);
    assert!(!vault.scratch().path().join("out").exists());
    let mut no_vault = vault.plainview(Who::me(), &["export", "/nonexistent", "/", "/tmp/x"]);
    run(&mut no_vault).code(7);
}

#[test]
fn the_password_may_come_from_standard_input() {
    let (vault, _) = imported(Who::me(), |dir| fs::write(dir.join("file"), "text").unwrap());
    let mut cat = vault.plainview(vault.owner(), &["cat"]);
    let input = fs::read(vault.passfile()).unwrap();
    assert_eq!(run_with_input(cat.arg(vault.path()).arg("file"), &input).ok(), "text");
}

#[test]
fn programs_get_json_and_the_quiet_get_nothing() {
    let (vault, original) = imported(Who::me(), |dir| {
        fs::write(dir.join("file"), "text").unwrap();
        fs::hard_link(dir.join("file"), dir.join("link")).unwrap();
    });
    let out = vault.scratch().dir("out", Who::me());
    assert_eq!(answer(&vault, &["export", "--quiet"], &[plain("/"), &out]).ok(), "");
    fs::write(out.join("file"), "differs").unwrap();
    let said = answer(&vault, &["export", "--json"], &[plain("/"), &out]).code(17).out;
    let lines: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(
        (lines.len(), &lines[0]["type"], &lines[0]["path"]),
        (3, &"problem".into(), &"/file".into())
    );
    assert_eq!(
        (&lines[2]["type"], &lines[2]["conflicts"], &lines[2]["failed"]),
        (&"summary".into(), &2.into(), &0.into())
    );
    fs::remove_dir_all(&original).unwrap();
}

#[test]
fn a_disk_that_knows_less_gets_what_it_can_hold() {
    if !is_root() {
        return crate::people::skipped("needs root");
    }
    let (vault, _) = imported(Who::Root, |dir| {
        fs::write(dir.join("file"), "text").unwrap();
        rustix::fs::setxattr(dir.join("file"), "user.mood", b"good", XattrFlags::CREATE).unwrap();
    });
    // It knows no attributes.
    let out = vault.scratch().dir("ramfs", Who::Root);
    run(Who::Root.command("mount").args(["-t", "ramfs", "none"]).arg(&out)).ok();
    answer(&vault, &["export"], &[plain("/"), &out])
        .code(0)
        .says(&["/file: copied without its extended attribute user.mood"]);
    assert_eq!(fs::read(out.join("file")).unwrap(), b"text");
    run_unmount(Who::Root.command("umount").arg(&out)).ok();
}
