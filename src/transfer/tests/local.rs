//! To and from a directory that is not encrypted: links, holes, and what is there already.

use super::*;
use crate::local::Local;
use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt};

fn open_local(dir: &Path) -> View {
    let root = rustix::fs::open(dir, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty()).unwrap();
    let options = Options {
        access: Access::ReadWrite,
        ownership: Ownership::Daemon,
        descriptors: 64,
    };
    View::new(Box::new(Local), root, options).unwrap()
}

fn copy(source: &View, target: &View, existing: Existing, same: Same) -> Summary {
    let policy = Policy {
        originals: Originals::Kept,
        existing,
        same,
    };
    let (summary, end) = transfer(everything(source, target), policy, &mut |_| ControlFlow::Continue(()));
    assert_eq!((end, summary.failed), (End::Complete, 0));
    summary
}

fn well(source: &View, target: &View) -> Summary {
    copy(source, target, Existing::Kept, Same::Times)
}

#[test]
fn links_stay_links_also_when_it_is_resumed() {
    let (dir, vault, out) = (TempDir::new().unwrap(), TempDir::new().unwrap(), TempDir::new().unwrap());
    fs::write(dir.path().join("a"), "text").unwrap();
    fs::create_dir(dir.path().join("d")).unwrap();
    for link in ["b", "d/c"] {
        fs::hard_link(dir.path().join("a"), dir.path().join(link)).unwrap();
    }
    let summary = well(&open_local(dir.path()), &open_view(vault.path(), 1, Access::ReadWrite));
    assert_eq!((summary.files, summary.links, summary.bytes), (3, 2, 4));
    let links = || fs::metadata(out.path().join("a")).unwrap().nlink();
    // Those that come first are there first.
    for gone in [&["d/c"][..], &["b", "d/c"], &["a", "b", "d/c"]] {
        let vault = open_view(vault.path(), 1, Access::ReadOnly);
        well(&vault, &open_local(out.path()));
        assert_eq!(links(), 3);
        gone.iter().for_each(|name| fs::remove_file(out.path().join(name)).unwrap());
        let summary = well(&vault, &open_local(out.path()));
        assert_eq!(usize::try_from(summary.files).unwrap(), gone.len(), "{gone:?}");
        assert_eq!(fs::metadata(out.path().join("b")).unwrap().nlink(), links());
        fs::remove_dir_all(out.path().join("d")).unwrap();
        fs::remove_file(out.path().join("a")).unwrap();
        fs::remove_file(out.path().join("b")).unwrap();
    }
}

#[test]
fn holes_stay_holes_there_and_back() {
    let (dir, vault, out) = (TempDir::new().unwrap(), TempDir::new().unwrap(), TempDir::new().unwrap());
    for (name, len, at) in [
        ("end", 8 << 20, &[0][..]),
        ("begin", 0, &[8 << 20]),
        ("both", 9 << 20, &[4 << 20]),
        ("all", 5 << 20, &[]),
    ] {
        let file = File::create(dir.path().join(name)).unwrap();
        file.set_len(len).unwrap();
        at.iter().for_each(|at| file.write_all_at(b"data", *at).unwrap());
    }
    well(&open_local(dir.path()), &open_view(vault.path(), 1, Access::ReadWrite));
    well(&open_view(vault.path(), 1, Access::ReadOnly), &open_local(out.path()));
    for entry in fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap()) {
        let copy = out.path().join(entry.file_name());
        assert!(fs::read(entry.path()).unwrap() == fs::read(&copy).unwrap(), "{copy:?}");
        assert!(fs::metadata(&copy).unwrap().blocks() <= 64, "{copy:?}");
    }
    // Compared without reading gigabytes of nothing.
    File::create(dir.path().join("vast")).unwrap().set_len(1 << 42).unwrap();
    well(&open_local(dir.path()), &open_local(out.path()));
    let summary = copy(&open_local(dir.path()), &open_local(out.path()), Existing::Kept, Same::Bytes);
    assert_eq!((summary.files, summary.skipped, summary.conflicts), (0, 5, 0));
    File::options()
        .write(true)
        .open(out.path().join("vast"))
        .unwrap()
        .set_len((1 << 42) - 1)
        .unwrap();
    let summary = copy(&open_local(dir.path()), &open_local(out.path()), Existing::Kept, Same::Bytes);
    assert_eq!((summary.skipped, summary.conflicts), (4, 1));
}

#[test]
fn what_differs_is_replaced_where_that_is_asked_for() {
    let (dir, out) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let (source, target) = (open_local(dir.path()), open_local(out.path()));
    for (name, here, there) in [("longer", "12345", "123"), ("other", "12345", "54321"), ("same", "123", "123")] {
        put(&source, NodeId::ROOT, name.as_bytes(), here.as_bytes());
        put(&target, NodeId::ROOT, name.as_bytes(), there.as_bytes());
    }
    mkdir(&target, NodeId::ROOT, b"kind");
    put(&source, NodeId::ROOT, b"kind", b"a file");
    source.symlink(ME, NodeId::ROOT, b"link", b"one").unwrap();
    target.symlink(ME, NodeId::ROOT, b"link", b"other").unwrap();
    let before = tree(&target);
    let summary = well(&source, &target);
    assert_eq!((summary.files, summary.skipped, summary.conflicts), (0, 1, 4));
    assert_eq!(tree(&target), before);
    let summary = copy(&source, &target, Existing::Replaced, Same::Times);
    assert_eq!((summary.files, summary.skipped, summary.conflicts), (3, 1, 1));
    let (mut here, mut there) = (tree(&source), tree(&target));
    assert!(here.remove(&b"kind"[..]).is_some() && there.remove(&b"kind"[..]).is_some_and(|kind| kind.kind == FileType::Directory));
    assert_eq!(here, there);
    assert_eq!(fs::read_dir(out.path()).unwrap().count(), 5);
}

#[test]
fn only_what_was_chosen_is_copied_and_told_by_its_path() {
    let (dir, out) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let (source, target) = (open_local(dir.path()), open_local(out.path()));
    plant(&source);
    put(&target, NodeId::ROOT, b"empty", b"it is not");
    let tops = || -> Vec<Top<'_>> {
        [
            (Known::root(&source).unwrap(), &b"empty"[..], "/"),
            (Known::at(&Known::root(&source).unwrap(), b"sub").unwrap(), b"small", "/sub"),
        ]
        .map(|(dir, name, path)| Top {
            source: dir,
            names: Names::Only(vec![name.into(), name.into()]),
            target: Known::root(&target).unwrap(),
            path: PathBuf::from(path),
        })
        .into_iter()
        .collect()
    };
    let mut said = Vec::new();
    let (summary, end) = transfer(tops(), policy(Originals::Kept), &mut |event| {
        if let Event::Problem(path, problem) = &event {
            said.push(format!("{}: {problem}", path.display()));
        }
        ControlFlow::Continue(())
    });
    assert_eq!((end, summary.files, summary.conflicts), (End::Complete, 1, 1));
    assert_eq!(said, [format!("/empty: {}", Problem::Conflict)]);
    assert_eq!(tree(&target).into_keys().collect::<Vec<_>>(), [&b"empty"[..], b"small"]);
    assert_eq!(census(&tops()[1], &mut |_| ControlFlow::Continue(())).entries, 2);
}
