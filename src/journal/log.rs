//! The journal's file while it is written: entries are collected in memory, written behind each other, and synced for all who wait at once.
//!
//! Knows entries only as bytes of a chain; does not know what they are about. Keeps true: what is appended keeps its order; what [`Log::sync_to`] returned for is durable.

mod anew;
mod space;

use super::chunk::{Chunk, Piece};
use super::format::{ENTRIES_AT, Entry, HEAD_LEN, Mark, TAG_LEN, Tag};
use super::header::Header;
use super::overlay::{index, length};
use crate::keys::JournalKey;
use crate::sys::block::{Block, ROOM};
use crate::sys::disk::{Durability, Kept, Moment, write_all_at};
use anew::random;
use parking_lot::{Condvar, Mutex, MutexGuard};
use rustix::io::Result;
pub(super) use space::Room;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// How long is soon.
const SOON: Duration = Duration::from_millis(50);

/// A place in the journal since it was opened: grows for ever, also when the file is begun anew.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Position(u64);

/// The journal's file.
pub(super) struct Log {
    key: Arc<JournalKey>,
    disk: Kept,
    /// The file grows by so many bytes at a time, written as zeros: then a sync of entries has nothing but their bytes to write, and space is short here, not there.
    step: u64,
    /// Leaf lock. Not held while the disk syncs.
    state: Mutex<State>,
    /// Somebody's sync has ended.
    synced: Condvar,
}

/// An entry that was appended.
pub(super) struct Appended {
    /// The byte of the file behind it.
    pub(super) end: u64,
    /// The position there.
    pub(super) position: Position,
    /// Its payload.
    pub(super) payload: Piece,
}

struct State {
    header: Header,
    /// The tag of the last entry.
    chain: Tag,
    /// Up to where entries are durable, as a byte of the file.
    durable: u64,
    /// Up to where they were written.
    written: u64,
    /// The byte behind the last entry.
    end: u64,
    /// The entries from the durable ones on, and at which byte of the file each chunk of them begins. They are kept until they are durable: after a sync that failed nobody knows
    /// what of them is on disk, so they are written again.
    tail: VecDeque<(u64, Arc<Chunk>)>,
    /// Bytes that the file has.
    allocated: u64,
    /// Bytes of entries that operations under way may still append.
    promised: u64,
    /// What byte 0 of the file is as a position.
    origin: u64,
    /// How often the journal was begun anew.
    epoch: u64,
    /// Whether somebody syncs at the moment.
    syncing: bool,
    /// Whether a header that is not in force may be on disk, in the slot that is next: it must be overwritten before anything that counts on the one in force is durable.
    doubtful: bool,
}

impl State {
    /// What the next entry says of the journal.
    fn mark(&self) -> Mark {
        Mark {
            epoch: self.header.epoch,
            durable: self.durable,
        }
    }

    /// An entry of `len` bytes was appended, which is in the memory of `chunk` from `at` on.
    fn appended(&mut self, chunk: Arc<Chunk>, at: usize, len: usize) -> Appended {
        self.end += length(len);
        Appended {
            end: self.end,
            position: Position(self.origin + self.end),
            payload: Piece::new(chunk, at + HEAD_LEN, len - HEAD_LEN - TAG_LEN),
        }
    }

    /// Up to which byte of the file all chunks are full.
    fn full_until(&self) -> u64 {
        self.tail.back().map_or(self.end, |(at, _)| *at)
    }

    /// Drops what is durable.
    fn trim(&mut self) {
        // There is space in the last one.
        while self.tail.get(1).is_some_and(|(at, _)| *at <= self.durable) {
            self.tail.pop_front();
        }
    }
}

impl Log {
    /// A journal that begins with `header`, which is written and durable on `disk` already, may become about `size` bytes long, and goes on at the byte `end`, behind an entry whose tag is `chain`.
    pub(super) fn new(key: Arc<JournalKey>, disk: Kept, header: Header, chain: Tag, end: u64, size: u64) -> Result<Self> {
        let allocated = disk.stat()?.len;
        Ok(Self {
            key,
            disk,
            step: space::step(size),
            state: Mutex::new(State {
                header,
                chain,
                durable: end,
                written: end,
                end,
                tail: VecDeque::new(),
                allocated,
                promised: 0,
                origin: 0,
                epoch: 0,
                syncing: false,
                doubtful: false,
            }),
            synced: Condvar::new(),
        })
    }

    /// The header of a new journal.
    pub(super) fn first_header(since: Moment, root: (u64, Option<Moment>)) -> Header {
        Header {
            turn: 1,
            epoch: random(),
            since,
            root,
        }
    }

    /// Appends an entry.
    pub(super) fn append(&self, entry: &Entry<'_>) -> Appended {
        let mut guard = self.state.lock();
        let state = &mut *guard;
        let mark = state.mark();
        let len = entry.sealed_len();
        let chunk = match state.tail.back() {
            Some((_, last)) if last.has_space_for(len) => Arc::clone(last),
            Some(_) | None => {
                let chunk = Arc::new(Chunk::new(len));
                state.tail.push_back((state.end, Arc::clone(&chunk)));
                chunk
            }
        };
        let at = chunk.append(|bytes| {
            let at = bytes.len();
            entry.seal(&self.key, mark, &mut state.chain, bytes);
            at
        });
        state.appended(chunk, at, len)
    }

    /// Appends a write of what is in `block`, whose memory it keeps.
    pub(super) fn append_block(&self, file: u64, offset: u64, block: &mut Block) -> Appended {
        let mut memory = block.take_memory();
        let mut guard = self.state.lock();
        let state = &mut *guard;
        let mark = state.mark();
        Entry::seal_around(file, offset, &self.key, mark, &mut state.chain, &mut memory);
        let (at, len) = (ROOM - HEAD_LEN, memory.len() - (ROOM - HEAD_LEN));
        let chunk = Arc::new(Chunk::of(memory));
        state.tail.push_back((state.end, Arc::clone(&chunk)));
        state.appended(chunk, at, len)
    }

    /// What is appended from now on is put into a chunk of its own.
    pub(super) fn begin_chunk(&self) {
        let mut state = self.state.lock();
        let end = state.end;
        if state.tail.back().is_some_and(|(at, _)| *at < end) {
            state.tail.push_back((end, Arc::new(Chunk::new(0))));
        }
    }

    /// The byte of the file behind the last entry.
    pub(super) fn end(&self) -> u64 {
        self.state.lock().end
    }

    /// How often the journal was begun anew since it was opened.
    pub(super) fn epoch(&self) -> u64 {
        self.state.lock().epoch
    }

    /// Bytes of entries in the journal.
    pub(super) fn used(&self) -> u64 {
        self.end() - ENTRIES_AT
    }

    /// As [`used`](Self::used), if that can be told soon.
    pub(super) fn used_soon(&self) -> Option<u64> {
        let state = self.state.try_lock_for(SOON)?;
        Some(state.end - ENTRIES_AT)
    }

    /// Whether so much was collected that it is time to write it.
    pub(super) fn has_full_chunk(&self) -> bool {
        let state = self.state.lock();
        // Of the last one, nobody knows yet whether it is full.
        state.full_until() > state.written
    }

    /// Writes what was collected, but for the last chunk, while others append. What cannot be written is written by the next sync, which tells if it cannot either.
    pub(super) fn write_full_chunks(&self) {
        let mut state = self.state.lock();
        let (from, to) = (state.written, state.full_until());
        if state.syncing || state.doubtful || to <= from {
            return;
        }
        state.syncing = true;
        let full: Vec<_> = state.tail.iter().filter(|(at, _)| *at < to).cloned().collect();
        let written = MutexGuard::unlocked(&mut state, || self.write_chunks(&full, from));
        state.syncing = false;
        self.synced.notify_all();
        if written.is_ok() {
            state.written = to;
            state.allocated = state.allocated.max(to);
        }
    }

    /// Writes what `chunks` hold from the byte `from` of the file on.
    fn write_chunks<'c>(&self, chunks: impl IntoIterator<Item = &'c (u64, Arc<Chunk>)>, from: u64) -> Result<()> {
        chunks.into_iter().try_for_each(|(at, chunk)| {
            chunk.read(|bytes| {
                let done = from.saturating_sub(*at).min(length(bytes.len()));
                write_all_at(&*self.disk, &bytes[index(done)..], at + done)
            })
        })
    }

    /// Writes what was collected.
    #[cfg(test)]
    pub(super) fn write_out_now(&self) {
        let _ = self.write_out(&mut self.state.lock());
    }

    fn write_out(&self, state: &mut State) -> Result<()> {
        if state.doubtful {
            let again = state.header.next();
            write_all_at(&*self.disk, &again.seal(&self.key), again.offset())?;
        }
        self.write_chunks(&state.tail, state.written)?;
        state.written = state.end;
        state.allocated = state.allocated.max(state.end);
        Ok(())
    }

    /// Makes everything durable that was appended.
    pub(super) fn sync(&self) -> Result<()> {
        let state = self.state.lock();
        let target = Position(state.origin + state.end);
        self.sync_locked(state, target)
    }

    /// Makes everything durable up to `target`. Of those who wait at the same time, one syncs for all.
    ///
    /// # Errors
    /// What the operating system says. What was appended stays, and is written again by the next call.
    pub(super) fn sync_to(&self, target: Position) -> Result<()> {
        self.sync_locked(self.state.lock(), target)
    }

    fn sync_locked(&self, mut state: MutexGuard<'_, State>, target: Position) -> Result<()> {
        while state.origin + state.durable < target.0 {
            if state.syncing {
                self.synced.wait(&mut state);
                continue;
            }
            state.syncing = true;
            let written = self.write_out(&mut state);
            let end = state.end;
            let synced = written.and_then(|()| MutexGuard::unlocked(&mut state, || self.disk.sync(Durability::Data)));
            state.syncing = false;
            self.synced.notify_all();
            match synced {
                Ok(()) => {
                    if std::mem::take(&mut state.doubtful) {
                        state.header = state.header.next();
                    }
                    state.durable = end;
                    state.trim();
                }
                Err(error) => {
                    state.written = state.durable;
                    return Err(error);
                }
            }
        }
        Ok(())
    }
}
