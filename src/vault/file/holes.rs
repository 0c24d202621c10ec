//! Holes: making them, and taking space beforehand.

use super::VaultFile;
use super::known::KnownHoles;
use super::pending::write_full;
use super::run::{Run, bytes, further};
use super::scratch::Scratch;
use super::unlocked::Unlocked;
use super::write::end_of;
use crate::error::Result;
use crate::record::{Holes, Position, RECORD_LEN, RecordNo, SEALED_LEN};
use crate::sys::disk::Disk;
use rustix::io::Errno;
use std::sync::Arc;

/// How many records of zeros are written at once where the filesystem cannot make holes.
const ZEROS_AT_ONCE: usize = 16;
static ZEROS: [u8; ZEROS_AT_ONCE * SEALED_LEN] = [0; ZEROS_AT_ONCE * SEALED_LEN];

impl VaultFile {
    /// Makes the bytes of the range read as zeros: full records become holes, the others are written.
    pub(super) fn make_zero(&mut self, disk: &dyn Disk, offset: u64, len: u64) -> Result<()> {
        let to = offset.saturating_add(len).min(self.length());
        if offset >= to {
            return Ok(());
        }
        self.ready(disk)?;
        // Full records lie between the borders; the last record is never among them, for it ends before one.
        let first = offset.next_multiple_of(bytes(RECORD_LEN));
        let beyond = Position::of(to).record.plain_offset();
        if first < beyond {
            self.allow_holes(disk)?;
            let first = Position::of(first).record;
            self.punch(disk, first, Position::of(beyond).record.get() - first.get())?;
        }
        let head = to.min(first);
        self.blank(disk, offset, head)?;
        self.blank(disk, head.max(beyond), to)
    }

    /// Writes zeros from `from` to `to`, which are in one record, unless they are there already: what is a hole stays one.
    fn blank(&mut self, disk: &dyn Disk, from: u64, to: u64) -> Result<()> {
        if from >= to {
            return Ok(());
        }
        let run = Run::touched(from, to, self.length());
        let within = Position::of(from).within;
        let len = usize::try_from(to - from).expect("less than a record");
        let mut scratch = Scratch::take();
        let plain = scratch.of(run.len);
        self.open_one(disk, run, plain)?;
        let range = &mut plain[within..within + len];
        if range.iter().all(|byte| *byte == 0) {
            return Ok(());
        }
        range.fill(0);
        self.store(disk, run, plain, None)
    }

    /// Sees to it that the header on disk says that the file has holes.
    pub(super) fn allow_holes(&mut self, disk: &dyn Disk) -> Result<Arc<Unlocked>> {
        let unlocked = self.unlock(disk)?;
        if unlocked.holes() == Holes::Allowed {
            return Ok(unlocked);
        }
        let allowed = self.change_header(disk, &unlocked, Holes::Allowed)?;
        // So far it had none.
        self.known_holes = Some(KnownHoles::none(Arc::clone(&allowed)));
        Ok(allowed)
    }

    /// Writes the header again, with another flag. If that fails, it is what it was.
    pub(super) fn change_header(&mut self, disk: &dyn Disk, old: &Unlocked, holes: Holes) -> Result<Arc<Unlocked>> {
        let new = old.with_holes(holes, &self.content);
        if let Err(torn) = write_full(disk, &new.header(&self.content), 0) {
            if torn.written > 0 {
                self.put_header_back(disk, old.header(&self.content));
            }
            return Err(torn.errno.into());
        }
        Ok(self.remember(new))
    }

    /// Turns `count` full records from `first` on into holes.
    pub(super) fn punch(&mut self, disk: &dyn Disk, first: RecordNo, count: u64) -> Result<()> {
        let beyond = RecordNo::new(first.get() + count);
        self.are_holes(first..beyond);
        match disk.punch(first.cipher_offset(), beyond.cipher_offset() - first.cipher_offset()) {
            Err(Errno::OPNOTSUPP) => (),
            result => return Ok(result?),
        }
        let mut at = first;
        while at < beyond {
            let records = usize::try_from(beyond.get() - at.get()).map_or(ZEROS_AT_ONCE, |rest| rest.min(ZEROS_AT_ONCE));
            self.put(disk, at, &ZEROS[..records * SEALED_LEN])?;
            at = further(at, records);
        }
        Ok(())
    }

    /// Takes space for the records of the range, and for the header with the first one.
    pub(super) fn take_space(&mut self, disk: &dyn Disk, offset: u64, len: u64) -> Result<()> {
        if len == 0 {
            return Ok(());
        }
        let to = end_of(offset, len)?;
        self.ready(disk)?;
        let from = match Position::of(offset).record {
            first if first.get() == 0 => 0,
            first => first.cipher_offset(),
        };
        let end = further(Position::of(to - 1).record, 1).cipher_offset();
        Ok(disk.allocate(from, end - from)?)
    }
}
