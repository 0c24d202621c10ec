//! What a journal says of its files: entries become, for each file, the state of its last commit. Reads the journal's file and nothing else.

use super::damage;
use super::format::{ENTRIES_AT, Entry, HEAD_LEN, Mark, SLOT_LEN, TAG_LEN, Tag, payload_len};
use super::header::Header;
use super::overlay::{index, length};
use super::tale::{FileState, Owned, Tale, tell};
use crate::keys::JournalKey;
use crate::sys::disk::{Disk, read_full_at};
use rustix::io::Result;
use std::collections::BTreeMap;

/// How many bytes are read at once.
const CHUNK: u64 = 1 << 20;

/// What a journal says.
pub(super) struct Replay {
    pub(super) header: Header,
    /// The tag of the last entry, and the byte behind it.
    pub(super) chain: Tag,
    pub(super) end: u64,
    /// How many entries there are.
    pub(super) entries: usize,
    /// Whether there were more once, which a crash cannot have taken.
    pub(super) is_damaged: bool,
    /// The files in it that are to be made what they were at their last commit.
    pub(super) files: Vec<FileState>,
}

/// Reads a journal; `None` when neither of its headers is whole, or it is another vault's. `watch` is told up to which byte it was read.
///
/// # Errors
/// What the operating system says.
pub(super) fn read(disk: &dyn Disk, key: &JournalKey, watch: &dyn Fn(u64)) -> Result<Option<Replay>> {
    watch(0);
    let mut slots = vec![0; index(ENTRIES_AT)];
    let got = read_full_at(disk, &mut slots, 0)?;
    let headers: Vec<_> = slots[..got]
        .chunks(index(SLOT_LEN))
        .filter_map(|slot| Header::open(slot, key))
        .collect();
    let Some(header) = headers.iter().max_by_key(|header| header.turn).copied() else {
        return Ok(None);
    };
    let mut reader = Reader {
        disk,
        epoch: header.epoch,
        chain: header.epoch,
        at: ENTRIES_AT,
        buffer: Vec::new(),
        used: 0,
        watch,
    };
    let (mut tales, mut entries) = (BTreeMap::<u64, Tale>::new(), 0);
    while let Some((entry, end)) = reader.next(key)? {
        match Owned::of(&entry) {
            Some((file, owned)) => tell(&mut tales, file, owned, end),
            None => tales.values_mut().for_each(Tale::fold),
        }
        entries += 1;
    }
    // A header is less than a sector, which is written whole or not at all. If the one in force was lost, no entry follows the other one. Nor is a journal ever without the
    // whole of both slots.
    let is_headless = (headers.len() < 2 || got < slots.len()) && entries == 0;
    let mark = Mark {
        epoch: header.epoch,
        durable: reader.at,
    };
    let is_damaged = is_headless || damage::is_missing(disk, key, mark)?;
    Ok(Some(Replay {
        header,
        is_damaged,
        chain: reader.chain,
        end: reader.at,
        entries,
        files: tales.into_values().filter_map(Tale::finish).collect(),
    }))
}

struct Reader<'a> {
    disk: &'a dyn Disk,
    epoch: Tag,
    chain: Tag,
    /// The byte of the file behind the last entry.
    at: u64,
    /// Bytes of the file around there, those before `used` having been looked at.
    buffer: Vec<u8>,
    used: usize,
    /// Is told up to which byte the file was read.
    watch: &'a dyn Fn(u64),
}

impl Reader<'_> {
    /// The next entry, and the byte behind it; `None` at the first bytes that are none.
    fn next(&mut self, key: &JournalKey) -> Result<Option<(Entry<'_>, u64)>> {
        if !self.fill(HEAD_LEN)? {
            return Ok(None);
        }
        let head = self.buffer[self.used..].first_chunk().expect("as many were filled");
        let Some(payload) = payload_len(head) else { return Ok(None) };
        let tagged = HEAD_LEN + payload;
        if !self.fill(tagged + TAG_LEN)? {
            return Ok(None);
        }
        let (tagged, rest) = self.buffer[self.used..].split_at(tagged);
        let tag = rest.first_chunk().expect("as many were filled");
        let Some(parsed) = Entry::open(tagged, tag, key, &self.epoch, &mut self.chain) else {
            return Ok(None);
        };
        let len = tagged.len() + TAG_LEN;
        self.used += len;
        self.at += length(len);
        Ok(Some((parsed, self.at)))
    }

    /// Makes sure that `len` bytes are in the buffer; whether there are so many.
    fn fill(&mut self, len: usize) -> Result<bool> {
        let have = self.buffer.len() - self.used;
        if have >= len {
            return Ok(true);
        }
        self.buffer.drain(..self.used);
        self.used = 0;
        // What is not there is not asked memory for.
        let mut wanted = index(CHUNK);
        while self.buffer.len() < len {
            let old = self.buffer.len();
            self.buffer.resize(old + wanted, 0);
            let got = read_full_at(self.disk, &mut self.buffer[old..], self.at + length(old))?;
            self.buffer.truncate(old + got);
            (self.watch)(self.at + length(old + got));
            if got < wanted {
                break;
            }
            wanted = index(CHUNK);
        }
        Ok(self.buffer.len() >= len)
    }
}
