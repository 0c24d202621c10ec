//! The plaintext view: inodes, shared file state, and every operation with plain types and errors. Callable without FUSE.
//!
//! Knows a [`Folder`](crate::folder::Folder) and the descriptors of its backing directory; does not know FUSE, cryptography, or which kind of folder it shows. Keeps true: one
//! state per inode, shared by all who have it open; a bounded number of descriptors however many inodes are known.

mod types;

use crate::error::Result;
use crate::folder::{Durability, Folder, SeekTo};
use std::os::fd::OwnedFd;
pub use types::*;

/// How a view behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Whether files may be changed.
    pub access: Access,
    /// Who owns what is created.
    pub ownership: Ownership,
    /// How many descriptors may be open at once.
    pub descriptors: usize,
}

/// Whether a folder may be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// It may.
    ReadWrite,
    /// It may not.
    ReadOnly,
}

/// Who owns what is created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ownership {
    /// The user that the daemon runs as.
    Daemon,
    /// The caller: for root with allow_other.
    Caller,
}

/// A folder in the clear.
pub struct View {}

#[allow(unused_variables)]
impl View {
    /// The view of `folder`, whose root directory is `root`.
    pub fn new(folder: Box<dyn Folder>, root: OwnedFd, options: Options) -> Result<Self> {
        todo!()
    }
    /// The entry `name` of a directory. ENOENT when there is none (the caller may remember that).
    pub fn lookup(&self, parent: NodeId, name: &[u8]) -> Result<Entry> {
        todo!()
    }
    /// The kernel forgets `count` of the lookups of an inode.
    pub fn forget(&self, node: NodeId, count: u64) {
        todo!()
    }
    /// Attributes.
    pub fn getattr(&self, node: NodeId) -> Result<Attr> {
        todo!()
    }
    /// Changes attributes. Clears set-user-id and set-group-id as POSIX asks (chown; truncation by others than root).
    pub fn setattr(&self, caller: Caller, node: NodeId, changes: &SetAttr) -> Result<Attr> {
        todo!()
    }
    /// A symlink's target.
    pub fn readlink(&self, node: NodeId) -> Result<Vec<u8>> {
        todo!()
    }
    /// Makes a regular file, fifo, socket or device; `mode` has type and permission bits.
    pub fn mknod(&self, caller: Caller, parent: NodeId, name: &[u8], mode: u32, rdev: u32) -> Result<Entry> {
        todo!()
    }
    /// Makes a regular file; EEXIST when the name is taken.
    pub fn create(&self, caller: Caller, parent: NodeId, name: &[u8], mode: u32) -> Result<Entry> {
        todo!()
    }
    /// Makes a directory.
    pub fn mkdir(&self, caller: Caller, parent: NodeId, name: &[u8], mode: u32) -> Result<Entry> {
        todo!()
    }
    /// Makes a symlink.
    pub fn symlink(&self, caller: Caller, parent: NodeId, name: &[u8], target: &[u8]) -> Result<Entry> {
        todo!()
    }
    /// Makes a hard link.
    pub fn link(&self, node: NodeId, parent: NodeId, name: &[u8]) -> Result<Entry> {
        todo!()
    }
    /// Removes an entry that is no directory.
    pub fn unlink(&self, parent: NodeId, name: &[u8]) -> Result<()> {
        todo!()
    }
    /// Removes an empty directory.
    pub fn rmdir(&self, parent: NodeId, name: &[u8]) -> Result<()> {
        todo!()
    }
    /// Renames.
    pub fn rename(&self, parent: NodeId, name: &[u8], new_parent: NodeId, new_name: &[u8], how: Rename) -> Result<()> {
        todo!()
    }
    /// Up to `len` bytes from `offset` into `buf` (cleared first); fewer only at the end of the file.
    pub fn read(&self, node: NodeId, offset: u64, len: usize, buf: &mut Vec<u8>) -> Result<()> {
        todo!()
    }
    /// Writes all of `data`.
    pub fn write(&self, node: NodeId, offset: u64, data: &[u8], privileges: Privileges) -> Result<()> {
        todo!()
    }
    /// Makes a file durable.
    pub fn fsync(&self, node: NodeId, what: Durability) -> Result<()> {
        todo!()
    }
    /// Makes a directory's entries durable.
    pub fn fsyncdir(&self, node: NodeId, what: Durability) -> Result<()> {
        todo!()
    }
    /// Calls `fill` for the entries of a directory from `offset` on (0, or some entry's `next`), until it says full or there are no more.
    pub fn readdir(&self, node: NodeId, offset: u64, fill: &mut dyn FnMut(&DirEntry<'_>) -> Fill) -> Result<()> {
        todo!()
    }
    /// As [`readdir`](Self::readdir), with attributes; each entry that `fill` takes counts as looked up.
    pub fn readdirplus(&self, node: NodeId, offset: u64, fill: &mut dyn FnMut(&DirEntry<'_>) -> Fill) -> Result<()> {
        todo!()
    }
    /// The filesystem below.
    pub fn statfs(&self) -> Result<Statfs> {
        todo!()
    }
    /// The value of an attribute; ENODATA.
    pub fn getxattr(&self, node: NodeId, name: &[u8]) -> Result<Vec<u8>> {
        todo!()
    }
    /// The names of all attributes, each followed by a NUL.
    pub fn listxattr(&self, node: NodeId) -> Result<Vec<u8>> {
        todo!()
    }
    /// Sets an attribute.
    pub fn setxattr(&self, node: NodeId, name: &[u8], value: &[u8], how: SetXattr) -> Result<()> {
        todo!()
    }
    /// Removes an attribute; ENODATA.
    pub fn removexattr(&self, node: NodeId, name: &[u8]) -> Result<()> {
        todo!()
    }
    /// The first data or hole from `offset` on; ENXIO.
    pub fn seek(&self, node: NodeId, offset: u64, to: SeekTo) -> Result<u64> {
        todo!()
    }
    /// Takes, gives back or zeroes space.
    pub fn fallocate(&self, node: NodeId, how: Allocate, offset: u64, len: u64) -> Result<()> {
        todo!()
    }
    /// Copies within or between files; returns how many bytes.
    pub fn copy_file_range(&self, from: NodeId, from_offset: u64, to: NodeId, to_offset: u64, len: u64) -> Result<u64> {
        todo!()
    }
    /// Makes everything durable; called at the end.
    pub fn sync_all(&self) -> Result<()> {
        todo!()
    }
}
