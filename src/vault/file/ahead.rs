//! Sealing ahead: whole records are sealed by the thread that is to write them before it waits for its turn, since that takes longer than anything that has to be done in turn.
//!
//! Keeps true: what was sealed ahead is written only as the records that it was sealed as, in the file whose keys it was sealed with. Otherwise it is sealed again.

use super::VaultFile;
use super::run::{Run, bytes};
use super::unlocked::Unlocked;
use super::write::end_of;
use crate::error::Result;
use crate::folder::{Late, Sealed, Sealer};
use crate::record::{End, Position, RECORD_LEN};
use crate::sys::block::Block;
use crate::sys::disk::Disk;
use parking_lot::RwLock;
use rustix::io::Errno;
use std::cell::Cell;
use std::sync::Arc;

/// Records that were sealed ahead.
pub(super) struct Ahead {
    unlocked: Arc<Unlocked>,
    run: Run,
    /// Until they are taken.
    sealed: Cell<Option<Block>>,
}

impl Ahead {
    /// A copy of what was sealed.
    #[cfg(test)]
    pub(super) fn sealed(&self) -> Vec<u8> {
        let sealed = self.sealed.take();
        let copy = sealed.as_ref().map(|sealed| sealed.bytes().to_vec()).unwrap_or_default();
        self.sealed.set(sealed);
        copy
    }
}

impl Sealed for Ahead {
    fn open(&self) -> Result<Vec<u8>> {
        let sealed = self.sealed.take().ok_or(Errno::IO)?;
        let mut plain = vec![0; self.run.len];
        let opened = self.unlocked.open_run(self.run, sealed.bytes(), &mut plain);
        self.sealed.set(Some(sealed));
        opened?;
        Ok(plain)
    }
}

impl VaultFile {
    /// Writes what comes late: the records that were sealed ahead, if there are any and they are what has to be written.
    pub(super) fn write_sealed(&mut self, disk: &dyn Disk, late: &Late<'_>) -> Result<()> {
        let is_written = late.ahead().map_or(Ok(false), |ahead| self.write_ahead(disk, ahead))?;
        match is_written {
            true => Ok(()),
            false => self.write(disk, late.offset, &late.data()?),
        }
    }

    /// Writes the records that were sealed ahead, if they belong over whole records, or from the last one on, and have the file's keys. Returns whether it did.
    fn write_ahead(&mut self, disk: &dyn Disk, ahead: &Ahead) -> Result<bool> {
        let (run, len) = (ahead.run, self.ready(disk)?);
        let (from, to) = (run.plain_offset(), run.plain_offset() + bytes(run.len));
        let is_over = to <= len && Run::touched(from, to, len) == run;
        let is_behind = to > len && len > 0 && run.first == self.last_record();
        if !is_over && !is_behind {
            return Ok(false);
        }
        if is_behind {
            // Opened before it is replaced (as in `grow`). Where another program has changed the file, its keys are found to be others by that.
            self.open_tail(disk)?;
        }
        let unlocked = self.unlock(disk)?;
        if !ahead.unlocked.has_keys_of(&unlocked) {
            return Ok(false);
        }
        let Some(mut sealed) = ahead.sealed.take() else {
            return Ok(false);
        };
        if is_over {
            self.put_block(disk, run.first, &mut sealed)?;
            self.are_written(run);
        } else {
            // The file ends with a record that holds no byte.
            let end = Run::to_end(to, to);
            unlocked.seal(end, &[], sealed.more(end.sealed_len()));
            self.append_sealed(disk, Run::to_end(from, to), sealed.bytes(), &unlocked)?;
        }
        self.forbid_holes(disk);
        Ok(true)
    }
}

impl Unlocked {
    /// `plain` as the records of `run`.
    pub(super) fn sealed(&self, run: Run, plain: &[u8]) -> Block {
        let mut sealed = Block::of(run.sealed_len());
        self.seal(run, plain, sealed.bytes_mut());
        sealed
    }
}

/// What seals ahead for one file.
pub(super) struct SealsAhead {
    unlocked: Arc<RwLock<Option<Arc<Unlocked>>>>,
}

impl SealsAhead {
    pub(super) fn of(file: &VaultFile) -> Self {
        let unlocked = Arc::clone(&file.unlocked);
        Self { unlocked }
    }

    /// Seals `data`, which is to be written at `offset`: if it is whole records, where records can be, and the keys are known.
    pub(super) fn seal(&self, offset: u64, data: &[u8]) -> Option<Ahead> {
        let at = Position::of(offset);
        let is_whole =
            at.within == 0 && !data.is_empty() && data.len().is_multiple_of(RECORD_LEN) && end_of(offset, bytes(data.len())).is_ok();
        let unlocked = self.unlocked.read().clone().filter(|_| is_whole)?;
        let run = Run {
            first: at.record,
            len: data.len(),
            end: End::Inner,
        };
        let sealed = Cell::new(Some(unlocked.sealed(run, data)));
        Some(Ahead { unlocked, run, sealed })
    }
}

impl Sealer for SealsAhead {
    fn seal(&self, offset: u64, data: &[u8]) -> Option<Box<dyn Sealed>> {
        let ahead: Box<dyn Sealed> = Box::new(self.seal(offset, data)?);
        Some(ahead)
    }
}
