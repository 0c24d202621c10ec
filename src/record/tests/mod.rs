//! Tests of the record layer.

mod cipher;
mod header;
mod layout;

use super::*;
use crate::keys::{ContentKey, FileKeys, MasterKey, SALT_LEN};
use crate::secret::Secret;

/// Lengths on both sides of every border: of a block, of a record, of a few records.
const LENGTHS: [usize; 21] = [
    0, 1, 15, 16, 17, 31, 32, 33, 55, 56, 57, 4079, 4080, 4081, 4095, 4096, 4097, 8191, 8192, 8193, 12288,
];

fn content_key() -> ContentKey {
    ContentKey::derive(&MasterKey::new(Secret::fill_with(|key| key.fill(7))))
}

fn file_keys(salt: u8) -> FileKeys {
    FileKeys::derive(&content_key(), &[salt; SALT_LEN])
}
