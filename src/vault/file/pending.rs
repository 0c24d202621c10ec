//! Writing to a disk that may be full, may tear what it is given, and may do so again when it is asked to put things right.

use super::VaultFile;
use super::run::{bytes, further};
use super::scratch::Scratch;
use crate::error::Result;
use crate::record::{HEADER_LEN, Holes, RecordNo, SEALED_LEN};
use crate::sys::block::Block;
use crate::sys::disk::Disk;
use rustix::io::Errno;
use std::collections::BTreeMap;

/// How often the rest of a torn write is tried again.
const RETRIES: usize = 2;
/// How many last bytes of a record must be zero to know that it was a hole: of what is sealed they are all tag, so that chance has no part in it.
const ZERO_TAG: usize = 16;

/// What must be on disk and is not.
///
/// Everything in it is what a torn write left unreadable on disk, so it is a record or two, and most of the time nothing. It is written before the
/// file is changed again, and by the next sync.
#[derive(Default)]
pub(super) struct Pending {
    /// The length on disk that the file should have.
    length: Option<u64>,
    /// The header.
    header: Option<[u8; HEADER_LEN]>,
    /// Sealed records, or holes.
    records: BTreeMap<RecordNo, Vec<u8>>,
}

impl Pending {
    /// Whether all is on disk.
    pub(super) fn is_empty(&self) -> bool {
        self.length.is_none() && self.header.is_none() && self.records.is_empty()
    }

    /// Keeps a record, over one that is kept already.
    pub(super) fn insert(&mut self, record: RecordNo, sealed: &[u8]) {
        self.records.insert(record, sealed.to_vec());
    }

    /// Puts pending records over those in `sealed`, which begins with the record `first`.
    pub(super) fn lay_over(&self, first: RecordNo, sealed: &mut [u8]) {
        let beyond = further(first, sealed.len().div_ceil(SEALED_LEN));
        for (record, pending) in self.records.range(first..beyond) {
            let at = usize::try_from(record.cipher_offset() - first.cipher_offset()).expect("within sealed");
            if let Some(place) = sealed.get_mut(at..at + pending.len()) {
                place.copy_from_slice(pending);
            }
        }
    }

    /// The first pending record from `first` on.
    pub(super) fn next(&self, first: RecordNo) -> Option<RecordNo> {
        self.records.range(first..).next().map(|(record, _)| *record)
    }
}

/// A write that the disk did not take whole.
pub(super) struct Torn {
    /// How many bytes it took.
    pub(super) written: usize,
    /// What it said.
    pub(super) errno: Errno,
}

/// Writes all of `data` at `offset`.
pub(super) fn write_full(disk: &dyn Disk, data: &[u8], offset: u64) -> std::result::Result<(), Torn> {
    let (mut written, mut failures) = (0, 0);
    while written < data.len() {
        let errno = match disk.write_at(&data[written..], offset + bytes(written)) {
            Ok(0) => Errno::IO,
            Ok(more) => {
                written += more;
                continue;
            }
            Err(errno) => errno,
        };
        failures += 1;
        if written == 0 || failures > RETRIES {
            return Err(Torn { written, errno });
        }
    }
    Ok(())
}

impl VaultFile {
    /// Writes what is pending.
    pub(super) fn settle(&mut self, disk: &dyn Disk) -> Result<()> {
        if let Some(len) = self.pending.length {
            disk.set_len(len)?;
            self.pending.length = None;
        }
        if let Some(header) = self.pending.header {
            write_full(disk, &header, 0).map_err(|torn| torn.errno)?;
            self.pending.header = None;
        }
        while let Some(entry) = self.pending.records.first_entry() {
            write_full(disk, entry.get(), entry.key().cipher_offset()).map_err(|torn| torn.errno)?;
            entry.remove();
        }
        Ok(())
    }

    /// Writes the records in `sealed`, the first of which is `first`, over records that are there.
    ///
    /// # Errors
    /// What the operating system says. Each record is then whole, the old one or the new one.
    pub(super) fn put(&mut self, disk: &dyn Disk, first: RecordNo, sealed: &[u8]) -> Result<()> {
        let Err(torn) = write_full(disk, sealed, first.cipher_offset()) else {
            return Ok(());
        };
        self.mend(disk, first, sealed, torn.written);
        Err(torn.errno.into())
    }

    /// As [`put`](Self::put), where the disk may take the bytes out of `sealed`.
    pub(super) fn put_block(&mut self, disk: &dyn Disk, first: RecordNo, sealed: &mut Block) -> Result<()> {
        match disk.keep_block(sealed, first.cipher_offset())? {
            true => Ok(()),
            false => self.put(disk, first, sealed.bytes()),
        }
    }

    /// Makes readable the record that was torn when only `written` bytes of `sealed`, whose first record is `first`, came to disk.
    pub(super) fn mend(&mut self, disk: &dyn Disk, first: RecordNo, sealed: &[u8], written: usize) {
        let torn = written / SEALED_LEN;
        let from = torn * SEALED_LEN;
        if written == from {
            return;
        }
        let record = further(first, torn);
        let new = &sealed[from..sealed.len().min(from + SEALED_LEN)];
        // A hole becomes one again: the disk is full, or it would not be torn, and would not take the record later.
        let was_hole = new.len() == SEALED_LEN && self.was_hole(disk, record, written - from);
        if !was_hole || self.punch(disk, record, 1).is_err() {
            self.pending.insert(record, new);
        }
    }

    /// Whether the record `record`, of which `written` bytes have been overwritten, was a hole before.
    fn was_hole(&self, disk: &dyn Disk, record: RecordNo, written: usize) -> bool {
        let may_be = self.unlock(disk).is_ok_and(|unlocked| unlocked.holes() == Holes::Allowed);
        if !may_be || SEALED_LEN - written < ZERO_TAG {
            return false;
        }
        let mut scratch = Scratch::take();
        let rest = scratch.of(SEALED_LEN - written);
        let got = super::read::read_full(disk, rest, record.cipher_offset() + bytes(written));
        got == Ok(rest.len()) && rest.iter().all(|byte| *byte == 0)
    }

    /// Puts the record `record` back as `old` after a failed change; kept in memory if the disk does not take it.
    pub(super) fn put_back(&mut self, disk: &dyn Disk, record: RecordNo, old: &[u8]) {
        if write_full(disk, old, record.cipher_offset()).is_err() {
            self.pending.insert(record, old);
        }
    }

    /// Puts the header back as `old` after a failed change.
    pub(super) fn put_header_back(&mut self, disk: &dyn Disk, old: [u8; HEADER_LEN]) {
        if write_full(disk, &old, 0).is_err() {
            self.pending.header = Some(old);
        }
    }

    /// Sets the length on disk back to `len` after a failed change.
    pub(super) fn set_len_back(&mut self, disk: &dyn Disk, len: u64) {
        if disk.set_len(len).is_err() {
            self.pending.length = Some(len);
        }
    }
}
