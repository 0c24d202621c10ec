//! Entries that go or move: unlink, rmdir, rename; and readlink.

use super::descriptors::Open;
use super::inode::{Change, Identity, Inode};
use super::resolve::EntryAt;
use super::table::Table;
use super::{NodeId, Rename, View};
use crate::error::{Error, Result};
use parking_lot::MutexGuard;
use rustix::fs::{AtFlags, FileType, RenameFlags, Stat};
use rustix::io::Errno;
use std::sync::Arc;

/// What an entry was before it goes or moves.
struct Before {
    kind: FileType,
    identity: Identity,
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
            Some(place) => {
                let dir = self.directory_of(&place.parent)?;
                match dir.search(|fd| rustix::fs::readlinkat(fd, place.name.entry(), Vec::new())) {
                    // It was renamed meanwhile, or something else is there now.
                    Err(Errno::INVAL | Errno::NOENT) => self.read_own_link(&inode),
                    stored => stored.map_err(Error::from),
                }
            }
            None => self.read_own_link(&inode),
        };
        let target = stored.and_then(|stored| self.folder.open_target(stored.as_bytes()));
        self.report(&inode, target)
    }

    fn read_own_link(&self, inode: &Arc<Inode>) -> Result<std::ffi::CString> {
        self.with_handle(inode, |fd| Ok(rustix::fs::readlinkat(fd, c"", Vec::new())?))
    }

    /// Removes an entry that is no directory.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn unlink(&self, parent: NodeId, name: &[u8]) -> Result<()> {
        self.remove(parent, name, AtFlags::empty())
    }

    /// Removes an empty directory.
    ///
    /// # Errors
    /// ENOTEMPTY, or what the operating system says.
    pub fn rmdir(&self, parent: NodeId, name: &[u8]) -> Result<()> {
        self.remove(parent, name, AtFlags::REMOVEDIR)
    }

    fn remove(&self, parent: NodeId, name: &[u8], flags: AtFlags) -> Result<()> {
        self.writable()?;
        let at = self.entry(parent, name)?;
        let before = self.before(&at.stat()?);
        let _changes = (before.change(), at.parent().change());
        let kept = self.keep_open(&at, &before)?;
        let remove = || Ok(rustix::fs::unlinkat(at.fd(), at.name.entry(), flags)?);
        let moving = before.inode.as_ref().map(|inode| inode.moving.lock());
        let removed = match remove() {
            Err(Error::Os(Errno::NOTEMPTY | Errno::EXIST)) if before.kind == FileType::Directory => self.emptied(&before, remove),
            removed => removed,
        };
        self.change_table(|table| match &removed {
            Ok(()) => self.gone(table, &at, &before, kept.as_ref()),
            Err(_) => self.stayed(&before),
        });
        drop(moving);
        if removed.is_ok() {
            self.folder.after_entry(&at.name, at.fd());
        }
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
        let moved = self.before(&from.stat()?);
        let victim = match to.stat() {
            Ok(stat) => Some(self.before(&stat)),
            Err(Error::Os(Errno::NOENT)) => None,
            Err(error) => return Err(error),
        };
        // Two links of one file: POSIX says that nothing happens.
        if how == Rename::Replace && victim.as_ref().is_some_and(|victim| victim.identity == moved.identity) {
            return Ok(());
        }
        let _changes = (moved.change(), victim.as_ref().and_then(Before::change));
        let _parents = (from.parent().change(), to.parent().change());
        self.pin_id(&from, &moved)?;
        if let (Some(victim), Rename::Exchange) = (&victim, how) {
            self.pin_id(&to, victim)?;
        }
        self.folder.before_entry(&to.name, to.fd())?;
        let renamed = self.rename_entry(&from, &to, &moved, victim.as_ref(), how);
        match (&renamed, how) {
            (Err(_), _) => self.folder.after_entry(&to.name, to.fd()),
            (Ok(()), Rename::Exchange) => {}
            (Ok(()), Rename::Replace | Rename::NoReplace) => self.folder.after_entry(&from.name, from.fd()),
        }
        renamed
    }

    /// Renames the entry and books it.
    fn rename_entry(&self, from: &EntryAt<'_>, to: &EntryAt<'_>, moved: &Before, victim: Option<&Before>, how: Rename) -> Result<()> {
        let flags = match how {
            Rename::Replace => RenameFlags::empty(),
            Rename::NoReplace => RenameFlags::NOREPLACE,
            Rename::Exchange => RenameFlags::EXCHANGE,
        };
        let replaced = victim.filter(|_| how == Rename::Replace);
        let kept = match replaced {
            Some(victim) => self.keep_open(to, victim)?,
            None => None,
        };
        let rename = || {
            let (old, new) = (from.name.entry(), to.name.entry());
            Ok(rustix::fs::renameat_with(from.fd(), old, to.fd(), new, flags)?)
        };
        let moving = both_moving(moved, victim);
        let renamed = match (rename(), replaced) {
            (Err(Error::Os(Errno::NOTEMPTY | Errno::EXIST)), Some(victim)) if victim.kind == FileType::Directory => {
                self.emptied(victim, rename)
            }
            (renamed, _) => renamed,
        };
        self.change_table(|table| match (&renamed, victim, how) {
            (Err(_), _, _) => replaced.into_iter().for_each(|victim| self.stayed(victim)),
            (Ok(()), Some(victim), Rename::Exchange) => {
                book_move(table, from, to, moved);
                book_move(table, to, from, victim);
            }
            (Ok(()), Some(victim), Rename::Replace | Rename::NoReplace) => {
                self.gone(table, to, victim, kept.as_ref());
                book_move(table, from, to, moved);
            }
            (Ok(()), None, _) => book_move(table, from, to, moved),
        });
        drop(moving);
        renamed
    }

    fn before(&self, stat: &Stat) -> Before {
        Before {
            kind: FileType::from_raw_mode(stat.st_mode),
            identity: Identity::of(stat),
            inode: self.table.read().find(stat),
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
                let entry = self.found(&at.dir, &at.name)?;
                let inode = self.inode(entry.attr.node)?;
                self.forget(entry.attr.node, 1);
                inode
            }
        };
        let dir = self.directory_of(&inode)?;
        self.folder.pin_directory_id(dir.id, dir.fd())
    }

    /// Takes a descriptor of an inode whose only known entry is about to go: it may be in use.
    fn keep_open(&self, at: &EntryAt<'_>, before: &Before) -> Result<Option<Arc<Open>>> {
        let Some(inode) = before.inode.as_ref().filter(|inode| inode.is_only_at(at.parent(), &at.name)) else {
            return Ok(None);
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
        self.descriptors.pin(inode, &open)?;
        Ok(Some(open))
    }

    /// Books that an entry has gone. If it was the last known one, a descriptor is all that leads to the inode.
    fn gone(&self, table: &mut Table, at: &EntryAt<'_>, before: &Before, kept: Option<&Arc<Open>>) {
        table.remove_place(before.inode.as_ref(), at.parent(), &at.name);
        let Some(inode) = &before.inode else { return };
        if !inode.is_gone() {
            self.descriptors.unpin(inode.node);
        } else if let Some(open) = kept.cloned().or_else(|| self.descriptors.get(inode)) {
            // It was pinned before, unless two of its links go at once; too many pinned is an error only before anything has gone.
            let _ = self.descriptors.pin(inode, &open);
        }
    }

    /// Books that an entry stayed after all.
    fn stayed(&self, before: &Before) {
        if let Some(inode) = before.inode.as_ref().filter(|inode| !inode.is_gone()) {
            self.descriptors.unpin(inode.node);
        }
    }

    /// Runs `action`, which failed because of our own files in the directory `before`, once more without them.
    fn emptied(&self, before: &Before, action: impl FnOnce() -> Result<()>) -> Result<()> {
        let Some(open) = before.inode.as_ref().and_then(|inode| self.descriptors.get(inode)) else {
            return Err(Errno::NOTEMPTY.into());
        };
        let id = before.inode.as_ref().and_then(|inode| *inode.dir_id.read());
        open.with_fd(|fd| {
            if !self.folder.empty_directory(fd)? {
                return Err(Errno::NOTEMPTY.into());
            }
            let result = action();
            if result.is_err()
                && let Some(id) = id
            {
                self.folder.pin_directory_id(id, fd)?;
            }
            result
        })
    }
}

/// Books that an inode's entry `from` is `to` now.
fn book_move(table: &mut Table, from: &EntryAt<'_>, to: &EntryAt<'_>, moved: &Before) {
    if let Some(inode) = &moved.inode {
        table.add_place(inode, to.place());
    }
    table.remove_place(moved.inode.as_ref(), from.parent(), &from.name);
}

/// Locks both against being looked for until the move is booked, always in the same order.
fn both_moving<'b>(one: &'b Before, other: Option<&'b Before>) -> Vec<MutexGuard<'b, ()>> {
    let mut inodes: Vec<_> = [Some(one), other]
        .into_iter()
        .flatten()
        .filter_map(|before| before.inode.as_ref())
        .collect();
    inodes.sort_by_key(|inode| inode.node);
    inodes.dedup_by_key(|inode| inode.node);
    inodes.into_iter().map(|inode| inode.moving.lock()).collect()
}
