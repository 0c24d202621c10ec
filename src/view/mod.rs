//! The plaintext view: inodes, shared file state, and every operation with plain types and errors. Callable without FUSE.
//!
//! Knows a [`Folder`] and the descriptors of its backing directory; does not know FUSE, cryptography, or which kind of folder it shows. Keeps true: one
//! state per inode, shared by all who have it open; a bounded number of descriptors however many inodes are known.
//!
//! Locks, in the order in which they are taken: `Live::opening`; `OpenFile::body` or `Inode::seen`; `Live::moving`; `Live::replacing`; then the leaves (the table, below it the
//! descriptors, and what else an inode keeps). No lock is held over I/O that another file needs.

mod attributes;
mod contents;
mod create;
mod damage;
mod descriptors;
mod inode;
mod listing;
mod live;
mod namespace;
mod openers;
mod places;
mod replace;
mod resolve;
mod stamp;
mod table;
#[cfg(test)]
mod tests;
mod turns;
mod types;
mod xattr;

use crate::error::{Error, Result};
use crate::folder::{Durability, Folder, Storage};
use crate::journal::Fullness;
use crate::name::{CipherName, PlainName};
pub use damage::DamageSeen;
use damage::Damages;
use descriptors::Descriptors;
use inode::{Inode, Verdict};
use listing::Streams;
use parking_lot::RwLock;
use places::Place;
use resolve::Directory;
use rustix::fs::{FileType, Gid, Stat};
use rustix::io::Errno;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use table::Table;
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
/// After so many were forgotten, memory is given back: some 8 MiB.
const MANY: usize = 1 << 14;

/// A folder in the clear.
pub struct View {
    folder: Box<dyn Folder>,
    root: OwnedFd,
    options: Options,
    /// Who owns what this process makes.
    daemon: Caller,
    /// The groups that it is in.
    groups: Vec<u32>,
    /// How many files are open to be changed or have changes that could not be stored, where that is counted, and how many may be.
    writers: AtomicUsize,
    writers_max: usize,
    /// All known inodes. Leaf lock.
    table: RwLock<Table>,
    /// How often the kernel forgot one since memory was given back.
    forgotten: AtomicUsize,
    descriptors: Descriptors,
    streams: Streams,
    damages: Damages,
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
            *inode.live().dir_id.write() = Some(folder.root());
        }
        let descriptors = options.descriptors.saturating_sub(STREAMS).max(1);
        // A file that is replaced takes a second one while it is being changed, and a third for a moment.
        let writers_max = (descriptors / 2).saturating_sub(STREAMS).max(1);
        let descriptors = match folder.storage() {
            Storage::InPlace => descriptors,
            Storage::Replaced => descriptors / 2,
        };
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
            forgotten: AtomicUsize::new(0),
            groups: rustix::process::getgroups()
                .unwrap_or_default()
                .into_iter()
                .map(Gid::as_raw)
                .collect(),
            writers: AtomicUsize::new(0),
            writers_max,
            descriptors: Descriptors::new(descriptors),
            streams: Streams::new(STREAMS),
            damages: Damages::new(),
        })
    }

    /// The entry `name` of a directory; the kernel knows it from now on.
    ///
    /// # Errors
    /// ENOENT when there is none (the caller may remember that), or what the operating system says.
    pub fn lookup(&self, parent: NodeId, name: &[u8]) -> Result<Entry> {
        let at = match self.entry(parent, name, None) {
            // A name that this folder cannot hold is not there.
            Err(Error::Os(Errno::PERM)) => return Err(Errno::NOENT.into()),
            at => at?,
        };
        self.found(&at.dir, &at.name)
    }

    /// The kernel forgets `count` of the lookups of an inode.
    pub fn forget(&self, node: NodeId, count: u64) {
        self.change_table(|table| table.forget(node, count));
        self.retry_held(node);
        // Mostly many go at once: the kernel is short of memory, and so may be others.
        if self.forgotten.fetch_add(1, Ordering::Relaxed) >= MANY {
            self.forgotten.store(0, Ordering::Relaxed);
            self.table.write().shrink();
            crate::sys::memory::give_back();
        }
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
            namelen: u32::try_from(self.folder.name_max()).unwrap_or(u32::MAX),
            frsize: narrow(below.f_frsize),
        })
    }

    /// How full the folder's journal is, if it has one. It does not wait for the disk.
    pub fn journal_fill(&self) -> Option<Fullness> {
        self.folder.journal_fill()
    }

    /// Makes everything durable; called at the end.
    ///
    /// # Errors
    /// The first error, after trying all.
    pub fn sync_all(&self) -> Result<()> {
        let mut result = Ok(());
        if self.counts_openers() {
            result = self.store_all();
        }
        for (_, open) in self.descriptors.all() {
            let descriptors::Open::File(file) = &*open else { continue };
            let synced = match self.folder.storage() {
                // All others are synced at once below.
                Storage::InPlace => file.write(|body| match body.writable && body.contents.has_pending() {
                    true => body.contents.sync(body.fd.as_fd(), Durability::All),
                    false => Ok(()),
                }),
                Storage::Replaced => Ok(()),
            };
            result = result.and(synced);
        }
        result = result.and(self.folder.close());
        if self.options.access == Access::ReadWrite {
            result = result.and(rustix::fs::syncfs(&self.root).map_err(Error::from));
        }
        result
    }

    /// What is at the entry `name` of `dir` becomes known, and its attributes are shown.
    fn found(&self, dir: &Directory<'_>, name: &CipherName) -> Result<Entry> {
        loop {
            let removals = dir.removals();
            let stat = dir.stat(name)?;
            let known = self.table.read().find(&stat);
            let (stat, verdict) = match &known {
                Some(inode) => inode.judge(&stat, || dir.stat(name), |stat| self.folder.has_left(stat))?,
                None => (stat, Verdict::AsKnown),
            };
            if verdict == Verdict::ChangedByOthers
                && let Some(inode) = &known
            {
                self.reload(inode)?;
            }
            // Somebody has put another inode there meanwhile: look at that one.
            let booked = if verdict == Verdict::Another {
                None
            } else {
                self.book(dir, name, &stat, removals)
            };
            let Some(inode) = booked else { continue };
            match self.attr(&inode, &stat) {
                Ok(attr) => return Ok(inode.entry(attr)),
                Err(error) => {
                    // The kernel does not learn of it.
                    self.forget(inode.node, 1);
                    // ENOENT, if it has gone; or another file is there now.
                    if matches!(error, Error::Stale) && !inode.is(&dir.stat(name)?) {
                        continue;
                    }
                    return Err(error);
                }
            }
        }
    }

    /// Books a lookup of what `stat` says of the entry `name`; nothing when we have removed or moved entries of the directory since there were `removals` of that, so that
    /// it may be gone.
    fn book(&self, dir: &Directory<'_>, name: &CipherName, stat: &Stat, removals: u64) -> Option<Arc<Inode>> {
        self.change_table(|table| {
            let known = table.find(stat);
            let is_there = known.as_ref().is_some_and(|inode| inode.is_at(&dir.inode, name));
            if !is_there && dir.removals() != removals {
                return None;
            }
            // As mostly. Otherwise what is there may be of another kind.
            if let Some(inode) = known.filter(|inode| is_there && inode.kind() == FileType::from_raw_mode(stat.st_mode)) {
                inode.looked_up(1);
                return Some(inode);
            }
            let place = Place {
                parent: Arc::clone(&dir.inode),
                name: name.clone(),
            };
            let inode = table.intern(stat, place);
            if !is_there {
                self.descriptors.unpin(inode.node);
            }
            Some(inode)
        })
    }

    /// Calls `action` with the table, and closes what is open of inodes that went from it.
    fn change_table<T>(&self, action: impl FnOnce(&mut Table) -> T) -> T {
        let mut table = self.table.write();
        let result = action(&mut table);
        let dropped = table.take_dropped();
        // Before anybody can look up such an inode again, and open it a second time.
        let closed = if dropped.is_empty() {
            (Vec::new(), Vec::new())
        } else {
            (self.descriptors.forget(&dropped), self.streams.take(&dropped))
        };
        drop(table);
        drop(closed);
        result
    }

    /// Somebody else changed a file: what we know of its contents is read anew.
    fn reload(&self, inode: &Inode) -> Result<()> {
        if let Some(open) = self.descriptors.get(inode)
            && let descriptors::Open::File(file) = &*open
        {
            // What was changed in a file that has no name any more is nowhere else, although it need not be written.
            let is_only_here = self.counts_openers() && inode.is_gone();
            file.renew(|body| {
                if body.contents.has_pending() || is_only_here {
                    return Ok(None);
                }
                let stat = rustix::fs::fstat(&body.fd)?;
                let place = inode.place();
                let name = place.as_ref().map(|place| &place.name);
                self.folder.contents(name, body.fd.as_fd(), &stat).map(Some)
            })?;
        }
        Ok(())
    }

    /// Another program has written a file anew in its place.
    fn overwritten(&self, inode: &Inode) -> Result<()> {
        inode.raise_generation();
        self.reload(inode)
    }

    /// Refuses changes of a view that is read-only (the kernel refuses them before us, but who calls without it must hear it, too).
    fn writable(&self) -> Result<()> {
        match self.options.access {
            Access::ReadWrite => Ok(()),
            Access::ReadOnly => Err(Errno::ROFS.into()),
        }
    }

    /// Refuses changes of what is shown but never changed.
    fn changeable(&self, inode: &Inode) -> Result<()> {
        self.writable()?;
        match self.is_read_only(inode) {
            true => Err(Errno::ROFS.into()),
            false => Ok(()),
        }
    }

    fn is_read_only(&self, inode: &Inode) -> bool {
        match self.folder.storage() {
            Storage::InPlace => false,
            Storage::Replaced => inode
                .places()
                .iter()
                .any(|place| self.folder.is_read_only(&place.name, inode.kind())),
        }
    }

    /// `name` checked.
    fn name(name: &[u8]) -> Result<PlainName> {
        Ok(PlainName::new(name)?)
    }
}
