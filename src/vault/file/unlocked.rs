//! A file's header, and the keys that come from it.

use super::run::Run;
use crate::keys::{ContentKey, FileKeys};
use crate::record::{Damage, HEADER_LEN, Header, Holes, RecordCipher};

/// A file whose header is known.
pub(super) struct Unlocked {
    header: Header,
    cipher: RecordCipher,
}

impl Unlocked {
    /// A new file, with a fresh salt.
    pub(super) fn fresh(content: &ContentKey, holes: Holes) -> Self {
        let header = Header {
            holes,
            ..Header::fresh(&mut rand::rng())
        };
        Self::of(header, content)
    }

    /// The file whose header on disk is `bytes`.
    ///
    /// # Errors
    /// Damage.
    pub(super) fn open(bytes: &[u8; HEADER_LEN], content: &ContentKey) -> Result<Self, Damage> {
        let (header, keys) = Header::open(bytes, content)?;
        Ok(Self {
            header,
            cipher: RecordCipher::new(&keys),
        })
    }

    fn of(header: Header, content: &ContentKey) -> Self {
        let keys = FileKeys::derive(content, &header.salt);
        Self {
            header,
            cipher: RecordCipher::new(&keys),
        }
    }

    /// The same file, when it may have holes, or has none any more.
    pub(super) fn with_holes(&self, holes: Holes, content: &ContentKey) -> Self {
        let header = Header {
            holes,
            ..self.header.clone()
        };
        Self::of(header, content)
    }

    /// Whether `other` was made from the same header.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.header == other.header
    }

    /// Whether both have the same keys: those follow from the salt.
    pub(super) fn has_keys_of(&self, other: &Self) -> bool {
        self.header.salt == other.header.salt
    }

    /// Whether a record of zeros is a hole.
    pub(super) fn holes(&self) -> Holes {
        self.header.holes
    }

    /// The header on disk.
    pub(super) fn header(&self, content: &ContentKey) -> [u8; HEADER_LEN] {
        self.header.seal(&FileKeys::derive(content, &self.header.salt))
    }

    /// Seals `plain` as the records of `run` into `out`, which is as long as they are on disk.
    pub(super) fn seal(&self, run: Run, plain: &[u8], out: &mut [u8]) {
        self.cipher.seal(run.first, plain, run.end, &mut rand::rng(), out);
    }

    /// Opens the records of `run` into `out`, which is as long as their plaintext.
    ///
    /// # Errors
    /// Damage.
    pub(super) fn open_run(&self, run: Run, sealed: &[u8], out: &mut [u8]) -> Result<(), Damage> {
        self.cipher.open(run.first, sealed, run.end, self.header.holes, out)
    }
}
