//! Files that are changed in place: overwritten, appended to, made shorter and longer; synced now and then.

use super::bytes::{Change, explain};
use super::findings::{Findings, Harm};
use super::history::{History, Window};
use super::workload::{Workload, open, sync_dir};
use rand::RngExt;
use rand::rngs::StdRng;
use std::fs;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// What is done to the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Habit {
    /// Pages and small pieces of them are overwritten.
    Overwrite,
    /// They grow, and begin anew when they are large.
    Append,
    /// They are cut, made longer, and written to.
    Resize,
}

/// Bytes of a file that is overwritten, and of the first, of which much is overwritten at once.
const OVERWRITTEN: u64 = 300_000;
const LARGE: u64 = 3 << 20;
/// How much: more than the kernel writes with one request.
const MUCH: u64 = (1 << 20) + (256 << 10);
/// How long a file grows.
const GROWN: u64 = 1_500_000;
/// How long one becomes that is cut and made longer.
const RESIZED: u64 = 150_000;
/// How many files there are at a time.
const FILES: usize = 3;

#[derive(Clone, Copy, Debug)]
enum Op {
    Change(usize, Change),
    Sync(usize),
    /// With a sync of the directory.
    Remove(usize),
}

/// Bytes of the file in the place `slot`, where files are overwritten.
fn overwritten(slot: usize) -> u64 {
    if slot == 0 { LARGE } else { OVERWRITTEN }
}

/// A workload of one habit.
pub(super) struct Files {
    habit: Habit,
    /// Tells what it writes from what others do.
    salt: u64,
    history: History<Op>,
    now: Mutex<Now>,
}

/// The state of the files, as those who use them see it.
struct Now {
    /// The numbers of those that there are, and their lengths.
    files: Vec<(usize, u64)>,
    next_file: usize,
    next_version: u64,
}

impl Files {
    pub(super) fn new(habit: Habit, salt: u64) -> Self {
        let now = Now {
            files: (0..FILES).map(|file| (file, 0)).collect(),
            next_file: FILES,
            next_version: 0,
        };
        Self {
            habit,
            salt,
            history: History::new(),
            now: Mutex::new(now),
        }
    }

    fn path(dir: &Path, file: usize) -> PathBuf {
        dir.join(format!("file {file}"))
    }

    fn change(&self, dir: &Path, now: &mut Now, slot: usize, change: Change) -> io::Result<()> {
        let (file, len) = now.files[slot];
        now.files[slot].1 = match change {
            Change::Write { at, len: written, .. } => len.max(at + written),
            Change::SetLen(len) => len,
        };
        self.history.perform(Op::Change(file, change), || {
            let file = open(&Self::path(dir, file))?;
            match change {
                Change::Write { at, len, version } => file.write_all_at(&super::bytes::pattern(version, at, len), at),
                Change::SetLen(len) => file.set_len(len),
            }
        })
    }

    fn write(&self, dir: &Path, now: &mut Now, slot: usize, at: u64, len: u64) -> io::Result<()> {
        now.next_version += 1;
        let version = self.salt.wrapping_add(now.next_version);
        self.change(dir, now, slot, Change::Write { at, len, version })
    }

    fn sync(&self, dir: &Path, now: &Now, slot: usize, thorough: bool) -> io::Result<()> {
        let file = now.files[slot].0;
        self.history.perform(Op::Sync(file), || {
            let file = open(&Self::path(dir, file))?;
            if thorough { file.sync_all() } else { file.sync_data() }
        })
    }

    fn overwrite(&self, dir: &Path, now: &mut Now, slot: usize, rng: &mut StdRng) -> io::Result<()> {
        let all = overwritten(slot);
        let page = rng.random_range(0..all / 4096) * 4096;
        match rng.random_range(0..10) {
            0..5 => self.write(dir, now, slot, page, 4096),
            5..9 => self.write(dir, now, slot, page + rng.random_range(0..4000), rng.random_range(1..300)),
            _ if all == LARGE && rng.random_range(0..4) == 0 => self.write(dir, now, slot, page.min(LARGE - MUCH), MUCH),
            _ => self.write(dir, now, slot, rng.random_range(0..all - 40_000), rng.random_range(4097..40_000)),
        }
    }

    fn append(&self, dir: &Path, now: &mut Now, slot: usize, rng: &mut StdRng) -> io::Result<()> {
        let (file, len) = now.files[slot];
        if len < GROWN {
            let more = match rng.random_range(0..20) {
                0..10 => rng.random_range(1..300),
                10..19 => rng.random_range(300..9000),
                _ => rng.random_range(66_000..200_000),
            };
            return self.write(dir, now, slot, len, more);
        }
        if rng.random() {
            return self.change(dir, now, slot, Change::SetLen(0));
        }
        now.files[slot] = (now.next_file, 0);
        now.next_file += 1;
        self.history.perform(Op::Remove(file), || {
            fs::remove_file(Self::path(dir, file)).and_then(|()| sync_dir(dir))
        })
    }

    fn resize(&self, dir: &Path, now: &mut Now, slot: usize, rng: &mut StdRng) -> io::Result<()> {
        let len = now.files[slot].1;
        match rng.random_range(0..10) {
            // Around the ends of records.
            0..3 => {
                let len = rng.random_range(0..RESIZED / 4096) * 4096 + rng.random_range(0..3);
                self.change(dir, now, slot, Change::SetLen(len.saturating_sub(1)))
            }
            3..5 => self.change(dir, now, slot, Change::SetLen(rng.random_range(0..RESIZED))),
            5..8 => self.write(dir, now, slot, rng.random_range(0..=len), rng.random_range(1..3000)),
            // Behind the end, so that there is a hole.
            8 => self.write(dir, now, slot, len + rng.random_range(0..9000), rng.random_range(1..9000)),
            _ => self.change(dir, now, slot, Change::SetLen(0)),
        }
    }

    /// Checks one file of which `ops` is the whole story, by index.
    fn check_file(path: &Path, ops: &[(usize, Op)], window: &Window, findings: &mut Findings) {
        let index_of = |wanted: fn(&Op) -> bool| {
            ops.iter()
                .rev()
                .find(|(index, op)| *index < window.done && wanted(op))
                .map(|(index, _)| *index)
        };
        let synced = window.sure(index_of(|op| matches!(op, Op::Sync(_))).map_or(0, |index| index + 1));
        let removed = index_of(|op| matches!(op, Op::Remove(_))).is_some();
        let removing = ops.iter().any(|(_, op)| matches!(op, Op::Remove(_)));
        let Some(found) = findings.read(path) else {
            if synced > 0 && !removing && !path.exists() {
                findings.add(Harm::Lost, format!("{}: is not there", path.display()));
            }
            return;
        };
        if removed {
            findings.add(Harm::Wrong, format!("{}: was removed", path.display()));
        }
        let (mut sure, mut possible) = (vec![], vec![]);
        for (index, op) in ops {
            match op {
                Op::Change(_, change) if *index < synced => sure.push(*change),
                Op::Change(_, change) => possible.push(*change),
                Op::Sync(_) | Op::Remove(_) => {}
            }
        }
        if let Err(why) = explain(&found, &sure, &possible) {
            findings.add(Harm::Lost, format!("{}: {why}", path.display()));
        }
    }
}

impl Workload for Files {
    fn name(&self) -> String {
        format!("{:?} {:x}", self.habit, self.salt)
    }

    fn prepare(&self, dir: &Path) -> io::Result<()> {
        let now = &mut *self.now.lock().unwrap();
        for slot in 0..FILES {
            let len = if self.habit == Habit::Overwrite { overwritten(slot) } else { 100 };
            self.write(dir, now, slot, 0, len)?;
            self.sync(dir, now, slot, true)?;
        }
        sync_dir(dir)
    }

    fn step(&self, dir: &Path, rng: &mut StdRng) -> io::Result<()> {
        let now = &mut *self.now.lock().unwrap();
        let slot = rng.random_range(0..FILES);
        let one_in = match self.habit {
            Habit::Overwrite => {
                self.overwrite(dir, now, slot, rng)?;
                6
            }
            Habit::Append => {
                self.append(dir, now, slot, rng)?;
                2
            }
            Habit::Resize => {
                self.resize(dir, now, slot, rng)?;
                3
            }
        };
        if rng.random_range(0..one_in) == 0 {
            self.sync(dir, now, slot, rng.random())?;
        }
        Ok(())
    }

    fn done(&self) -> usize {
        self.history.done()
    }

    fn begun(&self) -> usize {
        self.history.begun()
    }

    fn check(&self, dir: &Path, window: &Window, findings: &mut Findings) {
        let mut stories: Vec<Vec<(usize, Op)>> = vec![];
        for (index, op) in self.history.up_to(window.begun).into_iter().enumerate() {
            let (Op::Change(file, _) | Op::Sync(file) | Op::Remove(file)) = op;
            stories.resize_with(stories.len().max(file + 1), Vec::new);
            stories[file].push((index, op));
        }
        for (file, story) in stories.iter().enumerate() {
            Self::check_file(&Self::path(dir, file), story, window, findings);
        }
        let listed = findings.list(dir).unwrap_or_default();
        for name in listed {
            if !(0..stories.len()).any(|file| Self::path(dir, file).ends_with(&name)) {
                findings.add(Harm::Wrong, format!("{name}: nobody made it"));
            }
        }
    }
}
