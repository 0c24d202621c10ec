//! Files that are open while they are replaced, renamed or removed.

use super::program::Program;
use super::{folder, list, stored};
use crate::corpus::noise;
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

fn open(path: &Path) -> File {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .unwrap()
}

fn contents(file: &File) -> Vec<u8> {
    let mut found = vec![0; usize::try_from(file.metadata().unwrap().len()).unwrap()];
    file.read_exact_at(&mut found, 0).unwrap();
    found
}

#[test]
fn readers_see_new_bytes_at_once() {
    let Some(program) = Program::or_skip() else { return };
    let vault = folder();
    program.make(&vault, "file", &noise(1, 50_000));
    let mounted = vault.mount(&[]);
    let path = mounted.path().join("file");
    let reader = File::open(&path).unwrap();
    let inode = reader.metadata().unwrap().ino();
    let mut expected = noise(1, 50_000);
    assert!(contents(&reader) == expected);
    for round in 0..4_u8 {
        let writer = open(&path);
        let piece = noise(100 + u64::from(round), 10_000);
        let at = usize::from(round) * 13_000 + 5;
        writer.write_all_at(&piece, u64::try_from(at).unwrap()).unwrap();
        expected.resize(expected.len().max(at + piece.len()), 0);
        expected[at..at + piece.len()].copy_from_slice(&piece);
        assert!(contents(&reader) == expected, "before the file is stored, round {round}");
        writer.sync_all().unwrap();
        assert!(contents(&reader) == expected, "after it was synced, round {round}");
        assert!(program.contents(&vault, "file") == expected, "on disk, round {round}");
        writer.write_all_at(b"!", 3).unwrap();
        expected[3] = b'!';
        drop(writer);
        // So that they do not come from the kernel's cache.
        mounted.forget_all();
        assert!(contents(&reader) == expected, "after it was closed, round {round}");
        assert!(program.contents(&vault, "file") == expected, "on disk, round {round}");
        expected.truncate(expected.len() - 7);
        open(&path).set_len(u64::try_from(expected.len()).unwrap()).unwrap();
        assert!(contents(&reader) == expected, "after it was cut, round {round}");
    }
    assert_eq!(reader.metadata().unwrap().ino(), inode, "it stays the same file");
    assert_eq!(fs::metadata(&path).unwrap().ino(), inode);
    drop(reader);
    mounted.unmount();
    assert!(program.contents(&vault, "file") == expected);
}

/// A file that is open and has no name any more is there for those who have it open, and for nobody else.
#[test]
fn an_unlinked_file_lives_on() {
    let Some(program) = Program::or_skip() else { return };
    let vault = folder();
    for name in ["changed before", "changed after", "unchanged", "renamed over"] {
        program.make(&vault, name, &noise(1, 30_000));
    }
    let mounted = vault.mount(&[]);
    let at = |name: &str| mounted.path().join(name);
    let files = ["changed before", "changed after", "unchanged", "renamed over", "new"].map(|name| open(&at(name)));
    files[0].write_all_at(b"changed", 10_000).unwrap();
    files[4].write_all_at(b"new", 0).unwrap();
    fs::write(at("another"), b"another").unwrap();
    fs::rename(at("another"), at("renamed over")).unwrap();
    for name in ["changed before", "changed after", "unchanged", "new"] {
        fs::remove_file(at(name)).unwrap();
    }
    files[1].write_all_at(b"changed", 10_000).unwrap();
    files[3].write_all_at(b"changed", 10_000).unwrap();
    files[4].write_all_at(b" and written", 3).unwrap();
    let mut changed = noise(1, 30_000);
    changed[10_000..10_007].copy_from_slice(b"changed");
    for _ in 0..2 {
        for (file, expected) in files
            .iter()
            .zip([&changed, &changed, &noise(1, 30_000), &changed, &b"new and written".to_vec()])
        {
            assert!(&contents(file) == expected);
            file.sync_all().unwrap();
        }
        mounted.forget_all();
        assert_eq!(list(vault.path()), ["renamed over.enc".to_owned()].into());
    }
    files[1].set_len(10_003).unwrap();
    assert!(contents(&files[1]) == changed[..10_003]);
    drop(files);
    assert_eq!(fs::read(at("renamed over")).unwrap(), b"another");
    mounted.unmount();
    assert_eq!(list(vault.path()), ["renamed over.enc".to_owned()].into());
    assert_eq!(program.contents(&vault, "renamed over"), b"another");
}

/// A file that moves while it is being changed is stored where it is then.
#[test]
fn a_changed_file_can_be_moved() {
    let Some(program) = Program::or_skip() else { return };
    let vault = folder();
    let mounted = vault.mount(&[]);
    let at = |name: &str| mounted.path().join(name);
    fs::create_dir_all(at("from/inner")).unwrap();
    let file = open(&at("from/inner/file"));
    file.write_all_at(b"first", 0).unwrap();
    fs::rename(at("from/inner/file"), at("file")).unwrap();
    file.write_all_at(b", second", 5).unwrap();
    file.sync_all().unwrap();
    assert_eq!(program.contents(&vault, "file"), b"first, second");
    file.write_all_at(b", third", 13).unwrap();
    fs::rename(at("file"), at("from/inner/again")).unwrap();
    fs::rename(at("from"), at("to")).unwrap();
    drop(file);
    assert_eq!(program.contents(&vault, "to/inner/again"), b"first, second, third");
    mounted.unmount();
    assert_eq!(list(vault.path()), ["to".to_owned()].into());
    assert!(stored(&vault, "to/inner/again").exists());
}

/// truncate(2) opens nothing, so that nothing is ever closed.
#[test]
fn a_file_is_cut_without_being_opened() {
    let Some(program) = Program::or_skip() else { return };
    let vault = folder();
    program.make(&vault, "file", &noise(1, 30_000));
    let mounted = vault.mount(&[]);
    // python3 has truncate(2); truncate(1) opens the file.
    let script = "import os, sys; os.truncate(sys.argv[1], 12345)";
    let path = mounted.path().join("file");
    crate::people::run(crate::people::Who::me().command("python3").args(["-c", script]).arg(&path)).ok();
    assert!(program.contents(&vault, "file") == noise(1, 30_000)[..12_345]);
    assert!(fs::read(&path).unwrap() == noise(1, 30_000)[..12_345]);
    mounted.unmount();
}
