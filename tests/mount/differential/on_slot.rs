//! What is done through a descriptor.

use super::op::{SlotOp, Sparse};
use super::side::{Outcome, Seen, Side, list};
use rustix::fs::{self, FallocateFlags, FileType, Gid, Mode, SeekFrom, Timespec, Timestamps, UTIME_NOW, UTIME_OMIT, Uid};
use rustix::io::{self, Errno};
use std::os::fd::BorrowedFd;

/// The type that statfs(2) tells for btrfs.
const BTRFS_SUPER_MAGIC: i64 = 0x9123_683e;

pub(super) fn perform(side: &Side, slot: usize, what: &SlotOp) -> Outcome {
    let fd = side.slot(slot)?;
    match what {
        SlotOp::Close => {} // needs the slots: done in Side::perform
        SlotOp::Read { len } => {
            let mut bytes = vec![0; *len];
            let count = io::read(fd, bytes.as_mut_slice())?;
            bytes.truncate(count);
            return Ok(Seen::Bytes(bytes));
        }
        SlotOp::Write { data } => return count(io::write(fd, &data.bytes())?),
        SlotOp::Pread { offset, len } => {
            let mut bytes = vec![0; *len];
            let count = io::pread(fd, bytes.as_mut_slice(), *offset)?;
            bytes.truncate(count);
            return Ok(Seen::Bytes(bytes));
        }
        SlotOp::Pwrite { offset, data } => return count(io::pwrite(fd, &data.bytes(), *offset)?),
        // Where a directory's descriptor is says something only to its filesystem.
        SlotOp::Seek { .. } if FileType::from_raw_mode(fs::fstat(fd)?.st_mode) == FileType::Directory => {}
        SlotOp::Seek { to } => return Ok(Seen::Count(fs::seek(fd, *to)?)),
        SlotOp::SeekSparse { offset, to } => return seek_sparse(fd, *offset, *to),
        SlotOp::Resize { len } => fs::ftruncate(fd, *len)?,
        SlotOp::Fallocate { flags, offset, len } => allocate(fd, *flags, *offset, *len)?,
        SlotOp::Sync => fs::fsync(fd)?,
        SlotOp::DataSync => fs::fdatasync(fd)?,
        SlotOp::Lock(how) => fs::flock(fd, how.operation())?,
        SlotOp::Chmod { mode } => fs::fchmod(fd, Mode::from_raw_mode(mode.0))?,
        SlotOp::Chown { uid, gid } => fs::fchown(fd, uid.map(Uid::from_raw), gid.map(Gid::from_raw))?,
        SlotOp::Utimens { times } => {
            fs::futimens(fd, &times.timestamps())?;
            return Ok(side.times(&fs::fstat(fd)?, *times));
        }
        SlotOp::Stat => return side.slot_attrs(slot),
        SlotOp::ReadDir { room } => return list(fd, *room).map(Seen::Names),
    }
    Ok(Seen::Nothing)
}

fn count(count: usize) -> Outcome {
    Ok(Seen::Count(u64::try_from(count).unwrap_or(u64::MAX)))
}

fn allocate(fd: BorrowedFd<'_>, flags: FallocateFlags, offset: u64, len: u64) -> io::Result<()> {
    fs::fallocate(fd, flags, offset, len)?;
    // Where there is a hole already btrfs punches none, and leaves the times alone. Others do not, and neither do we.
    if flags.contains(FallocateFlags::PUNCH_HOLE) && fs::fstatfs(fd)?.f_type == BTRFS_SUPER_MAGIC {
        let [keep, now] = [UTIME_OMIT, UTIME_NOW].map(|tv_nsec| Timespec { tv_sec: 0, tv_nsec });
        fs::futimens(
            fd,
            &Timestamps {
                last_access: keep,
                last_modification: now,
            },
        )?;
    }
    Ok(())
}

/// Filesystems differ in what they call a hole and in what a directory says to SEEK_DATA, so only regular files are asked, and the position does not stay
/// where the answer was.
fn seek_sparse(fd: BorrowedFd<'_>, offset: u64, to: Sparse) -> Outcome {
    if FileType::from_raw_mode(fs::fstat(fd)?.st_mode) != FileType::RegularFile {
        return Ok(Seen::Nothing);
    }
    let found = fs::seek(
        fd,
        match to {
            Sparse::Data => SeekFrom::Data(offset),
            Sparse::Hole => SeekFrom::Hole(offset),
        },
    );
    fs::seek(fd, SeekFrom::Start(offset))?;
    Ok(Seen::Sparse(found))
}

/// copy_file_range may copy less than asked, so it is repeated until all is copied, the source has ended, or it fails.
pub(super) fn copy(from: BorrowedFd<'_>, mut from_offset: u64, to: BorrowedFd<'_>, mut to_offset: u64, len: usize) -> Outcome {
    let mut copied = 0;
    while copied < len {
        match fs::copy_file_range(from, Some(&mut from_offset), to, Some(&mut to_offset), len - copied) {
            Ok(0) => break,
            Ok(more) => copied += more,
            Err(Errno::INTR) => {}
            Err(errno) if copied == 0 => return Err(errno),
            Err(_) => break,
        }
    }
    count(copied)
}
