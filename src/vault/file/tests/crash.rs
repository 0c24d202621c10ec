//! Power cuts: files of a vault over the journal, on a disk that loses or mixes what was not synced.

use super::bench::Op;
use super::*;
use crate::journal::Journal;
use crate::journal::tests::sim::{SimFile, World};
use crate::sys::disk::Backing;
use rand::RngExt;
use rand::rngs::StdRng;

fn master() -> MasterKey {
    MasterKey::new(Secret::fill_with(|key| key.fill(3)))
}

/// A file, and what a crash may leave of it.
struct Oracle {
    sim: SimFile,
    file: VaultFile,
    now: Vec<u8>,
    /// What it was at the last commit, and after each operation since. Nothing while it is new and was never synced: then it must only be readable.
    since: Option<Vec<Vec<u8>>>,
    /// What was ever written at each byte of a new file.
    written: Vec<Vec<u8>>,
}

impl Oracle {
    fn create(world: &World, journal: &Journal) -> Self {
        let sim = world.create();
        let stat = sim.stat().unwrap();
        let file = VaultFile::journaled(content_key(), journal.new_file(stat.id, stat.changed).unwrap());
        Self {
            sim,
            file,
            now: Vec::new(),
            since: None,
            written: vec![Vec::new()],
        }
    }

    fn open(world: &World, journal: &Journal, ino: u64) -> Self {
        let sim = world.file(ino);
        let stat = sim.stat().unwrap();
        let file = VaultFile::journaled(content_key(), journal.file(stat.id, stat.len).unwrap());
        let now = file
            .look(&sim, whole)
            .unwrap_or_else(|error| panic!("file {ino} after a crash: {error}"));
        Self {
            sim,
            file,
            since: Some(vec![now.clone()]),
            written: Vec::new(),
            now,
        }
    }

    fn perform(&mut self, op: &Op) -> Result<()> {
        let sim = self.sim.clone();
        match op {
            Op::Sync(what) => {
                let syncing = self.file.begin_sync(&sim, *what)?.unwrap();
                syncing.finish()?;
                self.committed();
                return Ok(());
            }
            Op::Write { offset, len, .. } => {
                let to = *offset + bytes(*len);
                self.file.change(&sim, *len, to, |file, disk| op.perform(file, disk))?;
            }
            Op::Resize(to) => self.file.change(&sim, 0, *to, |file, disk| op.perform(file, disk))?,
            Op::Zero { .. } | Op::Allocate { .. } => {
                let to = self.file.length();
                self.file.change(&sim, 0, to, |file, disk| op.perform(file, disk))?;
            }
            Op::Read { .. } | Op::Seek { .. } | Op::Reopen => return Ok(()),
        }
        op.apply(&mut self.now);
        match &mut self.since {
            Some(since) => since.push(self.now.clone()),
            None => self.written.push(self.now.clone()),
        }
        Ok(())
    }

    fn committed(&mut self) {
        self.since = Some(vec![self.now.clone()]);
    }

    fn check_now(&self) {
        assert!(self.file.look(&self.sim, whole).unwrap() == self.now);
    }

    /// Whether a crash may leave these contents.
    fn allows(&self, left: &[u8]) -> bool {
        match &self.since {
            Some(since) => since.iter().any(|state| state == left),
            // A good prefix: each byte was there at some time, or is in a hole.
            None => left
                .iter()
                .enumerate()
                .all(|(at, byte)| *byte == 0 || self.written.iter().any(|state| state.get(at) == Some(byte))),
        }
    }
}

struct Run<'a> {
    world: World,
    journal: Arc<Journal>,
    files: Vec<Oracle>,
    rng: &'a mut StdRng,
    /// What was done, for who looks for the reason of a failure.
    history: Vec<String>,
}

const SIZE: u64 = 256 << 10;

impl<'a> Run<'a> {
    fn new(rng: &'a mut StdRng) -> Self {
        let world = World::default();
        let (journal, _) = world.mount(&master(), SIZE).unwrap();
        Self {
            world,
            journal,
            files: Vec::new(),
            rng,
            history: Vec::new(),
        }
    }

    fn step(&mut self) {
        if self.files.is_empty() || (self.files.len() < 3 && self.rng.random_range(0..8) == 0) {
            let file = Oracle::create(&self.world, &self.journal);
            self.history.push(format!("create {}", file.sim.ino));
            self.files.push(file);
            return;
        }
        match self.rng.random_range(0..40) {
            0 => {
                self.history.push("checkpoint".to_owned());
                self.journal.checkpoint().unwrap();
                // What is new stays so.
                self.files
                    .iter_mut()
                    .filter(|file| file.since.is_some())
                    .for_each(Oracle::committed);
            }
            1 => {
                self.history.push("sync news".to_owned());
                self.journal.sync_news().unwrap();
                self.files
                    .iter_mut()
                    .filter(|file| file.since.is_none())
                    .for_each(Oracle::committed);
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
                file.perform(&op).unwrap();
                if self.rng.random_range(0..8) == 0 {
                    file.check_now();
                }
            }
        }
    }

    /// Cuts the power, perhaps also while that is recovered from, and compares.
    fn crash(&mut self) {
        let mut world = self.world.crashed_randomly(self.rng);
        while self.rng.random_range(0..4) == 0 && world.has_journal() {
            // The power fails again during recovery, after some calls.
            let after = self.rng.random_range(0..30);
            world.arm(crate::journal::tests::sim::Fault {
                after,
                errno: rustix::io::Errno::IO,
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
        assert!(report.is_none_or(|report| report.pending.is_none() && !report.unreadable));
        let mut files = Vec::new();
        for old in &self.files {
            if !world.exists(old.sim.ino) {
                assert!(old.since.is_none(), "a file that was synced is gone");
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

#[test]
fn what_was_synced_outlasts_power_cuts_and_everything_can_be_read() {
    let seed = Seed::take();
    let mut rng = seed.rng();
    for _ in 0..1500 {
        let mut run = Run::new(&mut rng);
        for _ in 0..4 {
            for _ in 0..run.rng.random_range(0..40) {
                run.step();
            }
            run.crash();
        }
        run.journal.close().unwrap();
        assert!(!run.world.has_journal() && run.world.is_synced());
        let (journal, _) = run.world.mount(&master(), SIZE).unwrap();
        for file in &run.files {
            assert!(Oracle::open(&run.world, &journal, file.sim.ino).now == file.now);
        }
    }
}
