//! Every regular file of a vault, for recovery: one thread lists, several look at files.

use super::Access;
use super::recover::{Progress, Recovery, Role};
use crate::sys::descriptor;
use crate::sys::disk::{Descriptor, FileStat, stat_at};
use rustix::fs::{AtFlags, Dir, DirEntry, FileType, Mode, OFlags};
use rustix::io::{Errno, Result};
use std::ffi::{CStr, CString, OsStr};
use std::num::NonZero;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// What the names of our own files begin with, and of those of them that are entries.
const OURS: &[u8] = b"plainview.";
const LONG: &[u8] = b"plainview.long.";
/// How many files may wait to be looked at.
const WAITING: usize = 64;

/// A file to be looked at.
struct Found {
    file: Descriptor,
    stat: FileStat,
    role: Role,
    path: PathBuf,
}

/// A directory to be listed: an entry of another one.
struct Pending {
    parent: Arc<OwnedFd>,
    name: CString,
    path: PathBuf,
}

/// Shows every file below `root` to the recovery. What cannot be looked at is logged; returned is why something could not.
///
/// # Errors
/// What the operating system says of a file that the journal names, or of the root.
pub(super) fn walk(root: BorrowedFd<'_>, access: Access, recovery: &Recovery, watch: &(dyn Fn(Progress) + Sync)) -> Result<Option<Errno>> {
    let walk = Walk {
        access,
        recovery,
        files: AtomicU64::new(0),
        bytes: AtomicU64::new(0),
        missed: Mutex::new(None),
        watch,
    };
    let (send, receive) = sync_channel(WAITING);
    let receive = Mutex::new(receive);
    let workers = thread::available_parallelism().map_or(1, NonZero::get);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(|| walk.work(&receive))).collect();
        let listed = walk.list(root, send);
        let done = workers.into_iter().map(|worker| worker.join().unwrap_or(Err(Errno::IO)));
        done.fold(listed, Result::and)
    })?;
    Ok(walk.missed.into_inner().unwrap_or_else(PoisonError::into_inner))
}

struct Walk<'a> {
    access: Access,
    recovery: &'a Recovery,
    files: AtomicU64,
    bytes: AtomicU64,
    /// Why something was not looked at that may hold, or be, a file that the journal names. Leaf lock.
    missed: Mutex<Option<Errno>>,
    watch: &'a (dyn Fn(Progress) + Sync),
}

impl Walk<'_> {
    fn tell(&self) {
        (self.watch)(Progress {
            files: self.files.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
        });
    }

    fn miss(&self, errno: Errno) {
        // Whoever panicked has at most set it.
        *self.missed.lock().unwrap_or_else(PoisonError::into_inner) = Some(errno);
    }

    fn work(&self, receive: &Mutex<Receiver<Found>>) -> Result<()> {
        let mut result = Ok(());
        loop {
            // Whoever panicked had not yet begun with what it was to take.
            let next = receive.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let Ok(found) = next else { return result };
            let is_named = matches!(found.role, Role::Named(_) | Role::Perhaps);
            match self.recovery.visit(&found.file.0.as_fd(), &found.stat, found.role, &found.path) {
                Ok(bytes) => {
                    self.bytes.fetch_add(bytes, Ordering::Relaxed);
                }
                Err(errno) => {
                    log::error!("cannot recover {}: {errno}", found.path.display());
                    if is_named {
                        result = Err(errno);
                    }
                }
            }
            self.tell();
        }
    }

    /// Lists all directories. Of those that are still to be listed, only the ones above are open.
    fn list(&self, root: BorrowedFd<'_>, send: SyncSender<Found>) -> Result<()> {
        let root = descriptor::reopen(root, OFlags::RDONLY | OFlags::DIRECTORY)?;
        let mut pending = Vec::new();
        self.list_one(Arc::new(root), Path::new(""), &send, &mut pending)?;
        while let Some(next) = pending.pop() {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW;
            let listed = match self.open(next.parent.as_fd(), &next.name, flags, Mode::RUSR | Mode::XUSR) {
                Ok(dir) => self.list_one(Arc::new(dir), &next.path, &send, &mut pending),
                Err(errno) => Err(errno),
            };
            match listed {
                // Removed meanwhile, by somebody else.
                Ok(()) | Err(Errno::NOENT | Errno::NOTDIR) => {}
                Err(errno) => {
                    log::error!("cannot look for files to recover in {}: {errno}", next.path.display());
                    // Where we may not look we have changed nothing.
                    if errno != Errno::ACCESS {
                        self.miss(errno);
                    }
                }
            }
        }
        Ok(())
    }

    fn list_one(&self, dir: Arc<OwnedFd>, path: &Path, send: &SyncSender<Found>, pending: &mut Vec<Pending>) -> Result<()> {
        for entry in Dir::read_from(&*dir)? {
            let entry = entry?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            let here = || path.join(OsStr::from_bytes(name.to_bytes()));
            let kind = match kind_of(&dir, &entry) {
                Err(Errno::NOENT) => continue,
                kind => kind?,
            };
            if kind == FileType::Directory {
                pending.push(Pending {
                    parent: Arc::clone(&dir),
                    name: name.to_owned(),
                    path: here(),
                });
            } else if kind == FileType::RegularFile && (!name.to_bytes().starts_with(OURS) || name.to_bytes().starts_with(LONG)) {
                self.find(&dir, name, here(), send);
            }
        }
        Ok(())
    }

    /// A regular file: is it one to be looked at?
    fn find(&self, dir: &OwnedFd, name: &CStr, path: PathBuf, send: &SyncSender<Found>) {
        self.files.fetch_add(1, Ordering::Relaxed);
        self.tell();
        match self.found(dir, name) {
            Ok(None) | Err(Errno::NOENT) => {}
            Ok(Some((file, stat, role))) => {
                // The workers are there as long as this goes on.
                let _ = send.send(Found { file, stat, role, path });
            }
            Err(errno) => {
                log::error!("cannot look at {} to recover it: {errno}", path.display());
                self.miss(errno);
            }
        }
    }

    fn found(&self, dir: &OwnedFd, name: &CStr) -> Result<Option<(Descriptor, FileStat, Role)>> {
        let stat = stat_at(dir.as_fd(), name)?;
        let role = self.recovery.role(&stat);
        if let Role::Other = role {
            return Ok(None);
        }
        let access = match self.access {
            Access::ReadWrite => OFlags::RDWR,
            Access::ReadOnly => OFlags::RDONLY,
        };
        let flags = access | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let fd = self.open(dir.as_fd(), name, flags, Mode::RUSR | Mode::WUSR)?;
        Ok(Some((Descriptor(fd), stat, role)))
    }

    /// Opens an entry; one that its mode denies us although it is ours, with `grant` for a moment, if we may change the vault.
    fn open(&self, dir: BorrowedFd<'_>, name: &CStr, flags: OFlags, grant: Mode) -> Result<OwnedFd> {
        match (rustix::fs::openat(dir, name, flags | OFlags::CLOEXEC, Mode::empty()), self.access) {
            (Err(Errno::ACCESS), Access::ReadWrite) => {}
            (opened, _) => return opened,
        }
        let path = rustix::fs::openat(dir, name, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
        descriptor::with_permission(path.as_fd(), grant, || descriptor::reopen(path.as_fd(), flags - OFlags::NOFOLLOW))
    }
}

/// What an entry is; some filesystems do not say when they list it.
fn kind_of(dir: &OwnedFd, entry: &DirEntry) -> Result<FileType> {
    if entry.file_type() != FileType::Unknown {
        return Ok(entry.file_type());
    }
    let stat = rustix::fs::statat(dir, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW)?;
    Ok(FileType::from_raw_mode(stat.st_mode))
}
