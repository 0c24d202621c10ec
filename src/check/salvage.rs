//! What of a damaged file can still be read: every record that proves to be one of this file, at its place or anywhere else in it.
//!
//! A record says which one it is, so bytes may have been inserted, taken out or overwritten around it; only the salt must be known, from a good header, from where the salt lies in a
//! bad one, or from a header that is found elsewhere in the file.

use super::map::{self, Ranges};
use super::records::{Opener, Records, Room, Seen, Shape, read_header};
use super::search::search;
use super::{Vault, resolve};
use crate::keys::ContentKey;
use crate::record::{End, HEADER_LEN, RECORD_LEN, RecordNo, Size, size_on_disk};
use crate::sys::disk::{Descriptor, Disk, FileId, read_full_at, write_all_at};
use rustix::fs::{Mode, OFlags};
use rustix::io::{Errno, Result};
use std::ops::{ControlFlow, Range};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::Path;

/// What a header begins with.
const MAGIC: &[u8] = b"PLV1";

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Salvaged {
    /// The length of the file in the clear, as far as it can be known.
    pub len: u64,
    /// Bytes of it that were read.
    pub bytes: u64,
    /// How many ranges are missing.
    pub missing: usize,
    /// Whether the end of the file was found, so that the length is certain.
    pub end_is_known: bool,
    /// The map of what is there and what is not, as GNU ddrescue has it.
    pub map: String,
}

impl Salvaged {
    /// Whether nothing is missing.
    pub fn is_complete(&self) -> bool {
        self.missing == 0 && self.end_is_known
    }
}

impl Vault {
    /// Opens a damaged file: by its path in the clear or in the vault, or else any file there is, by its path on disk.
    ///
    /// # Errors
    /// ENOENT, EISDIR when it is no regular file, or what else the operating system says.
    pub fn open_damaged(&self, path: &Path) -> Result<OwnedFd> {
        use std::os::unix::ffi::OsStrExt as _;
        match resolve::open(self, path.as_os_str().as_bytes()) {
            Err(Errno::NOENT | Errno::ISDIR) => {}
            opened => return opened,
        }
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        resolve::regular(rustix::fs::open(path, flags, Mode::empty())?)
    }
}

/// Writes what can be read of `file` to `out`, an empty file; what cannot is a hole in it. `watch` is told how many bytes of the file have been looked at.
///
/// # Errors
/// What the operating system says of `out`. What it says of `file` makes a part of that missing.
pub fn salvage(vault: &Vault, file: OwnedFd, out: BorrowedFd<'_>, watch: &dyn Fn(u64)) -> Result<Salvaged> {
    let stat = rustix::fs::fstat(&file)?;
    let (id, len) = (FileId::of(&stat), u64::try_from(stat.st_size).unwrap_or(0));
    let disk = Descriptor(file);
    match vault.journal.enrolled_file(id) {
        Some(journaled) => salvage_disk(&journaled.over(&disk), journaled.len(), &vault.keys.content, &out, watch),
        None => salvage_disk(&disk, len, &vault.keys.content, &out, watch),
    }
}

pub(super) fn salvage_disk(disk: &dyn Disk, len: u64, content: &ContentKey, out: &dyn Disk, watch: &dyn Fn(u64)) -> Result<Salvaged> {
    let mut work = Work {
        disk,
        len,
        out,
        there: Ranges::default(),
        end: None,
        watch,
    };
    if len == 0 {
        work.end = Some(0);
    } else if let Some(opener) = opener(disk, len, content) {
        let bad = work.in_place(&opener)?;
        work.elsewhere(&opener, bad)?;
    }
    work.finish()
}

/// What opens the records of a file: a header, or the salt of one.
fn opener(disk: &dyn Disk, len: u64, content: &ContentKey) -> Option<Opener> {
    let header = read_header(disk).unwrap_or([0; HEADER_LEN]);
    if let Ok(opener) = Opener::of_header(&header, content) {
        return Some(opener);
    }
    let by_salt = Opener::of_salt(&header, content);
    let proven = search(disk, &by_salt, 0..len, &mut |_| ControlFlow::Break(())).is_break();
    if proven {
        Some(by_salt)
    } else {
        header_elsewhere(disk, len, content)
    }
}

/// What a header opens that is not where it should be.
fn header_elsewhere(disk: &dyn Disk, len: u64, content: &ContentKey) -> Option<Opener> {
    let mut window = vec![0; 1 << 20];
    let mut from = 0;
    while from < len {
        window.fill(0);
        // What cannot be read has no header.
        let got = read_full_at(disk, &mut window, from).unwrap_or(window.len());
        for at in window
            .windows(MAGIC.len())
            .enumerate()
            .filter(|(_, bytes)| *bytes == MAGIC)
            .map(|(at, _)| at)
        {
            let header = window.get(at..).and_then(<[u8]>::first_chunk);
            if let Some(Ok(opener)) = header.map(|header| Opener::of_header(header, content)) {
                return Some(opener);
            }
        }
        if got <= HEADER_LEN {
            break;
        }
        // The windows overlap by less than a header.
        from += number(got - HEADER_LEN + 1);
    }
    None
}

struct Work<'a> {
    disk: &'a dyn Disk,
    len: u64,
    out: &'a dyn Disk,
    there: Ranges,
    /// The length of the file, from its last record.
    end: Option<u64>,
    watch: &'a dyn Fn(u64),
}

impl Work<'_> {
    /// Takes the records that are where they should be; returns which bytes of the file on disk hold others, or none.
    fn in_place(&mut self, opener: &Opener) -> Result<Ranges> {
        let (disk, shape, len) = (self.disk, Shape::of(self.len), self.len);
        let (mut bad, mut result) = (Ranges::default(), Ok(()));
        let records = Records { disk, opener };
        records.full(0..shape.full, &mut Room::default(), &mut |at, seen| {
            let first = RecordNo::new(at);
            match seen {
                Seen::Good(plain) if result.is_ok() => result = self.put(first, plain),
                Seen::Good(_) => {}
                Seen::Holes(count) => self.there.insert(first.plain_offset()..RecordNo::new(at + count).plain_offset()),
                Seen::Bad(count, _) => bad.insert(place(at, at + count, len)),
            }
            (self.watch)(first.cipher_offset());
        });
        result?;
        let last = RecordNo::new(shape.full);
        match shape.last.and_then(|plain| records.last(last, plain).ok()) {
            Some(plain) => {
                self.put(last, &plain)?;
                self.end = Some(last.plain_offset() + number(plain.len()));
            }
            None => bad.insert(place(shape.full, shape.full + 1, len)),
        }
        Ok(bad)
    }

    /// Takes records from where others should be.
    fn elsewhere(&mut self, opener: &Opener, bad: Ranges) -> Result<()> {
        let mut end = None;
        for (range, _) in bad.pieces(self.len).into_iter().filter(|(_, is_bad)| *is_bad) {
            (self.watch)(range.start);
            let found = search(self.disk, opener, range, &mut |found| {
                let upto = found.record.plain_offset() + number(found.plain.len());
                if found.end == End::Last {
                    end = end.max(Some(upto));
                }
                match self.there.holds(&(found.record.plain_offset()..upto)) {
                    true => ControlFlow::Continue(()),
                    false => self
                        .put(found.record, found.plain)
                        .map_or_else(ControlFlow::Break, ControlFlow::Continue),
                }
            });
            if let ControlFlow::Break(errno) = found {
                return Err(errno);
            }
        }
        // The last record of an older, shorter file may have been left.
        self.end = self.end.or(end.filter(|end| *end >= self.there.end()));
        Ok(())
    }

    /// Writes what is not zeros.
    fn put(&mut self, first: RecordNo, plain: &[u8]) -> Result<()> {
        static ZEROS: [u8; RECORD_LEN] = [0; RECORD_LEN];
        let mut at = first.plain_offset();
        self.there.insert(at..at + number(plain.len()));
        for record in plain.chunks(RECORD_LEN) {
            if !ZEROS.starts_with(record) {
                write_all_at(self.out, record, at)?;
            }
            at += number(record.len());
        }
        Ok(())
    }

    fn finish(self) -> Result<Salvaged> {
        let by_length = match size_on_disk(self.len) {
            Size::Whole(plain) => plain,
            // As much as may have been in the piece of a record at the end.
            Size::Cut(shown) => {
                let piece = self.len.saturating_sub(RecordNo::new(Shape::of(self.len).full).cipher_offset());
                shown - 1 + piece.min(number(RECORD_LEN))
            }
        };
        let len = self.end.unwrap_or(by_length.max(self.there.end()));
        self.out.set_len(len)?;
        (self.watch)(self.len);
        let pieces = self.there.pieces(len);
        Ok(Salvaged {
            len,
            bytes: pieces
                .iter()
                .filter(|(_, is_there)| *is_there)
                .map(|(range, _)| range.end - range.start)
                .sum(),
            missing: pieces.iter().filter(|(_, is_there)| !is_there).count(),
            end_is_known: self.end.is_some(),
            map: map::text(&pieces),
        })
    }
}

/// Where the records `first..end` should lie in a file of `len` bytes on disk, with the header before the first.
fn place(first: u64, end: u64, len: u64) -> Range<u64> {
    let from = if first == 0 { 0 } else { RecordNo::new(first).cipher_offset() };
    from.min(len)..RecordNo::new(end).cipher_offset().min(len)
}

fn number(len: usize) -> u64 {
    u64::try_from(len).expect("usize has at most 64 bits")
}
