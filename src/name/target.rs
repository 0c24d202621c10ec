//! Symlink targets: base64url of `nonce . AES-256-SIV(symlinks key; nonce; target)`.

use super::{NameCipher, Undecodable, siv};
use data_encoding::BASE64URL_NOPAD;
use rand::CryptoRng;

/// Bytes of the nonce before a sealed target or attribute value: with it, equal plaintexts look different.
pub(super) const NONCE_LEN: usize = 16;
/// Bytes that sealing adds before encoding.
pub(super) const OVERHEAD: usize = NONCE_LEN + siv::OVERHEAD;

impl NameCipher {
    /// A symlink's target as it is stored.
    pub fn seal_target(&self, target: &[u8], rng: &mut impl CryptoRng) -> Vec<u8> {
        let mut sealed = with_nonce(target, rng);
        let (nonce, text) = sealed.split_at_mut(NONCE_LEN);
        siv::seal(self.symlinks.expose(), &[nonce], text);
        BASE64URL_NOPAD.encode(&sealed).into_bytes()
    }

    /// The target of which `stored` is stored.
    ///
    /// # Errors
    /// [`Undecodable`].
    pub fn open_target(&self, stored: &[u8]) -> Result<Vec<u8>, Undecodable> {
        let mut sealed = BASE64URL_NOPAD.decode(stored).map_err(|_| Undecodable)?;
        let (nonce, text) = sealed.split_at_mut_checked(NONCE_LEN).ok_or(Undecodable)?;
        Ok(siv::open(self.symlinks.expose(), &[nonce], text)?.to_vec())
    }

    /// The length of the target whose stored form has `stored` bytes; 0 when no target has.
    pub fn target_len(stored: u64) -> u64 {
        let sealed = match stored % 4 {
            0 => stored / 4 * 3,
            2 => stored / 4 * 3 + 1,
            3 => stored / 4 * 3 + 2,
            _ => 0,
        };
        sealed.saturating_sub(u64::try_from(OVERHEAD).expect("32"))
    }
}

/// A fresh nonce, room for the synthetic IV, and `text`.
pub(super) fn with_nonce(text: &[u8], rng: &mut impl CryptoRng) -> Vec<u8> {
    let mut buf = Vec::with_capacity(OVERHEAD + text.len());
    buf.resize(OVERHEAD, 0);
    buf.extend_from_slice(text);
    rng.fill_bytes(&mut buf[..NONCE_LEN]);
    buf
}
