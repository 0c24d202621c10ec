//! Sealing ahead: whole records are sealed by the thread that is to write them before it waits for its turn, since that takes longer than anything that has to be done in turn.
//!
//! Keeps true: what was sealed ahead is written only as the records that it was sealed as, in the file whose keys it was sealed with. Otherwise it is sealed again.

use super::VaultFile;
use super::run::{Run, bytes};
use super::unlocked::Unlocked;
use super::write::end_of;
use crate::folder::Sealer;
use crate::record::{End, Position, RECORD_LEN};
use crate::sys::block::Block;
use parking_lot::RwLock;
use std::any::Any;
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

    /// The sealed records of `run`, if that is what was sealed ahead, with the keys of `unlocked`. They can be had once.
    fn take(&self, run: Run, unlocked: &Unlocked) -> Option<Block> {
        let fit = self.run == run && self.unlocked.has_keys_of(unlocked);
        self.sealed.take().filter(|_| fit)
    }
}

impl Unlocked {
    /// `plain` as the records of `run`: those that were sealed ahead, if they are these.
    pub(super) fn sealed(&self, run: Run, plain: &[u8], ahead: Option<&Ahead>) -> Block {
        ahead.and_then(|ahead| ahead.take(run, self)).unwrap_or_else(|| {
            let mut sealed = Block::of(run.sealed_len());
            self.seal(run, plain, sealed.bytes_mut());
            sealed
        })
    }

    /// As [`sealed`](Self::sealed), of a run up to the last record: what was sealed ahead may be all but that one, which holds no byte then.
    pub(super) fn sealed_to_end(&self, run: Run, plain: &[u8], ahead: Option<&Ahead>) -> Block {
        let inner = Run { end: End::Inner, ..run };
        let Some(mut sealed) = ahead.and_then(|ahead| ahead.take(inner, self)) else {
            return self.sealed(run, plain, None);
        };
        let last = Run::to_end(run.plain_offset() + bytes(run.len), run.plain_offset() + bytes(run.len));
        self.seal(last, &[], sealed.more(last.sealed_len()));
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
        let sealed = Cell::new(Some(unlocked.sealed(run, data, None)));
        Some(Ahead { unlocked, run, sealed })
    }
}

impl Sealer for SealsAhead {
    fn seal(&self, offset: u64, data: &[u8]) -> Option<Box<dyn Any>> {
        let ahead: Box<dyn Any> = Box::new(self.seal(offset, data)?);
        Some(ahead)
    }
}
