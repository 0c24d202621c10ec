//! fsync of one file: what was written to it is synced, then the journal, where it has entries.
//!
//! The order matters: a commit may only become durable after the bytes in the file that it counts on, and anybody's sync of the journal makes all durable that
//! was appended before. So where the file itself was written to, its commit is appended when that is durable, and says up to which entry it holds.

use super::Journal;
use super::commit::Commitment;
use super::file::JournaledFile;
use super::log::Position;
use crate::sys::disk::{Backing, Durability, FileId, Kept, Moment};
use rustix::io::{Errno, Result};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// What is left of a sync when it is known what is to be synced: the file can be read and changed meanwhile.
pub(crate) struct Syncing {
    file: Arc<JournaledFile>,
    /// What was written to the file itself, if anything was: the file, how thoroughly, and which of its changes are covered then.
    in_place: Option<(Kept, Durability, u64)>,
    commit: Commit,
    /// When the file was modified last, by what is on disk; nothing where that was left to the journal.
    modified: Option<Moment>,
}

/// What is to become of the journal.
enum Commit {
    /// Nothing in it matters.
    None,
    /// It is to be durable up to here.
    Appended(Position),
    /// This is still to be appended, unless the journal was begun anew since that epoch, which makes all durable.
    Later(Commitment, u64),
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
            return self.syncing(disk, Some(what), Commit::None, Some(disk.stat()?.modified));
        };
        if self.state.read().new.is_some() {
            self.grow_old();
        }
        let _gate = self.journal.gate.read();
        let modified = self.modified(disk)?;
        let state = self.state.read();
        let is_committed = state.is_committed();
        // A commit has the time of modification as well, which recovery sets.
        let is_time_new = state.durable_modified != Some(modified);
        let needs_commit = !is_committed || (is_time_new && state.enrolled.is_some());
        let is_time_dirty = what == Durability::Modified && is_time_new && !needs_commit;
        let is_dirty = state.changes > state.durable_changes || what == Durability::All || is_time_dirty;
        let last = state.enrolled.as_ref().and_then(|enrolled| enrolled.commit);
        let on_disk = state.modified.is_none().then_some(modified);
        drop(state);
        let commitment = if needs_commit { self.commitment(modified) } else { None };
        let commit = match commitment {
            Some(commitment) => {
                // From now on these bytes change by way of the journal: then what is synced is what was there now.
                self.state.write().commit(commitment.len);
                match is_dirty {
                    true => Commit::Later(commitment, log.epoch()),
                    false => Commit::Appended(self.append_promise(commitment)),
                }
            }
            None => last.map_or(Commit::None, Commit::Appended),
        };
        self.syncing(disk, is_dirty.then_some(what), commit, on_disk)
    }

    /// Appends a commit that somebody waits for. The time of modification is durable with it: each later sync waits for it, too.
    fn append_promise(&self, commitment: Commitment) -> Position {
        let position = self.append_commit(commitment);
        self.state.write().durable_modified = Some(commitment.modified);
        position
    }

    /// Syncs the file itself. That it failed is remembered: the operating system says so once, and what was written may be lost whatever it says later.
    ///
    /// # Errors
    /// What the operating system says.
    pub(super) fn sync_itself(&self, disk: &dyn Backing, what: Durability) -> Result<()> {
        let _syncing = self.syncing.lock();
        disk.sync(what).inspect_err(|errno| {
            self.failed_syncs.fetch_add(1, Ordering::Relaxed);
            self.journal.lost(self.id, *errno);
        })
    }

    /// How often a sync of the file itself has failed. To be asked before it is written to, for [`Self::sync_written_back`].
    pub(super) fn failed_syncs(&self) -> u64 {
        self.failed_syncs.load(Ordering::Relaxed)
    }

    /// Syncs the file itself after what lay over it was written into it, which began when so many syncs had `failed`. That can be done again: only what does not lie over it may be lost.
    ///
    /// # Errors
    /// What the operating system says; EIO where it has said so to somebody else meanwhile.
    pub(super) fn sync_written_back(&self, disk: &dyn Backing, failed: u64) -> Result<()> {
        let _syncing = self.syncing.lock();
        match disk.sync(self.promised()) {
            Ok(()) if self.failed_syncs() == failed => Ok(()),
            Ok(()) => Err(Errno::IO),
            Err(errno) => {
                self.failed_syncs.fetch_add(1, Ordering::Relaxed);
                let state = self.state.read();
                if state.changes > state.durable_changes {
                    self.journal.lost(self.id, errno);
                }
                Err(errno)
            }
        }
    }

    fn syncing(
        self: &Arc<Self>,
        disk: &dyn Backing,
        in_place: Option<Durability>,
        commit: Commit,
        modified: Option<Moment>,
    ) -> Result<Syncing> {
        let in_place = match in_place {
            Some(what) => Some((disk.keep()?, what, self.state.read().changes)),
            None => None,
        };
        let file = Arc::clone(self);
        Ok(Syncing {
            file,
            in_place,
            commit,
            modified,
        })
    }
}

impl Syncing {
    /// Waits for the disk.
    ///
    /// # Errors
    /// What the operating system says; also what it said before of the same file, of which it may have lost something then.
    pub(crate) fn finish(self) -> Result<()> {
        let (file, journal) = (&self.file, &self.file.journal);
        if let Some((kept, what, _)) = &self.in_place {
            file.sync_itself(&**kept, *what)?;
        }
        journal.check_lost(file.id)?;
        // Waited for here, and not with the state, a checkpoint does not keep up those who read.
        let gate = journal.gate.read();
        let mut state = file.state.write();
        if let Some((_, what, changes)) = self.in_place {
            state.durable_changes = state.durable_changes.max(changes);
            if what != Durability::Data && self.modified.is_some() {
                state.durable_modified = self.modified;
            }
        }
        drop(state);
        let position = match self.commit {
            Commit::None => return Ok(()),
            Commit::Appended(position) => position,
            Commit::Later(_, epoch) if journal.log()?.epoch() != epoch => return Ok(()),
            Commit::Later(commitment, _) => file.append_promise(commitment),
        };
        drop(gate);
        journal.log()?.sync_to(position)
    }
}

/// Files of which the operating system has lost something.
impl Journal {
    /// What was written to a file itself may be lost.
    pub(super) fn lost(&self, id: FileId, why: Errno) {
        if self.lost.lock().insert(id, why).is_none() {
            log::error!(
                "what was written to the vault's file with the inode number {} could not be synced, and may be lost: {why}",
                id.ino
            );
        }
    }

    /// A file with the number of one that is gone has lost nothing.
    pub(super) fn not_lost(&self, id: FileId) {
        self.lost.lock().remove(&id);
    }

    /// # Errors
    /// Why what was written to the file itself may be lost, if it may.
    pub(super) fn check_lost(&self, id: FileId) -> Result<()> {
        self.lost.lock().get(&id).map_or(Ok(()), |why| Err(*why))
    }
}
