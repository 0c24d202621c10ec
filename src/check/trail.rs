//! The way from the root of a tree down to where one is, however deep: only the last few directories of it are open.

use crate::sys::descriptor;
use crate::sys::disk::FileId;
use rustix::fs::{Mode, OFlags, fstat, openat};
use rustix::io::{Errno, Result};
use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// So many directories are open at once, beside the root.
const OPEN: usize = 32;
const FLAGS: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// Opens the directory `name` of `dir`.
///
/// # Errors
/// As open(2); ELOOP or ENOTDIR when it is none.
pub(super) fn open_directory(dir: BorrowedFd<'_>, name: &CStr) -> Result<OwnedFd> {
    openat(dir, name, FLAGS, Mode::empty())
}

/// A directory on the way.
struct Level<T> {
    /// Nothing while it is far above.
    fd: Option<OwnedFd>,
    id: FileId,
    what: T,
}

/// Directories from the root down, each with what is to be remembered of it.
pub(super) struct Trail<T> {
    root: OwnedFd,
    root_what: T,
    levels: Vec<Level<T>>,
}

impl<T> Trail<T> {
    /// At the root.
    ///
    /// # Errors
    /// As open(2).
    pub(super) fn new(root: BorrowedFd<'_>, what: T) -> Result<Self> {
        Ok(Self {
            root: descriptor::reopen(root, OFlags::RDONLY | OFlags::DIRECTORY)?,
            root_what: what,
            levels: Vec::new(),
        })
    }

    /// The directory where one is.
    pub(super) fn here(&self) -> BorrowedFd<'_> {
        let fd = self.levels.last().map(|level| &level.fd);
        fd.map_or(self.root.as_fd(), |fd| fd.as_ref().expect("the last one is open").as_fd())
    }

    /// What is remembered of it.
    pub(super) fn what(&mut self) -> &mut T {
        self.levels.last_mut().map_or(&mut self.root_what, |level| &mut level.what)
    }

    /// Goes down into `fd`, a directory in the one where one is.
    ///
    /// # Errors
    /// As fstat(2).
    pub(super) fn descend(&mut self, fd: OwnedFd, what: T) -> Result<()> {
        let id = FileId::of(&fstat(&fd)?);
        self.levels.push(Level { fd: Some(fd), id, what });
        if let Some(far) = self.levels.len().checked_sub(OPEN + 1).and_then(|far| self.levels.get_mut(far)) {
            far.fd = None;
        }
        Ok(())
    }

    /// Goes up again; returns whether one was not at the root.
    ///
    /// # Errors
    /// As open(2); ESTALE when the directory has been moved meanwhile.
    pub(super) fn ascend(&mut self) -> Result<bool> {
        let Some(left) = self.levels.pop() else { return Ok(false) };
        if let (Some(above), Some(left)) = (self.levels.last_mut(), left.fd)
            && above.fd.is_none()
        {
            let fd = open_directory(left.as_fd(), c"..")?;
            if FileId::of(&fstat(&fd)?) != above.id {
                return Err(Errno::STALE);
            }
            above.fd = Some(fd);
        }
        Ok(true)
    }
}
