//! Memory that entries are collected in, and that what lies over files refers to: so a byte that was written is in memory once, and its memory is used again.
//!
//! Keeps true: a chunk grows only within the space that it was made with, and what is in it does not change.

use super::format::BEFORE;
use super::overlay::index;
use crate::sys::block;
use parking_lot::RwLock;
use std::sync::Arc;

/// Some of what was appended.
pub(super) struct Chunk {
    /// [`BEFORE`] bytes, and the entries. Leaf lock.
    bytes: RwLock<Vec<u8>>,
}

impl Chunk {
    /// An empty chunk with space for `len` bytes, and for some more.
    pub(super) fn new(len: usize) -> Self {
        let mut memory = block::memory(BEFORE + len);
        memory.truncate(BEFORE);
        memory.resize(BEFORE, 0);
        Self::of(memory)
    }

    /// A chunk whose memory has [`BEFORE`] bytes and then entries.
    pub(super) fn of(memory: Vec<u8>) -> Self {
        let bytes = RwLock::new(memory);
        Self { bytes }
    }

    /// Whether `len` more bytes have space.
    pub(super) fn has_space_for(&self, len: usize) -> bool {
        let bytes = self.bytes.read();
        bytes.capacity() - bytes.len() >= len
    }

    /// Calls `append`, which appends no more than there is space for, with [`BEFORE`] bytes and what there is.
    pub(super) fn append<T>(&self, append: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        append(&mut self.bytes.write())
    }

    /// Calls `look` with the entries.
    pub(super) fn read<T>(&self, look: impl FnOnce(&[u8]) -> T) -> T {
        look(self.bytes.read().get(BEFORE..).unwrap_or_default())
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        block::done_with(std::mem::take(self.bytes.get_mut()));
    }
}

/// A range of bytes of a chunk's memory.
#[derive(Clone)]
pub(super) struct Piece {
    chunk: Arc<Chunk>,
    at: usize,
    len: usize,
}

impl Piece {
    /// `len` bytes of its memory from `at` on, which do not change.
    pub(super) fn new(chunk: Arc<Chunk>, at: usize, len: usize) -> Self {
        Self { chunk, at, len }
    }

    /// How many bytes it has.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Whether it is the same bytes of the same chunk.
    pub(super) fn is(&self, other: &Self) -> bool {
        self.len == other.len && self.is_of(other, 0)
    }

    /// Whether it is those bytes of `whole` that begin at its byte `at`.
    pub(super) fn is_of(&self, whole: &Self, at: usize) -> bool {
        Arc::ptr_eq(&self.chunk, &whole.chunk) && self.at == whole.at + at && at + self.len <= whole.len
    }

    /// A copy of the bytes.
    pub(super) fn to_vec(&self) -> Vec<u8> {
        self.read(<[u8]>::to_vec)
    }

    /// Calls `look` with the bytes. Nothing can be appended to their chunk meanwhile.
    pub(super) fn read<T>(&self, look: impl FnOnce(&[u8]) -> T) -> T {
        look(&self.chunk.bytes.read()[self.at..self.at + self.len])
    }

    /// Cuts it to its first `at` bytes; returns the others.
    pub(super) fn split_off(&mut self, at: u64) -> Self {
        let at = index(at);
        let rest = Self::new(Arc::clone(&self.chunk), self.at + at, self.len - at);
        self.len = at;
        rest
    }
}

impl From<Vec<u8>> for Piece {
    fn from(bytes: Vec<u8>) -> Self {
        let len = bytes.len();
        Self::new(Arc::new(Chunk::of(bytes)), 0, len)
    }
}
