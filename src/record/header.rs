//! The 48 bytes at the beginning of a file: its salt, whether it has holes, and a tag over both.

use super::{Damage, HEADER_LEN, Place, Reason, mac};
use crate::keys::{ContentKey, FileKeys, SALT_LEN};
use rand::CryptoRng;

/// What every file that is not empty begins with.
const MAGIC: [u8; 4] = *b"PLV1";
/// Flag bit 0: the file has holes.
const HAS_HOLES: u32 = 1;
/// Bytes of the tag.
const TAG_LEN: usize = 16;
/// Bytes that the tag covers: magic, flags, salt.
const TAGGED_LEN: usize = HEADER_LEN - TAG_LEN;

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
    pub fn fresh(rng: &mut impl CryptoRng) -> Self {
        let mut salt = [0; SALT_LEN];
        rng.fill_bytes(&mut salt);
        Self {
            salt,
            holes: Holes::Forbidden,
        }
    }

    /// The header's bytes on disk. `keys` are the file's, derived from this salt.
    ///
    /// `"PLV1" . flags u32 . salt . keyed BLAKE3(header MAC key; the 32 bytes before)`, 16 bytes of it.
    pub fn seal(&self, keys: &FileKeys) -> [u8; HEADER_LEN] {
        let flags = match self.holes {
            Holes::Forbidden => 0,
            Holes::Allowed => HAS_HOLES,
        };
        let mut bytes = [0; HEADER_LEN];
        let (tagged, tag) = bytes.split_at_mut(TAGGED_LEN);
        tagged[..4].copy_from_slice(&MAGIC);
        tagged[4..8].copy_from_slice(&flags.to_le_bytes());
        tagged[8..].copy_from_slice(&self.salt);
        tag.copy_from_slice(&blake3::keyed_hash(keys.header_mac(), tagged).as_bytes()[..TAG_LEN]);
        bytes
    }

    /// The header in `bytes` and the keys of its file.
    ///
    /// # Errors
    /// [`Damage`] when the bytes are no header or their tag is wrong.
    pub fn open(bytes: &[u8; HEADER_LEN], content: &ContentKey) -> Result<(Self, FileKeys), Damage> {
        let damage = |reason| Damage {
            place: Place::Header,
            reason,
        };
        let (tagged, tag) = bytes.split_at(TAGGED_LEN);
        let (start, salt) = tagged.split_at(8);
        let (magic, flags) = start.split_at(4);
        if magic != MAGIC {
            return Err(damage(Reason::NotAHeader));
        }
        let salt = salt.try_into().expect("32 bytes less 8 are a salt");
        let keys = FileKeys::derive(content, salt);
        if !mac::fits(&blake3::keyed_hash(keys.header_mac(), tagged), tag) {
            return Err(damage(Reason::Tag));
        }
        let holes = match u32::from_le_bytes(flags.try_into().expect("8 bytes less 4 are a u32")) {
            0 => Holes::Forbidden,
            HAS_HOLES => Holes::Allowed,
            _ => return Err(damage(Reason::NotAHeader)),
        };
        Ok((Self { salt: *salt, holes }, keys))
    }
}
