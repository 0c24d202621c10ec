//! The oracle itself: damage is seen, and what is no damage is none.

use super::findings::Findings;
use super::history::Promise;
use super::load::{Load, Windows};
use crate::people::Who;
use crate::places::Scratch;
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// What is found of one workload in `root` when all that was done must be there.
fn findings(load: &Load, name: &str, root: &Path) -> Findings {
    let windows = Windows {
        done: load.done(),
        begun: load.begun(),
        promise: Promise::Everything,
    };
    let mut findings = Findings::default();
    load.check_one(name, root, &windows, &mut findings);
    findings
}

/// All files below `dir` that are not empty.
fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = vec![];
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false if path.metadata().unwrap().len() > 0 => found.push(path),
            false => {}
        }
    }
    found.sort();
    found
}

/// Makes a copy of what a workload has in `root`, does something to it, and returns what is found there.
fn damaged(load: &Load, name: &str, root: &Path, damage: impl FnOnce(&Path)) -> Findings {
    let copy = Scratch::new(Who::me(), None);
    crate::people::run(Who::me().command("cp").arg("-a").arg(root.join(name)).arg(copy.path())).ok();
    damage(copy.path());
    findings(load, name, copy.path())
}

#[test]
fn damage_is_seen() {
    let scratch = Scratch::new(Who::me(), None);
    let root = scratch.path();
    let load = Load::new(crate::differential::seed());
    load.prepare(root).unwrap();
    load.steps(root, 15);
    for name in load.names() {
        let unharmed = damaged(&load, &name, root, |_| {});
        assert!(unharmed.is_empty(), "{unharmed}");
        let dir = root.join(&name);
        // git and SQLite have files that can be done without, and those of git are checked by their names.
        let files: Vec<_> = files(&dir).into_iter().filter(|path| is_precious(path)).collect();
        let path = files[files.len() / 2].strip_prefix(root).unwrap();
        let lost = damaged(&load, &name, root, |copy| fs::remove_file(copy.join(path)).unwrap());
        assert!(!lost.is_empty(), "{name}: {} was removed, and nobody saw it", path.display());
        let cut = damaged(&load, &name, root, |copy| {
            let file = OpenOptions::new().write(true).open(copy.join(path)).unwrap();
            file.set_len(file.metadata().unwrap().len() / 2).unwrap();
        });
        assert!(!cut.is_empty(), "{name}: {} was cut, and nobody saw it", path.display());
        let changed = damaged(&load, &name, root, |copy| {
            let file = File::options().read(true).write(true).open(copy.join(path)).unwrap();
            let mut byte = [0];
            file.read_exact_at(&mut byte, 0).unwrap();
            file.write_all_at(&[byte[0] ^ 0x55], 0).unwrap();
        });
        assert!(!changed.is_empty(), "{name}: {} was changed, and nobody saw it", path.display());
        let gone = damaged(&load, &name, root, |copy| fs::remove_dir_all(copy.join(&name)).unwrap());
        assert!(!gone.is_empty(), "{name}: it was removed, and nobody saw it");
    }
}

/// Whether nothing else says what is in it.
fn is_precious(path: &Path) -> bool {
    let text = path.to_str().unwrap();
    let of_git = text.contains("/repository/");
    let of_sqlite = text.contains("/database ");
    (!of_git || text.contains("/.git/objects/")) && (!of_sqlite || text.ends_with("/data"))
}
