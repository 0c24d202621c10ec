//! `plainview.toml` as a file: read whole, written whole or not at all.

use super::config::ConfigError;
use crate::sys::temporary;
use rand::Rng;
use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags};
use rustix::io::Errno;
use std::ffi::CStr;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::BorrowedFd;

/// Its name in the vault's root.
const FILE: &CStr = c"plainview.toml";
/// The most bytes that it may have; one of 200 slots has about 50 KiB.
const FILE_MAX: usize = 64 << 10;

/// The file of the directory `root`.
///
/// # Errors
/// [`ConfigError::NotAVault`] when there is none, [`ConfigError::Damaged`] when it is no file, or what the operating system says. A file that is
/// too large comes back cut to one byte more than is allowed, for [`check_size`]: its format is to be looked at first.
pub(super) fn read(root: BorrowedFd<'_>) -> Result<Vec<u8>, ConfigError> {
    temporary::read_small(root, FILE, FILE_MAX).map_err(|errno| match errno {
        Errno::NOENT => ConfigError::NotAVault,
        Errno::LOOP | Errno::ISDIR => ConfigError::Damaged("it is not a regular file".to_owned()),
        _ => ConfigError::Os(errno),
    })
}

/// Refuses what is larger than a `plainview.toml` may be.
///
/// # Errors
/// [`ConfigError::Damaged`].
pub(super) fn check_size(bytes: &[u8]) -> Result<(), ConfigError> {
    if bytes.len() > FILE_MAX {
        Err(ConfigError::Damaged("it is larger than 64 KiB".to_owned()))
    } else {
        Ok(())
    }
}

/// Writes the file of the directory `root`, which has none; durable when this returns. Only its owner may read it: who can, can guess at the password.
///
/// # Errors
/// [`ConfigError::Exists`], or what the operating system says; then nothing is left of it.
pub(super) fn write_new(root: BorrowedFd<'_>, bytes: &[u8]) -> Result<(), ConfigError> {
    let temporary = format!("{}{:016x}", temporary::PREFIX, rand::rng().next_u64());
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::openat(root, temporary.as_str(), flags, Mode::RUSR | Mode::WUSR)?);
    if let Err(errno) = fill(file, bytes).and_then(|()| rename_new(root, &temporary)) {
        let _ = rustix::fs::unlinkat(root, temporary.as_str(), AtFlags::empty());
        return Err(if errno == Errno::EXIST {
            ConfigError::Exists
        } else {
            ConfigError::Os(errno)
        });
    }
    sync_directory(root).map_err(|errno| {
        let _ = rustix::fs::unlinkat(root, FILE, AtFlags::empty());
        ConfigError::Os(errno)
    })
}

fn fill(mut file: File, bytes: &[u8]) -> Result<(), Errno> {
    let filled = file.write_all(bytes).and_then(|()| file.sync_all());
    filled.map_err(|error: io::Error| Errno::from_io_error(&error).unwrap_or(Errno::IO))
}

/// Gives `temporary` its name, replacing nothing, also where the filesystem does not know that flag.
fn rename_new(root: BorrowedFd<'_>, temporary: &str) -> Result<(), Errno> {
    match rustix::fs::renameat_with(root, temporary, root, FILE, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS) => {}
        done => return done,
    }
    match rustix::fs::statat(root, FILE, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(_) => Err(Errno::EXIST),
        Err(Errno::NOENT) => rustix::fs::renameat(root, temporary, root, FILE),
        Err(errno) => Err(errno),
    }
}

/// Makes the entries of `root` durable, where the filesystem can do that for a directory at all.
fn sync_directory(root: BorrowedFd<'_>) -> Result<(), Errno> {
    match rustix::fs::fsync(root) {
        Err(Errno::INVAL) => Ok(()),
        done => done,
    }
}
