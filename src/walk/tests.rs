//! Paths in a view of a directory that is not encrypted.

use super::*;
use crate::local::Local;
use crate::view::{Access, Options, Ownership};
use rustix::fs::{Mode, OFlags};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use tempfile::TempDir;

fn view(dir: &Path) -> View {
    let root = rustix::fs::open(dir, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty()).unwrap();
    let options = Options {
        access: Access::ReadOnly,
        ownership: Ownership::Daemon,
        descriptors: 64,
    };
    View::new(Box::new(Local), root, options).unwrap()
}

fn path(text: &str) -> PlainPath {
    PlainPath::new(OsStr::new(text))
}

#[test]
fn paths_are_taken_apart_and_put_together() {
    for (text, expected) in [
        ("", "/"),
        ("/", "/"),
        (".", "/"),
        ("a", "/a"),
        ("//a/./b/", "/a/b"),
        ("a/../b", "/b"),
        ("../../a", "/a"),
        ("a/..", "/"),
    ] {
        assert_eq!(path(text).to_bytes(), expected.as_bytes(), "{text}");
    }
    assert_eq!(path("a/b").split(), Some((path("a"), &b"b"[..])));
    assert_eq!(path("/").split(), None);
    assert_eq!(path("a").join(b"b"), path("a/b"));
}

/// A directory with symlinks of all kinds, and a view of it.
fn scene() -> (TempDir, View) {
    let dir = TempDir::new().unwrap();
    fs::create_dir_all(dir.path().join("d/e")).unwrap();
    fs::write(dir.path().join("d/e/file"), "text").unwrap();
    for (target, link) in [
        ("d/e", "in"),
        ("e/../../in/file", "d/round"),
        ("/etc", "absolute"),
        ("../d", "above"),
        ("d/../../d", "through"),
        ("self", "self"),
        ("nowhere", "dangling"),
    ] {
        symlink(target, dir.path().join(link)).unwrap();
    }
    let view = view(dir.path());
    (dir, view)
}

#[test]
fn what_is_there_is_found() {
    let (_dir, view) = scene();
    let root = Known::root(&view).unwrap();
    let file = find(&root, &path("d/e/file"), Last::Itself).unwrap().node();
    for (text, last) in [
        ("in/file", Last::Itself),
        ("d/round", Last::Followed),
        ("in/../e/file", Last::Itself),
    ] {
        // What is left out of a path by its text alone is not looked at.
        let found = find(&root, &path(text), last);
        assert_eq!(found.is_ok_and(|found| found.node() == file), !text.contains(".."), "{text}");
    }
    assert_eq!(find(&root, &path("d/round"), Last::Itself).unwrap().attr.kind, FileType::Symlink);
    assert_eq!(find(&root, &path("/"), Last::Itself).unwrap().node(), NodeId::ROOT);
    let new = path("in/new");
    let (dir, name) = parent(&root, &new).unwrap().unwrap();
    assert_eq!(
        (dir.node(), name),
        (find(&root, &path("d/e"), Last::Itself).unwrap().node(), &b"new"[..])
    );
    assert!(parent(&root, &path("/")).unwrap().is_none());
}

#[test]
fn what_is_not_there_says_why() {
    let (_dir, view) = scene();
    let root = Known::root(&view).unwrap();
    let why = |text: &str| match find(&root, &path(text), Last::Followed) {
        Ok(_) => panic!("{text} is there"),
        Err(why) => why,
    };
    assert!(matches!(why("none"), NotThere::Missing));
    assert!(matches!(why("none/below"), NotThere::Missing));
    assert!(matches!(why("dangling"), NotThere::Missing));
    assert!(matches!(why("d/e/file/below"), NotThere::NotADirectory));
    for outside in ["absolute", "absolute/passwd", "above", "through"] {
        assert!(matches!(why(outside), NotThere::Outside), "{outside}");
    }
    assert!(matches!(why("self"), NotThere::Loop));
    assert!(matches!(why(&"n".repeat(256)), NotThere::Failed(Error::Name(_))));
    assert!(matches!(parent(&root, &path("d/e/file/new")), Err(NotThere::NotADirectory)));
}

#[test]
fn what_was_looked_up_is_forgotten() {
    let (_dir, view) = scene();
    let root = Known::root(&view).unwrap();
    let file = find(&root, &path("d/e/file"), Last::Itself).unwrap();
    let (node, above) = (file.node(), Known::at(&root, b"d").unwrap().node());
    assert!(view.getattr(node).is_ok() && view.getattr(above).is_ok());
    drop(file);
    assert!(matches!(view.getattr(node), Err(Error::Stale)));
    assert!(matches!(view.getattr(above), Err(Error::Stale)));
}

#[test]
fn directories_are_listed_in_order() {
    let (_dir, view) = scene();
    let root = Known::root(&view).unwrap();
    let names: Vec<_> = root.names().unwrap();
    let mut sorted = names.clone();
    sorted.sort();
    assert_eq!((names.len(), &names), (7, &sorted));
    assert!(root.list().unwrap().iter().all(|entry| entry.stored.to_bytes() == &*entry.name));
    assert!(Known::look(&root, b"none").unwrap().is_none());
}
