//! The plaintext view: inodes, shared file state, and every operation with plain types and errors. Callable without FUSE.
//!
//! Knows a [`Folder`] and the descriptors of its backing directory; does not know FUSE, cryptography, or which kind of folder it shows. Keeps true: one
//! state per inode, shared by all who have it open; a bounded number of descriptors however many inodes are known.
//!
//! Locks, in the order in which they are taken: `Inode::opening`; `OpenFile::body`; then the leaves (`Table`, `Descriptors`, and what an inode
//! keeps). No lock is held over I/O that another file needs.

mod attributes;
mod contents;
mod create;
mod descriptors;
mod inode;
mod listing;
mod namespace;
mod resolve;
#[cfg(test)]
mod tests;
mod types;
mod xattr;

use crate::error::{Error, Result};
use crate::folder::Folder;
use crate::name::{CipherName, PlainName};
use descriptors::Descriptors;
use inode::{Inode, Place, Table};
use listing::Streams;
use parking_lot::RwLock;
use rustix::fs::{FileType, Stat};
use rustix::io::Errno;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
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

/// Descriptors kept for directory listings that are under way.
const STREAMS: usize = 32;

/// A folder in the clear.
pub struct View {
    folder: Box<dyn Folder>,
    root: OwnedFd,
    options: Options,
    /// Who owns what this process makes.
    daemon: Caller,
    /// All known inodes. Changed through `change_table` only. Taken before the locks of `descriptors` and `streams`.
    table: RwLock<Table>,
    descriptors: Descriptors,
    streams: Streams,
}

impl View {
    /// The view of `folder`, whose root directory is `root`, open for reading.
    ///
    /// # Errors
    /// When the root cannot be looked at.
    pub fn new(folder: Box<dyn Folder>, root: OwnedFd, options: Options) -> Result<Self> {
        let stat = rustix::fs::fstat(&root)?;
        let table = Table::new(&stat);
        if let Some(inode) = table.get(NodeId::ROOT) {
            *inode.dir_id.write() = Some(folder.root());
        }
        let descriptors = Descriptors::new(options.descriptors.saturating_sub(STREAMS).max(1));
        let daemon = Caller {
            uid: rustix::process::geteuid().as_raw(),
            gid: rustix::process::getegid().as_raw(),
        };
        Ok(Self {
            folder,
            root,
            options,
            daemon,
            table: RwLock::new(table),
            descriptors,
            streams: Streams::new(STREAMS),
        })
    }

    /// The entry `name` of a directory; the kernel knows it from now on.
    ///
    /// # Errors
    /// ENOENT when there is none (the caller may remember that), or what the operating system says.
    pub fn lookup(&self, parent: NodeId, name: &[u8]) -> Result<Entry> {
        let at = match self.entry(parent, name) {
            // A name that this folder cannot hold is not there.
            Err(Error::Os(Errno::PERM)) => return Err(Errno::NOENT.into()),
            at => at?,
        };
        let stat = at.stat()?;
        self.found(&at.parent, &at.name, &stat)
    }

    /// The kernel forgets `count` of the lookups of an inode.
    pub fn forget(&self, node: NodeId, count: u64) {
        self.change_table(|table| table.forget(node, count));
    }

    /// Calls `change` with the table, and closes what is open of inodes that are not known any more.
    fn change_table<T>(&self, change: impl FnOnce(&mut Table) -> T) -> T {
        let mut table = self.table.write();
        let result = change(&mut table);
        // While the table is locked nobody can look them up again, and so take what is open of the old one for theirs.
        let closed: Vec<_> = table
            .take_dropped()
            .into_iter()
            .map(|node| (self.descriptors.take(node), self.streams.take_all(node)))
            .collect();
        // close(2) may take its time: not with the lock held.
        drop(table);
        drop(closed);
        result
    }

    /// The state of the filesystem below.
    ///
    /// # Errors
    /// As statvfs(3).
    pub fn statfs(&self) -> Result<Statfs> {
        let below = rustix::fs::fstatvfs(&self.root)?;
        let narrow = |value: u64| u32::try_from(value).unwrap_or(u32::MAX);
        Ok(Statfs {
            blocks: below.f_blocks,
            bfree: below.f_bfree,
            bavail: below.f_bavail,
            files: below.f_files,
            ffree: below.f_ffree,
            bsize: narrow(below.f_bsize),
            namelen: u32::try_from(crate::name::NAME_MAX).unwrap_or(u32::MAX),
            frsize: narrow(below.f_frsize),
        })
    }

    /// Makes everything durable; called at the end.
    ///
    /// # Errors
    /// The first error, after trying all.
    pub fn sync_all(&self) -> Result<()> {
        let mut result = Ok(());
        for open in self.descriptors.all() {
            if let descriptors::Open::File(file) = &*open {
                let body = &mut *file.body.write();
                if body.writable {
                    result = result.and(body.contents.sync(body.fd.as_fd(), crate::folder::Durability::All));
                }
            }
        }
        if self.options.access == Access::ReadWrite {
            result = result.and(rustix::fs::syncfs(&self.root).map_err(Error::from));
        }
        result
    }

    /// The entry under which `stat` was found becomes known, and its attributes are shown.
    fn found(&self, parent: &Arc<Inode>, name: &CipherName, stat: &Stat) -> Result<Entry> {
        let kind = FileType::from_raw_mode(stat.st_mode);
        let place = || Place::At {
            parent: Arc::clone(parent),
            name: name.clone(),
        };
        let known = self.table.read().find(stat);
        let again = || resolve::stat_at(self, parent, name);
        let (stat, seen) = match &known {
            // Its entry was removed: by us after `stat` was made, or it has another one.
            Some(inode) if inode.is_gone() => {
                inode.expect_look();
                let stat = again()?;
                inode.accept(&stat);
                (stat, inode::Seen::AsKnown)
            }
            Some(inode) => self.look_closely(inode, stat, again)?,
            None => (*stat, inode::Seen::AsKnown),
        };
        let inode = self.change_table(|table| table.intern(&stat, kind, place(), seen));
        if known.as_ref().is_some_and(|known| !Arc::ptr_eq(known, &inode)) {
            // Somebody else changed the file: what we have open of it may be of the old one.
            self.descriptors.remove(inode.node);
        } else if seen == inode::Seen::ChangedByOthers {
            self.changed_by_others(&inode, &stat);
        } else if known.is_some() {
            self.descriptors.unpin(inode.node);
        }
        Ok(inode.entry(self.attr(&inode, &stat)))
    }

    /// Compares a look at an inode with what is known of it, and looks again where the first look may be older than a change of ours.
    fn look_closely(&self, inode: &Inode, stat: &Stat, again: impl FnOnce() -> Result<Stat>) -> Result<(Stat, inode::Seen)> {
        match inode.look(stat) {
            inode::Seen::LookAgain => {
                let stat = again()?;
                inode.accept(&stat);
                Ok((stat, inode::Seen::AsKnown))
            }
            seen @ (inode::Seen::AsKnown | inode::Seen::ChangedByOthers) => Ok((*stat, seen)),
        }
    }

    /// Refuses changes of a view that is read-only (the kernel refuses them before us, but who calls without it must hear it, too).
    fn writable(&self) -> Result<()> {
        match self.options.access {
            Access::ReadWrite => Ok(()),
            Access::ReadOnly => Err(Errno::ROFS.into()),
        }
    }

    /// `name` checked.
    fn name(name: &[u8]) -> Result<PlainName> {
        Ok(PlainName::new(name)?)
    }
}
