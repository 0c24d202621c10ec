//! Tests of one encrypted file, over real files and beside a cipher loop of their own.

mod bench;
mod misfits;
mod model;
mod single;

use super::*;
use aes::cipher::{BlockCipherDecrypt, BlockCipherEncrypt, KeyInit};
use aes::{Aes128, Aes192, Aes256};
use bench::Bench;
use data_encoding::HEXLOWER;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// The lengths of keys in bytes.
const KEYS: [usize; 3] = [16, 24, 32];

/// The bytes of a key of a test.
fn key(len: usize) -> Vec<u8> {
    pattern(len)
}

/// Bytes that differ from those at other places.
fn pattern(len: usize) -> Vec<u8> {
    (0..len)
        .map(|at| u8::try_from((at * 7 + at / 251) % 255 + 1).expect("a byte"))
        .collect()
}

/// The folder open as `root`, with the key of that many bytes.
fn shared(key_len: usize, root: OwnedFd) -> Arc<Shared> {
    let key = RecipeKey::from_hex(HEXLOWER.encode(&key(key_len)).as_bytes()).unwrap();
    Arc::new(Shared::new(key, root))
}

/// AES of one block.
fn aes(key: &[u8], block: &mut [u8; 16], encrypt: bool) {
    fn turn(cipher: &(impl BlockCipherEncrypt + BlockCipherDecrypt), block: &mut [u8], encrypt: bool) {
        let block = block.try_into().unwrap();
        match encrypt {
            true => cipher.encrypt_block(block),
            false => cipher.decrypt_block(block),
        }
    }
    match key.len() {
        16 => turn(&Aes128::new_from_slice(key).unwrap(), block, encrypt),
        24 => turn(&Aes192::new_from_slice(key).unwrap(), block, encrypt),
        _ => turn(&Aes256::new_from_slice(key).unwrap(), block, encrypt),
    }
}

fn xor(block: &mut [u8; 16], with: &[u8; 16]) {
    block.iter_mut().zip(with).for_each(|(byte, with)| *byte ^= with);
}

/// The encrypted file, as another program would write it.
fn encrypted(key: &[u8], plain: &[u8], iv: [u8; 16], padding: u8) -> Vec<u8> {
    let mut file = [&u64::try_from(plain.len()).unwrap().to_le_bytes()[..], &iv].concat();
    let mut previous = iv;
    for chunk in plain.chunks(16) {
        let mut block = [padding; 16];
        block[..chunk.len()].copy_from_slice(chunk);
        xor(&mut block, &previous);
        aes(key, &mut block, true);
        file.extend_from_slice(&block);
        previous = block;
    }
    file
}

/// What another program finds in an encrypted file, of which nothing is to be missing or too much: its contents and its IV.
fn decrypted(key: &[u8], file: &[u8]) -> (Vec<u8>, [u8; 16]) {
    let size = usize::try_from(u64::from_le_bytes(file[..8].try_into().unwrap())).unwrap();
    let iv: [u8; 16] = file[8..24].try_into().unwrap();
    assert_eq!(file.len(), 24 + size.next_multiple_of(16));
    let (mut plain, mut previous) = (Vec::new(), iv);
    for block in file[24..].as_chunks::<16>().0 {
        let mut text = *block;
        aes(key, &mut text, false);
        xor(&mut text, &previous);
        plain.extend_from_slice(&text);
        previous = *block;
    }
    assert!(plain[size..].iter().all(|byte| *byte == b' '), "padded with spaces");
    plain.truncate(size);
    (plain, iv)
}

/// A generator whose seed is printed, so that a failure can be had again with `PLAINVIEW_TEST_SEED=...`.
fn rng() -> StdRng {
    let given = std::env::var("PLAINVIEW_TEST_SEED").ok().map(|seed| seed.parse().unwrap());
    let seed = given.unwrap_or_else(|| rand::rng().random());
    println!("PLAINVIEW_TEST_SEED={seed}");
    StdRng::seed_from_u64(seed)
}
