//! Writing back what is committed while files are read and changed, so that little is left for the checkpoint, during which nobody may change them.
//!
//! Keeps true: what is written to a file was durable in the journal before, and lies over it at that moment, within what shows of it; what counts as written back is durable in the file.

use super::Journal;
use super::checkpoint::Trace;
use super::chunk::Piece;
use super::file::JournaledFile;
use super::log::Log;
use super::overlay::length;
use crate::sys::disk::{Backing, Durability, Kept, restore_modified, write_all_at};
use rustix::io::Result;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// So many bytes are written to a file while others wait who want to write to it themselves or to set its times.
const BATCH: usize = 1 << 20;
/// Less than this is left to the checkpoint.
const LITTLE: u64 = 64 << 10;
/// When so much was written, what has come meanwhile may be much, too, and is written before the checkpoint as well.
const MUCH: u64 = 4 << 20;
/// But not for ever.
const ROUNDS: usize = 3;

/// Bytes that lie over a file, and where.
type Pieces = Vec<(u64, Piece)>;

/// What is to be written to one file.
struct Work {
    file: Arc<JournaledFile>,
    kept: Kept,
    pieces: Pieces,
}

impl Journal {
    /// As [`Journal::checkpoint`], but most of it is done while operations go on.
    ///
    /// # Errors
    /// What the operating system says; nothing is lost then.
    pub(crate) fn checkpoint_in_background(&self) -> Result<()> {
        let _checkpoints = self.checkpoints.lock();
        for _ in 0..ROUNDS {
            // What failed, the checkpoint does again, and tells.
            if self.write_back_alone(LITTLE).unwrap_or(0) < MUCH {
                break;
            }
        }
        self.checkpoint_alone()
    }

    #[cfg(test)]
    pub(crate) fn write_back(&self, least: u64) -> Result<u64> {
        let _checkpoints = self.checkpoints.lock();
        self.write_back_alone(least)
    }

    /// Writes back what is committed, if it is no less than `least` bytes. Returns how many there were. `checkpoints` is held.
    fn write_back_alone(&self, least: u64) -> Result<u64> {
        let Some(log) = self.log_if_begun() else { return Ok(0) };
        for (file, kept) in self.enrolled() {
            file.sync_changes(&*kept)?;
        }
        let Some(work) = self.committed_now(log, least) else { return Ok(0) };
        log.sync()?;
        let mut written = 0;
        for Work { file, kept, pieces } in work {
            // Until the checkpoint, which says what it leaves.
            self.trace(&file, Trace::Busy);
            written += file.write_back(&*kept, pieces)?;
        }
        Ok(written)
    }

    /// Commits what can be committed without waiting for a disk.
    fn committed_now(&self, log: &Log, least: u64) -> Option<Vec<Work>> {
        let _alone = self.gate.write();
        let files = self.enrolled();
        if files.iter().map(|(file, _)| file.state.read().overlay.waiting()).sum::<u64>() < least {
            return None;
        }
        let work: Vec<Work> = files
            .into_iter()
            .filter_map(|(file, kept)| {
                // One that cannot be looked at is left to the checkpoint.
                let pieces = file.commit_without_sync(&*kept).unwrap_or_default();
                (!pieces.is_empty()).then_some(Work { file, kept, pieces })
            })
            .collect();
        if !work.is_empty() {
            // What is appended from now on does not wait until what is there was written.
            log.begin_chunk();
        }
        Some(work)
    }
}

impl JournaledFile {
    /// Makes durable what was changed in the file itself until now, as a commit needs it.
    fn sync_changes(&self, kept: &(dyn Backing + Send + Sync)) -> Result<()> {
        // A change that is under way is counted already, and not done: who makes it holds this until it is.
        let times = self.times.lock();
        let state = self.state.read();
        let (changes, durable) = (state.changes, state.durable_changes);
        drop((state, times));
        if changes > durable && kept.stat()?.links > 0 {
            self.sync_itself(kept, Durability::Data)?;
            let mut state = self.state.write();
            state.durable_changes = state.durable_changes.max(changes);
        }
        Ok(())
    }

    /// Commits the file, unless that takes a sync of the file itself, and returns what is to be written back. No operation is under way.
    fn commit_without_sync(&self, kept: &(dyn Backing + Send + Sync)) -> Result<Pieces> {
        let state = self.state.read();
        let is_dirty = state.changes > state.durable_changes;
        let is_committed = state.is_committed();
        let pieces = state.overlay.not_written_back(state.visible.min(state.disk_len));
        drop(state);
        if is_dirty || pieces.is_empty() || self.unsettled.load(Ordering::Relaxed) || kept.stat()?.links == 0 {
            return Ok(Pieces::new());
        }
        if !is_committed {
            self.commit_now(kept)?;
        }
        Ok(pieces)
    }

    /// Writes `pieces`, which are committed, durably, to the file, but for those that do not lie over it any more. Its time of modification stays.
    fn write_back(&self, kept: &(dyn Backing + Send + Sync), pieces: Pieces) -> Result<u64> {
        let mut written: Vec<&(u64, Piece)> = Vec::with_capacity(pieces.len());
        let failed = self.failed_syncs();
        let mut rest = &pieces[..];
        while !rest.is_empty() {
            let (batch, later) = rest.split_at(batch_len(rest));
            self.write_batch(kept, batch, &mut written)?;
            rest = later;
        }
        if written.is_empty() {
            return Ok(0);
        }
        self.sync_written_back(kept, failed)?;
        let mut state = self.state.write();
        written.iter().for_each(|(at, piece)| state.overlay.written_back(*at, piece));
        Ok(written.iter().map(|(_, piece)| length(piece.len())).sum())
    }

    fn write_batch<'p>(
        &self,
        kept: &(dyn Backing + Send + Sync),
        batch: &'p [(u64, Piece)],
        written: &mut Vec<&'p (u64, Piece)>,
    ) -> Result<()> {
        // While this is held, nobody writes to the file itself or cuts it.
        let _times = self.times.lock();
        let state = self.state.read();
        let before = written.len();
        written.extend(batch.iter().filter(|(at, piece)| state.overlay.holds(*at, piece)));
        let now = &written[before..];
        let known = state.modified;
        drop(state);
        if now.is_empty() {
            return Ok(());
        }
        let modified = known.map_or_else(|| kept.stat().map(|stat| stat.modified), Ok)?;
        let done = kept.keeping_privileges(&mut || {
            now.iter()
                .try_for_each(|(at, piece)| piece.read(|bytes| write_all_at(kept, bytes, *at)))
        });
        let done = restore_modified(kept, modified).and(done);
        if done.is_err() {
            self.state.write().modified.get_or_insert(modified);
        }
        done
    }
}

/// How many of the first pieces are a batch.
fn batch_len(pieces: &[(u64, Piece)]) -> usize {
    let mut bytes = 0;
    let fitting = pieces.iter().take_while(|(_, piece)| {
        bytes += piece.len();
        bytes <= BATCH
    });
    fitting.count().max(1)
}
