//! `plainview.toml` as a file: read whole, written whole or not at all; and changed by one program at a time.

use super::config::ConfigError;
use crate::sys::{metadata, temporary};
use rand::Rng;
use rustix::fs::{AtFlags, FlockOperation, Gid, Mode, OFlags, RenameFlags, Stat, Uid, fstat};
use rustix::io::Errno;
use std::ffi::CStr;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::thread;
use std::time::{Duration, Instant};

/// Its name in the vault's root.
const FILE: &CStr = c"plainview.toml";
/// The most bytes that it may have; one of 64 slots has about 16 KiB, unless their labels are long.
const FILE_MAX: usize = 64 << 10;

/// The file of the directory `root`.
///
/// # Errors
/// [`ConfigError::NotAVault`] when there is none, [`ConfigError::Damaged`] when it is no file, or what the operating system says. A file that is
/// too large comes back cut to one byte more than is allowed, for [`check_size`]: its format is to be looked at first.
pub(super) fn read(root: BorrowedFd<'_>) -> Result<Vec<u8>, ConfigError> {
    temporary::read_small(root, FILE, FILE_MAX).map_err(not_opened)
}

fn not_opened(errno: Errno) -> ConfigError {
    match errno {
        Errno::NOENT => ConfigError::NotAVault,
        Errno::LOOP | Errno::ISDIR => ConfigError::Damaged("it is not a regular file".to_owned()),
        _ => ConfigError::Os(errno),
    }
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

/// How long to wait while another program changes the file, which takes it a moment.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often to look whether it is done: a lock that is waited for in the kernel has no time limit.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// The file of a vault that no other program of ours changes as long as this is there.
///
/// The lock is on the file itself, so that nothing has to be made for it in the vault. A mount's lock is on the directory, so that a mounted vault can be changed; where directories cannot be
/// locked, it is on this file, too, and then one that is mounted cannot.
pub(super) struct Exclusive<'a> {
    root: BorrowedFd<'a>,
    file: OwnedFd,
}

impl<'a> Exclusive<'a> {
    /// Waits for the lock, some seconds at most.
    ///
    /// # Errors
    /// [`ConfigError::Locked`], or as [`read`].
    pub(super) fn take(root: BorrowedFd<'a>) -> Result<Self, ConfigError> {
        let begin = Instant::now();
        loop {
            let file = open(root)?;
            match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
                // Who had the lock before may have put another file in this one's place.
                Ok(()) if is_current(root, file.as_fd())? => return Ok(Self { root, file }),
                Ok(()) | Err(Errno::INTR) => {}
                Err(Errno::WOULDBLOCK) if begin.elapsed() < PATIENCE => thread::sleep(LOOK_AGAIN),
                Err(Errno::WOULDBLOCK) => return Err(ConfigError::Locked),
                Err(errno) => return Err(errno.into()),
            }
        }
    }

    /// The file.
    ///
    /// # Errors
    /// As [`read`].
    pub(super) fn read(&self) -> Result<Vec<u8>, ConfigError> {
        read(self.root)
    }

    /// Puts `bytes` in its place, with its mode, owner and extended attributes, ACLs among these. Durable when this returns.
    ///
    /// # Errors
    /// [`ConfigError::NotDurable`], when only that is missing; else what the operating system says, and the file is as it was.
    pub(super) fn replace(&self, bytes: &[u8]) -> Result<(), ConfigError> {
        let old = fstat(&self.file)?;
        let (temporary, file) = temporary(self.root)?;
        // An ACL before the mode, which has its mask.
        let put = metadata::copy_xattrs(self.file.as_fd(), file.as_fd())
            .and_then(|()| keep_owner(&file, &old))
            .and_then(|()| fill(file, bytes))
            .and_then(|()| rustix::fs::renameat(self.root, temporary.as_str(), self.root, FILE));
        if let Err(errno) = put {
            let _ = rustix::fs::unlinkat(self.root, temporary.as_str(), AtFlags::empty());
            return Err(errno.into());
        }
        sync_directory(self.root).map_err(ConfigError::NotDurable)
    }
}

/// The file, open: for writing where that is allowed, since some network filesystems give no lock otherwise.
fn open(root: BorrowedFd<'_>) -> Result<OwnedFd, ConfigError> {
    let open = |access| {
        rustix::fs::openat(
            root,
            FILE,
            access | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC,
            Mode::empty(),
        )
    };
    open(OFlags::RDWR).or_else(|_| open(OFlags::RDONLY)).map_err(not_opened)
}

/// Whether `file` still has the name.
fn is_current(root: BorrowedFd<'_>, file: BorrowedFd<'_>) -> Result<bool, ConfigError> {
    let id = |stat: Stat| (stat.st_dev, stat.st_ino);
    match rustix::fs::statat(root, FILE, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(id(stat) == id(fstat(file)?)),
        Err(errno) => Err(not_opened(errno)),
    }
}

/// Gives `file` the mode and, as far as we may, the owner and group that `old` has. Where the group cannot be kept, another one gets no rights.
fn keep_owner(file: &File, old: &Stat) -> Result<(), Errno> {
    let new = fstat(file)?;
    let (uid, gid) = (Uid::from_raw(old.st_uid), Gid::from_raw(old.st_gid));
    let has_group = new.st_gid == old.st_gid || rustix::fs::fchown(file, None, Some(gid)).is_ok();
    rustix::fs::fchmod(file, Mode::from_raw_mode(old.st_mode & if has_group { 0o777 } else { 0o707 }))?;
    // Last: as root we may still do this, and another could not do the rest any more. Who may not has written the file under their own name, as any editor would.
    if new.st_uid != old.st_uid {
        let _ = rustix::fs::fchown(file, Some(uid), None);
    }
    Ok(())
}

/// A file of another name, to be filled.
fn temporary(root: BorrowedFd<'_>) -> Result<(String, File), Errno> {
    let name = format!("{}{:016x}", temporary::PREFIX, rand::rng().next_u64());
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = rustix::fs::openat(root, name.as_str(), flags, Mode::RUSR | Mode::WUSR)?;
    Ok((name, File::from(file)))
}

/// Writes the file of the directory `root`, which has none; durable when this returns. Only its owner may read it: who can, can guess at the password.
///
/// # Errors
/// [`ConfigError::Exists`], or what the operating system says; then nothing is left of it.
pub(super) fn write_new(root: BorrowedFd<'_>, bytes: &[u8]) -> Result<(), ConfigError> {
    let (temporary, file) = temporary(root)?;
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
