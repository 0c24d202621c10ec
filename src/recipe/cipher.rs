//! AES-CBC (NIST SP 800-38A, 6.2) with keys of all three lengths, block after block: C_i = E(P_i ^ C_(i-1)), P_i = D(C_i) ^ C_(i-1), and C_0 is the IV.
//!
//! Encryption is serial, each block needs the one before; decryption needs only ciphertext, so it can begin anywhere and takes many blocks at once.
//! Key schedules and the block that goes over from call to call are zeroed when dropped.

use super::key::Bytes;
use super::{BLOCK_LEN, RecipeKey};
use aes::cipher::{Array, BlockModeDecrypt, BlockModeEncrypt, KeyIvInit};
use aes::{Aes128Dec, Aes128Enc, Aes192Dec, Aes192Enc, Aes256Dec, Aes256Enc};

/// Encrypts one file from its beginning to its end.
pub struct Encryptor(Encrypting);

/// On the heap, as the key is: moving them leaves no copies behind.
enum Encrypting {
    Aes128(Box<cbc::Encryptor<Aes128Enc>>),
    Aes192(Box<cbc::Encryptor<Aes192Enc>>),
    Aes256(Box<cbc::Encryptor<Aes256Enc>>),
}

impl Encryptor {
    /// An encryptor that begins with `iv`, which must be fresh and random.
    pub fn new(key: &RecipeKey, iv: &[u8; BLOCK_LEN]) -> Self {
        let iv = iv.into();
        Self(match &key.0 {
            Bytes::Aes128(key) => Encrypting::Aes128(Box::new(KeyIvInit::new(key.expose().into(), iv))),
            Bytes::Aes192(key) => Encrypting::Aes192(Box::new(KeyIvInit::new(key.expose().into(), iv))),
            Bytes::Aes256(key) => Encrypting::Aes256(Box::new(KeyIvInit::new(key.expose().into(), iv))),
        })
    }

    /// Encrypts whole blocks in place; they follow those of the call before.
    pub fn encrypt(&mut self, blocks: &mut [[u8; BLOCK_LEN]]) {
        let blocks = Array::cast_slice_from_core_mut(blocks);
        match &mut self.0 {
            Encrypting::Aes128(cipher) => cipher.encrypt_blocks(blocks),
            Encrypting::Aes192(cipher) => cipher.encrypt_blocks(blocks),
            Encrypting::Aes256(cipher) => cipher.encrypt_blocks(blocks),
        }
    }
}

/// Decrypts from any block on.
pub struct Decryptor(Decrypting);

/// As [`Encrypting`].
enum Decrypting {
    Aes128(Box<cbc::Decryptor<Aes128Dec>>),
    Aes192(Box<cbc::Decryptor<Aes192Dec>>),
    Aes256(Box<cbc::Decryptor<Aes256Dec>>),
}

impl Decryptor {
    /// A decryptor that begins after the ciphertext block `previous`: the IV, for the first block of a file.
    pub fn new(key: &RecipeKey, previous: &[u8; BLOCK_LEN]) -> Self {
        let previous = previous.into();
        Self(match &key.0 {
            Bytes::Aes128(key) => Decrypting::Aes128(Box::new(KeyIvInit::new(key.expose().into(), previous))),
            Bytes::Aes192(key) => Decrypting::Aes192(Box::new(KeyIvInit::new(key.expose().into(), previous))),
            Bytes::Aes256(key) => Decrypting::Aes256(Box::new(KeyIvInit::new(key.expose().into(), previous))),
        })
    }

    /// Decrypts whole blocks in place; they follow those of the call before.
    pub fn decrypt(&mut self, blocks: &mut [[u8; BLOCK_LEN]]) {
        let blocks = Array::cast_slice_from_core_mut(blocks);
        match &mut self.0 {
            Decrypting::Aes128(cipher) => cipher.decrypt_blocks(blocks),
            Decrypting::Aes192(cipher) => cipher.decrypt_blocks(blocks),
            Decrypting::Aes256(cipher) => cipher.decrypt_blocks(blocks),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use data_encoding::HEXLOWER_PERMISSIVE;
    use rand::{Rng, RngExt, SeedableRng, rngs::SmallRng};

    /// NIST SP 800-38A, F.2.1 to F.2.6: all with one IV and one plaintext.
    const IV: &str = "000102030405060708090a0b0c0d0e0f";
    const PLAIN: &str =
        "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710";
    const VECTORS: [(&str, &str); 3] = [
        (
            "2b7e151628aed2a6abf7158809cf4f3c",
            "7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b273bed6b8e3c1743b7116e69e222295163ff1caa1681fac09120eca307586e1a7",
        ),
        (
            "8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b",
            "4f021db243bc633d7178183a9fa071e8b4d9ada9ad7dedf4e5e738763f69145a571b242012fb7ae07fa9baac3df102e008b0e27988598881d920a9e64f5615cd",
        ),
        (
            "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4",
            "f58c4c04d6e5f1ba779eabfb5f7bfbd69cfc4e967edb808d679f777bc6702c7d39f23369a9d9bacfa530e26304231461b2eb05e2c39be9fcda6c19078c6a9d1b",
        ),
    ];

    fn blocks(hex: &str) -> Vec<[u8; BLOCK_LEN]> {
        let bytes = HEXLOWER_PERMISSIVE.decode(hex.as_bytes()).unwrap();
        let (blocks, rest) = bytes.as_chunks();
        assert!(rest.is_empty());
        blocks.to_vec()
    }

    #[test]
    fn nist_vectors() {
        for (key, cipher) in VECTORS {
            let key = RecipeKey::from_hex(key.as_bytes()).unwrap();
            let iv = blocks(IV)[0];
            let mut text = blocks(PLAIN);
            Encryptor::new(&key, &iv).encrypt(&mut text);
            assert_eq!(text, blocks(cipher));
            Decryptor::new(&key, &iv).decrypt(&mut text);
            assert_eq!(text, blocks(PLAIN));
            // From a block in the middle.
            let mut last = blocks(cipher)[3..].to_vec();
            Decryptor::new(&key, &blocks(cipher)[2]).decrypt(&mut last);
            assert_eq!(last, &blocks(PLAIN)[3..]);
        }
    }

    /// However the blocks are divided among calls, none and one and more than the processor takes at once, the bytes are the same.
    #[test]
    fn chunks_do_not_matter() {
        let seed: u64 = std::env::var("PLAINVIEW_TEST_SEED").map_or_else(|_| rand::rng().random(), |seed| seed.parse().unwrap());
        println!("PLAINVIEW_TEST_SEED={seed}");
        let mut rng = SmallRng::seed_from_u64(seed);
        for (key, _) in VECTORS {
            let key = RecipeKey::from_hex(key.as_bytes()).unwrap();
            let iv: [u8; BLOCK_LEN] = rng.random();
            let mut plain = vec![[0; BLOCK_LEN]; 300];
            rng.fill_bytes(plain.as_flattened_mut());
            let mut whole = plain.clone();
            Encryptor::new(&key, &iv).encrypt(&mut whole);
            for longest in [1, 3, 40, 300] {
                let (mut text, mut at) = (plain.clone(), 0);
                let (mut encryptor, mut decryptor) = (Encryptor::new(&key, &iv), Decryptor::new(&key, &iv));
                while at < text.len() {
                    let end = text.len().min(at + rng.random_range(0..=longest));
                    encryptor.encrypt(&mut text[at..end]);
                    assert_eq!(text[at..end], whole[at..end]);
                    decryptor.decrypt(&mut text[at..end]);
                    at = end;
                }
                assert_eq!(text, plain);
            }
        }
    }
}
