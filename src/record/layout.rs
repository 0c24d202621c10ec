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
/// Bytes of a cipher block, and of an IV.
pub(super) const BLOCK_LEN: usize = 16;
/// Where a record's IV begins: after the word.
pub(super) const IV_AT: usize = 8;
/// Where a record's ciphertext begins: after the word and the IV.
pub(super) const CT_AT: usize = IV_AT + BLOCK_LEN;
/// Bytes of a full record that its tag covers: all before it.
pub(super) const TAGGED_LEN: usize = tag_at(RECORD_LEN);

/// Records a file may have: a record's number takes 48 bits of its word.
pub(super) const MAX_RECORDS: u64 = 1 << 48;
/// The longest file in plaintext bytes: 2^48 records, the last of them short. On disk that is about 2^60.02 bytes, which a signed 64-bit offset holds.
pub const MAX_PLAIN_LEN: u64 = MAX_RECORDS * RECORD_BYTES - 1;

// The lengths above, for arithmetic in file offsets.
const RECORD_BYTES: u64 = 4096;
const OVERHEAD_BYTES: u64 = 56;
const SEALED_BYTES: u64 = RECORD_BYTES + OVERHEAD_BYTES;
const HEADER_BYTES: u64 = 48;

/// The number of a record in its file, from 0; less than 2^48 in every file there can be.
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
    /// Where the record begins in the file on disk, in bytes; `u64::MAX` where that is beyond any file.
    pub const fn cipher_offset(self) -> u64 {
        self.0.saturating_mul(SEALED_BYTES).saturating_add(HEADER_BYTES)
    }
    /// Where the record's plaintext begins, in bytes; `u64::MAX` where that is beyond any file.
    pub const fn plain_offset(self) -> u64 {
        self.0.saturating_mul(RECORD_BYTES)
    }
    /// The record `count` further on.
    pub(super) fn plus(self, count: usize) -> Self {
        Self(self.0.saturating_add(u64::try_from(count).expect("usize has at most 64 bits")))
    }
}

impl fmt::Display for RecordNo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Where the tag begins in a record of `plain` plaintext bytes: after word, IV and padded ciphertext.
pub(super) const fn tag_at(plain: usize) -> usize {
    CT_AT + plain.next_multiple_of(BLOCK_LEN)
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
    pub fn of(offset: u64) -> Self {
        Self {
            record: RecordNo(offset / RECORD_BYTES),
            within: usize::try_from(offset % RECORD_BYTES).expect("less than 4096"),
        }
    }
}

/// Length on disk of a file of `plain` plaintext bytes; `plain` is at most [`MAX_PLAIN_LEN`].
///
/// Longer ones have no place on disk; what is returned for them (at most `u64::MAX`) is at least beyond every file.
pub const fn cipher_len(plain: u64) -> u64 {
    if plain == 0 {
        return 0;
    }
    let full = RecordNo(plain / RECORD_BYTES);
    full.cipher_offset().saturating_add(OVERHEAD_BYTES + plain % RECORD_BYTES)
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
pub fn size_on_disk(cipher: u64) -> Size {
    if cipher == 0 {
        return Size::Whole(0);
    }
    let records = cipher.saturating_sub(HEADER_BYTES);
    let (full, rest) = (records / SEALED_BYTES, records % SEALED_BYTES);
    match rest.checked_sub(OVERHEAD_BYTES) {
        Some(last) if full < MAX_RECORDS && (full, last) != (0, 0) => Size::Whole(full * RECORD_BYTES + last),
        Some(_) | None => Size::Cut(full.min(MAX_RECORDS) * RECORD_BYTES + 1),
    }
}
