//! Random histories of several files, with power cuts.

use super::*;
use std::path::PathBuf;

pub(super) struct Run<'a> {
    pub(super) world: World,
    pub(super) journal: Mounted,
    pub(super) files: Vec<Oracle>,
    pub(super) rng: &'a mut StdRng,
    /// Whether calls of the disk fail.
    pub(super) faulty: bool,
    /// Whether a sync of new files failed: then they are known, and changed by way of the journal, but not committed.
    pub(super) half_known: bool,
    /// What was done, for who looks for the reason of a failure.
    pub(super) history: Vec<String>,
}

pub(super) const SIZE: u64 = 256 << 10;

impl<'a> Run<'a> {
    pub(super) fn new(rng: &'a mut StdRng) -> Self {
        let world = World::default();
        let (journal, _) = world.mount(&master(), SIZE).unwrap();
        Self {
            world,
            journal,
            files: Vec::new(),
            rng,
            faulty: false,
            half_known: false,
            history: Vec::new(),
        }
    }

    pub(super) fn step(&mut self) {
        if self.files.is_empty() || (self.files.len() < 3 && self.rng.random_range(0..8) == 0) {
            let file = Oracle::create(&self.world, &self.journal);
            self.history.push(format!("create {}", file.sim.ino));
            self.files.push(file);
            return;
        }
        if self.rng.random_range(0..3) == 0 {
            self.journal.write_out();
        }
        match self.rng.random_range(0..40) {
            3 => {
                self.history.push("write back".to_owned());
                self.went_well(|run| Ok(run.journal.write_back(0).map(drop)?));
            }
            0 => {
                let in_background = self.rng.random();
                self.history.push(format!("checkpoint, in background: {in_background}"));
                let checkpoint = |run: &Self| match in_background {
                    true => run.journal.write_back(0).and_then(|_| run.journal.checkpoint()),
                    false => run.journal.checkpoint(),
                };
                if self.went_well(|run| Ok(checkpoint(run)?)) {
                    // What is new stays so.
                    self.files
                        .iter_mut()
                        .filter(|file| file.since.is_some())
                        .for_each(Oracle::committed);
                }
            }
            1 => {
                self.history.push("sync news".to_owned());
                let well = self.went_well(|run| Ok(run.journal.sync_news()?));
                let half_known = self.half_known;
                // Without a journal, nothing was written that could need it.
                if well && self.world.has_journal() {
                    let new = self.files.iter_mut().filter(|file| file.since.is_none() && !file.made_old);
                    new.for_each(|file| match half_known {
                        true => file.since = Some(file.written.clone()),
                        false => file.committed(),
                    });
                }
                self.half_known |= !well;
            }
            2 => {
                let index = self.rng.random_range(0..self.files.len());
                let gone = self.files.swap_remove(index);
                self.history.push(format!("remove {}", gone.sim.ino));
                self.world.remove_file(gone.sim.ino);
            }
            _ => {
                let index = self.rng.random_range(0..self.files.len());
                let file = &mut self.files[index];
                let op = Op::random(self.rng, bytes(file.now.len()));
                self.history.push(format!("{} {op:?}", file.sim.ino));
                match file.perform(&op) {
                    Ok(()) => {}
                    Err(error) if self.faulty => {
                        self.history.push(format!("... {error}"));
                        file.failed();
                    }
                    Err(error) => panic!("{op:?}: {error}"),
                }
                if self.rng.random_range(0..8) == 0 {
                    file.check_now();
                }
            }
        }
    }

    /// Whether `action` went well, as it does unless calls fail.
    pub(super) fn went_well(&mut self, action: impl FnOnce(&Self) -> Result<()>) -> bool {
        let done = action(self);
        if let Err(error) = &done {
            assert!(self.faulty, "{error}");
            self.history.push(format!("... {error}"));
        }
        done.is_ok()
    }

    /// Cuts the power, perhaps also while that is recovered from, and compares.
    pub(super) fn crash(&mut self) {
        let mut world = self.world.crashed_randomly(self.rng);
        while self.rng.random_range(0..4) == 0 && world.has_journal() {
            // The power fails again during recovery, after some calls.
            let after = self.rng.random_range(0..30);
            world.arm(Fault {
                after,
                errno: Errno::IO,
                lasting: true,
            });
            let first = world.mount(&master(), SIZE);
            self.history.push(format!(
                "crash, recover with a fault after {after}: {:?}",
                first.map(|(_, report)| report)
            ));
            world.disarm();
            world = world.crashed_randomly(self.rng);
        }
        let (journal, report) = world.mount(&master(), SIZE).unwrap();
        self.history.push(format!("crash: {report:?}"));
        if let Some(report) = report {
            // Of a new file, a sync that failed may have lost the header as well: then it is not the one that the journal knows, which is kept.
            let lost = self.files.iter().filter(|file| file.is_lost(&self.journal));
            let lost: Vec<_> = lost.map(|file| PathBuf::from(file.sim.ino.to_string())).collect();
            assert!(
                report.left.iter().all(|left| lost.contains(left)),
                "{:?}, lost are {lost:?}",
                report.left
            );
            assert!(report.pending.is_none() && report.aside.is_some() != report.left.is_empty());
        }
        let mut files = Vec::new();
        for old in &self.files {
            if !world.exists(old.sim.ino) {
                assert!(old.since.is_none(), "a file that was synced is gone");
                continue;
            }
            if old.is_lost(&self.journal) {
                // It was said of each sync since.
                world.remove_file(old.sim.ino);
                continue;
            }
            let file = Oracle::open(&world, &journal, old.sim.ino);
            let lens = old.since.iter().flatten().map(Vec::len).collect::<Vec<_>>();
            assert!(
                old.allows(&file.now),
                "file {} has {} bytes, which are none of those it had since its last commit: {lens:?}",
                old.sim.ino,
                file.now.len()
            );
            files.push(file);
        }
        (self.world, self.journal, self.files) = (world, journal, files);
    }
}

impl Drop for Run<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.history.join("\n"));
        }
    }
}
