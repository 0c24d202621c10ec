//! Directories that hold files of our own, which the view does not show.

use super::{descriptor, metadata};
use rustix::fs::{AtFlags, Dir, Mode, OFlags};
use rustix::io::{Errno, Result};
use std::ffi::CString;
use std::os::fd::BorrowedFd;

/// Runs `action`, which changes what of ours is in the directory, and gives the directory the times back that it had: they are those of what the view shows.
///
/// # Errors
/// What `action` returned, or what setting the times did.
pub fn keeping_times(dir: BorrowedFd<'_>, action: impl FnOnce() -> Result<()>) -> Result<()> {
    let before = rustix::fs::fstat(dir)?;
    action()?;
    descriptor::set_times(dir, &metadata::times(&before))
}

/// Removes our own files, which are those whose names `is_own` knows, from a directory that holds nothing else. Returns whether there were any.
///
/// # Errors
/// ENOTEMPTY when the directory holds anything else; then nothing was removed. Else what the operating system says.
pub fn clear(dir: BorrowedFd<'_>, is_own: fn(&[u8]) -> bool) -> Result<bool> {
    let ours = descriptor::with_permission(dir, Mode::RWXU, || {
        let ours = own_files(dir, is_own)?;
        keeping_times(dir, || {
            ours.iter().try_for_each(|name| rustix::fs::unlinkat(dir, name, AtFlags::empty()))
        })?;
        Ok(ours)
    })?;
    Ok(!ours.is_empty())
}

/// The names of our own files in the directory; ENOTEMPTY when it holds anything else.
fn own_files(dir: BorrowedFd<'_>, is_own: fn(&[u8]) -> bool) -> Result<Vec<CString>> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let stream = Dir::new(rustix::fs::openat(dir, c".", flags, Mode::empty())?)?;
    let mut ours = Vec::new();
    for entry in stream {
        let entry = entry?;
        match entry.file_name().to_bytes() {
            b"." | b".." => {}
            name if is_own(name) => ours.push(entry.file_name().to_owned()),
            _ => return Err(Errno::NOTEMPTY),
        }
    }
    Ok(ours)
}
