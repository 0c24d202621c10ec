//! Imports that are let go on.

use super::*;
use std::collections::BTreeSet;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;

#[test]
fn everything_is_moved_as_it_is() {
    let pair = Pair::new();
    let source = pair.source();
    plant(&source);
    for size in [1, 15, 16, 17, 4095, 4096, 4097, (1 << 20) - 1, 1 << 20, (2 << 20) + 1] {
        let data: Vec<u8> = (0..size).map(|at: u32| at.to_le_bytes()[1] ^ 0x5a).collect();
        put(&source, NodeId::ROOT, format!("of {size}").as_bytes(), &data);
    }
    let long = vec![0xfe; 251];
    let node = put(&source, NodeId::ROOT, &long, &long);
    set_times(&source, node, -1_000_000);
    source
        .mknod(ME, NodeId::ROOT, b"socket", FileType::Socket.as_raw_mode() | 0o600, 0)
        .unwrap();
    let before = tree(&source);
    // Looking at it has changed the time of its last access.
    set_times(&source, at(&source, "sub/deep/large").unwrap(), 1);
    let summary = pair.import_well(Originals::Kept);
    let vault = pair.vault();
    let large = at(&vault, "sub/deep/large").unwrap();
    assert_eq!(vault.getattr(large).unwrap().atime.secs, 1, "it was read since, to compare it");
    assert_eq!(tree(&vault), before);
    assert_eq!(tree(&pair.source()), before);
    let count = |wanted: fn(&Seen) -> bool| before.values().filter(|seen| wanted(seen)).count() as u64;
    let bytes = before.values().filter(|seen| seen.kind == FileType::RegularFile);
    let expected = Summary {
        files: count(|seen| seen.kind != FileType::Directory),
        directories: 2,
        bytes: bytes.map(|seen| seen.contents.len() as u64).sum(),
        seen: count(|_| true),
        ..Summary::default()
    };
    assert_eq!(summary, expected);
    let census = census(&everything(&pair.source(), &pair.vault())[0], &mut |_| ControlFlow::Continue(()));
    assert_eq!((census.entries, census.bytes), (expected.seen, expected.bytes));
    let root = std::fs::File::open(pair.source.path()).unwrap();
    // The long name has a file of its own beside it.
    assert_eq!(stored_entries(root.as_fd()).unwrap(), expected.seen + 1);
}

#[test]
fn again_it_only_compares() {
    let pair = Pair::new();
    plant(&pair.source());
    let first = pair.import_well(Originals::Kept);
    let stamps = |dir: &Path| {
        let mut stamps = BTreeMap::new();
        let mut dirs = vec![dir.to_owned()];
        while let Some(dir) = dirs.pop() {
            for entry in std::fs::read_dir(dir).unwrap() {
                let entry = entry.unwrap();
                let meta = entry.metadata().unwrap();
                if meta.is_dir() {
                    dirs.push(entry.path());
                } else {
                    stamps.insert(entry.path(), (meta.ino(), meta.ctime(), meta.ctime_nsec()));
                }
            }
        }
        stamps
    };
    let before = stamps(pair.vault.path());
    let mut changes = 0;
    let (second, end, said) = pair.import_watched(Originals::Kept, &mut |event| {
        changes += u32::from(matches!(event, Event::Change));
        ControlFlow::Continue(())
    });
    assert_eq!((end, said), (End::Complete, Vec::new()));
    assert_eq!((second.skipped, second.seen), (first.files, first.seen));
    assert_eq!((second.files, second.directories, second.bytes), (0, 0, 0));
    assert_eq!(changes, 3, "the attributes of two directories, and one opened to work in");
    assert_eq!(stamps(pair.vault.path()), before);
    assert_eq!(tree(&pair.vault()), tree(&pair.source()));
}

#[test]
fn bytes_are_told_twice_whether_copied_or_skipped() {
    let pair = Pair::new();
    plant(&pair.source());
    let expected = 2 * census(&everything(&pair.source(), &pair.vault())[0], &mut |_| ControlFlow::Continue(())).bytes;
    for _ in 0..2 {
        let mut told = 0;
        pair.import_watched(Originals::Kept, &mut |event| {
            if let Event::Bytes(bytes) = event {
                told += bytes;
            }
            ControlFlow::Continue(())
        });
        assert_eq!(told, expected);
    }
}

#[test]
fn what_is_removed_is_what_was_moved() {
    let pair = Pair::new();
    plant_for(&pair.source(), Originals::Removed);
    let before = tree(&pair.source());
    let summary = pair.import_well(Originals::Removed);
    assert_eq!(tree(&pair.vault()), before);
    assert_eq!(tree(&pair.source()), BTreeMap::new());
    assert_eq!(std::fs::read_dir(pair.source.path()).unwrap().count(), 0);
    assert_eq!(summary.seen, before.len() as u64);
    let nothing = pair.import_well(Originals::Removed);
    assert_eq!(nothing, Summary::default());
    assert_eq!(tree(&pair.vault()), before);
}

#[test]
fn the_top_directory_of_the_vault_stays_as_it_is() {
    let pair = Pair::new();
    let source = pair.source();
    set_mode(&source, NodeId::ROOT, 0o711);
    put(&source, NodeId::ROOT, b"file", b"");
    source.setxattr(NodeId::ROOT, b"user.x", b"y", SetXattr::Any).unwrap();
    set_mode(&pair.vault(), NodeId::ROOT, 0o750);
    pair.import_well(Originals::Kept);
    let vault = pair.vault();
    assert_eq!(vault.getattr(NodeId::ROOT).unwrap().perm, 0o750);
    assert_eq!(vault.listxattr(NodeId::ROOT).unwrap(), b"");
}

#[test]
fn acls_are_those_of_the_original() {
    const ACCESS: &[u8] = b"system.posix_acl_access";
    const DEFAULT: &[u8] = b"system.posix_acl_default";
    // user::rw-, user:1:r--, group::r--, mask::r--, other::---
    let entries: [(u16, u16, u32); 5] = [(1, 6, !0), (2, 4, 1), (4, 4, !0), (16, 4, !0), (32, 0, !0)];
    let mut acl = 2_u32.to_le_bytes().to_vec();
    for (tag, perm, id) in entries {
        acl.extend([tag.to_le_bytes(), perm.to_le_bytes()].concat());
        acl.extend(id.to_le_bytes());
    }
    let pair = Pair::new();
    let source = pair.source();
    let with = put(&source, NodeId::ROOT, b"with", b"");
    if source.setxattr(with, ACCESS, &acl, SetXattr::Any).is_err() {
        println!("SKIPPED: no ACLs in {}", pair.source.path().display());
        return;
    }
    put(&source, NodeId::ROOT, b"without", b"");
    let dir = mkdir(&source, NodeId::ROOT, b"dir");
    source.setxattr(dir, DEFAULT, &acl, SetXattr::Any).unwrap();
    mkdir(&source, NodeId::ROOT, b"plain");
    // What is made in the vault's top directory inherits this.
    pair.vault().setxattr(NodeId::ROOT, DEFAULT, &acl, SetXattr::Any).unwrap();
    let before = tree(&source);
    assert!(before[&b"with"[..]].attributes.contains_key(ACCESS));
    pair.import_well(Originals::Kept);
    assert_eq!(tree(&pair.vault()), before);
}

#[test]
fn root_keeps_owners_and_devices() {
    if !rustix::process::geteuid().is_root() {
        println!("SKIPPED: needs root");
        return;
    }
    let pair = Pair::new();
    let source = pair.source();
    let file = put(&source, NodeId::ROOT, b"setuid", b"x");
    let link = source.symlink(ME, NodeId::ROOT, b"link", b"y").unwrap().attr.node;
    let dir = mkdir(&source, NodeId::ROOT, b"dir");
    for node in [file, link, dir] {
        let changes = SetAttr {
            uid: Some(12345),
            gid: Some(54321),
            ..SetAttr::default()
        };
        source.setattr(ME, node, &changes).unwrap();
    }
    set_mode(&source, file, 0o6755);
    set_mode(&source, dir, 0o3770);
    let null = FileType::CharacterDevice.as_raw_mode() | 0o666;
    let device = u32::try_from(rustix::fs::makedev(1, 3)).unwrap();
    if source.mknod(ME, NodeId::ROOT, b"null", null, device).is_err() {
        println!("SKIPPED in part: no devices here");
    }
    let before = tree(&source);
    assert_eq!(before[&b"setuid"[..]].owner, (12345, 54321));
    pair.import_well(Originals::Kept);
    assert_eq!(tree(&pair.vault()), before);
    assert_eq!(pair.import_well(Originals::Kept).skipped, 2 + u64::from(before.len() == 4));
}

#[test]
fn deep_trees_take_no_stack_and_wide_ones_are_forgotten() {
    const DEPTH: u64 = 3000;
    const WIDTH: u64 = 2500;
    let pair = Pair::in_memory();
    let source = pair.source();
    let mut dir = NodeId::ROOT;
    for _ in 0..DEPTH {
        let below = mkdir(&source, dir, b"d");
        source.forget(dir, u64::from(dir != NodeId::ROOT));
        dir = below;
    }
    put(&source, dir, b"bottom", b"down here");
    let wide = mkdir(&source, NodeId::ROOT, b"wide");
    for number in 0..WIDTH {
        put(&source, wide, format!("{number}").as_bytes(), b"");
    }
    drop(source);
    let (source, vault) = (pair.source(), pair.vault());
    let (summary, end) = transfer(everything(&source, &vault), policy(Originals::Removed), &mut |event| {
        assert!(!matches!(event, Event::Problem(..)), "{event:?}");
        ControlFlow::Continue(())
    });
    assert_eq!((end, summary.directories, summary.files), (End::Complete, DEPTH + 1, WIDTH + 1));
    assert_eq!(names(&source, NodeId::ROOT), [b""; 0]);
    let fresh = pair.vault();
    let wide = at(&fresh, "wide").unwrap();
    assert_eq!(names(&fresh, wide).len() as u64, WIDTH);
    let mut dir = NodeId::ROOT;
    let mut nodes = BTreeSet::from([wide]);
    for _ in 0..DEPTH {
        dir = fresh.lookup(dir, b"d").unwrap().attr.node;
        nodes.insert(dir);
    }
    let bottom = fresh.lookup(dir, b"bottom").unwrap().attr.node;
    assert_eq!(read_all(&fresh, bottom).unwrap(), b"down here");
    for name in names(&fresh, wide) {
        nodes.insert(fresh.lookup(wide, &name).unwrap().attr.node);
    }
    // The number of an inode is the same in each view, so it can be asked whether the one that imported still knows any.
    assert_eq!(nodes.len() as u64, DEPTH + WIDTH + 1);
    assert!(nodes.iter().all(|node| matches!(vault.getattr(*node), Err(Error::Stale))));
}

#[test]
fn entries_on_disk_are_counted_however_deep() {
    let dir = TempDir::new().unwrap();
    let mut path = dir.path().to_owned();
    for _ in 0..50 {
        path.push("d");
        std::fs::create_dir(&path).unwrap();
        std::fs::write(path.join("other.txt"), "").unwrap();
        std::fs::write(path.join("plainview.tmp.0123"), "").unwrap();
        std::os::unix::fs::symlink("..", path.join("link")).unwrap();
    }
    let root = std::fs::File::open(dir.path()).unwrap();
    assert_eq!(stored_entries(root.as_fd()).unwrap(), 150);
}
