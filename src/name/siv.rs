//! AES-256-SIV in place, as `docs/format.md` uses it: the 16-byte synthetic IV, then the ciphertext.

use super::Undecodable;
use aes_siv::KeyInit;
use aes_siv::siv::{Aes256Siv, IV_SIZE};

/// Bytes that sealing adds.
pub(super) const OVERHEAD: usize = IV_SIZE;

/// Seals the plaintext that begins [`OVERHEAD`] bytes into `buf`, with the strings of `associated` in their order; all of `buf` is the result.
///
/// AES-256-SIV(key; associated; plaintext), RFC 5297. It is deterministic: equal plaintexts with equal associated data look equal, and nothing else
/// shows, so no nonce is needed where that is wanted (names), and where it is not, a random nonce is part of the associated data.
pub(super) fn seal(key: &[u8; 64], associated: &[&[u8]], buf: &mut [u8]) {
    let (iv, text) = buf.split_at_mut(OVERHEAD);
    let tag = Aes256Siv::new(key.into())
        .encrypt_inout_detached(associated, text.into())
        .expect("only more than 126 associated strings are refused");
    iv.copy_from_slice(&tag);
}

/// Opens `buf`, which becomes the plaintext that is returned.
///
/// # Errors
/// [`Undecodable`] when it was not sealed with this key and these strings.
pub(super) fn open<'a>(key: &[u8; 64], associated: &[&[u8]], buf: &'a mut [u8]) -> Result<&'a [u8], Undecodable> {
    let (iv, text) = buf.split_at_mut_checked(OVERHEAD).ok_or(Undecodable)?;
    let tag = (&*iv).try_into().map_err(|_| Undecodable)?;
    Aes256Siv::new(key.into())
        .decrypt_inout_detached(associated, (&mut *text).into(), tag)
        .map_err(|_| Undecodable)?;
    Ok(text)
}
