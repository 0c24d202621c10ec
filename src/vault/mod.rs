//! Files and directories of a vault over descriptors: the kind of folder that plainview makes. `docs/format.md` in code.
//!
//! Knows keys, records and names, and reads and writes the vault's files; does not know inodes, paths or who asks. Keeps true: a name or a file that is not
//! what was written is an error or not shown, never something else; our own files are never shown.

mod directory;
pub mod file;
mod long;

use crate::error::{Error, Result};
use crate::folder::{Contents, Folder, Storage};
use crate::journal::{Fullness, Journal, JournaledFile};
use crate::keys::Names;
use crate::keys::{ContentKey, MasterKey};
use crate::name::{ATTRIBUTE_PREFIX, CipherName, DirId, EntryKind, NameCipher, PlainName, RESERVED, is_rest_name, rest_name};
use crate::record::{Size, size_on_disk};
use crate::sys::descriptor;
use crate::sys::disk::{FileId, Moment};
use parking_lot::Mutex;
use rustix::fs::{FileType, Stat, Timespec, Timestamps, UTIME_OMIT, Uid};
use rustix::io::Errno;
use std::collections::HashSet;
use std::ffi::{CStr, CString};
use std::os::fd::BorrowedFd;
use std::sync::Arc;

/// Longest symlink target on disk, in bytes (PATH_MAX without the NUL).
const TARGET_MAX: usize = 4095;
/// How many different undecodable names are remembered as logged; beyond that they are logged again.
const LOGGED_MAX: usize = 10_000;

/// A vault whose keys are known.
pub struct Vault {
    names: Names,
    cipher: NameCipher,
    content: Arc<ContentKey>,
    /// Over which files are changed, if there is one.
    journal: Option<Arc<Journal>>,
    /// Undecodable entries that were logged, so that each is logged once. Leaf lock.
    logged: Mutex<HashSet<(DirId, CString)>>,
    /// Who this process is.
    user: Uid,
}

impl Vault {
    /// The vault of this master key.
    pub fn new(master: &MasterKey, names: Names) -> Self {
        Self {
            names,
            cipher: NameCipher::new(master),
            content: Arc::new(ContentKey::derive(master)),
            journal: None,
            logged: Mutex::default(),
            user: rustix::process::geteuid(),
        }
    }

    /// The same vault, whose files are changed by way of its journal.
    #[must_use]
    pub fn with_journal(self, journal: Arc<Journal>) -> Self {
        Self {
            journal: Some(journal),
            ..self
        }
    }

    /// The state of a file's contents: over the journal, where `journaled` finds the file in it.
    fn contents_of(
        &self,
        file: BorrowedFd<'_>,
        stat: &Stat,
        journaled: impl FnOnce(&Journal) -> Option<Arc<JournaledFile>>,
    ) -> Result<Box<dyn Contents>> {
        let content = Arc::clone(&self.content);
        Ok(Box::new(match self.journal.as_deref().and_then(journaled) {
            Some(journaled) => file::VaultFile::journaled(content, journaled),
            None => file::VaultFile::open(content, file, stat)?,
        }))
    }

    /// Logs, once, that an entry is not shown. Its name on disk is no secret.
    fn log_hidden(&self, dir: DirId, stored: &CStr, fd: BorrowedFd<'_>, why: &str) {
        let mut logged = self.logged.lock();
        if logged.len() >= LOGGED_MAX {
            logged.clear();
        }
        if logged.insert((dir, stored.to_owned())) {
            let directory = crate::sys::descriptor::path(fd);
            log::error!("not shown: {}/{}: {why}", directory.display(), stored.to_string_lossy());
        }
    }
}

impl Folder for Vault {
    fn root(&self) -> DirId {
        self.cipher.root()
    }

    fn directory_id(&self, parent: DirId, name: &CipherName, dir: BorrowedFd<'_>) -> Result<DirId> {
        match self.names {
            Names::Plain => Ok(self.cipher.root()),
            Names::Encrypted => directory::id(&self.cipher, parent, name, dir),
        }
    }

    fn pin_directory_id(&self, id: DirId, dir: BorrowedFd<'_>) -> Result<()> {
        match self.names {
            Names::Plain => Ok(()),
            Names::Encrypted => directory::pin(&self.cipher, id, dir),
        }
    }

    fn empty_directory(&self, dir: BorrowedFd<'_>) -> Result<bool> {
        directory::empty(dir)
    }

    fn name_max(&self) -> usize {
        crate::name::NAME_MAX
    }

    fn seal_name(&self, dir: DirId, name: &PlainName, _: Option<FileType>, _: BorrowedFd<'_>) -> Result<CipherName> {
        match self.names {
            Names::Encrypted => Ok(self.cipher.seal(dir, name)),
            Names::Plain if name.as_bytes().starts_with(RESERVED) => Err(Errno::PERM.into()),
            Names::Plain => Ok(CipherName::Short(CString::new(name.as_bytes()).expect("a PlainName holds no NUL"))),
        }
    }

    fn open_name(&self, dir: DirId, stored: &CStr, _: FileType, fd: BorrowedFd<'_>) -> Option<(PlainName, CipherName)> {
        if self.names == Names::Plain {
            let name = PlainName::new(stored.to_bytes())
                .ok()
                .filter(|name| !name.as_bytes().starts_with(RESERVED))?;
            return Some((name, CipherName::Short(stored.to_owned())));
        }
        let opened = match NameCipher::classify(stored) {
            EntryKind::Reserved => return None,
            EntryKind::Short => self
                .cipher
                .open(dir, stored.to_bytes())
                .map(|name| (name, CipherName::Short(stored.to_owned())))
                .ok(),
            EntryKind::Long { name_file } => long::open(&self.cipher, dir, stored, name_file, fd),
        };
        if opened.is_none() {
            self.log_hidden(dir, stored, fd, "the name does not decode here");
        }
        opened
    }

    fn is_own(&self, stored: &CStr) -> bool {
        match self.names {
            Names::Plain => stored.to_bytes().starts_with(RESERVED),
            Names::Encrypted => NameCipher::classify(stored) == EntryKind::Reserved,
        }
    }

    fn before_entry(&self, name: &CipherName, fd: BorrowedFd<'_>) -> Result<()> {
        long::before_entry(name, fd)
    }

    fn is_read_only(&self, _: &CipherName, _: FileType) -> bool {
        false
    }

    fn after_entry(&self, name: &CipherName, fd: BorrowedFd<'_>) {
        long::after_entry(name, fd);
    }

    fn plain_size(&self, kind: FileType, stat: &Stat) -> Option<u64> {
        let on_disk = length(stat);
        let size = if kind == FileType::RegularFile {
            let journaled = self.journal.as_ref().map(|journal| journal.len_of(stat));
            match size_on_disk(journaled.unwrap_or(on_disk)) {
                Size::Whole(size) | Size::Cut(size) => size,
            }
        } else if kind == FileType::Symlink && self.names == Names::Encrypted {
            NameCipher::target_len(on_disk)
        } else {
            on_disk
        };
        Some(size)
    }

    fn seal_target(&self, target: &[u8]) -> Result<Vec<u8>> {
        let stored = match self.names {
            Names::Plain => target.to_vec(),
            Names::Encrypted => self.cipher.seal_target(target, &mut rand::rng()),
        };
        if stored.len() > TARGET_MAX {
            return Err(Errno::NAMETOOLONG.into());
        }
        Ok(stored)
    }

    fn open_target(&self, stored: &[u8]) -> Result<Vec<u8>> {
        match self.names {
            Names::Plain => Ok(stored.to_vec()),
            Names::Encrypted => self.cipher.open_target(stored).map_err(|_| Error::Undecodable("symlink target")),
        }
    }

    fn seal_attribute_name(&self, name: &CStr) -> Result<CString> {
        if is_acl(name) {
            return Ok(name.to_owned());
        }
        let stored = self.cipher.seal_attribute_name(name.to_bytes());
        // The kernel says ERANGE of a name that is too long; ours is longer on disk than in the view.
        if stored.to_bytes().len() > crate::name::NAME_MAX {
            return Err(Errno::RANGE.into());
        }
        Ok(stored)
    }

    fn open_attribute_name(&self, stored: &CStr) -> Result<Option<Vec<u8>>> {
        if is_acl(stored) {
            return Ok(Some(stored.to_bytes().to_vec()));
        }
        if is_rest_name(stored.to_bytes()) {
            return Ok(None);
        }
        let name = self.cipher.open_attribute_name(stored.to_bytes());
        if name.is_none() && stored.to_bytes().starts_with(ATTRIBUTE_PREFIX.as_bytes()) {
            return Err(Error::Undecodable("extended attribute"));
        }
        Ok(name)
    }

    fn seal_attribute(&self, name: &CStr, value: &[u8]) -> Result<Vec<u8>> {
        if is_acl(name) {
            return Ok(value.to_vec());
        }
        Ok(self.cipher.seal_attribute(name.to_bytes(), value, &mut rand::rng()))
    }

    fn attribute_rest(&self, name: &CStr, stored: &[u8]) -> Option<CString> {
        if is_acl(name) {
            return None;
        }
        rest_name(stored)
    }

    fn open_attribute(&self, name: &CStr, stored: &[u8]) -> Result<Vec<u8>> {
        if is_acl(name) {
            return Ok(stored.to_vec());
        }
        self.cipher
            .open_attribute(name.to_bytes(), stored)
            .map_err(|_| Error::Undecodable("extended attribute"))
    }

    fn storage(&self) -> Storage {
        Storage::InPlace
    }

    fn empty_file(&self) -> Vec<u8> {
        Vec::new()
    }

    fn contents(&self, _: Option<&CipherName>, file: BorrowedFd<'_>, stat: &Stat) -> Result<Box<dyn Contents>> {
        // Looked at again: what lay over the file may have been written into it since `stat` was taken.
        let len = || rustix::fs::fstat(file).map_or(length(stat), |now| length(&now));
        self.contents_of(file, stat, |journal| journal.file(FileId::of(stat), len))
    }

    fn new_contents(&self, _: Option<&CipherName>, file: BorrowedFd<'_>, stat: &Stat) -> Result<Box<dyn Contents>> {
        self.contents_of(file, stat, |journal| journal.new_file(FileId::of(stat), Moment::changed(stat)))
    }

    fn has_left(&self, stat: &Stat) -> bool {
        self.journal.as_ref().is_some_and(|journal| journal.has_left(stat))
    }

    fn set_times(&self, file: BorrowedFd<'_>, times: &Timestamps) -> rustix::io::Result<()> {
        let set = || descriptor::set_times(file, times);
        let is_modified = times.last_modification.tv_nsec != UTIME_OMIT;
        match &self.journal {
            None => set(),
            Some(journal) => journal.setting_times(FileId::of(&rustix::fs::fstat(file)?), is_modified, set),
        }
    }

    fn leave_modified(&self, stat: &Stat, modified: Timespec) -> bool {
        let (Some(journal), Ok(nanos)) = (&self.journal, u32::try_from(modified.tv_nsec)) else {
            return false;
        };
        // Of a file that is not ours we may not set a time of our choice.
        if !self.user.is_root() && stat.st_uid != self.user.as_raw() {
            return false;
        }
        let secs = modified.tv_sec;
        journal.leave_modified(FileId::of(stat), Moment { secs, nanos })
    }

    fn times(&self, stat: &Stat) -> Option<(Timespec, Timespec)> {
        let timespec = |moment: Moment| Timespec {
            tv_sec: moment.secs,
            tv_nsec: moment.nanos.into(),
        };
        let (modified, changed) = self.journal.as_ref()?.times(stat)?;
        Some((timespec(modified), timespec(changed)))
    }

    fn journal_fill(&self) -> Option<Fullness> {
        self.journal.as_ref().and_then(|journal| journal.fill())
    }

    fn close(&self) -> Result<()> {
        self.journal.as_ref().map_or(Ok(()), |journal| Ok(journal.close()?))
    }
}

/// The length on disk. A negative one cannot be; taken as none it shows an empty file.
fn length(stat: &Stat) -> u64 {
    u64::try_from(stat.st_size).unwrap_or(0)
}

/// Whether an attribute is a POSIX ACL: those stay in the clear, since the kernel enforces them.
fn is_acl(name: &CStr) -> bool {
    name == c"system.posix_acl_access" || name == c"system.posix_acl_default"
}
