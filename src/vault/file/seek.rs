//! Finding data and holes.
//!
//! The backing filesystem knows holes of its own blocks, records know nothing of blocks: a record counts as a hole where the file may have holes and all
//! its bytes are in a backing hole. What is a hole but takes space is data; data is never a hole.

use super::VaultFile;
use super::run::{bytes, further};
use crate::error::Result;
use crate::folder::SeekTo;
use crate::record::{HEADER_LEN, Holes, Position, RecordNo, SEALED_LEN, Size};
use crate::sys::disk::Disk;
use rustix::io::Errno;

impl VaultFile {
    /// The first byte from `offset` on that is data or in a hole.
    pub(super) fn find(&self, disk: &dyn Disk, offset: u64, to: SeekTo) -> Result<u64> {
        let len = self.length();
        if offset >= len {
            return Err(Errno::NXIO.into());
        }
        // A cut file is all data, for a read of it tells of the damage.
        let holes = match self.size {
            Size::Cut(_) => Holes::Forbidden,
            Size::Whole(_) => self.unlock(disk)?.holes(),
        };
        match (holes, to) {
            (Holes::Forbidden, SeekTo::Data) => Ok(offset),
            (Holes::Forbidden, SeekTo::Hole) => Ok(len),
            (Holes::Allowed, SeekTo::Data) => self.find_data(disk, offset, len),
            (Holes::Allowed, SeekTo::Hole) => self.find_hole(disk, offset, len),
        }
    }

    fn find_data(&self, disk: &dyn Disk, offset: u64, len: u64) -> Result<u64> {
        let (start, last) = (Position::of(offset).record, Position::of(len).record);
        let on_disk = match backing(disk, start.cipher_offset(), SeekTo::Data)? {
            Some(data) => holder(data),
            None => last,
        };
        let in_memory = self.pending.next(start).unwrap_or(last);
        let found = on_disk.min(in_memory).min(last).plain_offset().max(offset);
        // The last record may hold no byte.
        if found < len { Ok(found) } else { Err(Errno::NXIO.into()) }
    }

    fn find_hole(&self, disk: &dyn Disk, offset: u64, len: u64) -> Result<u64> {
        let last = Position::of(len).record;
        let mut from = Position::of(offset).record;
        while from < last {
            let Some(hole) = backing(disk, from.cipher_offset(), SeekTo::Hole)? else {
                break;
            };
            let data = backing(disk, hole, SeekTo::Data)?.unwrap_or(u64::MAX);
            let mut record = first_from(hole);
            while record < last && further(record, 1).cipher_offset() <= data {
                if self.pending.next(record) != Some(record) {
                    return Ok(record.plain_offset().max(offset));
                }
                record = further(record, 1);
            }
            from = further(holder(data), 1);
        }
        Ok(len)
    }
}

/// As [`Disk::seek`]; `None` when there is none.
fn backing(disk: &dyn Disk, offset: u64, to: SeekTo) -> Result<Option<u64>> {
    match disk.seek(offset, to) {
        Ok(found) => Ok(Some(found)),
        Err(Errno::NXIO) => Ok(None),
        Err(errno) => Err(errno.into()),
    }
}

/// The record that holds the byte at `cipher_offset`; the first one for a byte of the header.
fn holder(cipher_offset: u64) -> RecordNo {
    RecordNo::new(cipher_offset.saturating_sub(bytes(HEADER_LEN)) / bytes(SEALED_LEN))
}

/// The first record that begins at `cipher_offset` or behind it.
fn first_from(cipher_offset: u64) -> RecordNo {
    RecordNo::new(cipher_offset.saturating_sub(bytes(HEADER_LEN)).div_ceil(bytes(SEALED_LEN)))
}
