//! Extended attributes: a name that lookups find again, and a value that looks different each time it is stored.

use super::target::{NONCE_LEN, with_nonce};
use super::{NameCipher, Undecodable, siv};
use data_encoding::BASE64URL_NOPAD;
use rand::CryptoRng;
use std::ffi::CString;

/// What the stored name of an attribute begins with.
pub const ATTRIBUTE_PREFIX: &str = "user.plainview.";
/// What the name of an attribute begins with that has the rest of another's value. No base64url has a dot.
const REST_PREFIX: &str = "user.plainview.rest.";
/// Longest value that Linux takes (XATTR_SIZE_MAX): what of a stored value is longer is its rest, in an attribute of its own.
pub const VALUE_MAX: usize = 65536;
/// The associated data of attribute names. A value has two strings, so neither passes for the other.
const NAME: &[u8] = b"name";

/// The name of the attribute that has the rest, if there is one, of the stored value that begins with `stored`; `None` when it is too short to have one.
///
/// It is that of its nonce, so a value and the rest of another never meet, however their changes were interrupted.
pub fn rest_name(stored: &[u8]) -> Option<CString> {
    let nonce = stored.first_chunk::<NONCE_LEN>().filter(|_| stored.len() >= VALUE_MAX)?;
    let mut name = REST_PREFIX.to_owned();
    BASE64URL_NOPAD.encode_append(nonce, &mut name);
    Some(CString::new(name).expect("base64url has no NUL"))
}

/// Whether `stored` is the name of an attribute that has the rest of another's value.
pub fn is_rest_name(stored: &[u8]) -> bool {
    let nonce = stored.strip_prefix(REST_PREFIX.as_bytes());
    nonce.is_some_and(|nonce| BASE64URL_NOPAD.decode(nonce).is_ok_and(|nonce| nonce.len() == NONCE_LEN))
}

impl NameCipher {
    /// The stored name of the attribute `name` (`user.plainview.` and its encoded form).
    ///
    /// `base64url(AES-256-SIV(xattrs key; "name"; name))`. The same on every file, so that a lookup needs no listing.
    pub fn seal_attribute_name(&self, name: &[u8]) -> CString {
        let mut sealed = vec![0; siv::OVERHEAD];
        sealed.extend_from_slice(name);
        siv::seal(self.xattrs.expose(), &[NAME], &mut sealed);
        let mut stored = ATTRIBUTE_PREFIX.to_owned();
        BASE64URL_NOPAD.encode_append(&sealed, &mut stored);
        CString::new(stored).expect("base64url has no NUL")
    }

    /// The attribute whose stored name is `stored`; `None` when it is not one of ours.
    pub fn open_attribute_name(&self, stored: &[u8]) -> Option<Vec<u8>> {
        let mut sealed = BASE64URL_NOPAD.decode(stored.strip_prefix(ATTRIBUTE_PREFIX.as_bytes())?).ok()?;
        let name = siv::open(self.xattrs.expose(), &[NAME], &mut sealed).ok()?;
        // A list of attributes ends each name with a NUL.
        (!name.is_empty() && !name.contains(&0)).then(|| name.to_vec())
    }

    /// The stored value of the attribute `name`: `nonce . AES-256-SIV(xattrs key; name, nonce; value)`. What of it is longer than [`VALUE_MAX`] is for the attribute
    /// of [`rest_name`].
    pub fn seal_attribute(&self, name: &[u8], value: &[u8], rng: &mut impl CryptoRng) -> Vec<u8> {
        let mut sealed = with_nonce(value, rng);
        let (nonce, text) = sealed.split_at_mut(NONCE_LEN);
        siv::seal(self.xattrs.expose(), &[name, nonce], text);
        sealed
    }

    /// The value of the attribute `name` that `stored`, with its rest, stands for.
    ///
    /// # Errors
    /// [`Undecodable`].
    pub fn open_attribute(&self, name: &[u8], stored: &[u8]) -> Result<Vec<u8>, Undecodable> {
        let mut sealed = stored.to_vec();
        let (nonce, text) = sealed.split_at_mut_checked(NONCE_LEN).ok_or(Undecodable)?;
        Ok(siv::open(self.xattrs.expose(), &[name, nonce], text)?.to_vec())
    }
}
