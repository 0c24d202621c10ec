//! Entries that go or move: unlink, rmdir, rename; and readlink.

use super::descriptors::Open;
use super::inode::{Change, Inode, Place};
use super::resolve::EntryAt;
use super::{NodeId, Rename, View};
use crate::error::{Error, Result};
use crate::sys::descriptor;
use rustix::fs::{AtFlags, FileType, Mode, RenameFlags, Stat};
use rustix::io::Errno;
use std::os::fd::AsFd;
use std::sync::Arc;

/// What an entry was before it goes or moves.
struct Before {
    kind: FileType,
    ino: u64,
    /// Its inode, where it is known.
    inode: Option<Arc<Inode>>,
}

impl Before {
    fn change(&self) -> Option<Change<'_>> {
        self.inode.as_deref().map(Inode::change)
    }
}

impl View {
    /// A symlink's target.
    ///
    /// # Errors
    /// Damage; EINVAL when it is no symlink.
    pub fn readlink(&self, node: NodeId) -> Result<Vec<u8>> {
        let inode = self.inode(node)?;
        if inode.kind != FileType::Symlink {
            return Err(Errno::INVAL.into());
        }
        let stored = match inode.place() {
            Place::At { parent, name } => {
                let dir = self.directory_of(&parent)?;
                dir.search(|fd| rustix::fs::readlinkat(fd, name.entry(), Vec::new()))
                    .map_err(Error::from)
            }
            Place::Root | Place::Gone => self.with_handle(&inode, |fd| Ok(rustix::fs::readlinkat(fd, c"", Vec::new())?)),
        };
        let target = match stored {
            // Another one, or none, is there now.
            Err(Error::Os(Errno::INVAL | Errno::NOENT)) => Err(Error::Stale),
            stored => stored.and_then(|stored| self.folder.open_target(stored.as_bytes())),
        };
        self.report(&inode, target)
    }

    /// Removes an entry that is no directory.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn unlink(&self, parent: NodeId, name: &[u8]) -> Result<()> {
        self.writable()?;
        let at = self.entry(parent, name)?;
        let before = self.before(at.stat()?);
        let _change = before.change();
        self.keep_open(&at, &before)?;
        let removed = rustix::fs::unlinkat(at.fd(), at.name.entry(), AtFlags::empty());
        self.gone(&at, &before, removed.is_ok());
        Ok(removed?)
    }

    /// Removes an empty directory.
    ///
    /// # Errors
    /// ENOTEMPTY, or what the operating system says.
    pub fn rmdir(&self, parent: NodeId, name: &[u8]) -> Result<()> {
        self.writable()?;
        let at = self.entry(parent, name)?;
        let before = self.before(at.stat()?);
        if before.kind != FileType::Directory {
            return Err(Errno::NOTDIR.into());
        }
        self.keep_open(&at, &before)?;
        let remove = || Ok(rustix::fs::unlinkat(at.fd(), at.name.entry(), AtFlags::REMOVEDIR)?);
        let removed = match remove() {
            Err(Error::Os(Errno::NOTEMPTY | Errno::EXIST)) => self.emptied(&before, remove),
            removed => removed,
        };
        self.gone(&at, &before, removed.is_ok());
        removed
    }

    /// Renames.
    ///
    /// # Errors
    /// What the operating system says; then nothing has changed.
    pub fn rename(&self, parent: NodeId, name: &[u8], new_parent: NodeId, new_name: &[u8], how: Rename) -> Result<()> {
        self.writable()?;
        let from = self.entry(parent, name)?;
        let to = self.entry(new_parent, new_name)?;
        let moved = self.before(from.stat()?);
        let victim = match to.stat() {
            Ok(stat) => Some(self.before(stat)),
            Err(Error::Os(Errno::NOENT)) => None,
            Err(error) => return Err(error),
        };
        // Two links of one file: POSIX says that nothing happens.
        if how == Rename::Replace && victim.as_ref().is_some_and(|victim| victim.ino == moved.ino) {
            return Ok(());
        }
        let _changes = (moved.change(), victim.as_ref().and_then(Before::change));
        self.pin_id(&from, &moved)?;
        match (&victim, how) {
            (Some(victim), Rename::Exchange) => self.pin_id(&to, victim)?,
            (Some(victim), Rename::Replace) => self.keep_open(&to, victim)?,
            (Some(_) | None, Rename::NoReplace) | (None, Rename::Exchange | Rename::Replace) => {}
        }
        self.folder.before_entry(&to.name, to.fd())?;
        let renamed = self.rename_entry(&from, &to, victim.as_ref(), how);
        self.renamed(&from, &to, &moved, victim.as_ref(), how, renamed.is_ok());
        renamed
    }

    fn rename_entry(&self, from: &EntryAt<'_>, to: &EntryAt<'_>, victim: Option<&Before>, how: Rename) -> Result<()> {
        let flags = match how {
            Rename::Replace => RenameFlags::empty(),
            Rename::NoReplace => RenameFlags::NOREPLACE,
            Rename::Exchange => RenameFlags::EXCHANGE,
        };
        let rename = || {
            Ok(rustix::fs::renameat_with(
                from.fd(),
                from.name.entry(),
                to.fd(),
                to.name.entry(),
                flags,
            )?)
        };
        match (rename(), victim) {
            (Err(Error::Os(Errno::NOTEMPTY | Errno::EXIST)), Some(victim))
                if how == Rename::Replace && victim.kind == FileType::Directory =>
            {
                self.emptied(victim, rename)
            }
            (renamed, _) => renamed,
        }
    }

    /// Books what a rename did.
    fn renamed(&self, from: &EntryAt<'_>, to: &EntryAt<'_>, moved: &Before, victim: Option<&Before>, how: Rename, done: bool) {
        if !done {
            self.folder.after_entry(&to.name, to.fd());
            if let (Some(victim), Rename::Replace) = (victim, how) {
                self.gone(to, victim, false);
            }
            return;
        }
        match (victim, how) {
            (Some(victim), Rename::Exchange) => {
                let both = moved.inode.as_ref().zip(victim.inode.as_ref());
                let places = both.map(|(one, other)| (one.is_at(&from.parent, &from.name), other.is_at(&to.parent, &to.name)));
                let mut table = self.table.write();
                if let (Some(inode), None | Some((true, _))) = (&moved.inode, places) {
                    table.set_place(inode, to.place());
                }
                if let (Some(inode), None | Some((_, true))) = (&victim.inode, places) {
                    table.set_place(inode, from.place());
                }
            }
            (Some(victim), Rename::Replace | Rename::NoReplace) => {
                self.gone(to, victim, true);
                self.moved(from, to, moved);
            }
            (None, Rename::Replace | Rename::NoReplace | Rename::Exchange) => self.moved(from, to, moved),
        }
    }

    fn moved(&self, from: &EntryAt<'_>, to: &EntryAt<'_>, moved: &Before) {
        self.folder.after_entry(&from.name, from.fd());
        if let Some(inode) = &moved.inode
            && inode.is_at(&from.parent, &from.name)
        {
            self.table.write().set_place(inode, to.place());
        }
    }

    fn before(&self, stat: Stat) -> Before {
        Before {
            kind: FileType::from_raw_mode(stat.st_mode),
            ino: stat.st_ino,
            inode: self.table.read().find(&stat),
        }
    }

    /// A directory that gets another name keeps its id.
    fn pin_id(&self, at: &EntryAt<'_>, before: &Before) -> Result<()> {
        if before.kind != FileType::Directory {
            return Ok(());
        }
        // Who renames without having looked it up first knows no inode: look it up.
        let inode = match &before.inode {
            Some(inode) => Arc::clone(inode),
            None => {
                let stat = at.stat()?;
                let entry = self.found(&at.parent, &at.name, &stat)?;
                let inode = self.inode(entry.attr.node)?;
                self.table.write().forget(entry.attr.node, 1);
                inode
            }
        };
        let path = self.handle(&inode)?;
        // Without permission to search it, its id could not be read or written: as its owner we may for a moment.
        let dir = path.with_fd(|fd| {
            descriptor::with_permission(fd, Mode::RWXU, || match self.directory_of(&inode) {
                Err(Error::Os(error)) => Err(error),
                other => Ok(other),
            })
        })??;
        self.folder.pin_directory_id(dir.id, dir.fd())
    }

    /// Makes sure that an inode which may be in use keeps a descriptor when its known entry goes.
    fn keep_open(&self, at: &EntryAt<'_>, before: &Before) -> Result<()> {
        let Some(inode) = before.inode.as_ref().filter(|inode| inode.is_at(&at.parent, &at.name)) else {
            return Ok(());
        };
        let open = match before.kind {
            // One that we may remove but not open nobody has open through us.
            FileType::RegularFile => self.file(inode).or_else(|_| self.handle(inode))?,
            FileType::Directory
            | FileType::Symlink
            | FileType::Fifo
            | FileType::Socket
            | FileType::CharacterDevice
            | FileType::BlockDevice
            | FileType::Unknown => self.handle(inode)?,
        };
        Ok(self.descriptors.pin(inode.node, open)?)
    }

    /// Books that an entry has gone, or that it stayed after all.
    fn gone(&self, at: &EntryAt<'_>, before: &Before, done: bool) {
        if done {
            self.folder.after_entry(&at.name, at.fd());
        }
        let Some(inode) = before.inode.as_ref().filter(|inode| inode.is_at(&at.parent, &at.name)) else {
            return;
        };
        if done {
            self.table.write().set_place(inode, Place::Gone);
        } else {
            self.descriptors.unpin(inode.node);
        }
    }

    /// Runs `action`, which failed because of our own files in the directory `before`, once more without them.
    fn emptied(&self, before: &Before, action: impl FnOnce() -> Result<()>) -> Result<()> {
        let Some(inode) = &before.inode else {
            return Err(Errno::NOTEMPTY.into());
        };
        let open = self.handle(inode)?;
        let Open::Path(fd) = &*open else {
            return Err(Errno::NOTEMPTY.into());
        };
        if !self.folder.empty_directory(fd.as_fd())? {
            return Err(Errno::NOTEMPTY.into());
        }
        let id = *inode.dir_id.read();
        let result = action();
        if result.is_err()
            && let Some(id) = id
        {
            self.folder.pin_directory_id(id, fd.as_fd())?;
        }
        result
    }
}
