//! A file of a recipe folder that is not encrypted: shown as it is, and never changed.

use crate::error::Result;
use crate::folder::{Contents, Durability, SeekTo};
use rustix::fs::{SeekFrom, Stat};
use rustix::io::Errno;
use std::os::fd::BorrowedFd;

/// The state of a file that is not encrypted.
pub(super) struct OtherFile {
    len: u64,
}

impl OtherFile {
    /// The state of the file of which `stat` was just taken.
    pub(super) fn open(stat: &Stat) -> Self {
        // A negative length cannot be.
        Self {
            len: u64::try_from(stat.st_size).unwrap_or(0),
        }
    }
}

/// What every change is told.
fn never() -> Result<()> {
    Err(Errno::ROFS.into())
}

impl Contents for OtherFile {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, file: BorrowedFd<'_>, offset: u64, len: usize, buf: &mut Vec<u8>) -> Result<()> {
        // Another program may have made it longer: that is seen when the view looks again.
        let rest = usize::try_from(self.len.saturating_sub(offset)).unwrap_or(usize::MAX);
        buf.resize(len.min(rest), 0);
        let read = super::disk::read_full(file, buf, offset);
        buf.truncate(*read.as_ref().unwrap_or(&0));
        read?;
        Ok(())
    }

    fn write_at(&mut self, _: BorrowedFd<'_>, _: u64, _: &[u8]) -> Result<()> {
        never()
    }

    fn resize(&mut self, _: BorrowedFd<'_>, _: u64) -> Result<()> {
        never()
    }

    fn zero(&mut self, _: BorrowedFd<'_>, _: u64, _: u64) -> Result<()> {
        never()
    }

    fn allocate(&mut self, _: BorrowedFd<'_>, _: u64, _: u64) -> Result<()> {
        never()
    }

    fn seek(&self, file: BorrowedFd<'_>, offset: u64, to: SeekTo) -> Result<u64> {
        // Moves the descriptor's own offset, which nothing uses.
        let from = match to {
            SeekTo::Data => SeekFrom::Data(offset),
            SeekTo::Hole => SeekFrom::Hole(offset),
        };
        Ok(rustix::fs::seek(file, from)?)
    }

    fn has_pending(&self) -> bool {
        false
    }

    fn sync(&mut self, file: BorrowedFd<'_>, what: Durability) -> Result<()> {
        Ok(super::disk::sync(file, what)?)
    }
}
