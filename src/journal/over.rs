//! The bytes of a journaled file: reading through what lies over it, and sending each change the way it goes.

use super::chunk::Piece;
use super::file::{JournaledFile, State};
use super::format::{Entry, PAYLOAD_MAX};
use super::log::Appended;
use super::overlay::{index, length};
use crate::sys::block::{Block, CAPACITY};
use crate::sys::disk::{Backing, Disk, Durability, Moment, SeekTo, read_full_at, restore_modified};
use rustix::io::{Errno, Result};
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

/// How many bytes have to be written at once for their memory to be kept: enough to fill most of it, or the journal would take more memory than it may be long. Fewer
/// are copied, behind others. Tests write less.
const KEPT: RangeInclusive<usize> = (if cfg!(test) { 4 << 10 } else { CAPACITY / 4 * 3 })..=PAYLOAD_MAX;

/// A journaled file and, below, the file itself.
pub(crate) struct Over<'a> {
    file: &'a Arc<JournaledFile>,
    disk: &'a dyn Backing,
    mtime: Mtime,
    /// Whether the time of modification was set by this, since the file itself was not written to.
    touched: AtomicBool,
    /// The time of modification before the file itself was written to, where it is kept.
    before: OnceLock<Moment>,
}

/// What becomes of a file's time of modification when it is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mtime {
    /// It is now.
    Now,
    /// It stays: the change comes late, and who made it has seen to that.
    Kept,
}

impl<'a> Over<'a> {
    pub(super) fn new(file: &'a Arc<JournaledFile>, disk: &'a dyn Backing, mtime: Mtime) -> Self {
        Self {
            file,
            disk,
            mtime,
            touched: AtomicBool::new(false),
            before: OnceLock::new(),
        }
    }

    pub(super) fn file(&self) -> &'a Arc<JournaledFile> {
        self.file
    }

    /// Makes an entry of a change: as a write does, it changes the time of modification. `change` is called with the state, and with the entry's payload in memory.
    fn enter<'e>(&self, entry: impl FnOnce(u64) -> Entry<'e>, change: impl FnOnce(&mut State, Piece)) -> Result<()> {
        self.enter_by(|state| self.file.append_in(state, entry), change)
    }

    fn enter_by(&self, append: impl FnOnce(&mut State) -> Result<Appended>, change: impl FnOnce(&mut State, Piece)) -> Result<()> {
        // First what can fail: who is told that nothing was written relies on that.
        self.touch()?;
        self.file.enroll(self.disk)?;
        let mut state = self.file.state.write();
        let appended = append(&mut state)?;
        change(&mut state, appended.payload);
        if self.mtime == Mtime::Now {
            state.modified = None;
        }
        Ok(())
    }

    /// Sets the time of modification, once.
    fn touch(&self) -> Result<()> {
        if self.mtime == Mtime::Kept || self.touched.swap(true, Ordering::Relaxed) {
            return Ok(());
        }
        match self.disk.set_modified(None) {
            // Of a file that is not ours but that we may write to, only a write changes the time.
            Err(Errno::PERM) => Ok(()),
            touched => touched,
        }
    }

    /// Gives the file its time of modification back, where it is kept and the file itself was written to.
    pub(super) fn restore(&self) -> Result<()> {
        self.before.get().map_or(Ok(()), |before| restore_modified(self.disk, *before))
    }

    /// A change in the file itself, which may fail half-way.
    fn in_place<T>(&self, change: impl FnOnce(&dyn Backing) -> Result<T>, settle: impl FnOnce(&mut State, &Result<T>)) -> Result<T> {
        let is_kept = self.mtime == Mtime::Kept;
        if is_kept && self.before.get().is_none() {
            // Nobody else sets it: one operation is under way.
            let _ = self.before.set(self.disk.stat()?.modified);
        }
        let mut state = self.file.state.write();
        state.changes += 1;
        if !is_kept {
            state.modified = None;
        }
        drop(state);
        let result = change(self.disk);
        let mut state = self.file.state.write();
        settle(&mut state, &result);
        if state.new.is_some() {
            self.file.journal.news_were_written();
        }
        result
    }
}

impl Disk for Over<'_> {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<usize> {
        let state = self.file.state.read();
        if state.overlay.is_empty() && state.visible == state.len {
            let room = index(state.len.saturating_sub(offset).min(length(buf.len())));
            return self.disk.read_at(&mut buf[..room], offset);
        }
        let wanted = state.len.saturating_sub(offset).min(length(buf.len()));
        let buf = &mut buf[..index(wanted)];
        let shown = index(state.visible.saturating_sub(offset).min(wanted));
        let got = read_full_at(self.disk, &mut buf[..shown], offset)?;
        buf[got..].fill(0);
        state.overlay.lay_over(offset, buf);
        Ok(buf.len())
    }

    fn write_at(&self, data: &[u8], offset: u64) -> Result<usize> {
        let state = self.file.state.read();
        let (in_place, border) = (state.is_in_place(offset), state.committed);
        let goes_on_in_place = state.in_place;
        drop(state);
        if in_place {
            return self.in_place(
                |disk| disk.write_at(data, offset),
                |state, written| {
                    if let Ok(written) = written {
                        state.disk_len = state.disk_len.max(offset + length(*written));
                        state.visible = state.disk_len;
                        state.len = state.len.max(state.disk_len);
                    }
                },
            );
        }
        let room = match goes_on_in_place {
            true => index((border - offset).min(length(data.len()))),
            false => data.len(),
        };
        let bytes = &data[..room.min(PAYLOAD_MAX)];
        self.enter(
            |file| Entry::Write { file, offset, bytes },
            |state, payload| {
                state.overlay.write(offset, payload);
                state.len = state.len.max(offset + length(bytes.len()));
            },
        )?;
        Ok(bytes.len())
    }

    fn keep_block(&self, block: &mut Block, offset: u64) -> Result<bool> {
        let end = offset + length(block.bytes().len());
        let state = self.file.state.read();
        let goes_in_place = state.is_in_place(offset) || (state.in_place && end > state.committed);
        drop(state);
        if goes_in_place || !KEPT.contains(&block.bytes().len()) {
            return Ok(false);
        }
        self.enter_by(
            |state| self.file.append_block(state, offset, block),
            |state, payload| {
                state.overlay.write(offset, payload);
                state.len = state.len.max(end);
            },
        )?;
        Ok(true)
    }

    fn set_len(&self, len: u64) -> Result<()> {
        let state = self.file.state.read();
        let in_place = state.is_in_place(len);
        drop(state);
        if in_place {
            return self.in_place(
                |disk| disk.set_len(len),
                |state, done| {
                    if done.is_ok() {
                        (state.disk_len, state.visible, state.len) = (len, len, len);
                    }
                },
            );
        }
        self.enter(
            |file| Entry::Length { file, len },
            |state, _| {
                state.overlay.take_from(len);
                state.is_cut |= len < state.committed;
                state.visible = state.visible.min(len);
                state.len = len;
                state.in_place = false;
            },
        )
    }

    fn punch(&self, offset: u64, len: u64) -> Result<()> {
        let state = self.file.state.read();
        let (in_place, end) = (state.is_in_place(offset), (offset + len).min(state.len));
        let border = if state.in_place { state.committed.min(end) } else { end };
        drop(state);
        if in_place {
            return self.in_place(|disk| disk.punch(offset, len), |_, _| {});
        }
        if border > offset {
            let len = border - offset;
            self.enter(|file| Entry::Zero { file, offset, len }, |state, _| state.overlay.zero(offset, len))?;
        }
        if end > border {
            return self.punch(border, end - border);
        }
        Ok(())
    }

    fn allocate(&self, offset: u64, len: u64) -> Result<()> {
        // Changes neither bytes nor length.
        self.disk.allocate(offset, len)
    }

    fn seek(&self, offset: u64, to: SeekTo) -> Result<u64> {
        let state = self.file.state.read();
        let mut at = offset;
        while at < state.len {
            let (kind, border) = state.overlay.kind_at(at);
            if kind == Some(to) {
                return Ok(at);
            }
            let border = border.unwrap_or(state.len).min(state.len);
            if kind.is_none() {
                let shown = border.min(state.visible);
                let found = if at < shown { find(self.disk, at, to)? } else { None };
                match (found, to) {
                    (Some(found), _) if found < shown => return Ok(found),
                    // Behind what shows of the file there is nothing.
                    (_, SeekTo::Hole) if shown < border => return Ok(at.max(shown)),
                    (_, SeekTo::Hole | SeekTo::Data) => {}
                }
            }
            at = border;
        }
        match to {
            SeekTo::Hole if offset < state.len => Ok(state.len),
            SeekTo::Hole | SeekTo::Data => Err(Errno::NXIO),
        }
    }

    fn sync(&self, what: Durability) -> Result<()> {
        self.file.start_sync(self.disk, what)?.finish()
    }
}

/// As [`Disk::seek`]; `None` when there is none.
fn find(disk: &dyn Backing, offset: u64, to: SeekTo) -> Result<Option<u64>> {
    match disk.seek(offset, to) {
        Ok(found) => Ok(Some(found)),
        Err(Errno::NXIO) => Ok(None),
        Err(errno) => Err(errno),
    }
}
