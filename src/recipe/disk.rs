//! What the files of a recipe folder ask of the file on disk.

use crate::folder::Durability;
use rustix::fs::{FallocateFlags, Timespec, Timestamps, UTIME_NOW, UTIME_OMIT};
use rustix::io::{Errno, Result, retry_on_intr};
use std::os::fd::BorrowedFd;

/// Reads all of `buf` from `offset` on; returns how many bytes, fewer only at the end of the file.
pub(super) fn read_full(file: BorrowedFd<'_>, buf: &mut [u8], offset: u64) -> Result<usize> {
    let mut got = 0;
    while let Some(rest) = buf.get_mut(got..).filter(|rest| !rest.is_empty()) {
        match retry_on_intr(|| rustix::io::pread(file, &mut *rest, offset + bytes(got)))? {
            0 => break,
            more => got += more,
        }
    }
    Ok(got)
}

/// Makes the file durable.
pub(super) fn sync(file: BorrowedFd<'_>, what: Durability) -> Result<()> {
    match what {
        Durability::Data => retry_on_intr(|| rustix::fs::fdatasync(file)),
        Durability::Modified | Durability::All => retry_on_intr(|| rustix::fs::fsync(file)),
    }
}

/// Takes the space for `len` bytes of the file beforehand, where the filesystem can. One that has less is not filled up first to find that out.
///
/// ENOSPC when there is no room.
pub(super) fn reserve(file: BorrowedFd<'_>, len: u64) -> Result<()> {
    let below = rustix::fs::fstatvfs(file)?;
    let free = if rustix::process::geteuid().is_root() {
        below.f_bfree
    } else {
        below.f_bavail
    };
    // Not every filesystem says how large it is.
    if below.f_blocks > 0 && free.saturating_mul(below.f_frsize) < len {
        return Err(Errno::NOSPC);
    }
    match retry_on_intr(|| rustix::fs::fallocate(file, FallocateFlags::KEEP_SIZE, 0, len)) {
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => Ok(()),
        reserved => reserved,
    }
}

/// Sets the time of modification to now.
pub(super) fn touch(file: BorrowedFd<'_>) -> Result<()> {
    let time = |tv_nsec| Timespec { tv_sec: 0, tv_nsec };
    crate::sys::descriptor::set_times(
        file,
        &Timestamps {
            last_access: time(UTIME_OMIT),
            last_modification: time(UTIME_NOW),
        },
    )
}

/// `len` as a number for arithmetic with offsets.
pub(super) fn bytes(len: usize) -> u64 {
    u64::try_from(len).expect("usize has at most 64 bits")
}
