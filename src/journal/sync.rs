//! fsync of one file: what was written to it is synced, then the journal, where it has entries.
//!
//! The order matters: a commit may only become durable after the bytes in the file that it counts on, and anybody's sync of the journal makes all durable that
//! was appended before. So where the file itself was written to, its commit is appended when that is durable, and says up to which entry it holds.

use super::file::JournaledFile;
use super::log::Position;
use crate::sys::disk::{Backing, Durability, Kept, Moment};
use rustix::io::Result;
use std::sync::Arc;

/// What is left of a sync when it is known what is to be synced: the file can be read and changed meanwhile.
pub(crate) struct Syncing {
    file: Arc<JournaledFile>,
    /// What was written to the file itself, if anything was: the file, how thoroughly, and which of its changes are covered then.
    in_place: Option<(Kept, Durability, u64)>,
    commit: Commit,
    /// When the file was modified last.
    modified: Moment,
}

/// What is to become of the journal.
enum Commit {
    /// Nothing in it matters.
    None,
    /// It is to be durable up to here.
    Appended(Position),
    /// A commit of `len` bytes and the entries before `upto` is still to be appended, unless the journal was begun anew since, which makes all durable.
    Later { len: u64, upto: u64, epoch: u64 },
}

impl JournaledFile {
    /// Begins to make durable what the file is now.
    ///
    /// # Errors
    /// What the operating system says.
    pub(crate) fn start_sync(self: &Arc<Self>, disk: &dyn Backing, what: Durability) -> Result<Syncing> {
        let _op = self.op.lock();
        let Some(log) = self.journal.log_if_begun() else {
            // Nothing was written in this mount; but perhaps just before it.
            return self.only_in_place(disk, what);
        };
        if self.state.read().new.is_some() {
            self.grow_old();
        }
        let _gate = self.journal.gate.read();
        let modified = disk.stat()?.modified;
        let state = self.state.read();
        let (len, changes, is_committed) = (state.len, state.changes, state.is_committed());
        // A commit has the time of modification as well.
        let is_time_dirty = what == Durability::Modified && is_committed && state.durable_modified != Some(modified);
        let is_dirty = changes > state.durable_changes || what == Durability::All || is_time_dirty;
        let enrolled = state.enrolled.as_ref().map(|enrolled| (enrolled.last_entry, enrolled.commit));
        drop(state);
        let commit = match enrolled {
            Some((upto, _)) if !is_committed => {
                let mut state = self.state.write();
                // From now on these bytes change by way of the journal: then what is synced is what was there now.
                state.committed = len;
                if is_dirty {
                    let epoch = log.epoch();
                    Commit::Later { len, upto, epoch }
                } else {
                    state.committed_changes = changes;
                    drop(state);
                    Commit::Appended(self.append_commit(len, None, modified))
                }
            }
            Some((_, Some(commit))) => Commit::Appended(commit),
            Some((_, None)) | None => Commit::None,
        };
        let in_place = if is_dirty { Some((disk.keep()?, what, changes)) } else { None };
        let file = Arc::clone(self);
        Ok(Syncing {
            file,
            in_place,
            commit,
            modified,
        })
    }

    fn only_in_place(self: &Arc<Self>, disk: &dyn Backing, what: Durability) -> Result<Syncing> {
        let modified = disk.stat()?.modified;
        Ok(Syncing {
            file: Arc::clone(self),
            in_place: Some((disk.keep()?, what, self.state.read().changes)),
            commit: Commit::None,
            modified,
        })
    }
}

impl Syncing {
    /// Waits for the disk.
    ///
    /// # Errors
    /// What the operating system says.
    pub(crate) fn finish(self) -> Result<()> {
        let (file, modified) = (&self.file, self.modified);
        let mut is_time_durable = false;
        if let Some((kept, what, changes)) = self.in_place {
            kept.sync(what)?;
            is_time_durable = what != Durability::Data;
            let mut state = file.state.write();
            state.durable_changes = state.durable_changes.max(changes);
            if let Commit::Later { .. } = self.commit {
                state.committed_changes = state.committed_changes.max(changes);
            }
        }
        let position = match self.commit {
            Commit::None => None,
            Commit::Appended(position) => Some(position),
            Commit::Later { len, upto, epoch } => {
                let _gate = file.journal.gate.read();
                let begun_anew = file.journal.log()?.epoch() != epoch;
                (!begun_anew).then(|| file.append_commit(len, Some(upto), modified))
            }
        };
        if let Some(position) = position {
            file.journal.log()?.sync_to(position)?;
        }
        if is_time_durable || position.is_some() {
            file.state.write().durable_modified = Some(modified);
        }
        Ok(())
    }
}
