//! Every regular file of a vault, for recovery: one thread lists, several look at files.

use super::Access;
use super::recover::{Error, Progress, Recovery};
use super::visit::Role;
use crate::sys::disk::{Descriptor, FileStat, stat_at};
use crate::sys::{descriptor, limits};
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

type Outcome = std::result::Result<(), Error>;

/// Shows every file below `root` to the recovery.
///
/// # Errors
/// What the operating system says of a file that the journal names; the recovery is told of what else cannot be looked at.
pub(super) fn walk(root: BorrowedFd<'_>, access: Access, recovery: &Recovery, watch: &(dyn Fn(Progress) + Sync)) -> Outcome {
    // Each directory on the way down is open, and the files that the journal is about.
    limits::raise_descriptors();
    let walk = Walk {
        access,
        dev: stat_at(root, c"")?.id.dev,
        recovery,
        files: AtomicU64::new(0),
        bytes: AtomicU64::new(0),
        watch,
    };
    let (send, receive) = sync_channel(WAITING);
    let receive = Mutex::new(receive);
    let workers = thread::available_parallelism().map_or(1, NonZero::get);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(|| walk.work(&receive))).collect();
        let listed = walk.list(root, send);
        let done = workers.into_iter().map(|worker| worker.join().unwrap_or(Err(Errno::IO.into())));
        done.fold(listed, Outcome::and)
    })
}

struct Walk<'a> {
    access: Access,
    /// The device that the vault's root is on.
    dev: u64,
    recovery: &'a Recovery,
    files: AtomicU64,
    bytes: AtomicU64,
    watch: &'a (dyn Fn(Progress) + Sync),
}

impl Walk<'_> {
    fn tell(&self) {
        (self.watch)(Progress::Looking {
            files: self.files.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
        });
    }

    fn work(&self, receive: &Mutex<Receiver<Found>>) -> Outcome {
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
                        let path = found.path;
                        result = Err(Error::File { path, errno });
                    }
                }
            }
            self.tell();
        }
    }

    /// Lists all directories. Of those that are still to be listed, only the ones above are open. What lies on other devices comes last, and only if it is needed: it may be
    /// a snapshot of the vault itself.
    fn list(&self, root: BorrowedFd<'_>, send: SyncSender<Found>) -> Outcome {
        let again = || descriptor::reopen(root, OFlags::RDONLY | OFlags::DIRECTORY);
        let root = descriptor::with_permission(root, Mode::RUSR | Mode::XUSR, again)?;
        let (mut here, mut elsewhere) = (Vec::new(), Vec::new());
        self.list_one(&Arc::new(root), Path::new(""), &send, &mut here)?;
        while let Some(next) = here.pop() {
            // What a repair has moved away may be a copy.
            if is_ours(&next.name) {
                elsewhere.push(next);
                continue;
            }
            match self.enter(&next) {
                Some((dev, dir)) if dev == self.dev => self.list_one(&Arc::new(dir), &next.path, &send, &mut here)?,
                Some(_) => elsewhere.push(next),
                None => {}
            }
        }
        while self.recovery.gone() > 0
            && let Some(next) = elsewhere.pop()
        {
            if let Some((_, dir)) = self.enter(&next) {
                self.list_one(&Arc::new(dir), &next.path, &send, &mut elsewhere)?;
            }
        }
        Ok(())
    }

    /// Opens a directory; what it is on, too.
    fn enter(&self, next: &Pending) -> Option<(u64, OwnedFd)> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW;
        let opened = self.open(next.parent.as_fd(), &next.name, flags, Mode::RUSR | Mode::XUSR);
        match opened.and_then(|dir| Ok((rustix::fs::fstat(&dir)?.st_dev, dir))) {
            Ok(opened) => Some(opened),
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => None,
            // What some filesystems have in their root was never ours.
            Err(Errno::ACCESS) if next.path == Path::new("lost+found") => None,
            Err(errno) => {
                let changed = stat_at(next.parent.as_fd(), &next.name).ok().map(|stat| stat.changed);
                self.recovery.miss(next.path.clone(), errno, changed);
                None
            }
        }
    }

    fn list_one(&self, dir: &Arc<OwnedFd>, path: &Path, send: &SyncSender<Found>, pending: &mut Vec<Pending>) -> Outcome {
        let mut outcome = Ok(());
        let mut list = || {
            // Who may list a directory may not always look at what is in it.
            stat_at(dir.as_fd(), c".")?;
            outcome = self.list_entries(dir, path, send, pending)?;
            Ok(())
        };
        // Who takes what is sent must not want to change a mode: whose moments they are is locked meanwhile, and it may be waited here until somebody takes it.
        let listed = match self.access {
            Access::ReadWrite => descriptor::with_permission(dir.as_fd(), Mode::RUSR | Mode::XUSR, list),
            Access::ReadOnly => list(),
        };
        if let Err(errno) = listed {
            let changed = stat_at(dir.as_fd(), c"").ok().map(|stat| stat.changed);
            self.recovery.miss(path.to_owned(), errno, changed);
        }
        outcome
    }

    fn list_entries(&self, dir: &Arc<OwnedFd>, path: &Path, send: &SyncSender<Found>, pending: &mut Vec<Pending>) -> Result<Outcome> {
        for entry in Dir::read_from(&**dir)? {
            let entry = entry?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            let here = || path.join(OsStr::from_bytes(name.to_bytes()));
            let kind = kind_of(dir, &entry)?;
            if kind == FileType::Directory {
                pending.push(Pending {
                    parent: Arc::clone(dir),
                    name: name.to_owned(),
                    path: here(),
                });
            } else if kind == FileType::RegularFile && !is_ours(name) {
                let found = self.find(dir, name, here(), send);
                if found.is_err() {
                    return Ok(found);
                }
            }
        }
        Ok(Ok(()))
    }

    /// A regular file: is it one to be looked at?
    fn find(&self, dir: &OwnedFd, name: &CStr, path: PathBuf, send: &SyncSender<Found>) -> Outcome {
        self.files.fetch_add(1, Ordering::Relaxed);
        self.tell();
        let stat = match stat_at(dir.as_fd(), name) {
            Ok(stat) => stat,
            Err(Errno::NOENT) => return Ok(()),
            Err(errno) => {
                self.recovery.miss(path, errno, None);
                return Ok(());
            }
        };
        let role = self.recovery.role(&stat);
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let flags = match (&role, self.access) {
            (Role::Other, _) => return Ok(()),
            (_, Access::ReadWrite) => flags | OFlags::RDWR,
            (_, Access::ReadOnly) => flags | OFlags::RDONLY,
        };
        match (self.open(dir.as_fd(), name, flags, Mode::RUSR | Mode::WUSR), &role) {
            (Ok(fd), _) => {
                let file = Descriptor(fd);
                // The workers are there as long as this goes on.
                let _ = send.send(Found { file, stat, role, path });
            }
            (Err(errno), Role::Named(_)) if self.access == Access::ReadWrite => return Err(Error::File { path, errno }),
            (Err(errno), Role::Named(_) | Role::Perhaps) => self.recovery.miss(path, errno, Some(stat.changed)),
            (Err(errno), Role::New | Role::Other) => log::error!("cannot open {} to recover it: {errno}", path.display()),
        }
        Ok(())
    }

    /// Opens an entry; one that its mode, or that of the directory, denies us although it is ours, with `grant` for a moment, if we may change the vault.
    fn open(&self, dir: BorrowedFd<'_>, name: &CStr, flags: OFlags, grant: Mode) -> Result<OwnedFd> {
        let open = |flags| rustix::fs::openat(dir, name, flags | OFlags::CLOEXEC, Mode::empty());
        if self.access == Access::ReadOnly {
            return open(flags);
        }
        descriptor::with_permission(dir, Mode::XUSR, || match open(flags) {
            Err(Errno::ACCESS) => {
                let path = open(OFlags::PATH | OFlags::NOFOLLOW)?;
                descriptor::with_permission(path.as_fd(), grant, || descriptor::reopen(path.as_fd(), flags - OFlags::NOFOLLOW))
            }
            opened => opened,
        })
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

/// Whether a name is no entry's of the vault.
fn is_ours(name: &CStr) -> bool {
    name.to_bytes().starts_with(OURS) && !name.to_bytes().starts_with(LONG)
}
