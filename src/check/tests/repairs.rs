//! Each kind of damage: how it is told, what is done about it, and that nothing of it is left then.

use super::oracle::{Seen, read_path};
use super::scene::{Scene, mkdir, noise, put};
use crate::check::{Deed, Depth, Finding, Mode, Severity, Span, What};
use crate::keys::Names;
use crate::record::{HEADER_LEN, SEALED_LEN, cipher_len};
use crate::view::{NodeId, SetXattr};
use rustix::fs::XattrFlags;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::ffi::{CStr, CString};
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, symlink};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::Command;

pub(super) const RECORDS: u64 = 5 * 4096 + 77;

pub(super) fn flip(path: &Path, at: u64) {
    let file = File::options().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 1], at).unwrap();
}

pub(super) fn cut(path: &Path, len: u64) {
    File::options().write(true).open(path).unwrap().set_len(len).unwrap();
}

/// Where a record begins on disk.
pub(super) fn at(record: u64) -> u64 {
    u64::try_from(HEADER_LEN).unwrap() + record * u64::try_from(SEALED_LEN).unwrap()
}

/// The only finding.
#[track_caller]
pub(super) fn only(scene: &Scene) -> Finding {
    let (found, summary) = scene.check(Depth::Full);
    let [finding] = &found[..] else { panic!("{found:#?}") };
    let counted = [summary.damage, summary.unreadable, summary.leftovers, summary.foreign];
    assert_eq!(counted.iter().sum::<u64>(), 1);
    finding.clone()
}

/// Repairs, after a dry run that says the same and changes nothing; then everything reads.
#[track_caller]
pub(super) fn repaired(scene: &Scene) -> Vec<Deed> {
    let before = scene.entries();
    let dry: Vec<_> = scene.repair(Mode::DryRun).iter().map(|done| done.deed).collect();
    assert_eq!(scene.entries(), before);
    assert!(!scene.path().join("plainview.lost+found").exists());
    let done = scene.repair(Mode::Act);
    let deeds: Vec<_> = done.iter().map(|done| done.deed).collect();
    assert_eq!(deeds, dry);
    for done in done {
        assert!(
            done.kept_as
                .is_none_or(|kept| scene.path().join(String::from_utf8(kept).unwrap()).symlink_metadata().is_ok())
        );
    }
    assert_eq!(scene.check(Depth::Full).0, []);
    assert!(Seen::of(&scene.view()).is_whole());
    deeds
}

#[test]
fn a_damaged_record_is_named_and_its_file_moved() {
    let scene = Scene::full();
    let stored = scene.stored(RECORDS);
    flip(&stored, at(2) + 700);
    let finding = only(&scene);
    assert_eq!((finding.severity, finding.what), (Severity::Damage, What::Record));
    assert_eq!(finding.path, Ok(b"one/records".to_vec()));
    assert_eq!(finding.records, Some(Span { first: 2, count: 1 }));
    assert_eq!(finding.bytes, Some((at(2), 4152)));
    assert!(
        finding.to_string().contains("/one/records: record 2, 4152 bytes at 8352 of "),
        "{finding}"
    );
    assert!(finding.to_string().ends_with(": authentication failed"), "{finding}");
    // What is not looked at is not found.
    assert_eq!(scene.check(Depth::Fast).0, []);
    let bytes = std::fs::read(&stored).unwrap();
    assert_eq!(repaired(&scene), [Deed::Move]);
    let kept = scene
        .path()
        .join("plainview.lost+found/1")
        .join(stored.strip_prefix(scene.path()).unwrap());
    assert_eq!(std::fs::read(kept).unwrap(), bytes);
    let list = std::fs::read_to_string(scene.path().join("plainview.lost+found/1.list")).unwrap();
    let expected = format!(
        "move\t{}\trecords of the file are damaged\n",
        stored.strip_prefix(scene.path()).unwrap().display()
    );
    assert_eq!(list, expected);
}

#[test]
fn a_torn_append_is_cut_and_kept() {
    let scene = Scene::full();
    let stored = scene.stored(RECORDS);
    cut(&stored, at(3) + 1000);
    let torn = std::fs::read(&stored).unwrap();
    let finding = only(&scene);
    assert_eq!(
        (finding.records, finding.bytes),
        (Some(Span { first: 3, count: 1 }), Some((at(3), 1000)))
    );
    assert_eq!(scene.check(Depth::Fast).0, [finding]);
    assert_eq!(repaired(&scene), [Deed::Cut]);
    let read = read_path(&scene.view(), &[b"one", b"records"]).unwrap();
    assert_eq!(read, noise(usize::try_from(RECORDS).unwrap())[..3 * 4096]);
    let kept = scene
        .path()
        .join("plainview.lost+found/1")
        .join(stored.strip_prefix(scene.path()).unwrap());
    assert_eq!(std::fs::read(kept).unwrap(), torn);
    // A cut that was interrupted is made again.
    cut(&stored, at(3));
    assert_eq!(scene.repair(Mode::Act).len(), 1);
    assert_eq!(read_path(&scene.view(), &[b"one", b"records"]).unwrap(), read);
}

#[test]
fn headers_links_attributes_and_names() {
    let template = Scene::full();
    type Damage = (&'static str, fn(&Scene), What, Severity, Deed);
    let kinds: [Damage; 10] = [
        (
            "header",
            |scene| flip(&scene.stored(RECORDS), 20),
            What::Header,
            Severity::Damage,
            Deed::Move,
        ),
        (
            "short header",
            |scene| cut(&scene.stored(RECORDS), 20),
            What::Header,
            Severity::Damage,
            Deed::Move,
        ),
        (
            "last record",
            |scene| flip(&scene.stored(RECORDS), cipher_len(RECORDS) - 1),
            What::Record,
            Severity::Damage,
            Deed::Move,
        ),
        (
            "symlink",
            |scene| retarget(&entry(scene, |path| path.is_symlink())),
            What::Target,
            Severity::Damage,
            Deed::Move,
        ),
        (
            "attribute",
            |scene| set_attribute(scene, c"user.plainview.nonsense"),
            What::Attribute,
            Severity::Damage,
            Deed::RemoveAttribute,
        ),
        (
            "rest of an attribute",
            |scene| set_attribute(scene, c"user.plainview.rest.AAAAAAAAAAAAAAAAAAAAAA"),
            What::Attribute,
            Severity::Leftover,
            Deed::RemoveAttribute,
        ),
        (
            "name",
            |scene| rename(&scene.stored(RECORDS)),
            What::Name,
            Severity::Damage,
            Deed::Move,
        ),
        (
            "temporary",
            |scene| drop(File::create(scene.path().join("plainview.tmp.0123")).unwrap()),
            What::Own,
            Severity::Leftover,
            Deed::Remove,
        ),
        ("orphan", orphan, What::Own, Severity::Leftover, Deed::Move),
        (
            "journal",
            |scene| std::fs::write(scene.path().join("plainview.journal"), [1; 9000]).unwrap(),
            What::Own,
            Severity::Damage,
            Deed::Move,
        ),
    ];
    for (name, damage, what, severity, deed) in kinds {
        println!("{name}");
        let scene = template.copy();
        damage(&scene);
        let finding = only(&scene);
        assert_eq!((finding.what, finding.severity), (what, severity), "{finding}");
        assert_eq!(repaired(&scene), [deed], "{name}");
    }
}

fn entry(scene: &Scene, is_it: impl Fn(&Path) -> bool) -> PathBuf {
    scene.entries().into_iter().find(|path| is_it(path)).unwrap()
}

pub(super) fn named(scene: &Scene, name: &str) -> Vec<PathBuf> {
    let is_it = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().starts_with(name);
    scene.entries().into_iter().filter(is_it).collect()
}

fn retarget(path: &Path) {
    std::fs::remove_file(path).unwrap();
    symlink("elsewhere", path).unwrap();
}

pub(super) fn rename(path: &Path) {
    let name = path.file_name().unwrap().to_str().unwrap();
    let first = if name.starts_with('A') { "B" } else { "A" };
    std::fs::rename(path, path.with_file_name([first, &name[1..]].concat())).unwrap();
}

fn set_attribute(scene: &Scene, name: &CStr) {
    rustix::fs::setxattr(scene.stored(RECORDS), name, b"x", XattrFlags::empty()).unwrap();
}

/// Where files can have attributes of 64 KiB, that is in memory, a value of that length has its rest in a second one: both are one value, for a repair too.
#[test]
fn a_long_attribute_is_one_with_its_rest() {
    let scene = Scene::full();
    if !scene.path().starts_with("/dev/shm") {
        assert!(std::env::var_os("CI").is_none(), "no extended attributes in /dev/shm");
        println!("SKIPPED: no extended attributes of 64 KiB in {}", scene.path().display());
        return;
    }
    let view = scene.view();
    let one = view.lookup(NodeId::ROOT, b"one").unwrap().attr.node;
    let node = view.lookup(one, b"records").unwrap().attr.node;
    view.setxattr(node, b"user.long", &noise(65_536), SetXattr::Any).unwrap();
    view.setxattr(node, b"user.also long", &noise(65_530), SetXattr::Any).unwrap();
    assert_eq!(view.getxattr(node, b"user.long").unwrap(), noise(65_536));
    drop(view);
    assert_eq!(scene.check(Depth::Full).0, []);
    let stored = scene.stored(RECORDS);
    let attributes = || {
        let mut names = vec![0; 4096];
        let len = rustix::fs::listxattr(&stored, names.as_mut_slice()).unwrap();
        let names = names[..len].split_inclusive(|byte| *byte == 0);
        names
            .map(|name| CStr::from_bytes_with_nul(name).unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let is_rest = |name: &CString| name.to_bytes().starts_with(b"user.plainview.rest.");
    assert_eq!(attributes().iter().filter(|name| is_rest(name)).count(), 2);
    // What goes takes nothing away from what is whole.
    let mut stored_value = vec![0; 65_536];
    let whole = attributes().into_iter().find(|name| !is_rest(name)).unwrap();
    rustix::fs::getxattr(&stored, &whole, stored_value.as_mut_slice()).unwrap();
    rustix::fs::setxattr(&stored, c"user.plainview.copy", &stored_value, XattrFlags::empty()).unwrap();
    assert_eq!(scene.repair(Mode::Act).len(), 1);
    assert_eq!(scene.check(Depth::Full).0, []);
    assert_eq!(attributes().len(), 4);
    std::fs::remove_dir_all(scene.path().join("plainview.lost+found")).unwrap();
    // A change in the rest is one of the value, and both parts of it go.
    let rest = attributes().into_iter().find(is_rest).unwrap();
    rustix::fs::setxattr(&stored, &rest, b"changed", XattrFlags::REPLACE).unwrap();
    let finding = only(&scene);
    assert_eq!((finding.what, finding.severity), (What::Attribute, Severity::Damage), "{finding}");
    assert_eq!(repaired(&scene), [Deed::RemoveAttribute]);
    assert_eq!(attributes().iter().filter(|name| is_rest(name)).count(), 1);
    assert_eq!(attributes().len(), 2);
    // Without the value, the rest is of no use.
    let value = attributes().into_iter().find(|name| !is_rest(name)).unwrap();
    rustix::fs::removexattr(&stored, &value).unwrap();
    let finding = only(&scene);
    assert_eq!((finding.what, finding.severity), (What::Attribute, Severity::Leftover), "{finding}");
    assert_eq!(scene.repair(Mode::Act).len(), 1);
    assert!(attributes().is_empty());
}

/// Moves an entry with a long name away, so that only its name is left.
fn orphan(scene: &Scene) {
    let long = named(scene, "plainview.long.").into_iter().find(|path| path.is_file()).unwrap();
    std::fs::remove_file(long).unwrap();
}

#[test]
fn a_file_with_several_names_is_looked_at_once_and_loses_all() {
    let scene = Scene::new(Names::Plain);
    let view = scene.view();
    let node = put(&view, NodeId::ROOT, b"one", &noise(9000));
    let dir = mkdir(&view, NodeId::ROOT, b"dir");
    view.link(node, dir, b"two").unwrap();
    view.link(node, dir, b"three").unwrap();
    drop(view);
    flip(&scene.path().join("one"), at(1) + 30);
    assert_eq!(only(&scene).what, What::Record);
    assert_eq!(scene.check(Depth::Full).1.files, 1);
    assert_eq!(repaired(&scene), [Deed::Move; 3]);
}

#[test]
fn what_is_somebody_elses_is_told_and_left() {
    let scene = Scene::full();
    std::fs::write(scene.path().join(".DS_Store"), b"x").unwrap();
    std::fs::create_dir(scene.path().join(".stfolder")).unwrap();
    std::fs::write(scene.path().join(".stfolder/inside"), b"x").unwrap();
    let (found, summary) = scene.check(Depth::Full);
    assert_eq!(found.len(), 2);
    assert_eq!((summary.damage, summary.foreign), (0, 2));
    assert_eq!(scene.repair(Mode::Act), []);
    // A file of ours is ours under any name.
    std::fs::rename(scene.stored(RECORDS), scene.path().join("a (conflicted copy)")).unwrap();
    assert_eq!(scene.check(Depth::Full).1.damage, 1);
}

/// The contents of all files in the vault and its lost+found, but for the lists.
fn contents(scene: &Scene) -> BTreeSet<Vec<u8>> {
    let mut all: Vec<_> = scene.entries();
    let lost = Command::new("find")
        .arg(scene.path().join("plainview.lost+found"))
        .output()
        .unwrap();
    all.extend(
        lost.stdout
            .split(|byte| *byte == b'\n')
            .map(|path| PathBuf::from(OsStr::from_bytes(path))),
    );
    all.retain(|path| !path.is_symlink() && path.is_file() && path.extension().is_none_or(|extension| extension != "list"));
    all.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

#[test]
fn a_repair_that_is_stopped_after_any_step_goes_on_the_next_time() {
    let template = Scene::full();
    cut(&template.stored(RECORDS), at(3) + 1000);
    flip(&template.stored(9000), 20);
    rename(&template.stored(100));
    retarget(&entry(&template, |path| path.is_symlink()));
    for id in named(&template, "plainview.dirid") {
        flip(&id, 20);
    }
    rustix::fs::setxattr(template.stored(4096), c"user.plainview.nonsense", b"x", XattrFlags::empty()).unwrap();
    let before = contents(&template);
    let steps = template.copy().repair(Mode::Act).len();
    assert_eq!(steps, 7);
    for stop in 0..steps {
        let scene = template.copy();
        let checker = scene.checker();
        let checked = checker.check(Depth::Full, &|_| {}).unwrap();
        let mut done = 0;
        let stopped = catch_unwind(AssertUnwindSafe(|| {
            checker.repair(checked, Mode::Act, &mut |_| {
                assert!(done < stop, "stopped");
                done += 1;
            });
        }));
        assert!(stopped.is_err());
        let rest = scene.repair(Mode::Act);
        // The step in which it was stopped is done already.
        assert_eq!(rest.len(), steps - stop - 1);
        assert_eq!(scene.check(Depth::Full).0, []);
        assert!(Seen::of(&scene.view()).is_whole());
        assert!(contents(&scene).is_superset(&before), "after step {stop}");
    }
}
