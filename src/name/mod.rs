//! One name, its long form, directory ids, symlink targets and extended attributes. PURE: no I/O, no locks, no clock, no errno.
//!
//! Knows `docs/format.md` from "Names" to "Extended attributes"; does not know directories, only their ids. Keeps true: what opens is exactly what was sealed
//! under these keys for this directory, and equal names in different directories look different.

use crate::keys::MasterKey;
use rand::CryptoRng;

/// Longest name in bytes, in the view and on disk.
pub const NAME_MAX: usize = 255;
/// What our own files in a vault's directories begin with.
pub const RESERVED: &[u8] = b"plainview.";
/// The file that holds the id of a directory that was renamed.
pub const DIRID_FILE: &std::ffi::CStr = c"plainview.dirid";
/// Bytes of that file.
pub const DIRID_LEN: usize = 32;

/// The id of a directory: the associated data of the names in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DirId([u8; 16]);

/// Why bytes are no plaintext name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// More than 255 bytes.
    #[error("name too long")]
    TooLong,
    /// Empty, `.`, `..`, or with a NUL or a slash.
    #[error("not a name")]
    Invalid,
}

/// A plaintext name: 1 to 255 bytes, without NUL and slash, not `.` or `..`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PlainName(Box<[u8]>);

impl PlainName {
    /// Checks `bytes`.
    ///
    /// # Errors
    /// Which rule they break.
    pub fn new(_bytes: &[u8]) -> Result<Self, NameError> {
        todo!()
    }
    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// A name as it stands in a directory of the vault, with its long form where it has one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CipherName {
    /// The encoded name is the entry's name.
    Short(std::ffi::CString),
    /// The encoded name is too long for an entry.
    Long {
        /// `plainview.long.H`, the entry.
        entry: std::ffi::CString,
        /// `plainview.name.H`, the file beside it.
        name_file: std::ffi::CString,
        /// What the file holds: the encoded name.
        encoded: Box<[u8]>,
    },
}

impl CipherName {
    /// The name of the entry on disk.
    pub fn entry(&self) -> &std::ffi::CStr {
        todo!()
    }
    /// The encoded name (not the entry's, where that is long).
    pub fn encoded(&self) -> &[u8] {
        todo!()
    }
}

/// Bytes that do not decode: not base64url, not of our keys, or not for this place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("does not decode")]
pub struct Undecodable;

/// What an entry of a vault's directory is, by its name alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// An encoded name.
    Short,
    /// `plainview.long.H`: the encoded name is in the file named here.
    Long {
        /// `plainview.name.H`.
        name_file: std::ffi::CString,
    },
    /// One of our own files.
    Reserved,
}

/// The keys of names, directory ids, symlink targets and attributes, ready for use.
pub struct NameCipher {}

impl NameCipher {
    /// The keys that come from `master`.
    pub fn new(_master: &MasterKey) -> Self {
        todo!()
    }

    /// The id of the vault's root directory.
    pub fn root(&self) -> DirId {
        todo!()
    }
    /// The id of the directory `encoded` in the directory `parent`, where it holds no `plainview.dirid`.
    pub fn child(&self, _parent: DirId, _encoded: &[u8]) -> DirId {
        todo!()
    }

    /// `name` as it is stored in the directory `dir`.
    pub fn seal(&self, _dir: DirId, _name: &PlainName) -> CipherName {
        todo!()
    }
    /// The name whose encoded form is `encoded`.
    ///
    /// # Errors
    /// [`Undecodable`] when it is not one of this directory.
    pub fn open(&self, _dir: DirId, _encoded: &[u8]) -> Result<PlainName, Undecodable> {
        todo!()
    }
    /// What `entry` is, by its name.
    pub fn classify(_entry: &std::ffi::CStr) -> EntryKind {
        todo!()
    }
    /// Whether `encoded` belongs to the long entry `entry` (`plainview.long.H`).
    pub fn long_entry_fits(&self, _entry: &std::ffi::CStr, _encoded: &[u8]) -> bool {
        todo!()
    }

    /// The contents of a `plainview.dirid` that holds `id`.
    pub fn seal_dirid(&self, _id: DirId) -> [u8; DIRID_LEN] {
        todo!()
    }
    /// The id in a `plainview.dirid`.
    ///
    /// # Errors
    /// [`Undecodable`] when it has another length or its tag is wrong.
    pub fn open_dirid(&self, _bytes: &[u8]) -> Result<DirId, Undecodable> {
        todo!()
    }

    /// A symlink's target as it is stored.
    pub fn seal_target(&self, _target: &[u8], _rng: &mut impl CryptoRng) -> Vec<u8> {
        todo!()
    }
    /// The target of which `stored` is stored.
    ///
    /// # Errors
    /// [`Undecodable`].
    pub fn open_target(&self, _stored: &[u8]) -> Result<Vec<u8>, Undecodable> {
        todo!()
    }
    /// The length of the target whose stored form has `stored` bytes; 0 when no target has.
    pub fn target_len(_stored: u64) -> u64 {
        todo!()
    }

    /// The stored name of the attribute `name` (`user.plainview.` and its encoded form).
    pub fn seal_attribute_name(&self, _name: &[u8]) -> std::ffi::CString {
        todo!()
    }
    /// The attribute whose stored name is `stored`; `None` when it is not one of ours.
    pub fn open_attribute_name(&self, _stored: &[u8]) -> Option<Vec<u8>> {
        todo!()
    }
    /// The stored value of the attribute `name`.
    pub fn seal_attribute(&self, _name: &[u8], _value: &[u8], _rng: &mut impl CryptoRng) -> Vec<u8> {
        todo!()
    }
    /// The value of the attribute `name` that `stored` stands for.
    ///
    /// # Errors
    /// [`Undecodable`].
    pub fn open_attribute(&self, _name: &[u8], _stored: &[u8]) -> Result<Vec<u8>, Undecodable> {
        todo!()
    }
}
