//! Sealing and opening runs of records: AES-256-CBC in many lanes, then keyed BLAKE3 over each record.

use super::{Damage, Holes, RecordNo};
use crate::keys::FileKeys;
use rand::CryptoRng;

/// Whether a run of records ends with the file's last record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// All records of the run are full.
    Inner,
    /// The last record of the run is the file's last one: short, or empty.
    Last,
}

/// Bytes on disk of `plain` plaintext bytes as records. With [`End::Inner`], `plain` is a multiple of 4096.
pub const fn sealed_len(_plain: usize, _end: End) -> usize {
    todo!()
}

/// Plaintext bytes in `sealed` bytes of records; `None` when no run of this kind has that length.
pub const fn opened_len(_sealed: usize, _end: End) -> Option<usize> {
    todo!()
}

/// The keys of one file, expanded for use.
pub struct RecordCipher {}

impl RecordCipher {
    /// Expands a file's keys.
    pub fn new(_keys: &FileKeys) -> Self {
        todo!()
    }

    /// Seals `plain` as the records from `first` on, each with a fresh random IV. `out` has [`sealed_len`] bytes and is filled wholly.
    pub fn seal(&self, _first: RecordNo, _plain: &[u8], _end: End, _rng: &mut impl CryptoRng, _out: &mut [u8]) {
        todo!()
    }

    /// Opens the records in `sealed`, which are those from `first` on. `out` has [`opened_len`] bytes and is filled wholly; holes become zeros.
    ///
    /// # Errors
    /// [`Damage`] names the first record that is not what was sealed at its place. `out` holds nothing of use then.
    pub fn open(&self, _first: RecordNo, _sealed: &[u8], _end: End, _holes: Holes, _out: &mut [u8]) -> Result<(), Damage> {
        todo!()
    }
}
