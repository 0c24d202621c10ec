//! The checkpoint: what lies over files is written into them, and the journal begun anew.
//!
//! No operation on a committed file is under way meanwhile; who reads goes on. Whatever fails, what lies over the files and the journal stay as they are, and all of
//! it can be done again.

use super::file::{JournaledFile, State};
use super::overlay::{Extent, length};
use super::{FILES_MAX, Journal};
use crate::sys::disk::{Backing, Durability, FileId, FileStat, Kept, Moment, restore_modified, write_all_at};
use parking_lot::RwLockWriteGuard;
use rustix::io::{Errno, Result};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Zeros for where a filesystem makes no holes.
static ZEROS: [u8; 1 << 16] = [0; 1 << 16];

/// Of how many files it is remembered what a checkpoint did to them: many times those of one.
pub(super) const TRACES_MAX: NonZeroUsize = NonZeroUsize::new(16 * FILES_MAX).unwrap();

/// What of a file tells whether somebody changed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    changed: Moment,
    modified: Moment,
    len: u64,
}

impl Stamp {
    pub(super) fn of(stat: &FileStat) -> Self {
        Self {
            changed: stat.changed,
            modified: stat.modified,
            len: stat.len,
        }
    }

    /// The same from what the view looks at.
    pub(super) fn of_stat(stat: &rustix::fs::Stat) -> Self {
        Self {
            changed: Moment::changed(stat),
            modified: Moment::modified(stat),
            len: u64::try_from(stat.st_size).unwrap_or(0),
        }
    }
}

/// What the last checkpoint has done to a file behind the back of who looks at its times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trace {
    /// It is under way.
    Busy,
    /// It left the file like this.
    Left(Stamp),
}

impl Journal {
    /// Writes everything into the files, durably, and begins the journal anew.
    ///
    /// # Errors
    /// What the operating system says; nothing is lost then.
    pub(crate) fn checkpoint(&self) -> Result<()> {
        let _checkpoints = self.checkpoints.lock();
        self.checkpoint_alone()
    }

    /// `checkpoints` is held.
    pub(super) fn checkpoint_alone(&self) -> Result<()> {
        let gate = self.gate.write();
        self.checkpoint_locked(&gate)
    }

    pub(super) fn checkpoint_locked(&self, _alone: &RwLockWriteGuard<'_, ()>) -> Result<()> {
        let Some(log) = self.log_if_begun() else { return Ok(()) };
        let files = self.enrolled();
        let committed = files.iter().try_for_each(|(file, kept)| file.commit_all(&**kept));
        committed.and_then(|()| log.sync())?;
        let failed: Vec<u64> = files.iter().map(|(file, _)| file.failed_syncs()).collect();
        for (file, kept) in &files {
            self.trace(file, Trace::Busy);
            let written = file.write_into(&**kept);
            // What it looks like now is our doing, whether it is all or not.
            let trace = written.and_then(|()| kept.stat()).map(|stat| Trace::Left(Stamp::of(&stat)));
            self.trace(file, trace.unwrap_or(Trace::Busy));
            trace?;
        }
        for ((file, kept), failed) in files.iter().zip(failed) {
            if kept.stat()?.links > 0 {
                file.sync_written_back(&**kept, failed)?;
            }
        }
        if log.used() > 0 {
            log.restart()?;
        }
        files.iter().for_each(|(file, _)| file.written_into());
        self.discharge();
        Ok(())
    }
}

/// What is remembered for those who look at files.
impl Journal {
    pub(super) fn trace(&self, file: &JournaledFile, trace: Trace) {
        // What is forgotten, the oldest first, passes for a change by others, and is read anew.
        self.traces.lock().put(file.id, trace);
    }

    /// Calls `action`, which sets the times of a file, when no checkpoint is about to set them back: that of its modification among them, if that `is_modified`.
    ///
    /// # Errors
    /// What `action` returns.
    pub(crate) fn setting_times(&self, id: FileId, is_modified: bool, action: impl FnOnce() -> Result<()>) -> Result<()> {
        let file = self.enrolled_file(id);
        let _times = file.as_ref().map(|file| file.times.lock());
        action()?;
        if is_modified {
            self.forget_trace(id);
            if let Some(file) = &file {
                file.state.write().modified = None;
            }
        }
        Ok(())
    }

    /// Takes over the time at which a file was written to, and whether that was done: where the file has entries, their commit has the time, and the next checkpoint
    /// sets it. So the file stays as it is meanwhile.
    ///
    /// Each change of a file of which the time was asked for moves the kernel's coarse clock on (multigrain timestamps, Linux 6.13), and with that the time of the next
    /// write to any cached file, which the kernel then hands over as well: without this, every synced append would be a request more.
    pub(crate) fn leave_modified(&self, id: FileId, modified: Moment) -> bool {
        // A checkpoint that is under way may have set the time already.
        let Some(_gate) = self.gate.try_read() else { return false };
        let Some(file) = self.enrolled_file(id) else { return false };
        let _times = file.times.lock();
        let mut state = file.state.write();
        if state.enrolled.is_none() {
            return false;
        }
        (state.modified, state.changed) = (Some(modified), Some(modified));
        true
    }

    /// When a file of which `stat` was taken was modified and changed last, where that is not what `stat` says.
    pub(crate) fn times(&self, stat: &rustix::fs::Stat) -> Option<(Moment, Moment)> {
        let id = FileId::of(stat);
        let seen = Stamp::of_stat(stat);
        let file = self.enrolled_file(id);
        let known = file.and_then(|file| {
            let state = file.state.read();
            Some((
                state.modified?,
                state.changed.map_or(seen.changed, |changed| changed.max(seen.changed)),
            ))
        });
        // A checkpoint may have ended since `stat` was taken.
        let left = || self.left(id).filter(|left| left.changed > seen.changed);
        known.or_else(|| left().map(|left| (left.modified, left.changed)))
    }

    /// What the last checkpoint has left a file as.
    fn left(&self, id: FileId) -> Option<Stamp> {
        match self.traces.lock().peek(&id) {
            Some(Trace::Left(left)) => Some(*left),
            Some(Trace::Busy) | None => None,
        }
    }

    /// What a checkpoint has left a file as is no more: it was set otherwise, or the file with that number is another one.
    pub(super) fn forget_trace(&self, id: FileId) {
        let mut traces = self.traces.lock();
        if matches!(traces.peek(&id), Some(Trace::Left(_))) {
            traces.pop(&id);
        }
    }

    /// The length on disk of a file of which `stat` was taken: what it will be where something lies over it, and what it has become where that was so until just now.
    pub(crate) fn len_of(&self, stat: &rustix::fs::Stat) -> u64 {
        let id = FileId::of(stat);
        let seen = Stamp::of_stat(stat);
        if let Some(file) = self.enrolled_file(id) {
            return file.len();
        }
        let left = self.left(id).filter(|left| left.changed >= seen.changed);
        left.unwrap_or(seen).len
    }

    /// Whether what `stat` says of a file that was not seen so before is our own late doing.
    pub(crate) fn has_left(&self, stat: &rustix::fs::Stat) -> bool {
        let id = FileId::of(stat);
        let stamp = Stamp::of_stat(stat);
        let mut traces = self.traces.lock();
        match traces.peek(&id) {
            Some(Trace::Busy) => true,
            Some(Trace::Left(left)) => {
                let ours = *left == stamp;
                traces.pop(&id);
                ours
            }
            None => false,
        }
    }
}

impl JournaledFile {
    /// Appends a commit of all that the file is, if there is none yet.
    fn commit_all(&self, kept: &(dyn Backing + Send + Sync)) -> Result<()> {
        if self.unsettled.load(Ordering::Relaxed) && kept.stat()?.links > 0 {
            // What is on disk is not what it should be, and who knows better could not write it: it is tried again.
            return Err(Errno::IO);
        }
        let state = self.state.read();
        let is_dirty = state.changes > state.durable_changes;
        // A time that was left to the journal may not be committed: should what follows fail, recovery would set the one before.
        let is_committed = state.is_committed() && state.changed.is_none();
        drop(state);
        if is_dirty {
            self.sync_itself(kept, Durability::Data)?;
        }
        self.all_durable();
        match is_committed {
            true => Ok(()),
            false => self.commit_now(kept),
        }
    }

    /// Appends a commit of all that the file is. What was changed in the file itself is durable, and no operation is under way.
    pub(super) fn commit_now(&self, kept: &(dyn Backing + Send + Sync)) -> Result<()> {
        if let Some(commitment) = self.commitment(self.modified(kept)?) {
            self.state.write().commit(commitment.len);
            self.append_commit(commitment);
        }
        Ok(())
    }

    /// Writes what lies over the file into it, and sets the time of modification that was left to the journal; or that stays. May be done again.
    pub(super) fn write_into(&self, kept: &(dyn Backing + Send + Sync)) -> Result<()> {
        let _times = self.times.lock();
        let state = self.state.read();
        let is_written = state.overlay.is_written_back() && state.visible == state.disk_len && state.disk_len == state.len;
        if is_written {
            return state.modified.map_or(Ok(()), |modified| restore_modified(kept, modified));
        }
        let modified = state.modified.map_or_else(|| kept.stat().map(|stat| stat.modified), Ok)?;
        drop(state);
        // Who looks at the file meanwhile sees this, and if it cannot be set, it is tried again.
        self.state.write().modified = Some(modified);
        let state = self.state.read();
        let written = kept.keeping_privileges(&mut || write_state(&state, kept));
        drop(state);
        let mut state = self.state.write();
        if written.is_err() {
            // A later attempt cuts what is behind, whether that is so or not.
            state.disk_len = state.disk_len.max(state.len).max(state.visible + 1);
            return written;
        }
        (state.visible, state.disk_len) = (state.len, state.len);
        drop(state);
        restore_modified(kept, modified)
    }

    /// What a sync must make durable so that everything is that was before: the journal, which goes, may hold the time of modification, or be about to.
    pub(super) fn promised(&self) -> Durability {
        let state = self.state.read();
        match state.durable_modified.or(state.changed) {
            Some(_) => Durability::Modified,
            None => Durability::Data,
        }
    }

    /// What lay over the file is in it, durably, and the journal was begun anew.
    pub(super) fn written_into(&self) {
        let mut state = self.state.write();
        let len = state.len;
        state.overlay = Default::default();
        state.commit(len);
        state.in_place = false;
        state.enrolled = None;
        (state.modified, state.changed) = (None, None);
    }
}

fn write_state(state: &State, kept: &(dyn Backing + Send + Sync)) -> Result<()> {
    let mut end = state.visible.min(state.disk_len);
    if state.disk_len > state.visible {
        kept.set_len(state.visible)?;
    }
    for (at, extent) in state.overlay.iter() {
        match extent {
            Extent::Bytes(bytes, is_written) => {
                if !is_written {
                    bytes.read(|bytes| write_all_at(kept, bytes, at))?;
                }
                end = end.max(at + length(bytes.len()));
            }
            // Behind the end there are zeros.
            Extent::Zeros(len) => punch(kept, at, (at + len).min(end))?,
        }
    }
    match end < state.len {
        true => kept.set_len(state.len),
        false => Ok(()),
    }
}

/// Makes the bytes from `from` to `to` zeros, as a hole where that can be done.
fn punch(kept: &(dyn Backing + Send + Sync), from: u64, to: u64) -> Result<()> {
    if from >= to {
        return Ok(());
    }
    match kept.punch(from, to - from) {
        Err(Errno::OPNOTSUPP) => {}
        punched => return punched,
    }
    let mut at = from;
    while at < to {
        let zeros = usize::try_from(to - at).map_or(ZEROS.len(), |rest| rest.min(ZEROS.len()));
        write_all_at(kept, &ZEROS[..zeros], at)?;
        at += length(zeros);
    }
    Ok(())
}

/// The files that have entries, and what they are kept open with.
pub(super) type EnrolledFiles = Vec<(Arc<JournaledFile>, Kept)>;
