//! Runs of records, and the arithmetic of lengths.

use super::{Input, bit, flip, master};
use plainview::keys::{ContentKey, FileKeys};
use plainview::record::{
    End, Holes, MAX_PLAIN_LEN, OVERHEAD, RECORD_LEN, RecordCipher, RecordNo, SEALED_LEN, Size, cipher_len, opened_len, sealed_len,
    size_on_disk,
};
use rand::{TryCryptoRng, TryRng};
use std::convert::Infallible;
use std::sync::LazyLock;

/// Most records of a run: more than are hashed side by side.
const MOST: u8 = 19;
/// Where a record's initialisation vector is.
const IV: std::ops::Range<usize> = 8..24;

static KEYS: LazyLock<FileKeys> = LazyLock::new(|| FileKeys::derive(&ContentKey::derive(&master()), &[3; 24]));

/// Bit 0: the run ends with the file's last record. Bit 1: there may be holes. Bit 2: words are put right. Bit 3: tags are. Bit 4: so many records, filled with the input again and again.
/// Bit 5: the input is the plaintext, which is sealed, and one byte of that changed.
pub(super) fn run(data: &[u8]) {
    let mut input = Input(data);
    let flags = input.byte();
    lengths(input.number(8));
    let first = RecordNo::new(input.number(7));
    let end = if bit(flags, 0) { End::Last } else { End::Inner };
    let holes = if bit(flags, 1) { Holes::Allowed } else { Holes::Forbidden };
    let (count, at, with) = (input.byte() % MOST, input.number(3), input.byte());
    if bit(flags, 5) {
        let first = RecordNo::new(first.get() % (1 << 47));
        changed(first, &repeated(input.0, count, RECORD_LEN, flags), end, holes, (at, with));
        return;
    }
    let mut sealed = repeated(input.0, count, SEALED_LEN, flags);
    for (record, sealed) in (first.get()..).zip(sealed.chunks_mut(SEALED_LEN)) {
        put_right(record, sealed, flags);
    }
    any(first, &sealed, end, holes);
}

fn lengths(len: u64) {
    if len <= MAX_PLAIN_LEN {
        assert_eq!(size_on_disk(cipher_len(len)), Size::Whole(len));
    }
    match size_on_disk(len) {
        Size::Whole(plain) => assert_eq!(cipher_len(plain), len),
        Size::Cut(shown) => assert!(shown > 0),
    }
}

/// `bytes`; where the flags say so, after `count` times `len` bytes made of it.
fn repeated(bytes: &[u8], count: u8, len: usize, flags: u8) -> Vec<u8> {
    if !bit(flags, 4) || bytes.is_empty() {
        return bytes.to_vec();
    }
    let whole = bytes.iter().copied().cycle().take(usize::from(count) * len);
    let rest = bytes.len() % len;
    whole.chain(bytes[..rest].iter().copied()).collect()
}

fn put_right(record: u64, sealed: &mut [u8], flags: u8) {
    let Some(plain) = sealed.len().checked_sub(OVERHEAD) else { return };
    // A hole stays one.
    if bit(flags, 1) && sealed.iter().all(|byte| *byte == 0) {
        return;
    }
    if bit(flags, 2) {
        let word = record << 16 | u64::try_from(plain).unwrap();
        sealed[..8].copy_from_slice(&word.to_le_bytes());
    }
    if bit(flags, 3) {
        let (tagged, tag) = sealed.split_at_mut(IV.end + plain.next_multiple_of(16));
        tag.copy_from_slice(&blake3::keyed_hash(KEYS.record_mac(), tagged).as_bytes()[..tag.len()]);
    }
}

fn any(first: RecordNo, sealed: &[u8], end: End, holes: Holes) {
    let cipher = RecordCipher::new(&KEYS);
    let mut plain = vec![0; opened_len(sealed.len(), end).unwrap_or(0)];
    if cipher.open(first, sealed, end, holes, &mut plain).is_err() {
        return;
    }
    let mut again = vec![0; sealed_len(plain.len(), end)];
    cipher.seal(first, &plain, end, &mut Replay::of(sealed), &mut again);
    for (record, (before, after)) in sealed.chunks(SEALED_LEN).zip(again.chunks(SEALED_LEN)).enumerate() {
        let is_hole = holes == Holes::Allowed && before.len() == SEALED_LEN && before.iter().all(|byte| *byte == 0);
        assert!(before == after || is_hole, "record {record} of the run is sealed as it was");
    }
    assert_eq!(sealed.len(), again.len());
}

fn changed(first: RecordNo, plain: &[u8], end: End, holes: Holes, (at, with): (u64, u8)) {
    let whole = match end {
        End::Last => plain.len(),
        End::Inner => plain.len() / RECORD_LEN * RECORD_LEN,
    };
    let plain = &plain[..whole];
    let cipher = RecordCipher::new(&KEYS);
    let mut sealed = vec![0; sealed_len(whole, end)];
    cipher.seal(first, plain, end, &mut Replay(vec![9; sealed.len()].into_iter()), &mut sealed);
    let is_changed = flip(&mut sealed, at, with);
    let mut opened = vec![0; whole];
    match cipher.open(first, &sealed, end, holes, &mut opened) {
        Ok(()) => assert!(!is_changed && opened == plain, "byte {at} ^ {with} is not seen"),
        Err(damage) => assert!(is_changed, "{damage}"),
    }
}

/// Gives bytes out again as if they were random.
struct Replay(std::vec::IntoIter<u8>);

impl Replay {
    /// The initialisation vectors of a run of records.
    fn of(sealed: &[u8]) -> Self {
        let ivs = sealed.chunks(SEALED_LEN).filter_map(|record| record.get(IV)).flatten().copied();
        Self(ivs.collect::<Vec<_>>().into_iter())
    }
}

impl TryRng for Replay {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        bytes.fill_with(|| self.0.next().expect("no more is drawn than one vector for each record"));
        Ok(())
    }
}

impl TryCryptoRng for Replay {}
