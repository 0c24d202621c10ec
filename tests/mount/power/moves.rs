//! Directories that are renamed with all that is in them, into other directories too, while new ones come under their old names.

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
use std::sync::Mutex;

/// How many directories are moved about, and the parents and names that they have in turn.
const DIRECTORIES: usize = 5;
const PARENTS: u32 = 3;
const NAMES: u32 = 4;
/// How long each file is.
const LEN: u64 = 5000;

#[derive(Clone, Debug)]
enum Op {
    /// A directory is made with a file in it that says which one it is, and both are synced.
    Make { directory: u64, at: PathBuf },
    /// It gets another name. `synced`: and both parents are synced.
    Move { directory: u64, to: PathBuf, synced: bool },
    /// It gets another file, which is synced.
    Fill { directory: u64, file: PathBuf },
}

/// The workload.
pub(super) struct Moves {
    salt: u64,
    history: History<Op>,
    /// How many directories were made, and where each is.
    now: Mutex<Vec<PathBuf>>,
}

impl Moves {
    pub(super) fn new(salt: u64) -> Self {
        Self {
            salt,
            history: History::new(),
            now: Mutex::new(vec![]),
        }
    }

    fn places() -> impl Iterator<Item = PathBuf> {
        (0..PARENTS * NAMES).map(|number| PathBuf::from(format!("parent {}/name {}", number / NAMES, number % NAMES)))
    }

    fn contents(&self, directory: u64, file: &Path) -> Vec<u8> {
        let number = u64::try_from(file.as_os_str().len()).unwrap();
        pattern(self.salt.wrapping_add(directory * 1000 + number), 0, LEN)
    }

    fn number(directory: usize) -> u64 {
        u64::try_from(directory).unwrap()
    }

    fn make(&self, dir: &Path, now: &mut Vec<PathBuf>, at: PathBuf) -> io::Result<()> {
        let directory = Self::number(now.len());
        now.push(at.clone());
        self.history.perform(Op::Make { directory, at: at.clone() }, || {
            fs::create_dir(dir.join(&at))?;
            write_synced(&dir.join(&at).join("number"), directory.to_string().as_bytes())?;
            sync_dir(&dir.join(&at))?;
            sync_dir(dir.join(&at).parent().unwrap())
        })
    }

    fn fill(&self, dir: &Path, directory: usize, at: &Path, rng: &mut StdRng) -> io::Result<()> {
        let below = if rng.random() { "" } else { "below/" };
        // Which of them it is, is told by the length of its name.
        let file = PathBuf::from(format!("{below}{}", "f".repeat(rng.random_range(1..30))));
        let (path, directory) = (dir.join(at).join(&file), Self::number(directory));
        let bytes = self.contents(directory, &file);
        self.history.perform(Op::Fill { directory, file }, || {
            fs::create_dir_all(path.parent().unwrap())?;
            if path.exists() { Ok(()) } else { write_synced(&path, &bytes) }
        })
    }

    /// Where a directory may be, whether it must be there, and the files that it must have.
    fn story(directory: u64, ops: &[Op], window: &Window, sure: usize) -> (Vec<PathBuf>, bool, Vec<PathBuf>) {
        let (mut places, mut must, mut files) = (vec![], false, vec![]);
        for (index, op) in ops.iter().enumerate() {
            match op {
                Op::Make { directory: other, at } if *other == directory => {
                    places.push(at.clone());
                    must = index < window.done;
                }
                Op::Move { directory: other, to, .. } if *other == directory => {
                    if index < sure {
                        places.clear();
                    }
                    places.push(to.clone());
                }
                Op::Fill { directory: other, file } if *other == directory && index < window.done => files.push(file.clone()),
                Op::Make { .. } | Op::Move { .. } | Op::Fill { .. } => {}
            }
        }
        (places, must, files)
    }

    /// Which directories are where. One that is just being made does not say which it is.
    fn located(dir: &Path, being_made: Option<&Path>, findings: &mut Findings) -> BTreeMap<u64, Vec<PathBuf>> {
        let mut located: BTreeMap<u64, Vec<PathBuf>> = BTreeMap::new();
        for at in Self::places().filter(|at| fs::symlink_metadata(dir.join(at)).is_ok()) {
            let number = findings.read(&dir.join(&at).join("number"));
            match number.and_then(|number| String::from_utf8(number).ok()?.parse().ok()) {
                Some(number) => located.entry(number).or_default().push(at),
                None if being_made == Some(at.as_path()) => {}
                None => findings.add(Harm::LostDirectory, format!("{}: does not say which one it is", at.display())),
            }
        }
        located
    }

    fn check_contents(&self, dir: &Path, directory: u64, files: &[PathBuf], findings: &mut Findings) {
        for file in files {
            let path = dir.join(file);
            match findings.read(&path) {
                Some(found) if found == self.contents(directory, file) => {}
                Some(found) => findings.add(Harm::Lost, format!("{}: {} bytes, and not its own", path.display(), found.len())),
                None if path.exists() => {}
                None => findings.add(Harm::Lost, format!("{}: is not there", path.display())),
            }
        }
        for sub in [dir.to_owned(), dir.join("below")] {
            for name in findings.list(&sub).unwrap_or_default().iter().filter(|name| *name != "below") {
                findings.read(&sub.join(name));
            }
        }
    }
}

impl Workload for Moves {
    fn name(&self) -> String {
        "moves".to_owned()
    }

    fn prepare(&self, dir: &Path) -> io::Result<()> {
        for parent in 0..PARENTS {
            fs::create_dir(dir.join(format!("parent {parent}")))?;
        }
        super::workload::sync_tree(dir)
    }

    fn step(&self, dir: &Path, rng: &mut StdRng) -> io::Result<()> {
        let now = &mut *self.now.lock().unwrap();
        let free: Vec<_> = Self::places().filter(|place| !now.contains(place)).collect();
        let place = free[rng.random_range(0..free.len())].clone();
        if now.len() < DIRECTORIES {
            return self.make(dir, now, place);
        }
        let directory = rng.random_range(0..now.len());
        if rng.random_range(0..3) > 0 {
            return self.fill(dir, directory, &now[directory].clone(), rng);
        }
        let from = std::mem::replace(&mut now[directory], place.clone());
        let synced = rng.random_range(0..2) == 0;
        let op = Op::Move {
            directory: Self::number(directory),
            to: place.clone(),
            synced,
        };
        self.history.perform(op, || {
            let (from, to) = (dir.join(&from), dir.join(&place));
            fs::rename(&from, &to)?;
            if synced {
                sync_dir(from.parent().unwrap()).and_then(|()| sync_dir(to.parent().unwrap()))
            } else {
                Ok(())
            }
        })?;
        // Nine at most, for there must be free places.
        if now.len() < 9 && rng.random_range(0..3) == 0 {
            self.make(dir, now, from)
        } else {
            Ok(())
        }
    }

    fn done(&self) -> usize {
        self.history.done()
    }

    fn begun(&self) -> usize {
        self.history.begun()
    }

    fn check(&self, dir: &Path, window: &Window, findings: &mut Findings) {
        let ops = self.history.up_to(window.begun);
        let made = ops.iter().filter(|op| matches!(op, Op::Make { .. })).count();
        let being_made = ops[window.done..].iter().find_map(|op| match op {
            Op::Make { at, .. } => Some(at.as_path()),
            Op::Move { .. } | Op::Fill { .. } => None,
        });
        let located = Self::located(dir, being_made, findings);
        for directory in 0..Self::number(made) {
            // Only both parents of one move were synced with it.
            let synced = ops[..window.done].iter().rposition(|op| match op {
                Op::Move {
                    directory: other, synced, ..
                } => *other == directory && *synced,
                Op::Make { .. } | Op::Fill { .. } => false,
            });
            let sure = window.sure(synced.map_or(0, |index| index + 1));
            let (places, must, files) = Self::story(directory, &ops, window, sure);
            match located.get(&directory).map(Vec::as_slice) {
                None | Some([]) if must => findings.add(
                    Harm::LostDirectory,
                    format!("moves: directory {directory} is at none of {places:?}"),
                ),
                None | Some([]) => {}
                Some([at]) if places.contains(at) => self.check_contents(&dir.join(at), directory, &files, findings),
                Some(at) => findings.add(
                    Harm::Wrong,
                    format!("moves: directory {directory} is at {at:?} and not at one of {places:?}"),
                ),
            }
        }
        if let Some(unknown) = located.keys().find(|number| **number >= Self::number(made)) {
            findings.add(Harm::Wrong, format!("moves: there is no directory {unknown}"));
        }
    }
}
