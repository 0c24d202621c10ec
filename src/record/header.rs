//! The 48 bytes at the beginning of a file: its salt, whether it has holes, and a tag over both.

use super::{Damage, HEADER_LEN};
use crate::keys::{ContentKey, FileKeys, SALT_LEN};
use rand::CryptoRng;

/// Whether a file may have holes (header flag bit 0).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holes {
    /// A record of zeros is damage.
    Forbidden,
    /// A record of zeros is a hole.
    Allowed,
}

/// A file's header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// From which the file's keys are derived.
    pub salt: [u8; SALT_LEN],
    /// Whether the file may have holes.
    pub holes: Holes,
}

impl Header {
    /// The header of a new file: a fresh salt, no holes.
    pub fn fresh(_rng: &mut impl CryptoRng) -> Self {
        todo!()
    }

    /// The header's bytes on disk. `keys` are the file's, derived from this salt.
    pub fn seal(&self, _keys: &FileKeys) -> [u8; HEADER_LEN] {
        todo!()
    }

    /// The header in `bytes` and the keys of its file.
    ///
    /// # Errors
    /// [`Damage`] when the bytes are no header or their tag is wrong.
    pub fn open(_bytes: &[u8; HEADER_LEN], _content: &ContentKey) -> Result<(Self, FileKeys), Damage> {
        todo!()
    }
}
