//! Runs of records: which records hold a range of plaintext bytes, and where they lie.

use crate::record::{End, Position, RECORD_LEN, RecordNo, sealed_len};

/// Consecutive records of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    /// The first of them.
    pub(super) first: RecordNo,
    /// Plaintext bytes in them.
    pub(super) len: usize,
    /// Whether the file's last record is among them.
    pub(super) end: End,
}

impl Run {
    /// The records that hold the bytes `from..to` of a file of `len` bytes, where `from < to <= len`.
    pub(super) fn touched(from: u64, to: u64, len: u64) -> Self {
        // Where no record is short: a file whose length is a multiple of 4096 ends in a record that holds no byte.
        let border = to.next_multiple_of(bytes(RECORD_LEN));
        match border > len {
            true => Self::to_end(from, len),
            false => Self::between(from, border, End::Inner),
        }
    }

    /// The records from the one that holds byte `from` to the last one of a file of `len` bytes, where `from <= len`.
    pub(super) fn to_end(from: u64, len: u64) -> Self {
        Self::between(from, len, End::Last)
    }

    fn between(from: u64, to: u64, end: End) -> Self {
        let first = Position::of(from).record;
        let len = usize::try_from(to - first.plain_offset()).expect("a run is as long as a buffer");
        Self { first, len, end }
    }

    /// Where the first record's plaintext begins.
    pub(super) fn plain_offset(self) -> u64 {
        self.first.plain_offset()
    }

    /// Where the first record begins on disk.
    pub(super) fn cipher_offset(self) -> u64 {
        self.first.cipher_offset()
    }

    /// Bytes of the records on disk.
    pub(super) fn sealed_len(self) -> usize {
        sealed_len(self.len, self.end)
    }
}

/// `len` as a number for arithmetic with offsets.
pub(super) fn bytes(len: usize) -> u64 {
    u64::try_from(len).expect("usize has at most 64 bits")
}

/// The record that is `count` further on than `first`.
pub(super) fn further(first: RecordNo, count: usize) -> RecordNo {
    RecordNo::new(first.get() + bytes(count))
}
