//! The view over a real directory, without a mount.

use super::*;
use crate::keys::{MasterKey, Names};
use crate::secret::Secret;
use crate::vault::Vault;
use rustix::fs::{Mode, OFlags};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

const ME: Caller = Caller { uid: 0, gid: 0 };

fn view_of(dir: &Path, names: Names, descriptors: usize) -> View {
    let root = rustix::fs::open(dir, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).unwrap();
    let master = MasterKey::new(Secret::fill_with(|key| *key = [7; 32]));
    let options = Options {
        access: Access::ReadWrite,
        ownership: Ownership::Daemon,
        descriptors,
    };
    View::new(Box::new(Vault::new(&master, names)), root, options).unwrap()
}

fn fresh() -> (tempfile::TempDir, View) {
    let dir = tempfile::tempdir().unwrap();
    let view = view_of(dir.path(), Names::Encrypted, 100);
    (dir, view)
}

fn put(view: &View, parent: NodeId, name: &[u8], data: &[u8]) -> NodeId {
    let node = view.create(ME, parent, name, 0o644, Access::ReadWrite).unwrap().attr.node;
    view.write(node, 0, data, Privileges::Keep, Origin::Application).unwrap();
    node
}

fn get(view: &View, node: NodeId) -> Vec<u8> {
    let mut bytes = Vec::new();
    view.read(node, 0, 1 << 20, &mut bytes).unwrap();
    bytes
}

fn errno<T>(result: Result<T>) -> Errno {
    result.err().unwrap().errno()
}

fn names(view: &View, node: NodeId) -> Vec<Vec<u8>> {
    let mut names = Vec::new();
    view.readdir(node, 0, &mut |entry| {
        names.push(entry.name.to_vec());
        Fill::Taken
    })
    .unwrap();
    names.retain(|name| name != b"." && name != b"..");
    names.sort();
    names
}

/// The only entry of the vault directory that is not one of our own files.
fn only_entry(dir: &Path) -> PathBuf {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let mut shown = entries.filter(|path| !path.file_name().unwrap().as_bytes().starts_with(b"plainview."));
    let only = shown.next().unwrap();
    assert_eq!(shown.next(), None);
    only
}

#[test]
fn what_comes_late_is_sealed_ahead_with_the_keys_that_the_file_has() {
    let (_dir, view) = fresh();
    let node = put(&view, NodeId::ROOT, b"file", &[1; 8192]);
    let inode = view.inode(node).unwrap();
    let is_sealed = |offset, len| {
        let late = |file: &descriptors::OpenFile| Ok(file.late(offset, &vec![2; len]).is_sealed());
        view.with_file(&inode, late).unwrap()
    };
    assert!(is_sealed(0, 8192) && is_sealed(4096, 4096));
    assert!(!is_sealed(1, 4096) && !is_sealed(4096, 100));
    assert!(is_sealed(4096, 8192) && is_sealed(1 << 40, 4096), "it makes the file longer");
    assert!(!is_sealed(u64::MAX - 4095, 4096) && !is_sealed(1 << 62, 4096), "no file is so long");
    // Another program may have given the file another header: nobody knows it yet.
    view.reload(&inode).unwrap();
    assert!(!is_sealed(0, 8192));
    view.write(node, 0, &[3; 4096], Privileges::Keep, Origin::Cache).unwrap();
    assert!(is_sealed(0, 8192));
    view.write(node, 0, &[3; 4096], Privileges::Keep, Origin::Cache).unwrap();
    assert_eq!(get(&view, node), [[3; 4096], [1; 4096]].concat());
}

#[test]
fn what_is_written_is_read_also_by_another_view() {
    let (dir, view) = fresh();
    let sub = view.mkdir(ME, NodeId::ROOT, b"sub", 0o755).unwrap().attr.node;
    put(&view, sub, b"file", b"hello");
    assert_eq!(errno(view.create(ME, sub, b"file", 0o644, Access::ReadWrite)), Errno::EXIST);
    let again = view_of(dir.path(), Names::Encrypted, 100);
    let sub = again.lookup(NodeId::ROOT, b"sub").unwrap().attr.node;
    let file = again.lookup(sub, b"file").unwrap();
    assert_eq!((file.attr.size, get(&again, file.attr.node)), (5, b"hello".to_vec()));
    assert_eq!(errno(again.lookup(sub, b"none")), Errno::NOENT);
}

#[test]
fn a_renamed_directory_keeps_what_is_in_it() {
    let (dir, view) = fresh();
    let one = view.mkdir(ME, NodeId::ROOT, b"one", 0o755).unwrap().attr.node;
    let deep = view.mkdir(ME, one, b"deep", 0o755).unwrap().attr.node;
    put(&view, deep, b"file", b"deep down");
    view.rename(NodeId::ROOT, b"one", NodeId::ROOT, b"two", Rename::Replace).unwrap();
    view.rename(NodeId::ROOT, b"two", NodeId::ROOT, b"three", Rename::NoReplace)
        .unwrap();
    assert_eq!(names(&view, one), [b"deep"]);
    for view in [view, view_of(dir.path(), Names::Encrypted, 100)] {
        let three = view.lookup(NodeId::ROOT, b"three").unwrap().attr.node;
        let deep = view.lookup(three, b"deep").unwrap().attr.node;
        let file = view.lookup(deep, b"file").unwrap().attr.node;
        assert_eq!(get(&view, file), b"deep down");
    }
}

#[test]
fn a_renamed_directory_can_be_removed_and_replaced_when_it_is_empty() {
    let (dir, view) = fresh();
    let one = view.mkdir(ME, NodeId::ROOT, b"one", 0o755).unwrap().attr.node;
    view.rename(NodeId::ROOT, b"one", NodeId::ROOT, b"two", Rename::Replace).unwrap();
    put(&view, one, b"file", b"");
    assert_eq!(errno(view.rmdir(NodeId::ROOT, b"two")), Errno::NOTEMPTY);
    view.mkdir(ME, NodeId::ROOT, b"new", 0o755).unwrap();
    assert_eq!(
        errno(view.rename(NodeId::ROOT, b"new", NodeId::ROOT, b"two", Rename::Replace)),
        Errno::NOTEMPTY
    );
    assert_eq!(names(&view, one), [b"file"]);
    view.unlink(one, b"file").unwrap();
    view.rename(NodeId::ROOT, b"new", NodeId::ROOT, b"two", Rename::Replace).unwrap();
    view.rmdir(NodeId::ROOT, b"two").unwrap();
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn exchange_swaps_a_file_and_a_directory() {
    let (dir, view) = fresh();
    let sub = view.mkdir(ME, NodeId::ROOT, b"sub", 0o755).unwrap().attr.node;
    put(&view, sub, b"inner", b"inside");
    put(&view, NodeId::ROOT, b"file", b"outside");
    view.rename(NodeId::ROOT, b"sub", NodeId::ROOT, b"file", Rename::Exchange).unwrap();
    for view in [view, view_of(dir.path(), Names::Encrypted, 100)] {
        let sub = view.lookup(NodeId::ROOT, b"file").unwrap().attr.node;
        let inner = view.lookup(sub, b"inner").unwrap().attr.node;
        let file = view.lookup(NodeId::ROOT, b"sub").unwrap().attr.node;
        assert_eq!((get(&view, inner), get(&view, file)), (b"inside".to_vec(), b"outside".to_vec()));
    }
}

#[test]
fn every_length_of_name_works_and_leaves_nothing_behind() {
    let (dir, view) = fresh();
    for len in 1..=255 {
        let name = vec![0xa7; len];
        let made = put(&view, NodeId::ROOT, &name, &name);
        let renamed = vec![0xff; len];
        view.rename(NodeId::ROOT, &name, NodeId::ROOT, &renamed, Rename::Replace).unwrap();
        assert_eq!(names(&view, NodeId::ROOT), std::slice::from_ref(&renamed));
        let again = view_of(dir.path(), Names::Encrypted, 100);
        let node = again.lookup(NodeId::ROOT, &renamed).unwrap().attr.node;
        assert_eq!(get(&again, node), name);
        view.unlink(NodeId::ROOT, &renamed).unwrap();
        view.forget(made, 1);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "{len}");
    }
    assert_eq!(
        errno(view.create(ME, NodeId::ROOT, &[b'x'; 256], 0o644, Access::ReadWrite)),
        Errno::NAMETOOLONG
    );
}

#[test]
fn an_unlinked_file_goes_on_working_until_it_is_forgotten() {
    let (_dir, view) = fresh();
    let node = put(&view, NodeId::ROOT, b"file", b"still here");
    view.unlink(NodeId::ROOT, b"file").unwrap();
    for other in 0..300 {
        put(&view, NodeId::ROOT, format!("other {other}").as_bytes(), b"");
    }
    view.write(node, 5, b" more", Privileges::Keep, Origin::Application).unwrap();
    assert_eq!((get(&view, node), view.getattr(node).unwrap().nlink), (b"still more".to_vec(), 0));
    assert_eq!(errno(view.link(node, NodeId::ROOT, b"back")), Errno::NOENT);
    view.forget(node, 1);
    assert_eq!(errno(view.getattr(node)), Errno::STALE);
}

#[test]
fn replacing_a_file_leaves_those_who_have_it_open_alone() {
    let (_dir, view) = fresh();
    let old = put(&view, NodeId::ROOT, b"file", b"old");
    let new = put(&view, NodeId::ROOT, b"file.new", b"new");
    view.rename(NodeId::ROOT, b"file.new", NodeId::ROOT, b"file", Rename::Replace)
        .unwrap();
    assert_eq!((get(&view, old), get(&view, new)), (b"old".to_vec(), b"new".to_vec()));
    assert_eq!(view.lookup(NodeId::ROOT, b"file").unwrap().attr.node, new);
}

#[test]
fn descriptors_stay_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let open = || {
        std::fs::read_dir("/proc/self/fd")
            .unwrap()
            .filter(|fd| std::fs::read_link(fd.as_ref().unwrap().path()).is_ok_and(|to| to.starts_with(dir.path())))
            .count()
    };
    let view = view_of(dir.path(), Names::Encrypted, 64);
    let nodes: Vec<_> = (0..250_u8)
        .map(|number| {
            let sub = view
                .mkdir(ME, NodeId::ROOT, format!("dir {number}").as_bytes(), 0o755)
                .unwrap()
                .attr
                .node;
            put(&view, sub, b"file", &[number])
        })
        .collect();
    assert!(open() <= 64, "{} open", open());
    for (number, node) in (0_u8..).zip(&nodes) {
        assert_eq!(get(&view, *node), [number]);
    }
    assert!(open() <= 64, "{} open", open());
}

#[test]
fn a_listing_goes_on_where_it_stopped() {
    let (_dir, view) = fresh();
    let expected: Vec<_> = (0..200).map(|number| format!("file {number:03}").into_bytes()).collect();
    for name in &expected {
        put(&view, NodeId::ROOT, name, b"");
    }
    let mut seen = BTreeMap::new();
    let mut offset = 0;
    loop {
        let mut room = 7;
        let before = offset;
        view.readdirplus(NodeId::ROOT, before, &mut |entry| {
            if room == 0 {
                return Fill::Full;
            }
            room -= 1;
            offset = entry.next;
            *seen.entry(entry.name.to_vec()).or_insert(0) += 1;
            Fill::Taken
        })
        .unwrap();
        if offset == before {
            break;
        }
    }
    seen.retain(|name, _| name != b"." && name != b"..");
    assert_eq!(
        seen.into_iter().collect::<Vec<_>>(),
        expected.into_iter().map(|name| (name, 1)).collect::<Vec<_>>()
    );
}

#[test]
fn a_change_by_others_raises_the_generation_and_ours_do_not() {
    let (dir, view) = fresh();
    let node = put(&view, NodeId::ROOT, b"file", b"first");
    let first = view.lookup(NodeId::ROOT, b"file").unwrap();
    view.write(node, 0, b"again", Privileges::Keep, Origin::Application).unwrap();
    view.setattr(
        ME,
        node,
        &SetAttr {
            mode: Some(0o600),
            ..SetAttr::default()
        },
    )
    .unwrap();
    view.link(node, NodeId::ROOT, b"other").unwrap();
    view.unlink(NodeId::ROOT, b"other").unwrap();
    view.rename(NodeId::ROOT, b"file", NodeId::ROOT, b"name", Rename::Replace).unwrap();
    let second = view.lookup(NodeId::ROOT, b"name").unwrap();
    assert_eq!(second.generation, first.generation);

    let stored = only_entry(dir.path());
    let other = view_of(dir.path(), Names::Encrypted, 100);
    let theirs = other.lookup(NodeId::ROOT, b"name").unwrap().attr.node;
    other
        .setattr(
            ME,
            theirs,
            &SetAttr {
                size: Some(0),
                ..SetAttr::default()
            },
        )
        .unwrap();
    other.write(theirs, 0, b"theirs", Privileges::Keep, Origin::Application).unwrap();
    assert_eq!(std::fs::metadata(&stored).unwrap().ino(), node.0);
    let third = view.lookup(NodeId::ROOT, b"name").unwrap();
    assert!(third.generation > second.generation);
    assert_eq!(get(&view, third.attr.node), b"theirs");
}

#[test]
fn links_are_one_file() {
    let (dir, view) = fresh();
    let sub = view.mkdir(ME, NodeId::ROOT, b"sub", 0o755).unwrap().attr.node;
    let node = put(&view, NodeId::ROOT, b"one", b"shared");
    let entry = view.link(node, sub, &[b'l'; 200]).unwrap();
    assert_eq!((entry.attr.node, entry.attr.nlink), (node, 2));
    view.rename(NodeId::ROOT, b"one", sub, &[b'l'; 200], Rename::Replace).unwrap();
    assert_eq!(
        (names(&view, NodeId::ROOT).len(), names(&view, sub).len()),
        (2, 1),
        "renaming one link onto another does nothing"
    );
    view.unlink(NodeId::ROOT, b"one").unwrap();
    let again = view_of(dir.path(), Names::Encrypted, 100);
    let sub = again.lookup(NodeId::ROOT, b"sub").unwrap().attr.node;
    let left = again.lookup(sub, &[b'l'; 200]).unwrap();
    assert_eq!((left.attr.nlink, get(&again, left.attr.node)), (1, b"shared".to_vec()));
}

#[test]
fn symlinks_and_attributes_come_back() {
    let (dir, view) = fresh();
    let link = view.symlink(ME, NodeId::ROOT, b"link", b"/some/where \xff").unwrap();
    assert_eq!(link.attr.size, 13);
    let node = put(&view, NodeId::ROOT, b"file", b"");
    view.setxattr(node, b"user.colour", b"green", SetXattr::Any).unwrap();
    view.setxattr(node, b"user.empty", b"", SetXattr::Create).unwrap();
    assert_eq!(errno(view.setxattr(node, b"user.empty", b"", SetXattr::Create)), Errno::EXIST);
    assert_eq!(errno(view.setxattr(node, b"user.none", b"", SetXattr::Replace)), Errno::NODATA);
    let again = view_of(dir.path(), Names::Encrypted, 100);
    let link = again.lookup(NodeId::ROOT, b"link").unwrap().attr.node;
    assert_eq!(again.readlink(link).unwrap(), b"/some/where \xff");
    let node = again.lookup(NodeId::ROOT, b"file").unwrap().attr.node;
    assert_eq!(again.getxattr(node, b"user.colour").unwrap(), b"green");
    let mut listed: Vec<_> = again
        .listxattr(node)
        .unwrap()
        .split(|byte| *byte == 0)
        .map(<[u8]>::to_vec)
        .collect();
    listed.sort();
    assert_eq!(listed, [b"".to_vec(), b"user.colour".to_vec(), b"user.empty".to_vec()]);
    again.removexattr(node, b"user.colour").unwrap();
    assert_eq!(errno(again.getxattr(node, b"user.colour")), Errno::NODATA);
}

#[test]
fn plain_names_are_plain_and_ours_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let view = view_of(dir.path(), Names::Plain, 100);
    let sub = view.mkdir(ME, NodeId::ROOT, b"sub", 0o755).unwrap().attr.node;
    put(&view, sub, &[b'n'; 255], b"secret");
    view.symlink(ME, NodeId::ROOT, b"link", b"target").unwrap();
    view.rename(NodeId::ROOT, b"sub", NodeId::ROOT, b"moved", Rename::Replace).unwrap();
    assert_eq!(std::fs::read_link(dir.path().join("link")).unwrap(), Path::new("target"));
    let file = dir.path().join("moved").join(OsStr::from_bytes(&[b'n'; 255]));
    assert_eq!(std::fs::read(file).unwrap().len(), 48 + 56 + 6);
    assert_eq!(
        errno(view.create(ME, NodeId::ROOT, b"plainview.toml", 0o644, Access::ReadWrite)),
        Errno::PERM
    );
    std::fs::write(dir.path().join("plainview.toml"), "").unwrap();
    assert_eq!(names(&view, NodeId::ROOT), [b"link".to_vec(), b"moved".to_vec()]);
    assert_eq!(errno(view.lookup(NodeId::ROOT, b"plainview.toml")), Errno::NOENT);
}

#[test]
fn foreign_entries_are_hidden_and_do_no_harm() {
    let (dir, view) = fresh();
    put(&view, NodeId::ROOT, b"file", b"");
    let stored = only_entry(dir.path());
    let mut bytes = stored.file_name().unwrap().as_bytes().to_vec();
    bytes[3] ^= 1;
    for junk in [
        OsStr::from_bytes(&bytes),
        OsStr::new("desktop.ini"),
        OsStr::new("plainview.long.x"),
        OsStr::new("plainview.name.y"),
        OsStr::from_bytes(b"\xff\xfe"),
    ] {
        std::fs::write(dir.path().join(junk), "junk").unwrap();
    }
    assert_eq!(names(&view, NodeId::ROOT), [b"file"]);
}

#[test]
fn a_read_only_view_changes_nothing() {
    let (dir, view) = fresh();
    put(&view, NodeId::ROOT, b"file", b"there");
    let root = rustix::fs::open(dir.path(), OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).unwrap();
    let master = MasterKey::new(Secret::fill_with(|key| *key = [7; 32]));
    let options = Options {
        access: Access::ReadOnly,
        ownership: Ownership::Daemon,
        descriptors: 100,
    };
    let view = View::new(Box::new(Vault::new(&master, Names::Encrypted)), root, options).unwrap();
    let node = view.lookup(NodeId::ROOT, b"file").unwrap().attr.node;
    assert_eq!(get(&view, node), b"there");
    assert_eq!(errno(view.write(node, 0, b"x", Privileges::Keep, Origin::Application)), Errno::ROFS);
    assert_eq!(errno(view.create(ME, NodeId::ROOT, b"new", 0o644, Access::ReadWrite)), Errno::ROFS);
    assert_eq!(errno(view.unlink(NodeId::ROOT, b"file")), Errno::ROFS);
    assert_eq!(
        errno(view.rename(NodeId::ROOT, b"file", NodeId::ROOT, b"new", Rename::Replace)),
        Errno::ROFS
    );
}

/// A view of the recipe folder `dir`.
fn recipe_view(dir: &Path) -> View {
    use crate::recipe::{Others, Recipe, RecipeKey};
    let root = || rustix::fs::open(dir, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).unwrap();
    let options = Options {
        access: Access::ReadWrite,
        ownership: Ownership::Daemon,
        descriptors: 100,
    };
    let key = RecipeKey::from_hex(&[b'7'; 64]).unwrap();
    View::new(Box::new(Recipe::new(key, root(), Others::Hidden)), root(), options).unwrap()
}

#[test]
fn what_another_program_has_overwritten_is_seen_once_a_change_was_refused() {
    let dir = tempfile::tempdir().unwrap();
    let view = recipe_view(dir.path());
    let node = put(&view, NodeId::ROOT, b"file", b"first");
    view.release(node, Access::ReadWrite).unwrap();
    let generation = view.lookup(NodeId::ROOT, b"file").unwrap().generation;
    // In place, as the article's program does it: an empty file with another IV.
    std::fs::write(dir.path().join("file.enc"), [&[0; 8][..], &[9; 16]].concat()).unwrap();
    let write = |data: &[u8]| view.write(node, 0, data, Privileges::Keep, Origin::Application);
    assert_eq!(errno(write(b"meant for another")), Errno::STALE);
    let found = view.lookup(NodeId::ROOT, b"file").unwrap();
    assert_eq!((found.attr.node, found.attr.size), (node, 0));
    assert!(found.generation > generation, "the kernel has to drop what it has of it");
    write(b"new").unwrap();
    view.flush(node).unwrap();
    assert_eq!(get(&view, node), b"new");
    assert_eq!(names(&view, NodeId::ROOT).len(), 1);
}

#[test]
fn what_another_program_has_overwritten_is_kept_beside_what_was_changed_here() {
    let dir = tempfile::tempdir().unwrap();
    let view = recipe_view(dir.path());
    let node = put(&view, NodeId::ROOT, b"file", b"first");
    view.flush(node).unwrap();
    view.write(node, 0, b"ours!", Privileges::Keep, Origin::Application).unwrap();
    // In place, as the article's program does it: an empty file with another IV.
    std::fs::write(dir.path().join("file.enc"), [&[0; 8][..], &[9; 16]].concat()).unwrap();
    view.flush(node).unwrap();
    let names = names(&view, NodeId::ROOT);
    assert_eq!(names.len(), 2);
    assert!(names[1].starts_with(b"file.conflict-"));
    assert_eq!(get(&view, view.lookup(NodeId::ROOT, b"file").unwrap().attr.node), b"");
    assert_eq!(get(&view, view.lookup(NodeId::ROOT, &names[1]).unwrap().attr.node), b"ours!");
    assert_eq!(get(&view, node), b"ours!");
}

/// The kernel tells of a release after the close has returned: the next one who saves may have emptied the file by then.
#[test]
fn a_late_release_stores_nothing_half_written() {
    let dir = tempfile::tempdir().unwrap();
    let view = recipe_view(dir.path());
    let node = put(&view, NodeId::ROOT, b"file", b"first");
    view.flush(node).unwrap();
    let on_disk = || std::fs::read(dir.path().join("file.enc")).unwrap();
    let first = on_disk();
    view.open(node, Access::ReadWrite).unwrap();
    let empty = SetAttr {
        mode: None,
        uid: None,
        gid: None,
        size: Some(0),
        atime: None,
        mtime: None,
    };
    view.setattr(ME, node, &empty).unwrap();
    view.release(node, Access::ReadWrite).unwrap();
    assert_eq!(on_disk(), first);
    view.write(node, 0, b"second", Privileges::Keep, Origin::Application).unwrap();
    assert_eq!(on_disk(), first);
    view.release(node, Access::ReadWrite).unwrap();
    assert_ne!(on_disk(), first, "the last one does");
    let again = recipe_view(dir.path());
    assert_eq!(get(&again, again.lookup(NodeId::ROOT, b"file").unwrap().attr.node), b"second");
}

#[test]
fn what_a_file_needs_in_use_goes_with_its_descriptor() {
    let dir = tempfile::tempdir().unwrap();
    let limit = 8;
    let view = view_of(dir.path(), Names::Encrypted, STREAMS + limit);
    let name = |number: usize| format!("{number}").into_bytes();
    let nodes: Vec<_> = (0..5 * limit)
        .map(|number| put(&view, NodeId::ROOT, &name(number), &name(number)))
        .collect();
    let in_use = || {
        let live = |node: &&NodeId| view.inode(**node).unwrap().live_if_any().is_some();
        nodes.iter().filter(live).count()
    };
    assert_eq!(in_use(), limit);
    // What it must not forget, it does not.
    view.inode(nodes[0]).unwrap().raise_generation();
    for (number, node) in nodes.iter().enumerate() {
        assert_eq!(get(&view, *node), name(number));
    }
    assert_eq!(in_use(), limit + 1);
    assert_eq!(view.lookup(NodeId::ROOT, &name(0)).unwrap().generation, 1);
    let change = SetAttr {
        mode: Some(0o600),
        ..SetAttr::default()
    };
    for node in &nodes[1..] {
        view.setattr(ME, *node, &change).unwrap();
    }
    assert_eq!(in_use(), limit + 1);
}
