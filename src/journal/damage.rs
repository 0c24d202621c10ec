//! What ends a journal: a crash, or damage. Reads the journal's file and nothing else.
//!
//! A crash loses entries that were not durable, perhaps not the ones behind them. An entry says up to where the journal was durable when it was appended: one of
//! the same epoch, anywhere behind the first that does not fit, that counts on that one, shows that it was whole once. Nothing shows it where no such entry is left: of the
//! last entries before a crash, a journal that was cut or put back.

use super::SIZE_MAX;
use super::format::{HEAD_LEN, Mark, TAG_LEN, Tag, follows, plausible};
use super::overlay::length;
use crate::keys::JournalKey;
use crate::sys::disk::{Disk, SeekTo, read_full_at};
use rustix::io::{Errno, Result};

/// How many bytes are looked at together.
const WINDOW: usize = 256 << 10;
/// The tag of the entry before, and what tells what an entry is.
const SIGHT: usize = TAG_LEN + HEAD_LEN;
/// How far behind its first bad entry a journal is looked at: no journal is longer.
const FAR: u64 = SIZE_MAX + (64 << 20);
/// Where in that the entry's kind begins.
const KIND: usize = TAG_LEN + 4;
/// So many bytes at the end of an entry's head are zero, as offsets in a journal are that small.
const ZEROS: usize = 4;
const _: () = assert!(SIZE_MAX + FAR < 1 << 32);

/// Whether entries are missing from the byte `mark.durable` on that were durable once.
///
/// # Errors
/// What the operating system says.
pub(super) fn is_missing(disk: &dyn Disk, key: &JournalKey, mark: Mark) -> Result<bool> {
    let mut search = Search {
        disk,
        key,
        mark,
        hashed: 0,
    };
    let (mut at, limit) = (mark.durable, mark.durable.saturating_add(FAR));
    let mut window = vec![0; WINDOW];
    while at < limit {
        at = match disk.seek(at, SeekTo::Data) {
            Ok(data) => data.saturating_sub(length(SIGHT)).max(at),
            Err(Errno::NXIO) => return Ok(false),
            // Not every filesystem knows where its holes are.
            Err(_) => at,
        };
        let got = read_full_at(disk, &mut window, at)?;
        if search.look_at(&window[..got], at)? {
            return Ok(true);
        }
        if got < window.len() {
            return Ok(false);
        }
        at += length(WINDOW - SIGHT);
    }
    Ok(false)
}

struct Search<'a> {
    disk: &'a dyn Disk,
    key: &'a JournalKey,
    /// The epoch, and where the journal ends.
    mark: Mark,
    /// How many bytes were looked at closely.
    hashed: u64,
}

impl Search<'_> {
    /// Whether an entry that shows it begins in `bytes`, which are those at `at`.
    fn look_at(&mut self, bytes: &[u8], at: u64) -> Result<bool> {
        let mut offset = 0;
        while let Some(sight) = bytes.get(offset..offset + SIGHT) {
            // Most bytes are none of these zeros, and then no head ends with them before the next byte.
            if let Some(other) = sight[SIGHT - ZEROS..].iter().rposition(|byte| *byte != 0) {
                offset += other + 1;
                continue;
            }
            // Where nothing was written there are only zeros, and no entry is of kind 0.
            let zeros = sight[KIND..].iter().take_while(|byte| **byte == 0).count();
            if zeros > 0 {
                offset += zeros;
                continue;
            }
            let begin = at + length(offset + TAG_LEN);
            let entry = sight
                .split_first_chunk()
                .and_then(|(chain, head)| Some((chain, plausible(head.first_chunk()?)?)));
            if let Some((chain, (payload, durable))) = entry
                && (self.mark.durable + 1..=begin).contains(&durable)
                && self.is_entry(chain, begin, payload)?
            {
                return Ok(true);
            }
            offset += 1;
        }
        Ok(false)
    }

    fn is_entry(&mut self, chain: &Tag, begin: u64, payload: usize) -> Result<bool> {
        let mut entry = vec![0; HEAD_LEN + payload + TAG_LEN];
        let got = read_full_at(self.disk, &mut entry, begin)?;
        let Some((tagged, tag)) = entry[..got].split_last_chunk() else {
            return Ok(false);
        };
        self.hashed += length(got);
        // What was written as entries is not so much, however it is mixed: somebody has put this here.
        let is_made_up = self.hashed > 2 * FAR;
        Ok(is_made_up || (got == entry.len() && follows(tagged, tag, self.key, &self.mark.epoch, chain)))
    }
}
