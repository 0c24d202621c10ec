//! What the file layer asks of the disk below one file.

use crate::folder::{Durability, SeekTo};
use rustix::fs::{FallocateFlags, SeekFrom};
use rustix::io::{Result, retry_on_intr};
use std::os::fd::BorrowedFd;

/// The bytes of one file on disk. A descriptor is one; the other ones are simulated disks in tests, which tear writes and run full.
///
/// Offsets and lengths are ciphertext bytes. Every method returns what the operating system says.
pub(crate) trait Disk {
    /// Reads into `buf` from `offset` on; returns how many bytes, 0 at the end of the file.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<usize>;
    /// Writes `data` at `offset`; returns how many bytes of it.
    fn write_at(&self, data: &[u8], offset: u64) -> Result<usize>;
    /// Cuts the file to `len` bytes, or appends zeros.
    fn set_len(&self, len: u64) -> Result<()>;
    /// Makes a range read as zeros and gives back its space, keeping the length.
    fn punch(&self, offset: u64, len: u64) -> Result<()>;
    /// Takes space for a range, keeping length and contents.
    fn allocate(&self, offset: u64, len: u64) -> Result<()>;
    /// The first byte from `offset` on that is data, or that is in a hole; ENXIO when there is none.
    fn seek(&self, offset: u64, to: SeekTo) -> Result<u64>;
    /// Makes what was written durable.
    fn sync(&self, what: Durability) -> Result<()>;
}

impl Disk for BorrowedFd<'_> {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<usize> {
        retry_on_intr(|| rustix::io::pread(self, &mut *buf, offset))
    }

    fn write_at(&self, data: &[u8], offset: u64) -> Result<usize> {
        retry_on_intr(|| rustix::io::pwrite(self, data, offset))
    }

    fn set_len(&self, len: u64) -> Result<()> {
        retry_on_intr(|| rustix::fs::ftruncate(self, len))
    }

    fn punch(&self, offset: u64, len: u64) -> Result<()> {
        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        retry_on_intr(|| rustix::fs::fallocate(self, flags, offset, len))
    }

    fn allocate(&self, offset: u64, len: u64) -> Result<()> {
        retry_on_intr(|| rustix::fs::fallocate(self, FallocateFlags::KEEP_SIZE, offset, len))
    }

    fn seek(&self, offset: u64, to: SeekTo) -> Result<u64> {
        // Moves the descriptor's own offset, which nothing uses.
        let from = match to {
            SeekTo::Data => SeekFrom::Data(offset),
            SeekTo::Hole => SeekFrom::Hole(offset),
        };
        rustix::fs::seek(self, from)
    }

    fn sync(&self, what: Durability) -> Result<()> {
        match what {
            Durability::Data => retry_on_intr(|| rustix::fs::fdatasync(self)),
            Durability::All => retry_on_intr(|| rustix::fs::fsync(self)),
        }
    }
}
