//! A recipe folder as a kind of folder: names, symlinks, attributes, and which contents an entry has.

mod names;
#[cfg(test)]
mod tests;

use super::file::{RecipeFile, Shared, fresh_header};
use super::other::OtherFile;
use super::{RecipeKey, SUFFIX};
use crate::error::Result;
use crate::folder::{Contents, Folder, Storage};
use crate::name::{CipherName, DirId, PlainName};
use crate::sys::{descriptor, directory};
use names::Opened;
use parking_lot::Mutex;
use rustix::fs::{FileType, Stat};
use rustix::io::Errno;
use std::collections::HashSet;
use std::ffi::{CStr, CString, OsStr};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Directories have no ids here; this stands for all of them.
const NO_ID: DirId = DirId::from_bytes([0; 16]);
/// Longest symlink target on disk, in bytes (PATH_MAX without the NUL).
const TARGET_MAX: usize = 4095;
/// How many different entries are remembered as logged; beyond that they are logged again.
const LOGGED_MAX: usize = 10_000;

/// What becomes of files that are not encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Others {
    /// They are not shown.
    Hidden,
    /// They are shown as they are, and cannot be changed.
    Shown,
}

/// A recipe folder whose key is known.
pub struct Recipe {
    shared: Arc<Shared>,
    others: Others,
    /// Shadowed entries that were logged, by their paths, so that each is logged once. Leaf lock.
    logged: Mutex<HashSet<PathBuf>>,
}

impl Recipe {
    /// The folder whose root directory is `root` and whose files have the key `key`. Changed files are kept in unnamed files in `root` until they are written.
    pub fn new(key: RecipeKey, root: OwnedFd, others: Others) -> Self {
        Self {
            shared: Arc::new(Shared::new(key, root)),
            others,
            logged: Mutex::default(),
        }
    }

    /// Logs, once, that an entry is not shown.
    fn log_shadowed(&self, stored: &CStr, fd: BorrowedFd<'_>) {
        let path = Path::new(&descriptor::path(fd)).join(OsStr::from_bytes(stored.to_bytes()));
        let mut logged = self.logged.lock();
        if logged.len() >= LOGGED_MAX {
            logged.clear();
        }
        if logged.insert(path.clone()) {
            let path = path.display();
            log::error!("not shown: {path}: {path}{} is shown in its place", String::from_utf8_lossy(SUFFIX));
        }
    }
}

impl Folder for Recipe {
    fn root(&self) -> DirId {
        NO_ID
    }

    fn directory_id(&self, _: DirId, _: &CipherName, _: BorrowedFd<'_>) -> Result<DirId> {
        Ok(NO_ID)
    }

    fn pin_directory_id(&self, _: DirId, _: BorrowedFd<'_>) -> Result<()> {
        Ok(())
    }

    fn empty_directory(&self, dir: BorrowedFd<'_>) -> Result<bool> {
        Ok(directory::clear(dir, names::is_own)?)
    }

    fn name_max(&self) -> usize {
        names::SUFFIXED_MAX
    }

    fn seal_name(&self, _: DirId, name: &PlainName, kind: Option<FileType>, fd: BorrowedFd<'_>) -> Result<CipherName> {
        Ok(CipherName::Short(names::seal(name, kind, self.others, fd)?))
    }

    fn open_name(&self, _: DirId, stored: &CStr, kind: FileType, fd: BorrowedFd<'_>) -> Option<(PlainName, CipherName)> {
        match names::open(stored, kind, self.others, fd) {
            Opened::Shown(name) => Some((name, CipherName::Short(stored.to_owned()))),
            Opened::Hidden => None,
            Opened::Shadowed => {
                self.log_shadowed(stored, fd);
                None
            }
        }
    }

    fn is_own(&self, stored: &CStr) -> bool {
        names::is_own(stored.to_bytes())
    }

    fn before_entry(&self, _: &CipherName, _: BorrowedFd<'_>) -> Result<()> {
        Ok(())
    }

    fn is_read_only(&self, name: &CipherName, kind: FileType) -> bool {
        kind != FileType::Directory && names::is_other(name.entry())
    }

    fn after_entry(&self, _: &CipherName, _: BorrowedFd<'_>) {}

    /// Nothing of a file, whose header says it, and of a symlink, whose target may have the suffix.
    fn plain_size(&self, kind: FileType, stat: &Stat) -> Option<u64> {
        match kind {
            FileType::RegularFile | FileType::Symlink => None,
            FileType::Directory
            | FileType::Fifo
            | FileType::Socket
            | FileType::CharacterDevice
            | FileType::BlockDevice
            | FileType::Unknown => Some(u64::try_from(stat.st_size).unwrap_or(0)),
        }
    }

    fn seal_target(&self, target: &[u8]) -> Result<Vec<u8>> {
        let stored = [target, SUFFIX].concat();
        if stored.len() > TARGET_MAX {
            return Err(Errno::NAMETOOLONG.into());
        }
        Ok(stored)
    }

    /// The target without the suffix, unless that is all of it, or it has none.
    fn open_target(&self, stored: &[u8]) -> Result<Vec<u8>> {
        let target = stored.strip_suffix(SUFFIX).filter(|target| !target.is_empty());
        Ok(target.unwrap_or(stored).to_vec())
    }

    fn seal_attribute_name(&self, name: &CStr) -> Result<CString> {
        Ok(name.to_owned())
    }

    fn open_attribute_name(&self, stored: &CStr) -> Result<Option<Vec<u8>>> {
        Ok(Some(stored.to_bytes().to_vec()))
    }

    fn seal_attribute(&self, _: &CStr, value: &[u8]) -> Result<Vec<u8>> {
        Ok(value.to_vec())
    }

    fn attribute_rest(&self, _: &CStr, _: &[u8]) -> Option<CString> {
        None
    }

    fn open_attribute(&self, _: &CStr, stored: &[u8]) -> Result<Vec<u8>> {
        Ok(stored.to_vec())
    }

    fn storage(&self) -> Storage {
        Storage::Replaced
    }

    fn empty_file(&self) -> Vec<u8> {
        fresh_header(0).to_bytes().to_vec()
    }

    fn contents(&self, name: Option<&CipherName>, file: BorrowedFd<'_>, stat: &Stat) -> Result<Box<dyn Contents>> {
        // What has no name any more was an encrypted file: others are not removed through us.
        if name.is_some_and(|name| names::is_other(name.entry())) {
            return Ok(Box::new(OtherFile::open(stat)));
        }
        Ok(Box::new(RecipeFile::open(Arc::clone(&self.shared), file, stat)?))
    }
}
