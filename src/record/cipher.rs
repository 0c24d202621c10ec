//! Sealing and opening runs of records: AES-256-CBC in many lanes, then keyed BLAKE3 over each record.

use super::layout::{BLOCK_LEN, CT_AT, IV_AT, MAX_RECORDS, tag_at};
use super::mac::{self, GROUP, Mac};
use super::{Damage, Holes, OVERHEAD, Place, RECORD_LEN, Reason, RecordNo, SEALED_LEN, cbc};
use crate::keys::FileKeys;
use aes::cipher::KeyInit;
use aes::{Aes256Dec, Aes256Enc};
use blake3::Hash;
use rand::CryptoRng;

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
    mac: Mac,
}

impl RecordCipher {
    /// Expands a file's keys.
    pub fn new(keys: &FileKeys) -> Self {
        let key = keys.encryption().into();
        Self {
            encrypt: Aes256Enc::new(key),
            decrypt: Aes256Dec::new(key),
            mac: Mac::new(keys.record_mac()),
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
            "the length of out is that of plain sealed"
        );
        let (mut record, mut rest) = (first, plain);
        for sealed in out.chunks_mut(GROUP * SEALED_LEN) {
            let (plain, after) = rest.split_at(rest.len().min(GROUP * RECORD_LEN));
            self.seal_group(record, plain, rng, sealed);
            (record, rest) = (record.plus(GROUP), after);
        }
    }

    /// Seals at most [`GROUP`] records: few enough to be in the second-level cache still when it comes to hashing them.
    fn seal_group(&self, first: RecordNo, plain: &[u8], rng: &mut impl CryptoRng, sealed: &mut [u8]) {
        let mut ivs = [[0; BLOCK_LEN]; GROUP];
        let records = sealed.len().div_ceil(SEALED_LEN);
        rng.fill_bytes(ivs[..records].as_flattened_mut());
        for (i, (sealed, iv)) in sealed.chunks_mut(SEALED_LEN).zip(&ivs).enumerate() {
            let word = word(first.plus(i), sealed.len() - OVERHEAD).expect("a file's length is bounded");
            sealed[..IV_AT].copy_from_slice(&word.to_le_bytes());
            sealed[IV_AT..CT_AT].copy_from_slice(iv);
        }
        cbc::encrypt(&self.encrypt, plain, sealed);
        let (full, last) = sealed.as_chunks_mut();
        let hashes = self.mac.hash_full(full);
        for (sealed, hash) in full.iter_mut().zip(&hashes) {
            put_tag(sealed, hash);
        }
        if !last.is_empty() {
            let hash = self.mac.hash(&last[..tag_at(last.len() - OVERHEAD)]);
            put_tag(last, &hash);
        }
    }

    /// Opens the records in `sealed`, which are those from `first` on. `out` has [`opened_len`] bytes and is filled wholly; holes become zeros.
    ///
    /// # Errors
    /// [`Damage`] names the first record that is not what was sealed at its place. `out` holds nothing of use then.
    ///
    /// # Panics
    /// When `sealed` has the length of such a run but `out` has not that of its plaintext.
    pub fn open(&self, first: RecordNo, sealed: &[u8], end: End, holes: Holes, out: &mut [u8]) -> Result<(), Damage> {
        let Some(len) = opened_len(sealed.len(), end) else {
            return Err(damage(first.plus(sealed.len() / SEALED_LEN), Reason::Short));
        };
        assert_eq!(out.len(), len, "the length of out is that of sealed opened");
        let (mut record, mut rest) = (first, out);
        for sealed in sealed.chunks(GROUP * SEALED_LEN) {
            let (plain, after) = rest.split_at_mut(rest.len().min(GROUP * RECORD_LEN));
            self.open_group(record, sealed, holes, plain)?;
            (record, rest) = (record.plus(GROUP), after);
        }
        Ok(())
    }

    /// Opens at most [`GROUP`] records.
    fn open_group(&self, first: RecordNo, sealed: &[u8], holes: Holes, plain: &mut [u8]) -> Result<(), Damage> {
        let (full, last) = sealed.as_chunks();
        let (full_plain, last_plain) = plain.as_chunks_mut::<RECORD_LEN>();
        if holes == Holes::Allowed && last.is_empty() && full.iter().all(|sealed| is_zero(sealed)) {
            full_plain.as_flattened_mut().fill(0);
            return Ok(());
        }
        let hashes = self.mac.hash_full(full);
        for (i, ((sealed, hash), plain)) in full.iter().zip(&hashes).zip(full_plain).enumerate() {
            let record = first.plus(i);
            if is_zero(sealed) && holes == Holes::Allowed {
                plain.fill(0);
            } else {
                self.open_record(record, sealed, hash, plain)
                    .map_err(|reason| damage(record, reason))?;
            }
        }
        if last.is_empty() {
            return Ok(());
        }
        let record = first.plus(full.len());
        let hash = self.mac.hash(&last[..tag_at(last_plain.len())]);
        self.open_record(record, last, &hash, last_plain)
            .map_err(|reason| damage(record, reason))
    }

    /// Opens a record that is no hole; `hash` is that of what is before its tag.
    fn open_record(&self, record: RecordNo, sealed: &[u8], hash: &Hash, plain: &mut [u8]) -> Result<(), Reason> {
        let word = word(record, plain.len()).ok_or(Reason::Length)?;
        let (tagged, tag) = sealed.split_at(tag_at(plain.len()));
        if !tagged.starts_with(&word.to_le_bytes()) {
            return Err(self.why_another_word(sealed));
        }
        if !mac::fits(hash, tag) {
            return Err(Reason::Tag);
        }
        cbc::decrypt(&self.decrypt, &tagged[IV_AT..], plain)
    }

    /// What is wrong with a record whose word is not the expected one: it may be a genuine record of this file, of another place or of another time.
    fn why_another_word(&self, sealed: &[u8]) -> Reason {
        if is_zero(sealed) {
            return Reason::Hole;
        }
        let [low, high, ..] = *sealed else { return Reason::Short };
        let plain = usize::from(u16::from_le_bytes([low, high]));
        let claimed = sealed.get(..plain + OVERHEAD).map(|sealed| sealed.split_at(tag_at(plain)));
        match claimed {
            Some((tagged, tag)) if mac::fits(&self.mac.hash(tagged), tag) => Reason::Word,
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

/// The word of a record of `plain` bytes, `i << 16 | n`; `None` where no file has a record `i`.
fn word(record: RecordNo, plain: usize) -> Option<u64> {
    let plain = u64::try_from(plain).expect("at most 4096");
    (record.get() < MAX_RECORDS).then(|| record.get() << 16 | plain)
}

/// Ends a record with its tag, which is as long as there is room for it.
fn put_tag(sealed: &mut [u8], hash: &Hash) {
    let (_, tag) = sealed.split_at_mut(tag_at(sealed.len() - OVERHEAD));
    tag.copy_from_slice(&hash.as_bytes()[..tag.len()]);
}

/// Whether a record has the bytes of a hole.
fn is_zero(sealed: &[u8]) -> bool {
    // A comparison of slices is one fast call; a loop over bytes is not.
    static ZEROS: [u8; SEALED_LEN] = [0; SEALED_LEN];
    *sealed == ZEROS
}
