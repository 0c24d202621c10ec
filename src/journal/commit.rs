//! Commits: what the journal says that a file is.
//!
//! Keeps true: what a commit counts on in the file itself is durable when it is appended; a later commit is never taken back by an earlier one.

use super::file::JournaledFile;
use super::format::Entry;
use super::log::Position;
use crate::sys::disk::{Backing, Moment};
use rustix::io::Result;

/// What a commit says of a file: how it is at one moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Commitment {
    pub(super) len: u64,
    /// The byte of the journal behind the last entry that counts.
    pub(super) upto: u64,
    /// Changes of the file itself that count.
    pub(super) changes: u64,
    pub(super) modified: Moment,
    /// Grows with each.
    serial: u64,
}

impl JournaledFile {
    /// When the file was modified last, whatever was written to it since.
    pub(super) fn modified(&self, disk: &(impl Backing + ?Sized)) -> Result<Moment> {
        // Whoever holds this may have written to it, and not yet given it its time back.
        let _times = self.times.lock();
        let known = self.state.read().modified;
        known.map_or_else(|| disk.stat().map(|stat| stat.modified), Ok)
    }

    /// What a commit would say now; `None` when no entry was made since the journal was begun.
    pub(super) fn commitment(&self, modified: Moment) -> Option<Commitment> {
        let state = self.state.read();
        Some(Commitment {
            len: state.len,
            upto: state.enrolled.as_ref()?.last_entry,
            changes: state.changes,
            modified,
            serial: self.journal.next_number(),
        })
    }

    /// Appends a commit. What it counts on in the file itself is durable. Where there is a later one, that does.
    pub(super) fn append_commit(&self, commitment: Commitment) -> Position {
        let mut guard = self.state.write();
        let state = &mut *guard;
        let (Some(enrolled), Ok(log)) = (&mut state.enrolled, self.journal.log()) else {
            return Position::default();
        };
        let Commitment {
            len,
            upto,
            changes,
            modified,
            serial,
        } = commitment;
        // Of two syncs, the one that was begun first may end last.
        if let Some(commit) = enrolled
            .commit
            .filter(|_| (upto, changes, serial) < (enrolled.upto, state.committed_changes, state.commitment))
        {
            return commit;
        }
        let file = enrolled.number;
        let position = log.append(&Entry::Commit { file, len, upto, modified }).position;
        enrolled.upto = upto;
        enrolled.commit = Some(position);
        state.committed_changes = changes;
        state.commitment = serial;
        position
    }
}
