//! All workloads at once.

use super::databases::{Databases, JournalMode};
use super::files::{Files, Habit};
use super::findings::{Findings, Harm};
use super::history::{Promise, Window};
use super::moves::Moves;
use super::names::Names;
use super::repository::Repository;
use super::saves::{Manner, Saves};
use super::trees::Trees;
use super::workload::{Workload, sync_dir};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

/// How many operations of each workload had returned, or begun.
#[derive(Clone, Debug)]
pub(super) struct Marks(Vec<usize>);

/// Between what a power cut came, for each workload.
#[derive(Clone, Debug)]
pub(super) struct Windows {
    pub(super) done: Marks,
    pub(super) begun: Marks,
    pub(super) promise: Promise,
}

/// Workloads at work.
pub(super) struct Load {
    workloads: Vec<Box<dyn Workload>>,
    seed: u64,
    stopped: AtomicBool,
    /// What went wrong while there was power.
    failures: Mutex<Vec<String>>,
}

impl Load {
    /// All that they do comes from `seed`, but for the order in which they come to do it.
    pub(super) fn new(seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut salt = || rng.next_u64();
        let workloads: Vec<Box<dyn Workload>> = vec![
            Box::new(Files::new(Habit::Overwrite, salt())),
            Box::new(Files::new(Habit::Overwrite, salt())),
            Box::new(Files::new(Habit::Append, salt())),
            Box::new(Files::new(Habit::Resize, salt())),
            Box::new(Saves::new(Manner::Synced, salt())),
            Box::new(Saves::new(Manner::Unsynced, salt())),
            Box::new(Trees::new(salt())),
            Box::new(Names::new(salt())),
            Box::new(Moves::new(salt())),
            Box::new(Databases::new(JournalMode::Wal)),
            Box::new(Databases::new(JournalMode::Delete)),
            Box::new(Repository::new()),
        ];
        Self {
            workloads,
            seed,
            stopped: AtomicBool::new(false),
            failures: Mutex::default(),
        }
    }

    /// The names of the workloads, which are those of their directories.
    pub(super) fn names(&self) -> Vec<String> {
        self.workloads.iter().map(|workload| workload.name()).collect()
    }

    /// Gives each a directory in `root`.
    pub(super) fn prepare(&self, root: &Path) -> io::Result<()> {
        for workload in &self.workloads {
            let dir = root.join(workload.name());
            fs::create_dir(&dir)?;
            workload.prepare(&dir)?;
            sync_dir(&dir)?;
        }
        sync_dir(root)
    }

    /// Lets each of them do `count` things in `root`, one workload after another.
    pub(super) fn steps(&self, root: &Path, count: u32) {
        let mut rng = StdRng::seed_from_u64(self.seed);
        for workload in &self.workloads {
            for _ in 0..count {
                workload.step(&root.join(workload.name()), &mut rng).unwrap();
            }
            workload.rest();
        }
    }

    /// Lets all of them work in `root`, until `meanwhile` has returned.
    pub(super) fn run<T>(&self, root: &Path, meanwhile: impl FnOnce() -> T) -> T {
        std::thread::scope(|scope| {
            for (number, workload) in (1..).zip(&self.workloads) {
                let mut rng = StdRng::seed_from_u64(self.seed.wrapping_add(number));
                scope.spawn(move || self.work(&**workload, &root.join(workload.name()), &mut rng));
            }
            // Also when it panics, or nobody would ever hear of it.
            let stop = StopWhenDropped(&self.stopped);
            let result = meanwhile();
            drop(stop);
            result
        })
    }

    fn work(&self, workload: &dyn Workload, dir: &Path, rng: &mut StdRng) {
        while !self.stopped.load(Ordering::SeqCst) {
            if let Err(error) = workload.step(dir, rng) {
                self.failures.lock().unwrap().push(format!("{}: {error}", workload.name()));
                break;
            }
        }
        workload.rest();
    }

    /// What went wrong, and was not meant to.
    pub(super) fn failures(&self) -> Vec<String> {
        self.failures.lock().unwrap().clone()
    }

    pub(super) fn done(&self) -> Marks {
        Marks(self.workloads.iter().map(|workload| workload.done()).collect())
    }

    pub(super) fn begun(&self) -> Marks {
        Marks(self.workloads.iter().map(|workload| workload.begun()).collect())
    }

    /// Checks what a power cut has left in `root`.
    pub(super) fn check(&self, root: &Path, windows: &Windows, findings: &mut Findings) {
        self.names().iter().for_each(|name| self.check_one(name, root, windows, findings));
    }

    /// Checks what it has left of one workload.
    pub(super) fn check_one(&self, name: &str, root: &Path, windows: &Windows, findings: &mut Findings) {
        let dir = root.join(name);
        for (number, workload) in self.workloads.iter().enumerate().filter(|(_, workload)| workload.name() == name) {
            let window = Window {
                done: windows.done.0[number],
                begun: windows.begun.0[number],
                promise: windows.promise,
            };
            match fs::metadata(&dir) {
                Ok(_) => workload.check(&dir, &window, findings),
                Err(error) => findings.add(Harm::LostDirectory, format!("{}: {error}", dir.display())),
            }
        }
    }
}

impl std::fmt::Display for Load {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let counts: Vec<_> = self
            .workloads
            .iter()
            .map(|workload| format!("{} {}", workload.name(), workload.done()))
            .collect();
        to.write_str(&counts.join(", "))
    }
}

struct StopWhenDropped<'a>(&'a AtomicBool);

impl Drop for StopWhenDropped<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}
