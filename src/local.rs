//! A directory as it is, shown as a folder that encrypts nothing: so that what copies from one view into another copies from and to any directory, too.
//!
//! Knows descriptors; does not know keys, names in a vault or who asks. Keeps true: everything is shown as it is stored, and stored as it is given.

use crate::error::Result;
use crate::folder::{Contents, Durability, Folder, SeekTo, Storage};
use crate::name::{CipherName, DirId, NAME_MAX, PlainName};
use crate::sys::disk::{Disk, read_full_at, write_all_at};
use rustix::fs::{FileType, Stat};
use rustix::io::Errno;
use std::ffi::{CStr, CString};
use std::os::fd::BorrowedFd;

/// A directory that is not encrypted.
pub struct Local;

/// Ids are for what encrypts names: here all directories have this one.
const NO_ID: DirId = DirId::from_bytes([0; 16]);

impl Folder for Local {
    fn root(&self) -> DirId {
        NO_ID
    }

    fn directory_id(&self, _: DirId, _: &CipherName, _: BorrowedFd<'_>) -> Result<DirId> {
        Ok(NO_ID)
    }

    fn pin_directory_id(&self, _: DirId, _: BorrowedFd<'_>) -> Result<()> {
        Ok(())
    }

    fn empty_directory(&self, _: BorrowedFd<'_>) -> Result<bool> {
        Ok(false)
    }

    fn name_max(&self) -> usize {
        NAME_MAX
    }

    fn seal_name(&self, _: DirId, name: &PlainName, _: Option<FileType>, _: BorrowedFd<'_>) -> Result<CipherName> {
        Ok(CipherName::Short(CString::from(name)))
    }

    fn open_name(&self, _: DirId, stored: &CStr, _: FileType, _: BorrowedFd<'_>) -> Option<(PlainName, CipherName)> {
        let name = PlainName::new(stored.to_bytes()).ok()?;
        Some((name, CipherName::Short(stored.to_owned())))
    }

    fn is_own(&self, _: &CStr) -> bool {
        false
    }

    fn before_entry(&self, _: &CipherName, _: BorrowedFd<'_>) -> Result<()> {
        Ok(())
    }

    fn is_read_only(&self, _: &CipherName, _: FileType) -> bool {
        false
    }

    fn after_entry(&self, _: &CipherName, _: BorrowedFd<'_>) {}

    fn plain_size(&self, _: FileType, stat: &Stat) -> Option<u64> {
        Some(length(stat))
    }

    fn seal_target(&self, target: &[u8]) -> Result<Vec<u8>> {
        Ok(target.to_vec())
    }

    fn open_target(&self, stored: &[u8]) -> Result<Vec<u8>> {
        Ok(stored.to_vec())
    }

    fn seal_attribute_name(&self, name: &CStr) -> Result<CString> {
        Ok(name.to_owned())
    }

    /// Of the system's own attributes only the ACLs are such as another filesystem could have.
    fn open_attribute_name(&self, stored: &CStr) -> Result<Option<Vec<u8>>> {
        let name = stored.to_bytes();
        let is_own = name.starts_with(b"system.") && !name.starts_with(b"system.posix_acl_");
        Ok((!is_own).then(|| name.to_vec()))
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
        Storage::InPlace
    }

    fn empty_file(&self) -> Vec<u8> {
        Vec::new()
    }

    fn contents(&self, _: Option<&CipherName>, _: BorrowedFd<'_>, stat: &Stat) -> Result<Box<dyn Contents>> {
        Ok(Box::new(LocalFile { len: length(stat) }))
    }
}

/// The length. A negative one cannot be.
fn length(stat: &Stat) -> u64 {
    u64::try_from(stat.st_size).unwrap_or(0)
}

/// A file that is not encrypted.
struct LocalFile {
    len: u64,
}

impl Contents for LocalFile {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, file: BorrowedFd<'_>, offset: u64, len: usize, buf: &mut Vec<u8>) -> Result<()> {
        // Another program may have made it longer: that is seen when the view looks again.
        let rest = usize::try_from(self.len.saturating_sub(offset)).unwrap_or(usize::MAX);
        buf.clear();
        buf.resize(len.min(rest), 0);
        let read = read_full_at(&file, buf, offset);
        buf.truncate(*read.as_ref().unwrap_or(&0));
        read?;
        Ok(())
    }

    fn write_at(&mut self, file: BorrowedFd<'_>, offset: u64, data: &[u8]) -> Result<()> {
        let end = u64::try_from(data.len())
            .ok()
            .and_then(|len| offset.checked_add(len))
            .ok_or(Errno::FBIG)?;
        write_all_at(&file, data, offset)?;
        self.len = self.len.max(end);
        Ok(())
    }

    fn resize(&mut self, file: BorrowedFd<'_>, len: u64) -> Result<()> {
        file.set_len(len)?;
        self.len = len;
        Ok(())
    }

    fn zero(&mut self, file: BorrowedFd<'_>, offset: u64, len: u64) -> Result<()> {
        Ok(file.punch(offset, len)?)
    }

    fn allocate(&mut self, file: BorrowedFd<'_>, offset: u64, len: u64) -> Result<()> {
        Ok(file.allocate(offset, len)?)
    }

    fn seek(&self, file: BorrowedFd<'_>, offset: u64, to: SeekTo) -> Result<u64> {
        Ok(file.seek(offset, to)?)
    }

    fn has_pending(&self) -> bool {
        false
    }

    fn sync(&mut self, file: BorrowedFd<'_>, what: Durability) -> Result<()> {
        Ok(Disk::sync(&file, what)?)
    }
}
