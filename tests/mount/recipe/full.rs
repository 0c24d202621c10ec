//! A full disk: what cannot be stored is said so, and nothing is lost by it.

use super::program::Program;
use super::{assert_nothing_left, stored};
use crate::corpus::noise;
use crate::harness::{Key, Options, Vault, errno};
use crate::people::{Who, root_or_skip, run};
use crate::places::SmallFilesystem;
use rustix::io::Errno;
use rustix::process::Signal;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;

const MIB: usize = 1 << 20;

/// Takes all space that is left in `dir` but for half a MiB.
fn fill(dir: &Path) -> std::path::PathBuf {
    let path = dir.join("filler");
    let mut file = fs::File::create(&path).unwrap();
    // ext4 reckons with more than it takes in the end, and finds room again once that is on disk.
    while file.write(&vec![1; MIB / 8]).is_ok() {
        while file.write(&vec![1; MIB / 8]).is_ok() {}
        file.sync_all().unwrap();
    }
    let len = file.metadata().unwrap().len();
    file.set_len(len - u64::try_from(MIB / 2).unwrap()).unwrap();
    file.sync_all().unwrap();
    path
}

fn full_disk(small: &SmallFilesystem) {
    let Some(program) = Program::or_skip() else { return };
    let vault = Vault::new(Options {
        base: Some(small.path().to_owned()),
        ..Options::recipe(Who::Root, Key::Password)
    });
    let old = noise(1, 2 * MIB);
    program.make(&vault, "file", &old);
    let mut mounted = vault.mount(&[]);
    mounted.allow_log("No space left");
    let path = mounted.path().join("file");
    let file = OpenOptions::new().read(true).write(true).open(&path).unwrap();
    // All of it is handed over now, so that what does not fit later is the new file.
    file.set_len(u64::try_from(old.len() + 10).unwrap()).unwrap();
    file.write_all_at(b"new bytes!", u64::try_from(old.len()).unwrap()).unwrap();
    let new = [old.as_slice(), b"NEW BYTES!"].concat();
    // Another test that starts a program closes its copies of our descriptors, which stores what was changed until then: so that is done before, and nothing is under way.
    file.sync_all().unwrap();
    let filler = fill(small.path());
    file.write_all_at(b"NEW BYTES!", u64::try_from(old.len()).unwrap()).unwrap();
    let before = fs::read(stored(&vault, "file")).unwrap();
    for _ in 0..2 {
        assert_eq!(errno(file.sync_all()), Some(Errno::NOSPC));
        assert!(fs::read(stored(&vault, "file")).unwrap() == before, "the old file is whole");
        assert!(fs::read(&path).unwrap() == new, "what was changed can be read");
    }
    // close(2) says it, too.
    let script = "printf '!' | dd of=\"$1\" bs=1 seek=3 conv=notrunc status=none";
    run(&mut Who::Root.shell(script, &[&path])).code(1).says(&["No space left"]);
    let new = [&new[..3], b"!", &new[4..]].concat();
    fs::remove_file(&filler).unwrap();
    file.sync_all().unwrap();
    assert!(program.contents(&vault, "file") == new, "the next fsync stored it");
    drop(file);
    // A new file that does not fit even for its header may or may not be there, but breaks nothing.
    let filler = fill(small.path());
    for number in 0..5 {
        let _ = fs::write(mounted.path().join(format!("new {number}")), noise(number, MIB));
    }
    fs::remove_file(filler).unwrap();
    mounted.unmount();

    assert_nothing_left(vault.path());
    let mounted = vault.mount(&[]);
    assert!(fs::read(&path).unwrap() == new);
    for entry in fs::read_dir(mounted.path()).unwrap() {
        fs::read(entry.unwrap().path()).unwrap();
    }
    mounted.unmount();
}

#[test]
fn a_full_tmpfs() {
    if root_or_skip() {
        full_disk(&SmallFilesystem::tmpfs(16));
    }
}

#[test]
fn a_full_ext4() {
    if root_or_skip() {
        full_disk(&SmallFilesystem::ext4(32));
    }
}

/// Nobody has the file open any more, so the change waits for the next one who asks, and for the unmount at the latest.
#[test]
fn a_change_that_could_not_be_stored_waits() {
    let Some(program) = root_or_skip().then(Program::or_skip).flatten() else {
        return;
    };
    let small = SmallFilesystem::tmpfs(16);
    let vault = Vault::new(Options {
        base: Some(small.path().to_owned()),
        ..Options::recipe(Who::Root, Key::Password)
    });
    let old = noise(1, MIB);
    program.make(&vault, "file", &old);
    let mut mounted = vault.mount(&[]);
    mounted.allow_log("No space left");
    let path = mounted.path().join("file");
    let file = OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(u64::try_from(MIB + 3).unwrap()).unwrap();
    // As in `full_disk`.
    file.sync_all().unwrap();
    let filler = fill(small.path());
    let before = program.contents(&vault, "file");
    file.write_all_at(b"!", 0).unwrap();
    drop(file);
    mounted.forget_all();
    let new = [b"!", &old[1..], &[0; 3]].concat();
    assert!(fs::read(&path).unwrap() == new);
    assert!(program.contents(&vault, "file") == before && before != new);
    fs::remove_file(filler).unwrap();
    // Not `unmount`, which would first want the daemon to have let go of the file.
    mounted.signal(Signal::TERM);
    mounted.wait_for_end();
    assert!(program.contents(&vault, "file") == new);
    assert_nothing_left(vault.path());
}

/// A change that could not be stored need not be when the file is removed, and nothing is kept for it.
#[test]
fn a_change_that_could_not_be_stored_goes_with_its_file() {
    let Some(program) = root_or_skip().then(Program::or_skip).flatten() else {
        return;
    };
    let small = SmallFilesystem::tmpfs(16);
    let vault = Vault::new(Options {
        base: Some(small.path().to_owned()),
        ..Options::recipe(Who::Root, Key::Password)
    });
    for name in ["removed", "replaced"] {
        program.make(&vault, name, &noise(1, MIB));
    }
    let mut mounted = vault.mount(&[]);
    mounted.allow_log("No space left");
    let at = |name: &str| mounted.path().join(name);
    fs::write(at("new"), b"new").unwrap();
    let files = ["removed", "replaced"].map(|name| {
        let file = OpenOptions::new().write(true).open(at(name)).unwrap();
        file.set_len(10 + u64::try_from(MIB).unwrap()).unwrap();
        // As in `full_disk`.
        file.sync_all().unwrap();
        file
    });
    let filler = fill(small.path());
    for file in files {
        file.write_all_at(b"!", 0).unwrap();
        assert_eq!(errno(file.sync_all()), Some(Errno::NOSPC));
    }
    fs::remove_file(at("removed")).unwrap();
    fs::rename(at("new"), at("replaced")).unwrap();
    fs::remove_file(filler).unwrap();
    mounted.unmount();
    assert_eq!(program.contents(&vault, "replaced"), b"new");
    assert_nothing_left(vault.path());
}
