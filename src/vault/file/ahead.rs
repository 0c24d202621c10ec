//! Sealing ahead: whole records are sealed by the thread that is to write them before it waits for its turn, since that takes longer than anything that has to be done in turn.
//!
//! Keeps true: what was sealed ahead is written only as the records that it was sealed as, in the file whose keys it was sealed with. Otherwise it is sealed again.

use super::VaultFile;
use super::run::Run;
use super::scratch::Scratch;
use super::unlocked::Unlocked;
use crate::folder::Sealer;
use crate::record::{End, Position, RECORD_LEN};
use parking_lot::RwLock;
use std::any::Any;
use std::sync::Arc;

/// Records that were sealed ahead.
pub(super) struct Ahead {
    unlocked: Arc<Unlocked>,
    run: Run,
    sealed: Scratch,
}

impl Ahead {
    /// The sealed records, if they are those of `run` of a file with the keys of `unlocked`.
    pub(super) fn records(&self, run: Run, unlocked: &Unlocked) -> Option<&[u8]> {
        let fit = self.run == run && self.unlocked.has_keys_of(unlocked);
        fit.then(|| self.sealed.filled(run.sealed_len()))
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

    /// Seals `data`, which is to be written at `offset`: if it is whole records, and the keys are known.
    pub(super) fn seal(&self, offset: u64, data: &[u8]) -> Option<Ahead> {
        let at = Position::of(offset);
        let is_whole = at.within == 0 && !data.is_empty() && data.len().is_multiple_of(RECORD_LEN);
        let unlocked = self.unlocked.read().clone().filter(|_| is_whole)?;
        let run = Run {
            first: at.record,
            len: data.len(),
            end: End::Inner,
        };
        let mut sealed = Scratch::take();
        unlocked.seal(run, data, sealed.of(run.sealed_len()));
        Some(Ahead { unlocked, run, sealed })
    }
}

impl Sealer for SealsAhead {
    fn seal(&self, offset: u64, data: &[u8]) -> Option<Box<dyn Any>> {
        let ahead: Box<dyn Any> = Box::new(self.seal(offset, data)?);
        Some(ahead)
    }
}
