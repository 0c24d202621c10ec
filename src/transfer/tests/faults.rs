//! Imports that meet something they cannot move, or must not.

use super::*;
use std::fs;
use std::path::PathBuf;

/// The only regular file with this many bytes on disk.
fn stored(dir: &Path, len: u64) -> PathBuf {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap());
    let mut found = entries.filter(|entry| entry.metadata().unwrap().len() == len);
    let only = found.next().unwrap().path();
    assert!(found.next().is_none());
    only
}

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 1;
    fs::write(path, bytes).unwrap();
}

/// Bytes on disk of a small file in a vault.
fn on_disk(len: u64) -> u64 {
    48 + 56 + len
}

/// Entries of different kinds and contents, and what they are called here.
const KINDS: [(&str, FileType, &[u8]); 8] = [
    ("bytes", FileType::RegularFile, b"123456"),
    ("other bytes", FileType::RegularFile, b"123356"),
    ("less", FileType::RegularFile, b"1234"),
    ("more", FileType::RegularFile, b"1234567"),
    ("directory", FileType::Directory, b""),
    ("link", FileType::Symlink, b"x"),
    ("other link", FileType::Symlink, b"y"),
    ("fifo", FileType::Fifo, b""),
];

fn make(view: &View, name: &str, (_, kind, contents): (&str, FileType, &[u8])) {
    let name = name.as_bytes();
    match kind {
        FileType::RegularFile => put(view, NodeId::ROOT, name, contents),
        FileType::Directory => mkdir(view, NodeId::ROOT, name),
        FileType::Symlink => view.symlink(ME, NodeId::ROOT, name, contents).unwrap().attr.node,
        FileType::Fifo | FileType::Socket | FileType::CharacterDevice | FileType::BlockDevice | FileType::Unknown => {
            let mode = kind.as_raw_mode() | 0o600;
            view.mknod(ME, NodeId::ROOT, name, mode, 0).unwrap().attr.node
        }
    };
}

#[test]
fn what_has_the_name_is_left_alone() {
    let pair = Pair::in_memory();
    let (source, vault) = (pair.source(), pair.vault());
    for one in KINDS {
        for other in KINDS {
            let name = format!("{} and {}", one.0, other.0);
            make(&source, &name, one);
            make(&vault, &name, other);
        }
    }
    put(&source, NodeId::ROOT, b"zzz", b"the last one");
    let (before, there) = (tree(&source), tree(&vault));
    for originals in [Originals::Kept, Originals::Removed] {
        let (summary, end, said) = pair.import(originals);
        assert_eq!(end, End::Complete);
        assert_eq!((summary.conflicts, summary.failed), (56, 0));
        assert_eq!(summary.files + summary.skipped, 7 + 1);
        assert_eq!(said.len(), 56);
        assert!(said.contains(&format!("less and more: {}", Problem::Conflict)), "{said:?}");
        let mut now = tree(&pair.vault());
        assert_eq!(now.remove(&b"zzz"[..]), Some(before[&b"zzz"[..]].clone()));
        // Directories of the same name are one directory, and get the original's attributes.
        let same = &b"directory and directory"[..];
        now.insert(same.to_vec(), there[same].clone());
        assert_eq!(now, there);
    }
    let left = tree(&pair.source());
    assert_eq!(left.len(), 56);
    assert!(left.iter().all(|(path, seen)| before[path] == *seen));
}

#[test]
fn damage_in_the_source_is_told_and_the_rest_goes_on() {
    let pair = Pair::new();
    let source = pair.source();
    let sub = mkdir(&source, NodeId::ROOT, b"sub");
    for (name, len) in [(&b"a"[..], 100), (b"b", 200), (b"c", 300), (b"d", 5000)] {
        put(&source, NodeId::ROOT, name, &vec![7; len]);
    }
    put(&source, sub, b"fine", b"fine");
    drop(source);
    let (b, d) = (
        stored(pair.source.path(), on_disk(200)),
        stored(pair.source.path(), on_disk(5000) + 56),
    );
    flip(&b, 80);
    flip(&d, 4200 + 48);
    for originals in [Originals::Kept, Originals::Removed] {
        let (summary, end, said) = pair.import(originals);
        assert_eq!(end, End::Complete);
        assert_eq!((summary.failed, summary.conflicts), (2, 0));
        assert_eq!(summary.files + summary.skipped, 3);
        assert!(
            said[0].starts_with("b: cannot be read: ") && said[1].starts_with("d: cannot be read: "),
            "{said:?}"
        );
        assert_eq!(
            tree(&pair.vault()).into_keys().collect::<Vec<_>>(),
            [&b"a"[..], b"c", b"sub", b"sub/fine"]
        );
    }
    let mut left = names(&pair.source(), NodeId::ROOT);
    left.sort();
    assert_eq!(left, [b"b", b"d"]);
}

/// Runs an import of one file, with `action` when its copy has been written and is about to be synced.
fn with_action_before_sync(pair: &Pair, action: impl Fn()) -> (Summary, End, Vec<String>) {
    let mut changes = 0;
    pair.import_watched(Originals::Removed, &mut |event| {
        changes += u32::from(matches!(event, Event::Change));
        // It is made, written, given its attributes, and synced.
        if changes == 4 && matches!(event, Event::Change) {
            action();
        }
        ControlFlow::Continue(())
    })
}

#[test]
fn what_cannot_be_read_back_gets_no_name() {
    let pair = Pair::new();
    put(&pair.source(), NodeId::ROOT, b"file", &[1; 500]);
    let (summary, end, said) = with_action_before_sync(&pair, || flip(&stored(pair.vault.path(), on_disk(500)), 100));
    assert_eq!((summary.files, summary.failed, end), (0, 1, End::Complete));
    assert!(said[0].starts_with("file: cannot be read back: "), "{said:?}");
    assert_eq!(tree(&pair.vault()), BTreeMap::new());
    assert_eq!(names(&pair.source(), NodeId::ROOT), [b"file"]);
    pair.import_well(Originals::Removed);
}

#[test]
fn what_changes_meanwhile_gets_no_name() {
    let pair = Pair::new();
    let data = [1; 500];
    let node = put(&pair.source(), NodeId::ROOT, b"file", &data);
    let (summary, end, said) = with_action_before_sync(&pair, || {
        let source = pair.source();
        assert_eq!(at(&source, "file"), Some(node));
        source.write(node, 3, b"new", Privileges::Keep, Origin::Application).unwrap();
    });
    assert_eq!((summary.files, summary.failed, end), (0, 1, End::Complete));
    assert_eq!(said, [format!("file: {}", Problem::Differs)]);
    assert_eq!(tree(&pair.vault()), BTreeMap::new());
    let before = tree(&pair.source());
    pair.import_well(Originals::Removed);
    assert_eq!(tree(&pair.vault()), before);
}

#[test]
fn what_changed_since_is_not_removed() {
    let pair = Pair::new();
    put(&pair.source(), NodeId::ROOT, b"file", b"before");
    let mut changes = 0;
    let (summary, end, said) = pair.import_watched(Originals::Removed, &mut |event| {
        changes += u32::from(matches!(event, Event::Change));
        // As above, and then its last access is set and it gets its name.
        if changes == 7 && matches!(event, Event::Change) {
            let source = pair.source();
            let node = at(&source, "file").unwrap();
            source.write(node, 0, b"after", Privileges::Keep, Origin::Application).unwrap();
        }
        ControlFlow::Continue(())
    });
    assert_eq!((summary.files, summary.failed, end), (1, 1, End::Complete));
    assert_eq!(said, [format!("file: {}", Problem::Changed)]);
    let (source, vault) = (pair.source(), pair.vault());
    assert_eq!(read_all(&source, at(&source, "file").unwrap()).unwrap(), b"aftere");
    assert_eq!(read_all(&vault, at(&vault, "file").unwrap()).unwrap(), b"before");
    let (again, _, said) = pair.import(Originals::Removed);
    assert_eq!((again.conflicts, said.len()), (1, 1));
}

#[test]
fn a_vault_that_takes_nothing_ends_it_at_once() {
    let pair = Pair::new();
    plant(&pair.source());
    let (source, vault) = (pair.source(), open_view(pair.vault.path(), 2, Access::ReadOnly));
    let mut said = Vec::new();
    let (summary, end) = transfer(everything(&source, &vault), policy(Originals::Removed), &mut |event| {
        if let Event::Problem(path, problem) = event {
            said.push(format!("{}: {problem}", path.display()));
        }
        ControlFlow::Continue(())
    });
    assert_eq!((end, summary.failed, said.len()), (End::Failed, 1, 1));
    assert!(said[0].starts_with("empty: cannot be written: "), "{said:?}");
}

#[test]
fn a_source_that_cannot_be_changed_is_told_of_each_entry() {
    let pair = Pair::new();
    plant(&pair.source());
    let before = tree(&pair.source());
    let source = open_view(pair.source.path(), 1, Access::ReadOnly);
    let (vault, mut not_removed) = (pair.vault(), 0);
    let (summary, end) = transfer(everything(&source, &vault), policy(Originals::Removed), &mut |event| {
        not_removed += u64::from(matches!(event, Event::Problem(_, Problem::NotRemoved(_))));
        ControlFlow::Continue(())
    });
    assert_eq!((end, summary.failed), (End::Complete, summary.seen));
    assert_eq!(not_removed, summary.seen);
    assert_eq!((tree(&pair.vault()), tree(&pair.source())), (before.clone(), before));
}

#[test]
fn a_name_that_the_vault_cannot_have_is_told() {
    let pair = Pair::new();
    let source = pair.source();
    put(&source, NodeId::ROOT, b"plainview.mine", b"x");
    mkdir(&source, NodeId::ROOT, b"plainview.directory");
    put(&source, NodeId::ROOT, b"fine", b"y");
    let vault = open_named(pair.vault.path(), 2, Access::ReadWrite, keys::Names::Plain);
    let (summary, end) = transfer(everything(&source, &vault), policy(Originals::Removed), &mut |_| {
        ControlFlow::Continue(())
    });
    assert_eq!((summary.files, summary.failed, end), (1, 2, End::Complete));
    let on_disk: Vec<_> = fs::read_dir(pair.vault.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(on_disk, ["fine"]);
    assert_eq!(tree(&pair.source()).len(), 2);
}
