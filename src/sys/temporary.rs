//! Files that appear whole and durable, or not at all.

use rand::Rng;
use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::{Errno, Result};
use std::ffi::{CStr, CString};
use std::os::fd::BorrowedFd;

/// What the names of half-made files begin with.
pub const PREFIX: &str = "plainview.tmp.";

/// Makes the file `name` with these `bytes` in the directory `dir`: temporary file, fdatasync, rename, fsync of the directory. Replaces a file of that name. Readable by all, since it is ciphertext or public.
///
/// # Errors
/// What the operating system says; nothing is left behind then.
pub fn write_durably(dir: BorrowedFd<'_>, name: &CStr, bytes: &[u8]) -> Result<()> {
    let temporary = CString::new(format!("{PREFIX}{:016x}", rand::rng().next_u64())).expect("hex digits hold no NUL");
    let result = write_new(dir, &temporary, bytes).and_then(|()| rustix::fs::renameat(dir, &temporary, dir, name));
    // Not every filesystem keeps the order of this rename and of what comes after it.
    let result = result.and_then(|()| sync_directory(dir));
    if result.is_err() {
        // Best effort: a left-over temporary file is ignored by every reader.
        let _ = rustix::fs::unlinkat(dir, &temporary, AtFlags::empty());
    }
    result
}

/// Makes a directory's entries durable.
///
/// # Errors
/// As fsync(2).
pub fn sync_directory(dir: BorrowedFd<'_>) -> Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY;
    rustix::fs::fsync(super::descriptor::reopen(dir, flags)?)
}

fn write_new(dir: BorrowedFd<'_>, name: &CStr, bytes: &[u8]) -> Result<()> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = rustix::fs::openat(dir, name, flags, Mode::from_raw_mode(0o644))?;
    let mut rest = bytes;
    while !rest.is_empty() {
        match rustix::io::write(&file, rest) {
            Ok(0) => return Err(Errno::IO),
            Ok(written) => rest = rest.get(written..).unwrap_or_default(),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
    rustix::fs::fdatasync(&file)
}

/// The bytes of the small file `name` in the directory `dir`, at most `limit` of them (one more is read so that a caller sees that it is longer).
///
/// # Errors
/// As open(2) and read(2).
pub fn read_small(dir: BorrowedFd<'_>, name: &CStr, limit: usize) -> Result<Vec<u8>> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = rustix::fs::openat(dir, name, flags, Mode::empty())?;
    let mut bytes = vec![0; limit.saturating_add(1)];
    let mut filled = 0;
    while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match rustix::io::read(&file, rest) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}
