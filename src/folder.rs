//! What the view asks of a kind of folder: how its names and its contents are stored. A vault is one kind, a recipe folder another.
//!
//! The view owns inodes, descriptors, locks and permissions and knows nothing of cryptography; an implementation owns bytes and names and knows nothing of
//! inodes. Every call gets the descriptors it works on.

use crate::error::Result;
use crate::journal::Fullness;
use crate::name::{CipherName, DirId, PlainName};
use crate::sys::descriptor;
use crate::sys::disk::keeping_modified;
pub use crate::sys::disk::{Durability, SeekTo};
use rustix::fs::{FileType, Stat, Timespec, Timestamps};
use rustix::io::Errno;
use std::any::Any;
use std::ffi::CStr;
use std::os::fd::BorrowedFd;
use std::sync::Arc;

/// A kind of folder.
pub trait Folder: Send + Sync {
    /// The id of the root directory.
    fn root(&self) -> DirId;
    /// The id of the directory `dir`, whose encoded name in the directory `parent` is `name`.
    ///
    /// # Errors
    /// What reading it says; damage when an id is there that is not ours.
    fn directory_id(&self, parent: DirId, name: &CipherName, dir: BorrowedFd<'_>) -> Result<DirId>;
    /// Makes sure that the directory `dir` keeps its id when it gets another name.
    ///
    /// # Errors
    /// What the operating system says.
    fn pin_directory_id(&self, id: DirId, dir: BorrowedFd<'_>) -> Result<()>;
    /// Undoes [`pin_directory_id`](Self::pin_directory_id) in a directory that holds nothing else, so that it can be removed. Returns whether there was something to undo.
    ///
    /// # Errors
    /// ENOTEMPTY when the directory holds an entry.
    fn empty_directory(&self, dir: BorrowedFd<'_>) -> Result<bool>;

    /// Longest name in bytes.
    fn name_max(&self) -> usize;
    /// How `name` is stored in the directory `dir`, open as `fd`. `kind` is what is to be made there; without it, what is there already is meant, if anything.
    ///
    /// # Errors
    /// A name that this folder cannot hold; EEXIST when something of another kind is shown under it, where that is stored differently.
    fn seal_name(&self, dir: DirId, name: &PlainName, kind: Option<FileType>, fd: BorrowedFd<'_>) -> Result<CipherName>;
    /// The entry `stored` of the directory `dir`, open as `fd`: its plaintext name and stored name, `None` when it is not shown. `kind` may be unknown.
    fn open_name(&self, dir: DirId, stored: &CStr, kind: FileType, fd: BorrowedFd<'_>) -> Option<(PlainName, CipherName)>;
    /// Whether the entry `stored` of any directory is of our own making, and never shown.
    fn is_own(&self, stored: &CStr) -> bool;
    /// Does what must be durable before the entry `name` appears in the directory `fd`.
    ///
    /// # Errors
    /// What the operating system says.
    fn before_entry(&self, name: &CipherName, fd: BorrowedFd<'_>) -> Result<()>;
    /// Whether what is stored under `name` is shown but never changed. Nothing is where files are [`Storage::InPlace`].
    fn is_read_only(&self, name: &CipherName, kind: FileType) -> bool;
    /// Cleans up after the entry `name` has gone from the directory `fd`, or never came to be.
    fn after_entry(&self, name: &CipherName, fd: BorrowedFd<'_>);

    /// The size to show for an entry, where what `stat` says of it is enough to tell. Otherwise it is that of its contents or target.
    fn plain_size(&self, kind: FileType, stat: &Stat) -> Option<u64>;
    /// The stored form of a symlink's target.
    ///
    /// # Errors
    /// ENAMETOOLONG when it does not fit.
    fn seal_target(&self, target: &[u8]) -> Result<Vec<u8>>;
    /// The target of a symlink.
    ///
    /// # Errors
    /// Damage.
    fn open_target(&self, stored: &[u8]) -> Result<Vec<u8>>;

    /// The stored name of an attribute.
    ///
    /// # Errors
    /// A name that does not fit.
    fn seal_attribute_name(&self, name: &CStr) -> Result<std::ffi::CString>;
    /// The attribute stored under `stored`; `None` when it is not one of the folder's.
    ///
    /// # Errors
    /// Damage.
    fn open_attribute_name(&self, stored: &CStr) -> Result<Option<Vec<u8>>>;
    /// The stored value of an attribute. What of it is longer than an attribute can be goes into one of the name that [`attribute_rest`](Self::attribute_rest) says.
    ///
    /// # Errors
    /// A value that does not fit.
    fn seal_attribute(&self, name: &CStr, value: &[u8]) -> Result<Vec<u8>>;
    /// The name of the attribute that has the rest, if there is one, of a stored value of `name` that begins with `stored`; `None` where it cannot have one.
    fn attribute_rest(&self, name: &CStr, stored: &[u8]) -> Option<std::ffi::CString>;
    /// The value of an attribute, from its stored value with its rest.
    ///
    /// # Errors
    /// Damage.
    fn open_attribute(&self, name: &CStr, stored: &[u8]) -> Result<Vec<u8>>;

    /// How a change of a regular file gets to disk.
    fn storage(&self) -> Storage;
    /// What a new, empty file holds on disk.
    fn empty_file(&self) -> Vec<u8>;
    /// The state of the contents of the regular file open as `file` and stored under `name`, if it still has one. Reads nothing that a later call can read, but what tells the length.
    ///
    /// # Errors
    /// What the operating system says.
    fn contents(&self, name: Option<&CipherName>, file: BorrowedFd<'_>, stat: &Stat) -> Result<Box<dyn Contents>>;
    /// As [`contents`](Self::contents), of a file that was just made and is empty. It need not survive a crash until it is synced, which a folder can make use of.
    ///
    /// # Errors
    /// As there.
    fn new_contents(&self, name: Option<&CipherName>, file: BorrowedFd<'_>, stat: &Stat) -> Result<Box<dyn Contents>> {
        self.contents(name, file, stat)
    }
    /// Whether `stat`, which says of a file on disk what was not seen of it before, was brought about by the folder itself, which may write late what it was given.
    fn has_left(&self, _stat: &Stat) -> bool {
        false
    }
    /// Sets the times of a file, so that they hold: also where the folder writes to it late, and gives it back the times that it had.
    ///
    /// # Errors
    /// As utimensat(2).
    fn set_times(&self, file: BorrowedFd<'_>, times: &Timestamps) -> rustix::io::Result<()> {
        descriptor::set_times(file, times)
    }
    /// Takes over the time at which a file, of which `stat` was taken just now, was written to, as the kernel hands it over late; and whether that was done. If not, it is to be set.
    fn leave_modified(&self, _stat: &Stat, _modified: Timespec) -> bool {
        false
    }
    /// When a file was modified and changed last (mtime and ctime), where that is not what `stat` says of it.
    fn times(&self, _stat: &Stat) -> Option<(Timespec, Timespec)> {
        None
    }
    /// How full its journal is, if it has one.
    fn journal_fill(&self) -> Option<Fullness> {
        None
    }
    /// Brings everything to disk that the folder holds back. The last call; nothing is changed any more.
    ///
    /// # Errors
    /// What the operating system says.
    fn close(&self) -> Result<()> {
        Ok(())
    }
}

/// What seals bytes of one file before it is their turn to be written: with nothing locked, while others use the file.
pub trait Sealer: Send + Sync {
    /// Seals `data`, which is to be written at `offset`. `None` where that has to wait for its turn.
    fn seal(&self, offset: u64, data: &[u8]) -> Option<Box<dyn Any>>;
}

/// Bytes that come late, from a cache.
pub struct Late<'a> {
    /// Where they go.
    pub offset: u64,
    /// What they are.
    pub data: &'a [u8],
    /// The same, sealed.
    ahead: Option<Box<dyn Any>>,
}

impl<'a> Late<'a> {
    /// As they are.
    pub fn new(offset: u64, data: &'a [u8]) -> Self {
        let ahead = None;
        Self { offset, data, ahead }
    }

    /// Sealed ahead, as far as `sealer` can do that.
    pub fn sealed(offset: u64, data: &'a [u8], sealer: &dyn Sealer) -> Self {
        let ahead = sealer.seal(offset, data);
        Self { offset, data, ahead }
    }

    /// Whether anything was sealed ahead.
    #[cfg(test)]
    pub fn is_sealed(&self) -> bool {
        self.ahead.is_some()
    }

    /// What was sealed ahead, if that is a `T`.
    pub fn ahead<T: 'static>(&self) -> Option<&T> {
        self.ahead.as_ref()?.downcast_ref()
    }
}

/// What is left of a sync.
pub type Unfinished = Box<dyn FnOnce() -> Result<()> + Send>;

/// How a change of a regular file gets to disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Storage {
    /// Into the file, with each call.
    InPlace,
    /// All of it into a new file, which takes the old one's place when the file is flushed, synced or no longer in use. Until then only its state knows the change.
    Replaced,
}

/// The contents of one regular file, shared by all who have it open. The view serialises: `&self` calls run side by side, `&mut self` calls alone.
///
/// All offsets and lengths are plaintext bytes. `file` is always the file that the state was made from, open for reading and, for `&mut self`, writing.
#[allow(clippy::len_without_is_empty, reason = "nothing asks whether a file is empty")]
pub trait Contents: Send + Sync {
    /// The file's length.
    fn len(&self) -> u64;
    /// Up to `len` bytes from `offset` into `buf`, which is cleared first; fewer only at the end of the file.
    ///
    /// # Errors
    /// Damage, or what the operating system says.
    fn read_at(&self, file: BorrowedFd<'_>, offset: u64, len: usize, buf: &mut Vec<u8>) -> Result<()>;
    /// Writes all of `data` at `offset`; a gap beyond the end becomes zeros.
    ///
    /// # Errors
    /// What the operating system says. What could be read before can be read after, and the length is the old one or covers whole what was written.
    fn write_at(&mut self, file: BorrowedFd<'_>, offset: u64, data: &[u8]) -> Result<()>;
    /// As [`write_at`](Self::write_at), of bytes that come late: the file keeps its time of modification.
    ///
    /// # Errors
    /// As [`write_at`](Self::write_at).
    fn write_late(&mut self, file: BorrowedFd<'_>, late: &Late<'_>) -> Result<()> {
        keeping_modified(&file, || self.write_at(file, late.offset, late.data))
    }
    /// Who seals ahead what comes late; nobody where that cannot be done.
    fn sealer(&self) -> Option<Arc<dyn Sealer>> {
        None
    }
    /// Makes the file `len` bytes long, cutting it or appending zeros (as a hole where they fill records).
    ///
    /// # Errors
    /// As [`write_at`](Self::write_at).
    fn resize(&mut self, file: BorrowedFd<'_>, len: u64) -> Result<()>;
    /// Makes the bytes in the range read as zeros, giving back their space where that can be done. Does not change the length; beyond the end it does nothing.
    ///
    /// # Errors
    /// As [`write_at`](Self::write_at).
    fn zero(&mut self, file: BorrowedFd<'_>, offset: u64, len: u64) -> Result<()>;
    /// Takes space for the range beforehand, without changing the length.
    ///
    /// # Errors
    /// ENOSPC.
    fn allocate(&mut self, file: BorrowedFd<'_>, offset: u64, len: u64) -> Result<()>;
    /// The first byte from `offset` on that is data, or that is a hole; the end of the file counts as a hole.
    ///
    /// # Errors
    /// ENXIO when there is none.
    fn seek(&self, file: BorrowedFd<'_>, offset: u64, to: SeekTo) -> Result<u64>;
    /// Whether there is something that only this state knows, so that it must not be dropped yet.
    fn has_pending(&self) -> bool;
    /// Makes everything that was written durable.
    ///
    /// # Errors
    /// What the operating system says.
    fn sync(&mut self, file: BorrowedFd<'_>, what: Durability) -> Result<()>;
    /// As [`sync`](Self::sync), but what takes its time, waiting for the disk, may be left to be done afterwards, when others can use the file again. What they change does not become
    /// part of what is synced.
    ///
    /// # Errors
    /// As [`sync`](Self::sync), also of what is left.
    fn start_sync(&mut self, file: BorrowedFd<'_>, what: Durability) -> Result<Option<Unfinished>> {
        self.sync(file, what).map(|()| None)
    }

    /// Writes all of the contents, sealed anew, to the empty file `into`, which is to take the place of `file`. Only with [`Storage::Replaced`], as the others below.
    ///
    /// # Errors
    /// What the operating system says. Then `into` is of no use, and nothing else has changed.
    fn write_anew(&self, _file: BorrowedFd<'_>, _into: BorrowedFd<'_>) -> Result<()> {
        Err(Errno::OPNOTSUPP.into())
    }
    /// The file that [`write_anew`](Self::write_anew) wrote is `file` from now on: nothing is pending.
    fn written_anew(&mut self) {}
    /// Whether another program has written other contents into `file` since this state knows it, so that it must not be replaced as if it were the old one.
    ///
    /// # Errors
    /// What the operating system says.
    fn is_overwritten(&self, _file: BorrowedFd<'_>) -> Result<bool> {
        Ok(false)
    }
    /// Does beforehand what a change needs that keeps the first `keep` bytes, so that those who read need not wait for it. Nothing has changed then.
    ///
    /// # Errors
    /// What the operating system says.
    fn prepare(&self, _file: BorrowedFd<'_>, _keep: u64) -> Result<()> {
        Ok(())
    }
    /// What is pending is to be forgotten: the contents are those of the file again.
    fn revert(&mut self) {}
    /// The file has no name any more: what is pending need never be written. It can still be read.
    fn abandon(&mut self) {}
    /// Nobody has the file open: what was kept at hand for the next change can go, unless it is pending.
    fn release(&mut self) {}
}
