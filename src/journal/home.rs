//! Where a journal lives: the root directory of a vault.

use crate::sys::disk::{Backing, Descriptor, FileStat, Kept, stat_at};
use crate::sys::{descriptor, metadata, temporary};
use rand::Rng;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, RenameFlags};
use rustix::io::{Errno, Result};
use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

/// The journal's name.
pub(super) const NAME: &CStr = c"plainview.journal";
/// What the names of journals begin with that were put aside.
pub(crate) const ASIDE: &str = "plainview.journal.kept-";

/// What a journal asks of the place where its file is and of the files around it; tests have one that is simulated.
pub(crate) trait Home: Send + Sync {
    /// Makes the journal's file with these bytes, durably, over one that is there.
    fn create(&self, bytes: &[u8]) -> Result<Kept>;
    /// The journal's file, if it is there.
    fn open(&self) -> Result<Option<Kept>>;
    /// Removes it, durably.
    fn remove(&self) -> Result<()>;
    /// Gives it another name, durably, which is returned: it is kept, but is no journal any more.
    fn put_aside(&self) -> Result<String>;
    /// Makes every file around durable.
    fn sync_all(&self) -> Result<()>;
    /// Whether it was begun by the user that we are.
    fn is_ours(&self) -> Result<bool>;
    /// What the directory is.
    fn stat(&self) -> Result<FileStat>;
    /// The time by the clock that dates new files here, which may be a little behind.
    fn now(&self) -> Result<crate::sys::disk::Moment>;
}

/// The root directory of a vault.
pub(super) struct Root {
    dir: OwnedFd,
    access: OFlags,
}

impl Root {
    /// The root that `dir` is open as. The journal's file is opened with `access`.
    pub(super) fn new(dir: BorrowedFd<'_>, access: OFlags) -> Result<Self> {
        Ok(Self {
            dir: rustix::io::fcntl_dupfd_cloexec(dir, 0)?,
            access,
        })
    }

    fn existing(&self) -> Result<OwnedFd> {
        let flags = self.access | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        descriptor::with_permission(self.dir.as_fd(), Mode::XUSR, || {
            rustix::fs::openat(&self.dir, NAME, flags, Mode::empty())
        })
    }

    /// Whether what has the journal's name, if anything has, is a regular file.
    pub(super) fn may_be_journal(&self) -> Result<bool> {
        let stat = || rustix::fs::statat(&self.dir, NAME, AtFlags::SYMLINK_NOFOLLOW);
        match descriptor::with_permission(self.dir.as_fd(), Mode::XUSR, stat) {
            Ok(stat) => Ok(FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile),
            Err(Errno::NOENT) => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// Changes the directory. Its times stay, as far as we may: the view shows them, and it does not show the journal.
    fn keeping_times(&self, action: impl FnMut() -> Result<()>) -> Result<()> {
        let before = rustix::fs::fstat(&self.dir)?;
        descriptor::with_permission(self.dir.as_fd(), Mode::RWXU, action)?;
        // One that is not ours keeps the new times.
        let _ = descriptor::set_times(self.dir.as_fd(), &metadata::times(&before));
        Ok(())
    }
}

impl Home for Root {
    fn create(&self, bytes: &[u8]) -> Result<Kept> {
        self.keeping_times(|| temporary::write_durably(self.dir.as_fd(), NAME, bytes))?;
        Ok(Arc::new(Descriptor(self.existing()?)))
    }

    fn open(&self) -> Result<Option<Kept>> {
        match self.existing() {
            Ok(fd) => Ok(Some(Arc::new(Descriptor(fd)))),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn is_ours(&self) -> Result<bool> {
        Ok(rustix::fs::statat(&self.dir, NAME, AtFlags::SYMLINK_NOFOLLOW)?.st_uid == rustix::process::geteuid().as_raw())
    }

    fn remove(&self) -> Result<()> {
        self.keeping_times(|| match rustix::fs::unlinkat(&self.dir, NAME, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => temporary::sync_directory(self.dir.as_fd()),
            Err(error) => Err(error),
        })
    }

    fn put_aside(&self) -> Result<String> {
        let name = format!("{ASIDE}{:08x}", rand::rng().next_u32());
        self.keeping_times(|| {
            rustix::fs::renameat_with(&self.dir, NAME, &self.dir, &name, RenameFlags::NOREPLACE)?;
            temporary::sync_directory(self.dir.as_fd())
        })?;
        Ok(name)
    }

    fn sync_all(&self) -> Result<()> {
        rustix::fs::syncfs(&self.dir)
    }

    fn stat(&self) -> Result<FileStat> {
        stat_at(self.dir.as_fd(), c"")
    }

    fn now(&self) -> Result<crate::sys::disk::Moment> {
        let file = || temporary::Unnamed::new(self.dir.as_fd(), Mode::RUSR | Mode::WUSR);
        // As the journal itself, this must not fail because the user may not write to the root of the view.
        let file = descriptor::with_permission(self.dir.as_fd(), Mode::RWXU, file)?;
        Ok(file.fd().stat()?.changed)
    }
}
