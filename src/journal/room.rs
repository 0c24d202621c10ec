//! When so much is appended to a committed file that it is better written to the file itself: how that is prepared.

use super::file::{JournaledFile, State};
use super::format::Entry;
use super::overlay::{Extent, length};
use crate::sys::disk::{Backing, Durability, keeping_modified, write_all_at};
use rustix::io::Result;
use std::sync::Arc;

/// So many bytes may be appended to a committed file by way of the journal, until they are committed. What is more is written to the file, which costs one sync of the journal first.
const SMALL: u64 = 64 << 10;
impl JournaledFile {
    /// Decides whether what comes is so much that it is written to the file, and prepares for that.
    pub(super) fn make_room(self: &Arc<Self>, disk: &dyn Backing, upcoming: u64, end: u64) -> Result<()> {
        let state = self.state.read();
        let from = state.uncommitted_from();
        let more = upcoming.min(end.saturating_sub(from));
        if state.in_place || more == 0 || state.overlay.held_from(from) + more <= SMALL {
            return Ok(());
        }
        let (is_cut, len) = (state.visible < state.disk_len, state.len);
        let is_dirty = state.changes > state.durable_changes;
        drop(state);
        self.enroll(disk)?;
        if is_cut {
            // The bytes that were cut can go when the cut is committed. No operation is under way, so the file can be.
            if is_dirty {
                self.sync_itself(disk, Durability::Data)?;
            }
            self.all_durable();
            if let Some(commitment) = self.commitment(self.modified(disk)?) {
                self.append_commit(commitment);
            }
        }
        let base = if is_cut { len } else { self.state.read().committed };
        let position = self.append(|file| Entry::Intent { file, base })?.position;
        self.journal.log()?.sync_to(position)?;
        let _times = self.times.lock();
        keeping_modified(disk, || {
            let mut state = self.state.write();
            if is_cut {
                state.commit(len);
                disk.set_len(state.visible)?;
                state.disk_len = state.visible;
            }
            self.spill(disk, &mut state)
        })
    }

    /// All that was changed in the file itself is durable.
    pub(super) fn all_durable(&self) {
        let mut state = self.state.write();
        state.durable_changes = state.changes;
        state.committed_changes = state.changes;
    }

    /// Writes what lies over the file behind the committed bytes to the file.
    fn spill(&self, disk: &dyn Backing, state: &mut State) -> Result<()> {
        state.changes += 1;
        let committed = state.committed;
        state.overlay.split(committed);
        for (at, extent) in state.overlay.iter_from(committed) {
            // Zeros are there: nothing was ever written to the file behind what was committed.
            if let Extent::Bytes(bytes, _) = extent {
                state.disk_len = state.disk_len.max(at + length(bytes.len()));
                // A copy, for others append to the journal meanwhile. It is little, or it would not lie there.
                write_all_at(disk, &bytes.to_vec(), at)?;
            }
        }
        state.overlay.take_from(committed);
        state.visible = state.disk_len;
        state.in_place = true;
        // Behind all that was said of these bytes, and before any commit.
        self.append_in(state, |file| Entry::InPlace { file, base: committed })?;
        Ok(())
    }
}
