//! Trees of new directories with files, synced one by one, and taken away again.

use super::bytes::pattern;
use super::findings::{Findings, Harm};
use super::history::{History, Window};
use super::workload::{Workload, sync_dir, write_synced};
use rand::RngExt;
use rand::rngs::StdRng;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// How many trees there are at a time.
const TREES: u32 = 12;

#[derive(Clone, Debug)]
enum Op {
    /// A file is made and synced, with the directories to it, which are not.
    File { path: PathBuf, version: u64, len: u64 },
    /// An empty directory is made, and those from it to the root are synced.
    Dir(PathBuf),
    /// A tree is removed, and the root synced.
    Remove(u32),
}

/// The workload.
pub(super) struct Trees {
    salt: u64,
    history: History<Op>,
    next: AtomicU32,
}

/// What is known of a path.
enum Known {
    File { sure: bool, version: u64, len: u64 },
    Dir { sure: bool },
}

impl Trees {
    pub(super) fn new(salt: u64) -> Self {
        Self {
            salt,
            history: History::new(),
            next: AtomicU32::new(0),
        }
    }

    fn root(tree: u32) -> PathBuf {
        PathBuf::from(format!("tree {tree}"))
    }

    fn make(&self, dir: &Path, tree: u32, rng: &mut StdRng) -> io::Result<()> {
        let mut at = Self::root(tree);
        for depth in 0..rng.random_range(1..5) {
            for file in 0..rng.random_range(0..3) {
                let path = at.join(format!("file {file}"));
                let version = self.salt.wrapping_add(self.history.begun().try_into().unwrap());
                let len = rng.random_range(0..9000);
                self.history.perform(
                    Op::File {
                        path: path.clone(),
                        version,
                        len,
                    },
                    || {
                        fs::create_dir_all(dir.join(&at))?;
                        write_synced(&dir.join(&path), &pattern(version, 0, len))
                    },
                )?;
            }
            at.push(format!("directory {depth}"));
        }
        self.history.perform(Op::Dir(at.clone()), || {
            fs::create_dir_all(dir.join(&at))?;
            at.ancestors().try_for_each(|at| sync_dir(&dir.join(at)))
        })
    }

    /// What is in the trees, and which trees are being removed, or are.
    fn known(&self, window: &Window) -> (BTreeMap<PathBuf, Known>, BTreeMap<PathBuf, bool>) {
        let (mut known, mut removed) = (BTreeMap::new(), BTreeMap::new());
        for (index, op) in self.history.up_to(window.begun).into_iter().enumerate() {
            let sure = index < window.done;
            let (path, what) = match op {
                Op::File { path, version, len } => (path, Known::File { sure, version, len }),
                Op::Dir(path) => (path, Known::Dir { sure }),
                Op::Remove(tree) => {
                    removed.insert(Self::root(tree), sure);
                    continue;
                }
            };
            for above in path.ancestors().skip(1) {
                match known.entry(above.to_owned()).or_insert(Known::Dir { sure }) {
                    Known::Dir { sure: known } => *known |= sure,
                    Known::File { .. } => unreachable!("directories and files have different names"),
                }
            }
            known.insert(path, what);
        }
        (known, removed)
    }

    /// Everything that there is below `at` must be known.
    fn walk(dir: &Path, at: &Path, known: &BTreeMap<PathBuf, Known>, findings: &mut Findings) {
        for name in findings.list(&dir.join(at)).unwrap_or_default() {
            let path = at.join(name);
            match known.get(&path) {
                None => findings.add(Harm::Wrong, format!("{}: nobody made it", path.display())),
                Some(Known::Dir { .. }) => Self::walk(dir, &path, known, findings),
                Some(Known::File { sure, version, len }) => {
                    let Some(found) = findings.read(&dir.join(&path)) else { continue };
                    let whole = pattern(*version, 0, *len);
                    let part = found.len() <= whole.len() && found.iter().zip(&whole).all(|(found, byte)| found == byte || *found == 0);
                    match (found == whole, part, sure) {
                        (true, ..) | (_, true, false) => {}
                        (_, true, true) => {
                            findings.add(Harm::Lost, format!("{}: {} of {len} bytes are there", path.display(), found.len()))
                        }
                        (_, false, _) => findings.add(Harm::Wrong, format!("{}: was never written", path.display())),
                    }
                }
            }
        }
    }
}

impl Workload for Trees {
    fn name(&self) -> String {
        "trees".to_owned()
    }

    fn prepare(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn step(&self, dir: &Path, rng: &mut StdRng) -> io::Result<()> {
        let tree = self.next.fetch_add(1, Ordering::Relaxed);
        self.make(dir, tree, rng)?;
        let Some(old) = tree.checked_sub(TREES) else { return Ok(()) };
        self.history.perform(Op::Remove(old), || {
            fs::remove_dir_all(dir.join(Self::root(old)))?;
            sync_dir(dir)
        })
    }

    fn done(&self) -> usize {
        self.history.done()
    }

    fn begun(&self) -> usize {
        self.history.begun()
    }

    fn check(&self, dir: &Path, window: &Window, findings: &mut Findings) {
        let (known, removed) = self.known(window);
        Self::walk(dir, Path::new(""), &known, findings);
        for (path, what) in &known {
            let gone = removed.iter().find(|(root, _)| path.starts_with(root)).map(|(_, sure)| *sure);
            let there = fs::symlink_metadata(dir.join(path)).is_ok();
            match (what, gone) {
                (Known::File { .. }, Some(true)) if there => findings.add(Harm::Wrong, format!("{}: was removed", path.display())),
                (Known::File { sure: true, .. }, None) if !there => findings.add(Harm::Lost, format!("{}: is not there", path.display())),
                (Known::Dir { sure: true }, None) if !there => {
                    findings.add(Harm::LostDirectory, format!("{}: is not there", path.display()))
                }
                (Known::File { .. } | Known::Dir { .. }, _) => {}
            }
        }
    }
}
