//! Keyed BLAKE3 over many records side by side, and the comparison of tags.
//!
//! BLAKE3 hashes chunks of 1024 bytes independently of each other, in as many lanes as the processor's vectors have, but a record has only four whole chunks. So
//! here the chunks of many records share the lanes, which makes hashing 1.7 times as fast with AVX-512 (16 lanes) and AVX2 (8).
//! What comes out is the hash that `blake3::keyed_hash` gives; the tests compare them.
//!
//! [`blake3::platform`] is the part of the crate that runs the lanes. It is public but not documented, so its version is pinned in `Cargo.toml`; should it go, [`Mac::hash`] for
//! every record is the whole replacement. Reference: section 2 of the BLAKE3 paper, <https://github.com/BLAKE3-team/BLAKE3-specs>.

use super::SEALED_LEN;
use super::layout::TAGGED_LEN;
use crate::secret::Secret;
use blake3::platform::Platform;
use blake3::{BLOCK_LEN, CHUNK_LEN, Hash, IncrementCounter};

/// Records that are hashed together, at most: the lanes of the widest vectors.
pub(super) const GROUP: usize = 16;
/// The fewest that are: half of that. Fewer records are as well off with their own four chunks.
const HALF_GROUP: usize = GROUP / 2;

/// Whole chunks in what is hashed of a full record: as many as its plaintext fills.
const CHUNKS: usize = TAGGED_LEN / CHUNK_LEN;
/// Bytes of the chunk after them, which is less than a block: word and IV have moved them there.
const LAST_LEN: usize = TAGGED_LEN % CHUNK_LEN;

// Flags of the compression function, which separate its uses.
const CHUNK_START: u8 = 1;
const CHUNK_END: u8 = 2;
const PARENT: u8 = 4;
const ROOT: u8 = 8;
const KEYED_HASH: u8 = 16;

/// What a subtree is hashed to.
type Value = [u8; 32];

/// The record MAC key of a file.
pub(super) struct Mac(Secret<32>);

impl Mac {
    /// A MAC with this key.
    pub(super) fn new(key: &[u8; 32]) -> Self {
        Self(Secret::fill_with(|mac| mac.copy_from_slice(key)))
    }

    /// `keyed BLAKE3(key; tagged)`.
    pub(super) fn hash(&self, tagged: &[u8]) -> Hash {
        blake3::keyed_hash(self.0.expose(), tagged)
    }

    /// For each of at most [`GROUP`] full records, the hash of what is before its tag.
    pub(super) fn hash_full(&self, records: &[[u8; SEALED_LEN]]) -> [Hash; GROUP] {
        let (wide, rest) = records.as_chunks::<GROUP>();
        let (half, rest) = rest.as_chunks::<HALF_GROUP>();
        let wide = wide.iter().flat_map(|records| self.hash_together(records));
        let half = half.iter().flat_map(|records| self.hash_together(records));
        let rest = rest.iter().map(|record| self.hash(&record[..TAGGED_LEN]));
        let mut hashes = [Hash::from_bytes([0; 32]); GROUP];
        for (slot, hash) in hashes.iter_mut().zip(wide.chain(half).chain(rest)) {
            *slot = hash;
        }
        hashes
    }

    /// The hash tree of `N` records at once: the chunks 0, 1, 2, 3 and 4 of all of them, then the parents (0 1) and (2 3), their parent, and its with 4.
    fn hash_together<const N: usize>(&self, records: &[[u8; SEALED_LEN]; N]) -> [Hash; N] {
        let (words, _) = self.0.expose().as_chunks();
        let lanes = Lanes {
            platform: Platform::detect(),
            key: std::array::from_fn(|i| u32::from_le_bytes(words[i])),
        };
        let [a, b, c, d] = std::array::from_fn::<_, CHUNKS, _>(|index| lanes.chunks(index, records));
        let left = lanes.parents(&lanes.parents(&a, &b, 0), &lanes.parents(&c, &d, 0), 0);
        let right = records
            .each_ref()
            .map(|record| lanes.last_chunk(&record[CHUNKS * CHUNK_LEN..TAGGED_LEN]));
        lanes.parents(&left, &right, ROOT).map(Hash::from_bytes)
    }
}

/// Whether the first `tag.len()` bytes (at most 32) of `computed` are `tag`.
///
/// Compares in constant time, as `Hash`'s own equality does: the bytes that `tag` lacks are taken from `computed`.
pub(super) fn fits(computed: &Hash, tag: &[u8]) -> bool {
    let mut claimed = *computed.as_bytes();
    claimed[..tag.len()].copy_from_slice(tag);
    *computed == Hash::from_bytes(claimed)
}

/// The compression function, in lanes.
struct Lanes {
    platform: Platform,
    key: [u32; 8],
}

impl Lanes {
    /// The whole chunk `index` of each record.
    fn chunks<const N: usize>(&self, index: usize, records: &[[u8; SEALED_LEN]; N]) -> [Value; N] {
        let chunks = records.each_ref().map(|record| {
            let (chunks, _) = record.as_chunks::<CHUNK_LEN>();
            &chunks[index]
        });
        let counter = u64::try_from(index).expect("at most 3");
        self.run(&chunks, counter, KEYED_HASH, CHUNK_START, CHUNK_END)
    }

    /// The last chunk of a record, which is shorter than a block.
    fn last_chunk(&self, chunk: &[u8]) -> Value {
        const { assert!(LAST_LEN > 0 && LAST_LEN < BLOCK_LEN) };
        let mut block = [0; BLOCK_LEN];
        block[..LAST_LEN].copy_from_slice(chunk);
        let len = u8::try_from(LAST_LEN).expect("less than 64");
        let counter = u64::try_from(CHUNKS).expect("4");
        let mut value = self.key;
        self.platform
            .compress_in_place(&mut value, &block, len, counter, KEYED_HASH | CHUNK_START | CHUNK_END);
        let mut bytes = [0; 32];
        let (words, _) = bytes.as_chunks_mut();
        words.iter_mut().zip(value).for_each(|(bytes, word)| *bytes = word.to_le_bytes());
        bytes
    }

    /// The parent of each pair.
    fn parents<const N: usize>(&self, left: &[Value; N], right: &[Value; N], root: u8) -> [Value; N] {
        let mut blocks = [[0; BLOCK_LEN]; N];
        for ((block, left), right) in blocks.iter_mut().zip(left).zip(right) {
            let (start, end) = block.split_at_mut(BLOCK_LEN / 2);
            start.copy_from_slice(left);
            end.copy_from_slice(right);
        }
        self.run(&blocks.each_ref(), 0, KEYED_HASH | PARENT | root, 0, 0)
    }

    /// One subtree per input, all of them at the same place in their trees.
    fn run<const N: usize, const LEN: usize>(&self, inputs: &[&[u8; LEN]; N], counter: u64, flags: u8, start: u8, end: u8) -> [Value; N] {
        let mut values = [[0; 32]; N];
        let out = values.as_flattened_mut();
        self.platform
            .hash_many(inputs, &self.key, counter, IncrementCounter::No, flags, start, end, out);
        values
    }
}
