//! Files with long names, which get other long names, or short ones.

use super::bytes::pattern;
use super::findings::{Findings, Harm};
use super::history::{History, Window};
use super::workload::{Workload, sync_dir, write_synced};
use rand::RngExt;
use rand::rngs::StdRng;
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Mutex;

/// How many files there are at a time.
const FILES: usize = 10;
/// How long each is.
const LEN: u64 = 200;

#[derive(Clone, Debug)]
enum Op {
    /// A file is made, and synced.
    Create { file: u64, name: String },
    /// It gets another name. `synced`: and the directory is synced.
    Rename { file: u64, to: String, synced: bool },
    /// The same.
    Remove { file: u64, synced: bool },
}

/// The workload.
pub(super) struct Names {
    salt: u64,
    history: History<Op>,
    /// The number of each file, and its name.
    now: Mutex<(u64, Vec<(u64, String)>)>,
}

impl Names {
    pub(super) fn new(salt: u64) -> Self {
        Self {
            salt,
            history: History::new(),
            now: Mutex::new((0, vec![])),
        }
    }

    /// A name that no other file has had.
    fn name(file: u64, rng: &mut StdRng) -> String {
        let len = if rng.random_range(0..5) == 0 {
            rng.random_range(30..200)
        } else {
            rng.random_range(200..=255)
        };
        let mut name = format!("{file} {:x} ", rng.random::<u64>());
        name.extend(std::iter::repeat_with(|| char::from(rng.random_range(b'a'..=b'z'))).take(len - name.len()));
        name
    }

    fn synced(dir: &Path, synced: bool) -> io::Result<()> {
        if synced { sync_dir(dir) } else { Ok(()) }
    }

    /// Checks one file; returns the names that it may have.
    fn check_file(
        &self,
        dir: &Path,
        file: u64,
        ops: &[Op],
        listed: &BTreeSet<String>,
        (window, sure): (&Window, usize),
        findings: &mut Findings,
    ) -> Vec<String> {
        let (mut candidates, mut must, mut gone) = (vec![], false, false);
        for (index, op) in ops.iter().enumerate() {
            match op {
                Op::Create { file: other, name } if *other == file => {
                    candidates.push(name.clone());
                    must = index < window.done;
                }
                Op::Rename { file: other, to, .. } if *other == file => {
                    if index < sure {
                        candidates.clear();
                    }
                    candidates.push(to.clone());
                }
                Op::Remove { file: other, .. } if *other == file => {
                    must = false;
                    gone = index < sure;
                }
                Op::Create { .. } | Op::Rename { .. } | Op::Remove { .. } => {}
            }
        }
        let found: Vec<_> = candidates.iter().filter(|name| listed.contains(*name)).collect();
        match (found.len(), must, gone) {
            (0, true, _) => findings.add(
                Harm::Lost,
                format!("names: file {file} is not there, by none of {} names", candidates.len()),
            ),
            (0, false, _) => {}
            (1, _, false) => {}
            (1, _, true) => findings.add(Harm::Wrong, format!("names: file {file} was removed")),
            _ => findings.add(Harm::Wrong, format!("names: file {file} is there by several names")),
        }
        for name in found {
            let whole = pattern(self.salt.wrapping_add(file), 0, LEN);
            let Some(contents) = findings.read(&dir.join(name)) else { continue };
            if contents != whole && (must || !whole.starts_with(&contents)) && contents.iter().any(|byte| *byte != 0) {
                findings.add(Harm::Lost, format!("names: file {file} has not its contents"));
            }
        }
        candidates
    }
}

impl Workload for Names {
    fn name(&self) -> String {
        "names".to_owned()
    }

    fn prepare(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn step(&self, dir: &Path, rng: &mut StdRng) -> io::Result<()> {
        let now = &mut *self.now.lock().unwrap();
        if now.1.len() < FILES {
            now.0 += 1;
            let (file, name) = (now.0, Self::name(now.0, rng));
            now.1.push((file, name.clone()));
            let bytes = pattern(self.salt.wrapping_add(file), 0, LEN);
            return self
                .history
                .perform(Op::Create { file, name: name.clone() }, || write_synced(&dir.join(name), &bytes));
        }
        let slot = rng.random_range(0..FILES);
        let (file, from) = now.1[slot].clone();
        let synced = rng.random_range(0..3) == 0;
        if rng.random_range(0..4) == 0 {
            now.1.remove(slot);
            return self.history.perform(Op::Remove { file, synced }, || {
                fs::remove_file(dir.join(from))?;
                Self::synced(dir, synced)
            });
        }
        let to = Self::name(file, rng);
        now.1[slot].1 = to.clone();
        self.history.perform(
            Op::Rename {
                file,
                to: to.clone(),
                synced,
            },
            || {
                fs::rename(dir.join(from), dir.join(to))?;
                Self::synced(dir, synced)
            },
        )
    }

    fn done(&self) -> usize {
        self.history.done()
    }

    fn begun(&self) -> usize {
        self.history.begun()
    }

    fn check(&self, dir: &Path, window: &Window, findings: &mut Findings) {
        let ops = self.history.up_to(window.begun);
        // A sync of the directory is one of all that was done in it.
        let synced = ops[..window.done].iter().rposition(|op| match op {
            Op::Create { .. } => false,
            Op::Rename { synced, .. } | Op::Remove { synced, .. } => *synced,
        });
        let sure = window.sure(synced.map_or(0, |index| index + 1));
        let listed: BTreeSet<_> = findings.list(dir).unwrap_or_default().into_iter().collect();
        let mut unknown = listed.clone();
        let files = ops.iter().filter(|op| matches!(op, Op::Create { .. })).count();
        for file in 1..=u64::try_from(files).unwrap() {
            for name in self.check_file(dir, file, &ops, &listed, (window, sure), findings) {
                unknown.remove(&name);
            }
        }
        for name in unknown {
            findings.add(Harm::Wrong, format!("names: {name}: nobody has this name any more"));
        }
    }
}
