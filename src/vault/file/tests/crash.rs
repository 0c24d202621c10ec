//! Power cuts: files of a vault over the journal, on a disk that loses or mixes what was not synced.

use super::bench::Op;
use super::*;
use crate::journal::Journal;
use crate::journal::tests::sim::{Fault, SimFile, World};
use crate::sys::disk::Backing;
use rand::RngExt;
use rand::rngs::StdRng;
use rustix::io::Errno;

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

    /// An operation failed: whatever it left can be read, and may be committed.
    fn failed(&mut self) {
        self.now = self
            .file
            .look(&self.sim, whole)
            .unwrap_or_else(|error| panic!("after a failure: {error}"));
        match &mut self.since {
            Some(since) => since.push(self.now.clone()),
            None => self.written.push(self.now.clone()),
        }
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
    /// Whether calls of the disk fail.
    faulty: bool,
    /// Whether a sync of new files failed: then they are known, and changed by way of the journal, but not committed.
    half_known: bool,
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
            faulty: false,
            half_known: false,
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
        if self.rng.random_range(0..3) == 0 {
            self.journal.write_out();
        }
        match self.rng.random_range(0..40) {
            0 => {
                self.history.push("checkpoint".to_owned());
                if self.went_well(|run| Ok(run.journal.checkpoint()?)) {
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
                if well {
                    let new = self.files.iter_mut().filter(|file| file.since.is_none());
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
    fn went_well(&mut self, action: impl FnOnce(&Self) -> Result<()>) -> bool {
        let done = action(self);
        if let Err(error) = &done {
            assert!(self.faulty, "{error}");
            self.history.push(format!("... {error}"));
        }
        done.is_ok()
    }

    /// Cuts the power, perhaps also while that is recovered from, and compares.
    fn crash(&mut self) {
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

#[test]
fn calls_that_fail_lose_nothing_that_was_synced() {
    let seed = Seed::take();
    let mut rng = seed.rng();
    let mut struck = 0;
    for _ in 0..1500 {
        let mut run = Run::new(&mut rng);
        for _ in 0..run.rng.random_range(0..20) {
            run.step();
        }
        run.faulty = true;
        let fault = Fault {
            after: run.rng.random_range(0..30),
            errno: if run.rng.random() { Errno::NOSPC } else { Errno::IO },
            lasting: run.rng.random(),
        };
        run.history.push(format!("{fault:?}"));
        run.world.arm(fault);
        for _ in 0..run.rng.random_range(0..20) {
            run.step();
        }
        struck += usize::from(run.world.struck());
        if run.rng.random() {
            run.world.disarm();
            run.faulty = false;
            // What a failure left is put right first.
            let files = run.files.iter_mut();
            files.for_each(|file| file.perform(&Op::Sync(Durability::Data)).unwrap());
            for _ in 0..run.rng.random_range(0..20) {
                run.step();
            }
        }
        run.files.iter().for_each(Oracle::check_now);
        run.world.disarm();
        run.crash();
    }
    assert!(struck > 300, "{struck}");
}

/// A disk with a small file that was committed as `a` and then as `b`, neither of which is in the file itself but the first.
fn small_world() -> (World, u64) {
    let world = World::default();
    let (journal, _) = world.mount(&master(), SIZE).unwrap();
    let mut file = Oracle::create(&world, &journal);
    let write = |fill| Op::Write { offset: 0, len: 10, fill };
    file.perform(&write(1)).unwrap();
    file.perform(&Op::Sync(Durability::Data)).unwrap();
    file.perform(&write(2)).unwrap();
    file.perform(&Op::Sync(Durability::Data)).unwrap();
    file.perform(&Op::Resize(3)).unwrap();
    file.perform(&Op::Sync(Durability::Data)).unwrap();
    (world, file.sim.ino)
}

/// What the file of a small world holds after a mount.
fn after_mount(world: &World, ino: u64) -> Vec<u8> {
    let (journal, report) = world.mount(&master(), SIZE).unwrap();
    assert!(report.is_some());
    Oracle::open(world, &journal, ino).now
}

#[test]
fn a_journal_whose_bytes_are_flipped_or_cut_gives_an_earlier_commit() {
    let (world, ino) = small_world();
    let data = |fill: u8| pattern(10).into_iter().map(|byte| byte ^ fill).collect::<Vec<_>>();
    let states = [data(1), data(2), data(2)[..3].to_vec()];
    let all = world.bytes(world.journal().ino);
    let end = all.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    let mut seen = [0; 3];
    let mut check = |damage: &dyn Fn(&World)| {
        let world = world.crashed(&mut |count| count - 1);
        damage(&world);
        let left = after_mount(&world, ino);
        let state = states.iter().position(|state| *state == left);
        seen[state.expect("one of its commits")] += 1;
    };
    check(&|_| ());
    // Of the slots, only what the headers take matters.
    for at in (0..200).chain(4096..4300).chain(8192..end) {
        for bit in 0..8 {
            check(&|world| {
                let flipped = all[at] ^ (1 << bit);
                world.journal().write_at(&[flipped], bytes(at)).map(drop).unwrap();
            });
        }
    }
    for len in (0..200).chain(8192..=end) {
        check(&|world| world.journal().set_len(bytes(len)).unwrap());
    }
    assert!(seen.iter().all(|count| *count > 0), "{seen:?}");
}

#[test]
fn every_way_in_which_a_power_cut_can_leave_a_small_history() {
    let master = master();
    let ops = [
        Op::Write {
            offset: 0,
            len: 20,
            fill: 1,
        },
        Op::Sync(Durability::Data),
        Op::Write {
            offset: 5,
            len: 5,
            fill: 2,
        },
        Op::Write {
            offset: 20,
            len: 2000,
            fill: 3,
        },
        Op::Resize(7),
        Op::Sync(Durability::Data),
        Op::Resize(0),
        Op::Write {
            offset: 0,
            len: 3,
            fill: 4,
        },
    ];
    let mut histories = 0;
    for count in 1..=ops.len() {
        for checkpoint in 0..=count {
            let world = World::default();
            let (journal, _) = world.mount(&master, SIZE).unwrap();
            let mut file = Oracle::create(&world, &journal);
            for (at, op) in ops[..count].iter().enumerate() {
                file.perform(op).unwrap();
                journal.write_out();
                if at == checkpoint {
                    journal.checkpoint().unwrap();
                    journal.sync_news().unwrap();
                    file.committed();
                }
            }
            let choices = world.choices();
            let total: usize = choices.iter().product();
            assert!(total < 100_000, "{choices:?}");
            for number in 0..total {
                let mut rest = number;
                let crashed = world.crashed(&mut |count| {
                    let choice = rest % count;
                    rest /= count;
                    choice
                });
                histories += 1;
                if crashed.exists(file.sim.ino) {
                    let (journal, _) = crashed.mount(&master, SIZE).unwrap();
                    let left = Oracle::open(&crashed, &journal, file.sim.ino);
                    assert!(
                        file.allows(&left.now),
                        "{count} operations, checkpoint after {checkpoint}, choice {number}"
                    );
                } else {
                    assert!(file.since.is_none());
                }
            }
        }
    }
    assert!(histories > 500, "{histories}");
}
