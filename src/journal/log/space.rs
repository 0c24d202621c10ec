//! Space for the journal's file, taken beforehand: so it is short here, and not when something is to be made durable.

use super::{Log, State};
use crate::journal::overlay::{index, length};
use crate::sys::disk::write_all_at;
use rustix::io::{Errno, Result};

/// The least and the most that the file grows by.
const STEP_MIN: u64 = 4 << 10;
const STEP_MAX: u64 = 1 << 20;
/// For so many bytes at once, space is taken without writing to it. Then a sync of what is written there has more to do, which does not count beside so much.
const LARGE: u64 = 256 << 10;
/// What the commits of all files take, for which there must always be space: without them no checkpoint can be made.
const COMMITS: u64 = 32 << 10;
static ZEROS: [u8; 1 << 16] = [0; 1 << 16];

/// By how much the file of a journal that may become `size` bytes long grows at a time.
pub(super) fn step(size: u64) -> u64 {
    (size / 64).clamp(STEP_MIN, STEP_MAX)
}

/// Space in the journal that an operation was promised, until this is dropped.
pub(in crate::journal) struct Room<'a> {
    log: &'a Log,
    len: u64,
}

impl Drop for Room<'_> {
    fn drop(&mut self) {
        self.log.state.lock().promised -= self.len;
    }
}

impl Log {
    /// Makes sure that there is space on disk for `len` more bytes of entries, beside those that were promised to others.
    ///
    /// # Errors
    /// ENOSPC.
    pub(in crate::journal) fn reserve(&self, len: u64) -> Result<Room<'_>> {
        let mut state = self.state.lock();
        self.make_space(&mut state, len + COMMITS)?;
        state.promised += len;
        Ok(Room { log: self, len })
    }

    fn make_space(&self, state: &mut State, len: u64) -> Result<()> {
        let wanted = state.end + state.promised + len;
        if state.allocated >= wanted {
            return Ok(());
        }
        let to = wanted.next_multiple_of(self.step);
        if len >= LARGE && self.allocate(state, to)? {
            return Ok(());
        }
        while state.allocated < to {
            let at = state.allocated.max(state.end);
            let zeros = &ZEROS[..index((to - at).min(length(ZEROS.len())))];
            write_all_at(&*self.disk, zeros, at)?;
            state.allocated = at + length(zeros.len());
        }
        Ok(())
    }

    /// Takes space up to the byte `to`; whether that could be had so. Where there is not that much, there may be enough all the same, some of which may be taken already.
    fn allocate(&self, state: &mut State, to: u64) -> Result<bool> {
        let at = state.allocated.max(state.end);
        match self.disk.allocate(at, to.saturating_sub(at)) {
            Ok(()) => {}
            Err(Errno::OPNOTSUPP | Errno::NOSPC | Errno::DQUOT) => return Ok(false),
            Err(errno) => return Err(errno),
        }
        state.allocated = to.max(at);
        Ok(true)
    }
}
