//! Where things lie in a file: total functions between plaintext and ciphertext lengths and offsets. `docs/format.md`, "A regular file".

use std::fmt;

/// Plaintext bytes in a full record.
pub const RECORD_LEN: usize = 4096;
/// Bytes a record takes on disk beyond its plaintext: word 8, IV 16, tag and padding 32.
pub const OVERHEAD: usize = 56;
/// Bytes of a full record on disk.
pub const SEALED_LEN: usize = RECORD_LEN + OVERHEAD;
/// Bytes of a file's header.
pub const HEADER_LEN: usize = 48;
/// The longest file in plaintext bytes: what fits a signed 64-bit offset on disk (record numbers would go on to 2^48).
pub const MAX_PLAIN_LEN: u64 = 1 << 60;

/// The number of a record in its file, from 0; less than 2^48.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordNo(u64);

impl RecordNo {
    /// Record `number`.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }
    /// The number.
    pub const fn get(self) -> u64 {
        self.0
    }
    /// Where the record begins in the file on disk, in bytes.
    pub const fn cipher_offset(self) -> u64 {
        todo!()
    }
    /// Where the record's plaintext begins, in bytes.
    pub const fn plain_offset(self) -> u64 {
        todo!()
    }
}

impl fmt::Display for RecordNo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A plaintext offset as record and byte within it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The record that holds the byte.
    pub record: RecordNo,
    /// The byte within the record, 0..4096.
    pub within: usize,
}

impl Position {
    /// The position of plaintext byte `offset`.
    pub fn of(_offset: u64) -> Self {
        todo!()
    }
}

/// Length on disk of a file of `plain` plaintext bytes; `plain` is at most [`MAX_PLAIN_LEN`].
pub const fn cipher_len(_plain: u64) -> u64 {
    todo!()
}

/// The plaintext size that a length on disk stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// The length is that of a file of so many plaintext bytes.
    Whole(u64),
    /// No file has this length: it was cut. The size to show is one byte beyond the last byte that could be there, so that a reader asks for that byte and is told.
    Cut(u64),
}

/// The plaintext size of a file of `cipher` bytes on disk.
pub fn size_on_disk(_cipher: u64) -> Size {
    todo!()
}
