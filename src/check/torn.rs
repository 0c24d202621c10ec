//! An append that was not finished, told from other damage: only then is a file cut, for only then is nothing behind the cut that was ever whole.
//!
//! All of this must hold for a file whose first bad record is b:
//! * Something good is before it: b > 0, or the file's old last record still stands in the place of record 0.
//! * No genuine record follows, be it at its place or anywhere else (bytes may have been inserted or taken out); but for an old last record at the place of b, which
//!   is the end of the file that the append had begun to go on from.
//! * It looks like something that was not finished: the length fits no file, or the bytes there say that the record is longer than there is room for, or a sector was never
//!   written and reads as zeros. A last record that is all there and does not open was changed, which is something else: it is left as it is, for who wants to look into it.

use super::records::{Opener, Records, Shape};
use super::search::{Found, search};
use crate::record::{End, OVERHEAD, RECORD_LEN, RecordNo};
use crate::sys::disk::{Disk, read_full_at};
use rustix::io::Result;
use std::ops::ControlFlow;

/// What a disk writes whole or not at all, in bytes.
const SECTOR: u64 = 512;
/// So many zeros are no ciphertext.
const ZEROS: usize = 16;

/// How a file becomes one that can be read: its first `keep` bytes stay, and `end` comes behind them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cut {
    pub(super) keep: u64,
    pub(super) end: Vec<u8>,
}

/// How to cut a file of `len` bytes whose first bad record is `bad`; nothing when it is no unfinished append.
///
/// # Errors
/// What the operating system says.
pub(super) fn cut(disk: &dyn Disk, len: u64, bad: u64, opener: &Opener) -> Result<Option<Cut>> {
    let record = RecordNo::new(bad);
    let at = record.cipher_offset();
    let old_end = old_end(disk, len, record, opener)?;
    let rest = old_end.unwrap_or(at)..len;
    let genuine = search(disk, opener, rest, &mut |_: Found<'_>| ControlFlow::Break(()));
    if genuine.is_break() || (bad == 0 && old_end.is_none()) {
        return Ok(None);
    }
    if let Some(keep) = old_end {
        return Ok(Some(Cut { keep, end: Vec::new() }));
    }
    if Shape::of(len).last.is_some() && !wants_more(disk, len, record)? && !has_unwritten(disk, at, len)? {
        return Ok(None);
    }
    let mut end = vec![0; OVERHEAD];
    opener.cipher.seal(record, &[], End::Last, &mut rand::rng(), &mut end);
    Ok(Some(Cut { keep: at, end }))
}

/// The byte behind the old last record that still stands in the place of `record`.
fn old_end(disk: &dyn Disk, len: u64, record: RecordNo, opener: &Opener) -> Result<Option<u64>> {
    let at = record.cipher_offset();
    let Some((number, plain)) = word(disk, at)? else { return Ok(None) };
    if number != record.get() || plain >= RECORD_LEN || (number, plain) == (0, 0) {
        return Ok(None);
    }
    let end = at + u64::try_from(plain + OVERHEAD).expect("less than a record");
    let is_genuine = end <= len && Records { disk, opener }.last(record, plain).is_ok();
    Ok(is_genuine.then_some(end))
}

/// Whether the record says of itself that it is longer than what there is of the file.
fn wants_more(disk: &dyn Disk, len: u64, record: RecordNo) -> Result<bool> {
    let at = record.cipher_offset();
    let wanted = word(disk, at)?.filter(|(number, plain)| *number == record.get() && *plain <= RECORD_LEN);
    Ok(wanted.is_some_and(|(_, plain)| at + u64::try_from(plain + OVERHEAD).expect("at most a record") > len))
}

/// The record and its length that the word at this place names.
fn word(disk: &dyn Disk, at: u64) -> Result<Option<(u64, usize)>> {
    let mut word = [0; 8];
    let got = read_full_at(disk, &mut word, at)?;
    let word = u64::from_le_bytes(word);
    let plain = usize::try_from(word & 0xffff).expect("16 bits");
    Ok((got == 8).then_some((word >> 16, plain)))
}

/// Whether a sector between these bytes, as far as it lies there, is zeros.
fn has_unwritten(disk: &dyn Disk, from: u64, to: u64) -> Result<bool> {
    let mut window = vec![0; 1 << 20];
    let mut at = from;
    while at < to {
        // After the first window, which ends where a sector does.
        let sector = usize::try_from(SECTOR - at % SECTOR).expect("at most 512");
        let most = window.len() - 512 + sector;
        let room = usize::try_from(to - at).map_or(most, |rest| rest.min(most));
        let got = read_full_at(disk, &mut window[..room], at)?;
        let (head, sectors) = window[..got].split_at(sector.min(got));
        let mut pieces = std::iter::once(head).chain(sectors.chunks(512));
        if pieces.any(|piece| piece.len() >= ZEROS && piece.iter().all(|byte| *byte == 0)) {
            return Ok(true);
        }
        if got == 0 {
            break;
        }
        at += u64::try_from(got).expect("at most 1 MiB");
    }
    Ok(false)
}
