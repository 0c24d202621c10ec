//! Tests of the record layer.

mod cbc;
mod cipher;
mod damage;
mod header;
mod layout;
mod mac;

use super::layout::{BLOCK_LEN, CT_AT, IV_AT, MAX_RECORDS, tag_at};
use super::*;
use crate::keys::{ContentKey, FileKeys, MasterKey, SALT_LEN};
use crate::secret::Secret;
use ::cbc::cipher::{BlockModeEncrypt, KeyIvInit};
use aes::Block;
use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};

/// Lengths on both sides of every border: of a block, of a record, of a few records, of a group of lanes.
const LENGTHS: [usize; 27] = [
    0, 1, 15, 16, 17, 31, 32, 33, 55, 56, 57, 1007, 1008, 1009, 4079, 4080, 4081, 4095, 4096, 4097, 8191, 8192, 8193, 12288, 32767, 32768,
    32769,
];

fn content_key() -> ContentKey {
    ContentKey::derive(&MasterKey::new(Secret::fill_with(|key| key.fill(7))))
}

/// The keys of the file whose salt is this byte.
fn file_keys(salt: u8) -> FileKeys {
    FileKeys::derive(&content_key(), &[salt; SALT_LEN])
}

fn cipher() -> RecordCipher {
    RecordCipher::new(&file_keys(1))
}

/// A generator whose seed is printed, so that a failure can be had again with `PLAINVIEW_TEST_SEED=...`.
fn seeded() -> StdRng {
    let given = std::env::var("PLAINVIEW_TEST_SEED").ok().map(|seed| seed.parse().unwrap());
    let seed = given.unwrap_or_else(|| rand::rng().next_u64());
    println!("PLAINVIEW_TEST_SEED={seed}");
    StdRng::seed_from_u64(seed)
}

fn random_bytes(rng: &mut StdRng, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    rng.fill_bytes(&mut bytes);
    bytes
}

fn seal(cipher: &RecordCipher, first: u64, plain: &[u8], end: End) -> Vec<u8> {
    let mut sealed = vec![0xee; sealed_len(plain.len(), end)];
    cipher.seal(RecordNo::new(first), plain, end, &mut rand::rng(), &mut sealed);
    sealed
}

/// Opens what is of any length; where no run has it, there is nothing to fill.
fn open(cipher: &RecordCipher, first: u64, sealed: &[u8], end: End, holes: Holes) -> Result<Vec<u8>, Damage> {
    let mut plain = vec![0xee; opened_len(sealed.len(), end).unwrap_or(0)];
    cipher.open(RecordNo::new(first), sealed, end, holes, &mut plain)?;
    Ok(plain)
}

fn damaged(record: u64, reason: Reason) -> Damage {
    Damage {
        place: Place::Record(RecordNo::new(record)),
        reason,
    }
}

/// A record written down from `docs/format.md` with nothing but the crates: the word as given, one CBC stream, one hash. `padded` is a multiple of 16 long,
/// of which the first `plain` bytes count.
fn reference_record(keys: &FileKeys, word: u64, iv: [u8; BLOCK_LEN], padded: &[u8], plain: usize) -> Vec<u8> {
    let mut ct = padded.to_vec();
    let (blocks, rest) = Block::slice_as_chunks_mut(&mut ct);
    assert!(rest.is_empty());
    ::cbc::Encryptor::<aes::Aes256>::new(keys.encryption().into(), &iv.into()).encrypt_blocks(blocks);
    let mut record = [&word.to_le_bytes()[..], &iv, &ct].concat();
    let tag = blake3::keyed_hash(keys.record_mac(), &record);
    let tag_len = if plain.is_multiple_of(16) { 32 } else { 16 + plain % 16 };
    record.extend_from_slice(&tag.as_bytes()[..tag_len]);
    record
}
