//! The scratch file: where the contents of a changed file are until they are written.

use super::Shared;
use crate::error::Result;
use crate::folder::{Contents, SeekTo};
use crate::sys::temporary::Unnamed;
use crate::vault::file::VaultFile;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

/// Nobody else has a use for it.
const MODE: Mode = Mode::RUSR.union(Mode::WUSR);

/// A file of a vault that has no name, and whose key goes with this process. Random access, authenticated, and as private as any vault's file.
pub(super) struct Scratch {
    /// Open for reading and writing.
    pub(super) fd: OwnedFd,
    file: VaultFile,
}

impl Scratch {
    /// An empty one.
    pub(super) fn new(shared: &Shared) -> Result<Self> {
        let fd = unnamed(shared)?;
        let stat = rustix::fs::fstat(&fd)?;
        let file = VaultFile::open(Arc::clone(&shared.scratch), fd.as_fd(), &stat)?;
        Ok(Self { fd, file })
    }

    pub(super) fn len(&self) -> u64 {
        self.file.len()
    }

    pub(super) fn read_at(&self, offset: u64, len: usize, buf: &mut Vec<u8>) -> Result<()> {
        self.file.read_at(self.fd.as_fd(), offset, len, buf)
    }

    pub(super) fn write_at(&mut self, offset: u64, data: &[u8]) -> Result<()> {
        self.file.write_at(self.fd.as_fd(), offset, data)
    }

    pub(super) fn resize(&mut self, len: u64) -> Result<()> {
        self.file.resize(self.fd.as_fd(), len)
    }

    pub(super) fn zero(&mut self, offset: u64, len: u64) -> Result<()> {
        self.file.zero(self.fd.as_fd(), offset, len)
    }

    pub(super) fn allocate(&mut self, offset: u64, len: u64) -> Result<()> {
        self.file.allocate(self.fd.as_fd(), offset, len)
    }

    pub(super) fn seek(&self, offset: u64, to: SeekTo) -> Result<u64> {
        self.file.seek(self.fd.as_fd(), offset, to)
    }
}

/// Its last reader has gone, so nothing is lost with it: also not what its disk would not take, of which its file would complain.
impl Drop for Scratch {
    fn drop(&mut self) {
        if self.file.has_pending() {
            // Best effort: it goes in any case.
            let _ = self.file.resize(self.fd.as_fd(), 0);
        }
    }
}

/// A file without a name: in the folder, where there is room for large ones, or else where temporary files go.
fn unnamed(shared: &Shared) -> Result<OwnedFd> {
    let in_folder = match Unnamed::new(shared.root.as_fd(), MODE) {
        // A full disk is to be told of: the new file would have no room either.
        Err(error @ (Errno::NOSPC | Errno::DQUOT)) => return Err(error.into()),
        in_folder => in_folder,
    };
    let unnamed = in_folder.or_else(|error| {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let elsewhere = rustix::fs::open(std::env::temp_dir(), flags, Mode::empty());
        elsewhere.and_then(|dir| Unnamed::new(dir.as_fd(), MODE)).map_err(|_| error)
    })?;
    Ok(unnamed.into_fd())
}
