//! One name, its long form, directory ids, symlink targets and extended attributes. PURE: no I/O, no locks, no clock, no errno.
//!
//! Knows `docs/format.md` from "Names" to "Extended attributes"; does not know directories, only their ids. Keeps true: what opens is exactly what was sealed
//! under these keys for this directory, and equal names in different directories look different.

mod attribute;
mod dirid;
mod plain;
mod siv;
mod stored;
mod target;
#[cfg(test)]
mod tests;

use crate::keys::{DirectoriesKey, MasterKey, NamesKey, SymlinksKey, XattrsKey};

pub use attribute::{ATTRIBUTE_PREFIX, VALUE_MAX, is_rest_name, rest_name};
pub use dirid::{DIRID_LEN, DirId};
pub use plain::{NameError, PlainName};
pub use stored::{CipherName, ENCODED_MAX, EntryKind, LongName, PackedName};

/// Longest name in bytes, in the view and on disk.
pub const NAME_MAX: usize = 255;
/// What our own files in a vault's directories begin with.
pub const RESERVED: &[u8] = b"plainview.";
/// The file that holds the id of a directory that was renamed.
pub const DIRID_FILE: &std::ffi::CStr = c"plainview.dirid";

/// Bytes that do not decode: not base64url, not of our keys, or not for this place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("does not decode")]
pub struct Undecodable;

/// The keys of names, directory ids, symlink targets and attributes, ready for use.
///
/// What it can do with each of them is in the file of that name.
pub struct NameCipher {
    names: NamesKey,
    directories: DirectoriesKey,
    symlinks: SymlinksKey,
    xattrs: XattrsKey,
}

impl NameCipher {
    /// The keys that come from `master`.
    pub fn new(master: &MasterKey) -> Self {
        Self {
            names: NamesKey::derive(master),
            directories: DirectoriesKey::derive(master),
            symlinks: SymlinksKey::derive(master),
            xattrs: XattrsKey::derive(master),
        }
    }
}
