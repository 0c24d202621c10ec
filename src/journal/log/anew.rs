//! The journal's header: with another one it begins anew.
//!
//! Keeps true: until a header is durable, the one before is whole, in the other slot.

use super::Log;
use crate::journal::format::{ENTRIES_AT, TAG_LEN, Tag};
use crate::journal::header::Header;
use crate::sys::disk::{Durability, Moment, write_all_at};
use parking_lot::MutexGuard;
use rand::Rng;
use rustix::io::Result;

impl Log {
    /// Begins the journal anew: all its entries are void, and durably so when this returns. Nobody appends meanwhile.
    ///
    /// # Errors
    /// What the operating system says; the entries are still in force then.
    pub(in crate::journal) fn restart(&self) -> Result<()> {
        self.write_header(|header| header.epoch = random())?;
        let mut guard = self.state.lock();
        let state = &mut *guard;
        state.origin += state.end - ENTRIES_AT;
        (state.durable, state.written, state.end) = (ENTRIES_AT, ENTRIES_AT, ENTRIES_AT);
        state.tail.clear();
        state.chain = state.header.epoch;
        state.epoch += 1;
        Ok(())
    }

    /// Writes, durably, that no file made before `since` has contents that are in no journal and were never synced.
    ///
    /// # Errors
    /// What the operating system says; it does not hold then.
    pub(in crate::journal) fn set_since(&self, since: Moment) -> Result<()> {
        self.write_header(|header| header.since = since)
    }

    fn write_header(&self, change: impl FnOnce(&mut Header)) -> Result<()> {
        let mut state = self.state.lock();
        while state.syncing {
            self.synced.wait(&mut state);
        }
        state.syncing = true;
        let mut header = state.header.next();
        change(&mut header);
        // Into the other slot: the one in force stays whole until this one is durable.
        let bytes = header.seal(&self.key);
        let written = MutexGuard::unlocked(&mut state, || {
            write_all_at(&*self.disk, &bytes, header.offset())?;
            self.disk.sync(Durability::Data)
        });
        state.syncing = false;
        self.synced.notify_all();
        state.doubtful = written.is_err();
        if written.is_ok() {
            state.header = header;
        }
        written
    }

    /// Makes sure that the journal is in force, also where beginning it anew has failed half-way: before that, nothing may be done that counts on what is in it.
    ///
    /// # Errors
    /// What the operating system says; then nobody knows.
    pub(in crate::journal) fn settle(&self) -> Result<()> {
        if !self.state.lock().doubtful {
            return Ok(());
        }
        self.write_header(|_| ())
    }

    /// Since when files may be unsynced.
    pub(in crate::journal) fn since(&self) -> Moment {
        self.state.lock().header.since
    }
}

/// A random epoch.
pub(super) fn random() -> Tag {
    let mut epoch = [0; TAG_LEN];
    rand::rng().fill_bytes(&mut epoch);
    epoch
}
