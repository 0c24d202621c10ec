//! `plainview.toml` as a file: read whole, written whole or not at all.

use super::config::ConfigError;
use data_encoding::BASE64URL_NOPAD;
use rand::Rng;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, RenameFlags};
use rustix::io::{Errno, retry_on_intr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Its name in the vault's root.
const FILE: &str = "plainview.toml";
/// The most bytes that are read of it; one of 200 slots has about 50 KiB.
const FILE_MAX: usize = 64 << 10;

/// The file of the directory `root`.
///
/// # Errors
/// [`ConfigError::NotAVault`] when there is none, [`ConfigError::Damaged`] when it is no file, or what the operating system says. A file that is
/// too large comes back cut to one byte more than is allowed, for [`check_size`]: its format is to be looked at first.
pub(super) fn read(root: BorrowedFd<'_>) -> Result<Vec<u8>, ConfigError> {
    // NONBLOCK, so that a pipe of this name does not hold us up before we see that it is one.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = rustix::fs::openat(root, FILE, flags, Mode::empty()).map_err(|errno| match errno {
        Errno::NOENT => ConfigError::NotAVault,
        Errno::LOOP => not_a_file(),
        _ => ConfigError::Os(errno),
    })?;
    if FileType::from_raw_mode(rustix::fs::fstat(&file)?.st_mode) != FileType::RegularFile {
        return Err(not_a_file());
    }
    let mut bytes = vec![0; FILE_MAX + 1];
    let mut len = 0;
    loop {
        match retry_on_intr(|| rustix::io::read(&file, &mut bytes[len..]))? {
            0 => break,
            more => len += more,
        }
    }
    bytes.truncate(len);
    Ok(bytes)
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

fn not_a_file() -> ConfigError {
    ConfigError::Damaged("it is not a regular file".to_owned())
}

/// Writes the file of the directory `root`, which has none; durable when this returns.
///
/// # Errors
/// [`ConfigError::Exists`], or what the operating system says; then nothing is left of it.
pub(super) fn write_new(root: BorrowedFd<'_>, bytes: &[u8]) -> Result<(), ConfigError> {
    let mut random = [0; 12];
    rand::rng().fill_bytes(&mut random);
    let temporary = format!("plainview.tmp.{}", BASE64URL_NOPAD.encode(&random));
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = rustix::fs::openat(root, temporary.as_str(), flags, Mode::RUSR | Mode::WUSR)?;
    let placed = write_all(&file, bytes)
        .and_then(|()| rustix::fs::fsync(&file))
        .and_then(|()| rename_new(root, &temporary));
    if let Err(errno) = placed {
        remove(root, &temporary);
        return Err(if errno == Errno::EXIST {
            ConfigError::Exists
        } else {
            ConfigError::Os(errno)
        });
    }
    sync_directory(root).map_err(|errno| {
        remove(root, FILE);
        ConfigError::Os(errno)
    })
}

fn write_all(file: &OwnedFd, mut bytes: &[u8]) -> Result<(), Errno> {
    while !bytes.is_empty() {
        match retry_on_intr(|| rustix::io::write(file, bytes))? {
            0 => return Err(Errno::IO),
            written => bytes = &bytes[written..],
        }
    }
    Ok(())
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

/// Takes away what a failure left; there is nothing better to do when that fails, too.
fn remove(root: impl AsFd, name: &str) {
    let _ = rustix::fs::unlinkat(root, name, AtFlags::empty());
}
