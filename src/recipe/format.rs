//! The bytes of a recipe file: size (u64, little-endian) . IV (16) . AES-CBC of the contents, the last block padded.

/// Bytes before the ciphertext.
pub const HEADER_LEN: usize = 24;
/// Bytes of an AES block, and of the IV.
pub const BLOCK_LEN: usize = 16;
/// What the name of an encrypted file ends in.
pub const SUFFIX: &[u8] = b".enc";

/// The beginning of a recipe file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Bytes of the contents.
    pub size: u64,
    /// What the first block is combined with.
    pub iv: [u8; BLOCK_LEN],
}

impl Header {
    /// The header that `bytes` are.
    pub fn from_bytes(bytes: &[u8; HEADER_LEN]) -> Self {
        let mut size = [0; 8];
        let mut iv = [0; BLOCK_LEN];
        size.copy_from_slice(&bytes[..8]);
        iv.copy_from_slice(&bytes[8..]);
        Self {
            size: u64::from_le_bytes(size),
            iv,
        }
    }

    /// Its bytes.
    pub fn to_bytes(self) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        bytes[..8].copy_from_slice(&self.size.to_le_bytes());
        bytes[8..].copy_from_slice(&self.iv);
        bytes
    }
}

/// Bytes on disk of a file of `size` bytes; nothing when there can be none of that size.
pub fn size_on_disk(size: u64) -> Option<u64> {
    const HEADER: u64 = 24;
    const BLOCK: u64 = 16;
    size.checked_next_multiple_of(BLOCK)?.checked_add(HEADER)
}
