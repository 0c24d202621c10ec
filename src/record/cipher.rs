//! Sealing and opening runs of records: AES-256-CBC in many lanes, then keyed BLAKE3 over each record.

use super::layout::MAX_RECORDS;
use super::{Damage, Holes, OVERHEAD, Place, RECORD_LEN, Reason, RecordNo, SEALED_LEN, tag};
use crate::keys::FileKeys;
use crate::secret::Secret;
use aes::{Aes256Dec, Aes256Enc, Block};
use cbc::cipher::{BlockModeDecrypt, BlockModeEncrypt, InnerIvInit, KeyInit};
use rand::CryptoRng;

/// Bytes of a cipher block, and of an IV.
const BLOCK_LEN: usize = 16;
/// Where a record's IV begins: after the word.
const IV_AT: usize = 8;
/// Where a record's ciphertext begins: after the word and the IV.
const CT_AT: usize = IV_AT + BLOCK_LEN;

/// Whether a run of records ends with the file's last record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// All records of the run are full.
    Inner,
    /// The last record of the run is the file's last one: short, or empty.
    Last,
}

/// Bytes on disk of `plain` plaintext bytes as records. With [`End::Inner`], `plain` is a multiple of 4096.
pub const fn sealed_len(plain: usize, end: End) -> usize {
    let full = plain / RECORD_LEN * SEALED_LEN;
    match end {
        End::Inner => full,
        End::Last => full + plain % RECORD_LEN + OVERHEAD,
    }
}

/// Plaintext bytes in `sealed` bytes of records; `None` when no run of this kind has that length.
pub const fn opened_len(sealed: usize, end: End) -> Option<usize> {
    let (full, rest) = (sealed / SEALED_LEN * RECORD_LEN, sealed % SEALED_LEN);
    match end {
        End::Inner if rest == 0 => Some(full),
        End::Last if rest >= OVERHEAD => Some(full + rest - OVERHEAD),
        End::Inner | End::Last => None,
    }
}

/// The keys of one file, expanded for use.
pub struct RecordCipher {
    encrypt: Aes256Enc,
    decrypt: Aes256Dec,
    mac: Secret<32>,
}

impl RecordCipher {
    /// Expands a file's keys.
    pub fn new(keys: &FileKeys) -> Self {
        let key = keys.encryption().into();
        Self {
            encrypt: Aes256Enc::new(key),
            decrypt: Aes256Dec::new(key),
            mac: Secret::fill_with(|mac| mac.copy_from_slice(keys.record_mac())),
        }
    }

    /// Seals `plain` as the records from `first` on, each with a fresh random IV. `out` has [`sealed_len`] bytes and is filled wholly.
    ///
    /// # Panics
    /// When `out` has another length, or the file would have more than 2^48 records: then a word would name another place.
    pub fn seal(&self, first: RecordNo, plain: &[u8], end: End, rng: &mut impl CryptoRng, out: &mut [u8]) {
        assert_eq!(
            Some(plain.len()),
            opened_len(out.len(), end),
            "out has the length that plain takes sealed"
        );
        let mut record = first;
        for sealed in out.chunks_mut(SEALED_LEN) {
            assert!(record.get() < MAX_RECORDS, "a file's length is bounded");
            let n = sealed.len() - OVERHEAD;
            let at = usize::try_from(record.get() - first.get()).expect("counts records in memory") * RECORD_LEN;
            sealed[..IV_AT].copy_from_slice(&word(record, n).to_le_bytes());
            rng.fill_bytes(&mut sealed[IV_AT..CT_AT]);
            self.seal_record(&plain[at..at + n], sealed);
            record = record.plus(1);
        }
    }

    /// Fills in ciphertext and tag of a record whose word and IV are there.
    fn seal_record(&self, plain: &[u8], sealed: &mut [u8]) {
        let tag_at = tag_at(plain.len());
        let (start, ct) = sealed[..tag_at].split_at_mut(CT_AT);
        let mut cbc = cbc::Encryptor::inner_iv_init(&self.encrypt, start[IV_AT..].try_into().expect("16 bytes"));
        ct[..plain.len()].copy_from_slice(plain);
        ct[plain.len()..].fill(0);
        cbc.encrypt_blocks(Block::slice_as_chunks_mut(ct).0);
        let hash = blake3::keyed_hash(self.mac.expose(), &sealed[..tag_at]);
        let tag = &mut sealed[tag_at..];
        tag.copy_from_slice(&hash.as_bytes()[..tag.len()]);
    }

    /// Opens the records in `sealed`, which are those from `first` on. `out` has [`opened_len`] bytes and is filled wholly; holes become zeros.
    ///
    /// # Errors
    /// [`Damage`] names the first record that is not what was sealed at its place. `out` holds nothing of use then.
    ///
    /// # Panics
    /// When `sealed` has the length of such a run but `out` has not that of its plaintext.
    pub fn open(&self, first: RecordNo, sealed: &[u8], end: End, holes: Holes, out: &mut [u8]) -> Result<(), Damage> {
        let records = sealed.chunks(SEALED_LEN);
        let place = |index| first.plus(u64::try_from(index).expect("usize fits u64"));
        let Some(len) = opened_len(sealed.len(), end) else {
            return Err(damage(place(sealed.len() / SEALED_LEN), Reason::Short));
        };
        assert_eq!(out.len(), len, "out has the length that sealed has in the clear");
        let mut rest = out;
        for (index, sealed) in records.enumerate() {
            let record = place(index);
            let (plain, after) = rest.split_at_mut(sealed.len() - OVERHEAD);
            rest = after;
            if record.get() >= MAX_RECORDS {
                return Err(damage(record, Reason::Length));
            }
            self.open_record(record, sealed, holes, plain)
                .map_err(|reason| damage(record, reason))?;
        }
        Ok(())
    }

    fn open_record(&self, record: RecordNo, sealed: &[u8], holes: Holes, plain: &mut [u8]) -> Result<(), Reason> {
        let tag_at = tag_at(plain.len());
        let found = word_of(sealed);
        if found == 0 && sealed.len() == SEALED_LEN && sealed.iter().all(|byte| *byte == 0) {
            plain.fill(0);
            return match holes {
                Holes::Allowed => Ok(()),
                Holes::Forbidden => Err(Reason::Hole),
            };
        }
        if found != word(record, plain.len()) {
            return Err(self.reason_of_word(sealed));
        }
        let hash = blake3::keyed_hash(self.mac.expose(), &sealed[..tag_at]);
        if !tag::fits(&hash, &sealed[tag_at..]) {
            return Err(Reason::Tag);
        }
        let mut cbc = cbc::Decryptor::inner_iv_init(&self.decrypt, sealed[IV_AT..CT_AT].try_into().expect("16 bytes"));
        let (blocks, _) = Block::slice_as_chunks(&sealed[CT_AT..tag_at]);
        let (whole, tail) = Block::slice_as_chunks_mut(plain);
        let (full, last) = blocks.split_at(whole.len());
        cbc.decrypt_blocks_b2b(full, whole).expect("cut to the same length");
        if let [last] = last {
            let mut block = *last;
            cbc.decrypt_block(&mut block);
            let (end, padding) = block.split_at(tail.len());
            tail.copy_from_slice(end);
            if padding.iter().any(|byte| *byte != 0) {
                return Err(Reason::Padding);
            }
        }
        Ok(())
    }

    /// What is wrong with a record whose word is not the one expected: a genuine record of this file, or not even that.
    fn reason_of_word(&self, sealed: &[u8]) -> Reason {
        let n = usize::from(u16::try_from(word_of(sealed) & 0xffff).expect("16 bits"));
        match sealed.get(..n + OVERHEAD) {
            Some(sealed) if n <= RECORD_LEN => {
                let (tagged, tag) = sealed.split_at(tag_at(n));
                match tag::fits(&blake3::keyed_hash(self.mac.expose(), tagged), tag) {
                    true => Reason::Word,
                    false => Reason::Tag,
                }
            }
            Some(_) | None => Reason::Tag,
        }
    }
}

fn damage(record: RecordNo, reason: Reason) -> Damage {
    Damage {
        place: Place::Record(record),
        reason,
    }
}

/// Where the tag begins in a record of `n` plaintext bytes: after word, IV and padded ciphertext.
const fn tag_at(n: usize) -> usize {
    CT_AT + n.next_multiple_of(BLOCK_LEN)
}

/// The word of a record of `n` plaintext bytes: `i << 16 | n`.
fn word(record: RecordNo, n: usize) -> u64 {
    record.get() << 16 | u64::try_from(n).expect("at most 4096")
}

/// The word that a record has, as it stands in its first 8 bytes.
fn word_of(sealed: &[u8]) -> u64 {
    u64::from_le_bytes(*sealed.first_chunk().expect("a record has at least 56 bytes"))
}
