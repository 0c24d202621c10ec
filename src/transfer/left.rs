//! What is in a folder on disk, shown or not.

use crate::sys::temporary;
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, fstat, openat, statat};
use rustix::io::{Errno, Result};
use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// How many entries, directories included, there are in the directory `root` and those below it, without half-made files of our own.
///
/// A view does not show them all, so who wants to know whether it showed everything has to count them.
///
/// # Errors
/// What the operating system says of any of them; EAGAIN when directories are moved meanwhile.
pub fn stored_entries(root: BorrowedFd<'_>) -> Result<u64> {
    let mut count = 0;
    let mut at = openat(root, c".", DIRECTORY, Mode::empty())?;
    // One descriptor, however deep it goes: upwards through `..`.
    let mut above: Vec<Level> = Vec::new();
    let mut below = listed(at.as_fd(), &mut count)?;
    loop {
        if let Some(name) = below.pop() {
            let next = openat(&at, &name, DIRECTORY, Mode::empty())?;
            let names = listed(next.as_fd(), &mut count)?;
            above.push(Level {
                identity: identity(&at)?,
                names: std::mem::replace(&mut below, names),
            });
            at = next;
        } else if let Some(level) = above.pop() {
            at = openat(&at, c"..", DIRECTORY, Mode::empty())?;
            if identity(&at)? != level.identity {
                return Err(Errno::AGAIN);
            }
            below = level.names;
        } else {
            return Ok(count);
        }
    }
}

const DIRECTORY: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// A directory above.
struct Level {
    /// Device and inode number.
    identity: (u64, u64),
    /// Directories in it that are still to come.
    names: Vec<CString>,
}

fn identity(dir: &OwnedFd) -> Result<(u64, u64)> {
    let stat = fstat(dir)?;
    Ok((stat.st_dev, stat.st_ino))
}

/// The directories in a directory; all its entries are added to `count`.
fn listed(dir: BorrowedFd<'_>, count: &mut u64) -> Result<Vec<CString>> {
    let mut directories = Vec::new();
    for entry in Dir::read_from(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        let bytes = name.to_bytes();
        if matches!(bytes, b"." | b"..") || bytes.starts_with(temporary::PREFIX.as_bytes()) {
            continue;
        }
        *count += 1;
        let mut kind = entry.file_type();
        // Not every filesystem says what an entry is.
        if kind == FileType::Unknown {
            kind = FileType::from_raw_mode(statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)?.st_mode);
        }
        if kind == FileType::Directory {
            directories.push(name.to_owned());
        }
    }
    Ok(directories)
}
