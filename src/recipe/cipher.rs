//! AES-CBC (NIST SP 800-38A, 6.2) with keys of all three lengths, block after block.

use super::{BLOCK_LEN, RecipeKey};

/// Encrypts one file from its beginning to its end.
pub struct Encryptor {}

impl Encryptor {
    /// An encryptor that begins with `iv`, which must be fresh and random.
    pub fn new(_key: &RecipeKey, _iv: &[u8; BLOCK_LEN]) -> Self {
        Self {}
    }

    /// Encrypts whole blocks in place; they follow those of the call before.
    pub fn encrypt(&mut self, _blocks: &mut [[u8; BLOCK_LEN]]) {}
}

/// Decrypts from any block on.
pub struct Decryptor {}

impl Decryptor {
    /// A decryptor that begins after the ciphertext block `previous`: the IV, for the first block of a file.
    pub fn new(_key: &RecipeKey, _previous: &[u8; BLOCK_LEN]) -> Self {
        Self {}
    }

    /// Decrypts whole blocks in place; they follow those of the call before.
    pub fn decrypt(&mut self, _blocks: &mut [[u8; BLOCK_LEN]]) {}
}
