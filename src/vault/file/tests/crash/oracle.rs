//! What a file may hold after a crash.

use super::*;

/// A file, and what a crash may leave of it.
pub(super) struct Oracle {
    pub(super) sim: SimFile,
    pub(super) file: VaultFile,
    pub(super) now: Vec<u8>,
    /// What it was at the last commit, and after each operation since. Nothing while it is new and was never synced: then it must only be readable.
    pub(super) since: Option<Vec<Vec<u8>>>,
    /// Whether it was made when the journal could not be begun: then it counts as an old one, which a sync of new files does not commit.
    pub(super) made_old: bool,
    /// What was ever written at each byte of a new file.
    pub(super) written: Vec<Vec<u8>>,
}

impl Oracle {
    pub(super) fn create(world: &World, journal: &Journal) -> Self {
        let sim = world.create();
        let stat = sim.stat().unwrap();
        let journaled = journal.new_file(stat.id, stat.changed).unwrap();
        let made_old = !journaled.is_new();
        let file = VaultFile::journaled(content_key(), journaled);
        Self {
            sim,
            file,
            now: Vec::new(),
            since: None,
            made_old,
            written: vec![Vec::new()],
        }
    }

    pub(super) fn open(world: &World, journal: &Journal, ino: u64) -> Self {
        let sim = world.file(ino);
        let stat = sim.stat().unwrap();
        let file = VaultFile::journaled(content_key(), journal.file(stat.id, || stat.len).unwrap());
        let now = file
            .look(&sim, whole)
            .unwrap_or_else(|error| panic!("file {ino} after a crash: {error}"));
        Self {
            sim,
            file,
            since: Some(vec![now.clone()]),
            made_old: true,
            written: Vec::new(),
            now,
        }
    }

    pub(super) fn perform(&mut self, op: &Op) -> Result<()> {
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

    pub(super) fn committed(&mut self) {
        self.since = Some(vec![self.now.clone()]);
    }

    /// Whether the disk has failed so that nothing is promised of the file any more.
    pub(super) fn is_lost(&self, journal: &Journal) -> bool {
        journal.has_lost(self.sim.stat().unwrap().id)
    }

    /// An operation failed: whatever it left can be read, and may be committed.
    pub(super) fn failed(&mut self) {
        self.now = self
            .file
            .look(&self.sim, whole)
            .unwrap_or_else(|error| panic!("after a failure: {error}"));
        match &mut self.since {
            Some(since) => since.push(self.now.clone()),
            None => self.written.push(self.now.clone()),
        }
    }

    pub(super) fn check_now(&self) {
        assert!(self.file.look(&self.sim, whole).unwrap() == self.now);
    }

    /// Whether a crash may leave these contents.
    pub(super) fn allows(&self, left: &[u8]) -> bool {
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
