//! A directory that a command works in: open, locked, and shown by a view.

use super::advice::advised;
use super::exit::Failure;
use super::mount::failure;
use crate::folder::Folder;
use crate::mount::Lock;
use crate::sys::limits;
use crate::view::{self, Access, Ownership, View};
use rustix::fs::{Mode, OFlags};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

/// Most descriptors that each of two views is given: the directories from the top to where it is, and one file.
const DESCRIPTORS: usize = 500;
/// Descriptors for everything else.
const RESERVED: usize = 64;

/// A directory, open.
pub(super) struct Place {
    /// Absolute and without symlinks.
    pub(super) path: PathBuf,
    pub(super) root: OwnedFd,
}

impl Place {
    pub(super) fn open(path: &Path, open: impl FnOnce(&Path) -> Result<OwnedFd, Failure>) -> Result<Self, Failure> {
        let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let root = open(&path)?;
        Ok(Self { path, root })
    }

    pub(super) fn lock(&self, access: Access) -> Result<Lock, Failure> {
        Lock::take(self.root.as_fd(), &self.path, access).map_err(|error| failure(&error))
    }

    pub(super) fn descriptor(&self) -> Result<OwnedFd, Failure> {
        self.root.try_clone().map_err(|error| self.unusable(&error))
    }

    pub(super) fn view(&self, folder: Box<dyn Folder>, access: Access) -> Result<View, Failure> {
        let descriptors = (limits::raise_descriptors().saturating_sub(RESERVED) / 2).min(DESCRIPTORS);
        let options = view::Options {
            access,
            ownership: Ownership::Daemon,
            descriptors,
        };
        View::new(folder, self.descriptor()?, options).map_err(|error| self.unusable(&error))
    }

    pub(super) fn unusable(&self, error: &dyn std::error::Error) -> Failure {
        Failure::other(format!("cannot use {}: {error}", self.path.display()))
    }

    /// Whether one of the two lies in the other, or they are the same.
    pub(super) fn overlaps(&self, other: &Path) -> bool {
        self.path.starts_with(other) || other.starts_with(&self.path)
    }
}

pub(super) fn open_folder(path: &Path) -> Result<OwnedFd, Failure> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let opened = rustix::fs::open(path, flags, Mode::empty());
    opened.map_err(|errno| Failure::other(format!("cannot open {}: {}", path.display(), advised(errno))))
}
