//! Genuine records anywhere: each says in its first word which one it is and how long, and its tag proves it.

use super::records::Opener;
use crate::record::{End, Holes, OVERHEAD, RECORD_LEN, RecordNo, SEALED_LEN};
use crate::sys::disk::{Disk, read_full_at};
use rustix::io::Result;
use std::ops::{ControlFlow, Range};

/// Bytes that are looked through at once.
const WINDOW: usize = 1 << 20;
/// Bytes of a word.
const WORD: usize = 8;
/// No record is looked for that has this number or a greater one: random bytes would too often look like one of those. Files of 256 TiB have them.
const NUMBERS: u64 = 1 << 36;

/// A genuine record.
pub(super) struct Found<'a> {
    pub(super) record: RecordNo,
    /// Whether it is a file's last record.
    pub(super) end: End,
    pub(super) plain: &'a [u8],
}

/// Looks for records that begin in `range` of the file, of which no two overlap. What cannot be read is passed over.
///
/// # Errors
/// What `each` breaks with.
pub(super) fn search<T>(
    disk: &dyn Disk,
    opener: &Opener,
    range: Range<u64>,
    each: &mut dyn FnMut(Found<'_>) -> ControlFlow<T>,
) -> ControlFlow<T> {
    let mut window = vec![0; WINDOW + SEALED_LEN];
    let mut plain = vec![0; RECORD_LEN];
    let mut from = range.start;
    while from < range.end {
        let got = read(disk, &mut window, from);
        let bytes = window.get(..got).unwrap_or_default();
        let begins = usize::try_from(range.end - from).map_or(WINDOW, |rest| rest.min(WINDOW));
        let mut at = 0;
        while at < begins {
            let Some((record, sealed)) = bytes.get(at..).and_then(candidate) else {
                at += 1;
                continue;
            };
            let plain = &mut plain[..sealed.len() - OVERHEAD];
            let end = if plain.len() < RECORD_LEN { End::Last } else { End::Inner };
            if opener.cipher.open(record, sealed, end, Holes::Forbidden, plain).is_err() {
                at += 1;
                continue;
            }
            each(Found { record, end, plain })?;
            at += sealed.len();
        }
        from += offset(at);
    }
    ControlFlow::Continue(())
}

/// Fills `window` with the bytes from `from` on; returns how many there are. What cannot be read is zeros.
fn read(disk: &dyn Disk, window: &mut [u8], from: u64) -> usize {
    if let Ok(got) = read_full_at(disk, window, from) {
        return got;
    }
    const STEP: usize = 4096;
    let mut end = 0;
    for (index, step) in window.chunks_mut(STEP).enumerate() {
        let got: Result<usize> = read_full_at(disk, step, from + offset(index * STEP));
        let good = got.unwrap_or(0);
        step[good..].fill(0);
        if good > 0 || got.is_err() {
            end = index * STEP + if got.is_err() { step.len() } else { good };
        }
    }
    end
}

/// The record that `bytes` may begin with, and its bytes.
fn candidate(bytes: &[u8]) -> Option<(RecordNo, &[u8])> {
    let word = u64::from_le_bytes(*bytes.first_chunk::<WORD>()?);
    let (number, plain) = (word >> 16, usize::try_from(word & 0xffff).ok()?);
    // There is no record 0 of no bytes: zeros are none.
    if word == 0 || plain > RECORD_LEN || number >= NUMBERS {
        return None;
    }
    Some((RecordNo::new(number), bytes.get(..plain + OVERHEAD)?))
}

fn offset(len: usize) -> u64 {
    u64::try_from(len).expect("usize has at most 64 bits")
}
