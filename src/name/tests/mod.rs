//! Tests of names and what is stored beside them.

mod attribute;
mod dirid;
mod stored;
mod target;

use super::*;
use crate::secret::Secret;
use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};

fn master() -> MasterKey {
    MasterKey::new(Secret::fill_with(|key| key.fill(7)))
}

fn cipher() -> NameCipher {
    NameCipher::new(&master())
}

/// A directory that is not the root.
fn directory() -> DirId {
    DirId::from_bytes([9; 16])
}

fn name(bytes: impl AsRef<[u8]>) -> PlainName {
    PlainName::new(bytes.as_ref()).unwrap()
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

/// Everything that differs from `text` in one character, for another of base64url's or one that is none of them.
fn altered(text: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let change = |at: usize, to: u8| {
        let mut text = text.to_vec();
        let changed = text[at] != to;
        text[at] = to;
        changed.then_some(text)
    };
    (0..text.len()).flat_map(move |at| b"AQgw_-8+/= \n\0\xff".iter().filter_map(move |to| change(at, *to)))
}

/// AES-256-SIV by the crate's own interface that allocates.
fn reference_siv(key: &[u8; 64], associated: &[&[u8]], plain: &[u8]) -> Vec<u8> {
    use aes_siv::KeyInit;
    aes_siv::siv::Aes256Siv::new(key.into()).encrypt(associated, plain).unwrap()
}
