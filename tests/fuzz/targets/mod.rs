//! What is fuzzed: each target takes any bytes, and panics when a parser does not keep what it promises. libFuzzer feeds them (`tests/fuzz/run.rs`), and so does the
//! test that goes through the corpus (`tests/corpus.rs`).
//!
//! What is on disk carries tags, which no fuzzer guesses. So targets know the key, and put right the tags of what they were given, where its first byte says so: what comes behind
//! the tag is then reached, as it is by who has the key and writes in a newer or a wrong way.

mod config;
mod header;
mod journal;
mod name;
mod recipe;
mod record;

use plainview::keys::MasterKey;
use plainview::secret::Secret;

/// A target.
pub(crate) type Target = fn(&[u8]);

/// All targets, by their names, which are those of the directories in `tests/fuzz/corpus`.
pub(crate) const ALL: [(&str, Target); 6] = [
    ("config", config::run),
    ("header", header::run),
    ("journal", journal::run),
    ("name", name::run),
    ("recipe", recipe::run),
    ("record", record::run),
];

/// The master key of everything here.
fn master() -> MasterKey {
    MasterKey::new(Secret::fill_with(|key| key.fill(7)))
}

/// What is taken off the front of the input. Where there is no more, zeros.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let mut taken = [0; N];
        let from = self.bytes(N);
        taken[..from.len()].copy_from_slice(from);
        taken
    }

    fn byte(&mut self) -> u8 {
        self.take::<1>()[0]
    }

    fn number(&mut self, bytes: usize) -> u64 {
        let mut number = [0; 8];
        let from = self.bytes(bytes);
        number[..from.len()].copy_from_slice(from);
        u64::from_le_bytes(number)
    }

    fn bytes(&mut self, len: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        taken
    }
}

/// Whether bit `number` of `flags` is set.
fn bit(flags: u8, number: u32) -> bool {
    flags >> number & 1 == 1
}

/// Changes one byte of `bytes`, if there are any, to another one; whether it did.
fn flip(bytes: &mut [u8], at: u64, with: u8) -> bool {
    let Some(len) = u64::try_from(bytes.len()).ok().filter(|len| *len > 0) else {
        return false;
    };
    let at = usize::try_from(at % len).unwrap();
    bytes[at] ^= with;
    with != 0
}
