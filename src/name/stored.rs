//! Names as they stand on disk: encoded, and stored short or long.

use super::{DirId, NAME_MAX, NameCipher, PlainName, RESERVED, Undecodable, siv};
use data_encoding::BASE64URL_NOPAD;
use std::ffi::{CStr, CString};

/// Longest encoded name in bytes: that of a name of 255.
pub const ENCODED_MAX: usize = encoded_len(NAME_MAX);

/// A name is padded to a multiple of so many bytes.
const PAD: usize = 16;
/// Bytes of a sealed name of the greatest length.
const SEALED_MAX: usize = siv::OVERHEAD + NAME_MAX.next_multiple_of(PAD);
/// What the entry of a long name begins with.
const LONG: &str = "plainview.long.";
/// What the file beside it begins with.
const NAME_FILE: &str = "plainview.name.";
/// Bytes of the hash that a long name is stored under.
const LONG_HASH_LEN: usize = 24;
/// Characters of it.
const LONG_HASH_CHARS: usize = 32;

/// Length of the encoded form of a name of `plain` bytes.
const fn encoded_len(plain: usize) -> usize {
    ((siv::OVERHEAD + plain.next_multiple_of(PAD)) * 4).div_ceil(3)
}

/// A name as it stands in a directory of the vault, with its long form where it has one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CipherName {
    /// The encoded name is the entry's name.
    Short(CString),
    /// The encoded name is too long for an entry.
    Long(Box<LongName>),
}

/// A name that is too long to be that of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LongName {
    /// `plainview.long.H`, the entry.
    pub entry: CString,
    /// `plainview.name.H`, the file beside it.
    pub name_file: CString,
    /// What the file holds: the encoded name.
    pub encoded: Box<[u8]>,
}

impl CipherName {
    /// The name of the entry on disk.
    pub fn entry(&self) -> &CStr {
        match self {
            Self::Short(entry) => entry,
            Self::Long(long) => &long.entry,
        }
    }
    /// The encoded name (not the entry's, where that is long).
    pub fn encoded(&self) -> &[u8] {
        match self {
            Self::Short(entry) => entry.as_bytes(),
            Self::Long(long) => &long.encoded,
        }
    }
}

/// A [`CipherName`] in as little memory as it takes, for keeping millions of them: what was encoded lies there as it was before.
#[derive(Debug, PartialEq, Eq)]
pub enum PackedName {
    /// A short name: what it is the base64url of.
    Decoded(Box<[u8]>),
    /// One that is long, or no base64url.
    Whole(Box<CipherName>),
}

impl PackedName {
    /// `name`, packed.
    pub fn new(name: CipherName) -> Self {
        let decoded = match &name {
            CipherName::Short(entry) => BASE64URL_NOPAD.decode(entry.as_bytes()).ok(),
            CipherName::Long(_) => None,
        };
        decoded.map_or_else(|| Self::Whole(Box::new(name)), |decoded| Self::Decoded(decoded.into()))
    }

    /// The name that was packed.
    pub fn unpack(&self) -> CipherName {
        match self {
            Self::Decoded(decoded) => CipherName::Short(c_string(BASE64URL_NOPAD.encode(decoded))),
            Self::Whole(name) => CipherName::clone(name),
        }
    }

    /// Whether `name` was packed.
    pub fn is(&self, name: &CipherName) -> bool {
        match (self, name) {
            (Self::Decoded(decoded), CipherName::Short(entry)) => {
                let mut buf = [0; ENCODED_MAX];
                let buf = buf.get_mut(..BASE64URL_NOPAD.encode_len(decoded.len()));
                buf.is_some_and(|buf| {
                    BASE64URL_NOPAD.encode_mut(decoded, buf);
                    buf == entry.as_bytes()
                })
            }
            (Self::Decoded(_), CipherName::Long(_)) => false,
            (Self::Whole(packed), name) => **packed == *name,
        }
    }
}

/// What an entry of a vault's directory is, by its name alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// An encoded name.
    Short,
    /// `plainview.long.H`: the encoded name is in the file named here.
    Long {
        /// `plainview.name.H`.
        name_file: CString,
    },
    /// One of our own files.
    Reserved,
}

impl NameCipher {
    /// `name` as it is stored in the directory `dir`.
    ///
    /// `base64url(AES-256-SIV(names key; dir; name padded with NUL to a multiple of 16))`. Deterministic, so that a lookup needs no listing; the
    /// directory's id as associated data keeps equal names in two directories from looking equal. Its length shows that of the name in steps of 16.
    pub fn seal(&self, dir: DirId, name: &PlainName) -> CipherName {
        let name = name.as_bytes();
        let mut buf = [0; SEALED_MAX];
        let buf = &mut buf[..siv::OVERHEAD + name.len().next_multiple_of(PAD)];
        buf[siv::OVERHEAD..][..name.len()].copy_from_slice(name);
        siv::seal(self.names.expose(), &[dir.as_bytes()], buf);
        let encoded = BASE64URL_NOPAD.encode(buf);
        if encoded.len() <= NAME_MAX {
            return CipherName::Short(c_string(encoded));
        }
        let hash = self.long_hash(encoded.as_bytes());
        CipherName::Long(Box::new(LongName {
            entry: c_string([LONG, &hash].concat()),
            name_file: c_string([NAME_FILE, &hash].concat()),
            encoded: encoded.into_bytes().into(),
        }))
    }

    /// The name whose encoded form is `encoded`.
    ///
    /// # Errors
    /// [`Undecodable`] when it is not one of this directory, or not what [`seal`](Self::seal) makes of any name.
    pub fn open(&self, dir: DirId, encoded: &[u8]) -> Result<PlainName, Undecodable> {
        let mut buf = [0; SEALED_MAX];
        let len = BASE64URL_NOPAD.decode_len(encoded.len()).map_err(|_| Undecodable)?;
        let buf = buf.get_mut(..len).ok_or(Undecodable)?;
        let len = BASE64URL_NOPAD.decode_mut(encoded, buf).map_err(|_| Undecodable)?;
        let padded = siv::open(self.names.expose(), &[dir.as_bytes()], &mut buf[..len])?;
        let end = padded.iter().rposition(|byte| *byte != 0).ok_or(Undecodable)? + 1;
        if end.next_multiple_of(PAD) != padded.len() {
            return Err(Undecodable);
        }
        PlainName::new(&padded[..end]).map_err(|_| Undecodable)
    }

    /// What `entry` is, by its name.
    pub fn classify(entry: &CStr) -> EntryKind {
        let entry = entry.to_bytes();
        if !entry.starts_with(RESERVED) {
            return EntryKind::Short;
        }
        let hash = entry.strip_prefix(LONG.as_bytes()).and_then(|hash| std::str::from_utf8(hash).ok());
        match hash {
            Some(hash) if hash.len() == LONG_HASH_CHARS && BASE64URL_NOPAD.decode(hash.as_bytes()).is_ok() => EntryKind::Long {
                name_file: c_string([NAME_FILE, hash].concat()),
            },
            Some(_) | None => EntryKind::Reserved,
        }
    }

    /// Whether `encoded` belongs to the long entry `entry` (`plainview.long.H`).
    pub fn long_entry_fits(&self, entry: &CStr, encoded: &[u8]) -> bool {
        // Shorter ones are stored short: two entries would have the same name.
        encoded.len() > NAME_MAX && entry.to_bytes() == [LONG, &self.long_hash(encoded)].concat().as_bytes()
    }

    /// The H of a long name: `base64url(keyed BLAKE3(directories key; encoded))`, 24 bytes of it.
    fn long_hash(&self, encoded: &[u8]) -> String {
        let hash = blake3::keyed_hash(self.directories.expose(), encoded);
        BASE64URL_NOPAD.encode(&hash.as_bytes()[..LONG_HASH_LEN])
    }
}

fn c_string(name: String) -> CString {
    CString::new(name).expect("base64url and our own prefixes have no NUL")
}
