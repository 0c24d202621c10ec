//! What the independent program wrote is read right, and what was written here it reads right; with all kinds of keys.

use super::program::Program;
use crate::corpus::{noise, set_times};
use crate::harness::{Key, Options, Vault};
use crate::people::Who;
use crate::tree::Tree;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// A password, and raw keys for AES-128, -192 and -256.
const KEYS: [Key; 4] = [Key::Password, Key::Raw(16), Key::Raw(24), Key::Raw(32)];
/// Around a block, and around the chunks in which the independent program works.
const SIZES: [usize; 11] = [0, 1, 15, 16, 17, 31, 4096, 65_535, 65_536, 65_537, 2_000_003];

fn contents(size: usize) -> Vec<u8> {
    noise(u64::try_from(size).unwrap(), size)
}

#[test]
fn what_the_independent_program_wrote_is_read() {
    let Some(program) = Program::or_skip() else { return };
    for key in KEYS {
        let vault = Vault::new(Options::recipe(Who::me(), key));
        for dir in ["", "sub", "sub/deeper", "an empty one", "sub/m\u{fc}ller & s\u{f6}hne"] {
            fs::create_dir_all(vault.path().join(dir)).unwrap();
        }
        let dirs = ["", "sub", "sub/deeper", "sub/m\u{fc}ller & s\u{f6}hne"];
        let place = |(number, size): (usize, &usize)| format!("{}/{size} bytes", dirs[number % dirs.len()]);
        let places: Vec<_> = SIZES.iter().enumerate().map(place).collect();
        let paths: Vec<_> = places
            .iter()
            .map(|place| vault.path().join(place.trim_start_matches('/')))
            .collect();
        for (path, size) in paths.iter().zip(SIZES) {
            fs::write(path, contents(size)).unwrap();
        }
        program.encrypt(&vault, &paths.iter().map(PathBuf::as_path).collect::<Vec<_>>());
        let before = Tree::of(vault.path());
        let mounted = vault.mount(&[]);
        for (place, size) in places.iter().zip(SIZES) {
            let path = mounted.path().join(place.trim_start_matches('/'));
            assert_eq!(fs::metadata(&path).unwrap().len(), u64::try_from(size).unwrap(), "{key:?}");
            assert!(fs::read(&path).unwrap() == contents(size), "{size} bytes, {key:?}");
            let mut end = vec![0; size.min(20)];
            let file = File::open(&path).unwrap();
            let from = u64::try_from(size - end.len()).unwrap();
            file.read_exact_at(&mut end, from).unwrap();
            assert!(contents(size).ends_with(&end), "{size} bytes, {key:?}");
        }
        let shown = Tree::of(mounted.path());
        assert_eq!(shown.len(), before.len());
        program.assert_makes(&vault, &shown);
        mounted.unmount();
        before.assert_same(&Tree::of(vault.path()));
    }
}

/// Makes, changes, cuts, lengthens, moves and removes files, in the mount or beside it.
fn work(dir: &Path) {
    let open = |name: &str| OpenOptions::new().read(true).write(true).open(dir.join(name)).unwrap();
    for dir in ["new", "new/deeper", "from", "gone"].map(|name| dir.join(name)) {
        fs::create_dir(dir).unwrap();
    }
    for size in SIZES {
        for name in ["whole", "overwritten", "appended to", "cut", "lengthened", "cut while open"] {
            fs::write(dir.join(format!("new/{name} {size}")), contents(size)).unwrap();
        }
        let len = u64::try_from(size).unwrap();
        open(&format!("new/overwritten {size}"))
            .write_all_at(b"in the middle", len / 2)
            .unwrap();
        let mut append = OpenOptions::new()
            .append(true)
            .open(dir.join(format!("new/appended to {size}")))
            .unwrap();
        append.write_all(b"at").unwrap();
        append.sync_all().unwrap();
        append.write_all(b" the end").unwrap();
        open(&format!("new/cut {size}")).set_len(len * 2 / 3).unwrap();
        open(&format!("new/lengthened {size}")).set_len(len + 70_000).unwrap();
        let file = open(&format!("new/cut while open {size}"));
        file.write_all_at(b"lost", len + 100).unwrap();
        file.set_len(len / 3).unwrap();
        file.write_all_at(b"kept", len / 3).unwrap();
    }
    fs::rename(dir.join("new/whole 17"), dir.join("from/renamed")).unwrap();
    fs::rename(dir.join("from"), dir.join("new/to")).unwrap();
    fs::rename(dir.join("new/whole 16"), dir.join("new/overwritten 16")).unwrap();
    fs::remove_file(dir.join("new/whole 15")).unwrap();
    fs::write(dir.join("gone/file"), b"").unwrap();
    fs::remove_dir_all(dir.join("gone")).unwrap();
    std::os::unix::fs::symlink("to/renamed", dir.join("new/link")).unwrap();
    std::os::unix::fs::symlink("nowhere", dir.join("new/dangling")).unwrap();
    assert!(fs::read(dir.join("new/link")).unwrap() == contents(17));
    let mut save = File::create(dir.join("new/.saved")).unwrap();
    save.write_all(b"saved by renaming").unwrap();
    save.sync_all().unwrap();
    fs::rename(dir.join("new/.saved"), dir.join("new/whole 65536")).unwrap();
    set_times(dir);
}

#[test]
fn the_independent_program_reads_what_was_written() {
    let Some(program) = Program::or_skip() else { return };
    for key in KEYS {
        let vault = Vault::new(Options::recipe(Who::me(), key));
        let plain = vault.scratch().dir("plain", Who::me());
        work(&plain);
        let mounted = vault.mount(&[]);
        work(mounted.path());
        let (expected, shown) = (Tree::of(&plain).without_root(), Tree::of(mounted.path()));
        expected.assert_same(&shown.clone().without_root());
        // Nothing waits for the unmount: who closed a file has stored it.
        program.assert_makes(&vault, &shown);
        mounted.unmount();
        program.assert_makes(&vault, &shown);
        super::assert_nothing_left(vault.path());
        let mounted = vault.mount(&["--ro"]);
        expected.assert_same(&Tree::of(mounted.path()).without_root());
        mounted.unmount();
    }
}
