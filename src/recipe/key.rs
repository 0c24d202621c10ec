//! The key of a recipe folder: a hash of a password, or bytes as they are.

use crate::password::Password;
use crate::secret::{Secret, leaving_no_trace};
use data_encoding::HEXLOWER_PERMISSIVE;
use sha2::{Digest, Sha256};
use std::io::{self, Read};
use zeroize::Zeroizing;

/// An AES key of 16, 24 or 32 bytes. Zeroed when dropped; neither copied nor printed.
pub struct RecipeKey(pub(super) Bytes);

/// The bytes of a key, by the cipher they are for.
pub(super) enum Bytes {
    Aes128(Secret<16>),
    Aes192(Secret<24>),
    Aes256(Secret<32>),
}

/// Why bytes are no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// Neither 32, 48 nor 64 hexadecimal digits.
    #[error("a key is 32, 48 or 64 hexadecimal digits, for AES-128, AES-192 and AES-256")]
    NotHex,
    /// They cannot be read.
    #[error("{0}")]
    Read(#[from] io::Error),
}

/// Most bytes that are read where a key is to be: the longest one, and much white space.
const TEXT_MAX: usize = 4096;

impl RecipeKey {
    /// The key that the article's program makes of a password: its SHA-256, nothing else. A guess at the password costs no more than that, which is the
    /// weakness of the format that plainview cannot mend.
    pub fn of_password(password: &Password) -> Self {
        leaving_no_trace(|| {
            let hash = Sha256::new_with_prefix(password.expose());
            Self(Bytes::Aes256(Secret::fill_with(|bytes| hash.finalize_into(bytes.into()))))
        })
    }

    /// The key written in hexadecimal digits of either case, white space around them aside.
    ///
    /// # Errors
    /// [`KeyError::NotHex`].
    pub fn from_hex(text: &[u8]) -> Result<Self, KeyError> {
        let digits = text.trim_ascii();
        let key = match digits.len() {
            32 => Bytes::Aes128(decode(digits)?),
            48 => Bytes::Aes192(decode(digits)?),
            64 => Bytes::Aes256(decode(digits)?),
            _ => return Err(KeyError::NotHex),
        };
        Ok(Self(key))
    }

    /// The key that is all of what `source` holds, as [`from_hex`](Self::from_hex).
    ///
    /// # Errors
    /// [`KeyError::NotHex`], [`KeyError::Read`].
    pub fn read_hex(source: &mut impl Read) -> Result<Self, KeyError> {
        // In place and zeroed: a vector that grows leaves copies.
        let mut text = Zeroizing::new([0; TEXT_MAX]);
        let mut filled = 0;
        while let Some(rest) = text.get_mut(filled..) {
            if rest.is_empty() {
                return Err(KeyError::NotHex);
            }
            match source.read(rest) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        Self::from_hex(text.get(..filled).unwrap_or_default())
    }

    /// The bytes: 16, 24 or 32.
    pub fn expose(&self) -> &[u8] {
        match &self.0 {
            Bytes::Aes128(key) => key.expose(),
            Bytes::Aes192(key) => key.expose(),
            Bytes::Aes256(key) => key.expose(),
        }
    }
}

/// The `N` bytes that twice as many digits are, decoded in place.
fn decode<const N: usize>(digits: &[u8]) -> Result<Secret<N>, KeyError> {
    Secret::try_fill_with(|bytes| match HEXLOWER_PERMISSIVE.decode_mut(digits, bytes) {
        Ok(_) => Ok(()),
        Err(_) => Err(KeyError::NotHex),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::SecretBytes;

    fn of(password: &[u8]) -> RecipeKey {
        RecipeKey::of_password(&Password::new(SecretBytes::copy_of(password)).unwrap())
    }

    #[test]
    fn a_password_becomes_its_sha_256() {
        // FIPS 180-2, B.1 and B.2.
        let table: [(&[u8], &str); 2] = [
            (b"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
            (
                b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
                "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
            ),
        ];
        for (password, hash) in table {
            assert_eq!(HEXLOWER_PERMISSIVE.encode(of(password).expose()), hash);
        }
    }

    #[test]
    fn hex_of_all_three_lengths() {
        let bytes: Vec<u8> = (0x9a..0xba).collect();
        for len in [16, 24, 32] {
            let hex = HEXLOWER_PERMISSIVE.encode(&bytes[..len]);
            for text in [hex.clone(), hex.to_uppercase(), format!("{hex}\n"), format!(" \t{hex}\r\n\n")] {
                let key = RecipeKey::from_hex(text.as_bytes()).map_err(|_| text).unwrap();
                assert_eq!(key.expose(), &bytes[..len]);
            }
        }
    }

    #[test]
    fn what_is_no_key() {
        let good = "0123456789abcdef0123456789abcdef";
        let bad = [
            String::new(),
            "\n".to_owned(),
            good[1..].to_owned(),
            format!("{good}0"),
            format!("{good}00"),
            format!("0x{good}"),
            format!("{}\n{}", &good[..16], &good[16..]),
            format!("{} {}", &good[..15], &good[16..]),
            format!("{}g", &good[1..]),
            format!("{}=", &good[1..]),
            good.repeat(3),
            good.repeat(1000),
        ];
        for text in bad {
            assert!(matches!(RecipeKey::from_hex(text.as_bytes()), Err(KeyError::NotHex)), "{text:?}");
            assert!(
                matches!(RecipeKey::read_hex(&mut text.as_bytes()), Err(KeyError::NotHex)),
                "{text:?}"
            );
        }
    }

    #[test]
    fn keys_are_read() {
        let text = format!("{}\n", "ab".repeat(24));
        // In two parts, as from a pipe.
        let (one, two) = text.as_bytes().split_at(7);
        let key = RecipeKey::read_hex(&mut one.chain(two)).map_err(|_| ()).unwrap();
        assert_eq!(key.expose(), [0xab; 24]);
        let endless = RecipeKey::read_hex(&mut io::repeat(b' '));
        assert!(matches!(endless, Err(KeyError::NotHex)));
        let error = RecipeKey::read_hex(&mut std::fs::File::open("/").unwrap());
        assert!(matches!(error, Err(KeyError::Read(_))));
    }
}
