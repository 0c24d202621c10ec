//! Writing bytes: whole records as they are, others merged with what they hold.

use super::VaultFile;
use super::ahead::Ahead;
use super::run::{Run, bytes};
use super::scratch::Scratch;
use crate::error::Result;
use crate::record::{End, MAX_PLAIN_LEN, Position};
use crate::sys::disk::Disk;
use rustix::io::Errno;

impl VaultFile {
    /// Writes `data` at `offset`.
    pub(super) fn write(&mut self, disk: &dyn Disk, offset: u64, data: &[u8]) -> Result<()> {
        self.write_sealed(disk, offset, data, None)
    }

    /// As [`write`](Self::write), where it may have been sealed ahead.
    pub(super) fn write_sealed(&mut self, disk: &dyn Disk, offset: u64, data: &[u8], ahead: Option<&Ahead>) -> Result<()> {
        if data.is_empty() {
            return Ok(());
        }
        let to = end_of(offset, bytes(data.len()))?;
        let len = self.ready(disk)?;
        match to > len {
            true => self.grow(disk, offset, data, ahead)?,
            false => self.overwrite(disk, offset, data, ahead)?,
        }
        self.forbid_holes(disk);
        Ok(())
    }

    /// Writes `data` over bytes that are there.
    fn overwrite(&mut self, disk: &dyn Disk, offset: u64, data: &[u8], ahead: Option<&Ahead>) -> Result<()> {
        let (to, len) = (offset + bytes(data.len()), self.length());
        let run = Run::touched(offset, to, len);
        if run.plain_offset() == offset && run.len == data.len() {
            return self.store(disk, run, data, ahead);
        }
        let first = Run::touched(offset, offset + 1, len);
        let last = Run::touched(to - 1, to, len);
        let mut scratch = Scratch::take();
        let plain = scratch.of(run.len);
        if first == last || first.plain_offset() < offset {
            self.open_one(disk, first, &mut plain[..first.len])?;
        }
        if first != last && to < last.plain_offset() + bytes(last.len) {
            self.open_one(disk, last, &mut plain[run.len - last.len..])?;
        }
        let within = Position::of(offset).within;
        plain[within..within + data.len()].copy_from_slice(data);
        self.store(disk, run, plain, None)
    }

    /// Opens the single record of `run`.
    pub(super) fn open_one(&mut self, disk: &dyn Disk, run: Run, plain: &mut [u8]) -> Result<()> {
        match run.end {
            End::Inner => self.open_run(disk, run, plain),
            End::Last => {
                plain.copy_from_slice(self.open_tail(disk)?);
                Ok(())
            }
        }
    }

    /// Seals `plain` as the records of `run`, if that was not done ahead, and writes them over those that are there.
    pub(super) fn store(&mut self, disk: &dyn Disk, run: Run, plain: &[u8], ahead: Option<&Ahead>) -> Result<()> {
        if run.end == End::Last {
            // Opened before it is replaced, lest a file that was cut in the middle of a record become a good one.
            self.open_tail(disk)?;
        }
        let unlocked = self.unlock(disk)?;
        let mut sealed = unlocked.sealed(run, plain, ahead);
        let result = self.put_block(disk, run.first, &mut sealed);
        if result.is_ok() {
            self.are_written(run);
        }
        if run.end == End::Last {
            // After a failure it is the old or the new one: to be read when it is needed.
            self.tail = result.is_ok().then(|| tail_of(plain).to_vec());
        }
        result
    }
}

/// The end of a range of `len` bytes from `offset` on.
///
/// # Errors
/// EFBIG when no file is that long.
pub(super) fn end_of(offset: u64, len: u64) -> Result<u64> {
    let end = offset.checked_add(len).filter(|end| *end <= MAX_PLAIN_LEN);
    Ok(end.ok_or(Errno::FBIG)?)
}

/// The plaintext of the last record, when `plain` is that of records up to it.
pub(super) fn tail_of(plain: &[u8]) -> &[u8] {
    plain.as_chunks::<{ crate::record::RECORD_LEN }>().1
}
