//! The bytes of a recipe file: size (u64, little-endian) . IV (16) . AES-CBC of the contents, the last block padded.

/// Bytes before the ciphertext.
pub const HEADER_LEN: usize = 24;
/// Bytes of an AES block, and of the IV.
pub const BLOCK_LEN: usize = 16;
/// What the last block is filled up with, as the article's program does; a reader must take anything.
pub const PADDING: u8 = b' ';
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers() {
        let bytes: [u8; HEADER_LEN] = std::array::from_fn(|at| u8::try_from(at + 1).unwrap());
        let header = Header::from_bytes(&bytes);
        assert_eq!(header.size, 0x0807_0605_0403_0201);
        assert_eq!(header.iv, bytes[8..]);
        assert_eq!(header.to_bytes(), bytes);
        for size in [0, 1, u64::MAX] {
            let header = Header { size, iv: [7; BLOCK_LEN] };
            assert_eq!(Header::from_bytes(&header.to_bytes()), header);
        }
    }

    #[test]
    fn sizes_on_disk() {
        let table = [
            (0, Some(24)),
            (1, Some(40)),
            (15, Some(40)),
            (16, Some(40)),
            (17, Some(56)),
            (65535, Some(65560)),
            (65536, Some(65560)),
            (65537, Some(65576)),
            (u64::MAX - 39, Some(u64::MAX - 7)),
            (u64::MAX - 31, Some(u64::MAX - 7)),
            (u64::MAX - 30, None),
            (u64::MAX - 15, None),
            (u64::MAX, None),
        ];
        for (size, expected) in table {
            assert_eq!(size_on_disk(size), expected, "{size}");
        }
    }
}
