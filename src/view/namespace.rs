//! Entries that go or move: unlink, rmdir, rename; and readlink.

use super::descriptors::Open;
use super::inode::{Identity, Inode};
use super::live::{Change, Live};
use super::resolve::EntryAt;
use super::table::Table;
use super::{NodeId, Rename, View};
use crate::error::{Error, Result};
use crate::name::DirId;
use parking_lot::MutexGuard;
use rustix::fs::{AtFlags, FileType, RenameFlags};
use rustix::io::Errno;
use std::sync::Arc;

/// What an entry was before it goes or moves.
struct Before {
    kind: FileType,
    identity: Identity,
    /// Its inode, where it is known.
    inode: Option<Arc<Inode>>,
    /// What that needs in use, from here on.
    live: Option<Arc<Live>>,
}

impl Before {
    /// Whether both are one inode. What was seen of one that was replaced in between may differ.
    fn is_same(&self, other: &Self) -> bool {
        match (&self.inode, &other.inode) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            (None, None) => self.identity == other.identity,
            (Some(_), None) | (None, Some(_)) => false,
        }
    }

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
        if inode.kind() != FileType::Symlink {
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
        let at = self.entry(parent, name, None)?;
        let before = self.before_change(&at)?;
        let _changes = (before.change(), at.parent().change());
        let remove = || Ok(rustix::fs::unlinkat(at.fd(), at.name.entry(), flags)?);
        let id = self.id_of(&before);
        let (kept, moving) = self.keep_open(&at, Some(&before), None)?;
        let removed = match remove() {
            Err(Error::Os(Errno::NOTEMPTY | Errno::EXIST)) if before.kind == FileType::Directory => self.emptied(&before, id, remove),
            removed => removed,
        };
        self.change_table(|table| match &removed {
            Ok(()) => self.gone(table, &at, &before, kept.as_ref()),
            Err(_) => self.stayed(&before),
        });
        drop(moving);
        if removed.is_ok() {
            self.folder.after_entry(&at.name, at.fd());
            self.give_up(&before);
        }
        removed
    }

    /// Renames.
    ///
    /// # Errors
    /// What the operating system says; then nothing has changed.
    pub fn rename(&self, parent: NodeId, name: &[u8], new_parent: NodeId, new_name: &[u8], how: Rename) -> Result<()> {
        self.writable()?;
        let from = self.entry(parent, name, None)?;
        let moved = self.before_change(&from)?;
        let to = self.target(new_parent, new_name, moved.kind, how)?;
        let victim = match self.before_change(&to) {
            Ok(victim) => Some(victim),
            Err(Error::Os(Errno::NOENT)) => None,
            Err(error) => return Err(error),
        };
        // Two links of one file: POSIX says that nothing happens.
        if how == Rename::Replace && victim.as_ref().is_some_and(|victim| victim.is_same(&moved)) {
            return Ok(());
        }
        // What replaces a file is to be whole on disk before that one goes.
        if let (Some(inode), Some(_), Rename::Replace, true) = (&moved.inode, &victim, how, self.counts_openers()) {
            self.store(inode)?;
            // Unless another program has put something else there, beside which ours is now.
            if !self.before_change(&from)?.is_same(&moved) {
                return Err(Error::Stale);
            }
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
        let rename = || {
            let (old, new) = (from.name.entry(), to.name.entry());
            Ok(rustix::fs::renameat_with(from.fd(), old, to.fd(), new, flags)?)
        };
        let id = replaced.and_then(|victim| self.id_of(victim));
        // What is exchanged, or what stands in the way, keeps an entry.
        let (kept, moving) = match replaced {
            Some(victim) => self.keep_open(to, Some(victim), Some(moved))?,
            None => (None, both_moving(Some(moved), victim)),
        };
        let renamed = match (rename(), replaced) {
            (Err(Error::Os(Errno::NOTEMPTY | Errno::EXIST)), Some(victim)) if victim.kind == FileType::Directory => {
                self.emptied(victim, id, rename)
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
        if let (Ok(()), Some(victim)) = (&renamed, replaced) {
            self.give_up(victim);
        }
        renamed
    }

    /// A change that could not be stored need not be any more, once its file is gone.
    fn give_up(&self, before: &Before) {
        if let Some(inode) = before.inode.as_ref().filter(|inode| inode.is_gone() && inode.is_held()) {
            // If it is not gone after all, it stays held.
            let _ = self.store(inode);
        }
    }

    /// What is at an entry that goes or moves, if that may be.
    fn before_change(&self, at: &EntryAt<'_>) -> Result<Before> {
        loop {
            let removals = at.dir.removals();
            let stat = at.stat()?;
            let kind = FileType::from_raw_mode(stat.st_mode);
            if self.folder.is_read_only(&at.name, kind) {
                return Err(Errno::ROFS.into());
            }
            let inode = self.table.read().find(&stat);
            // One that was replaced meanwhile is known by what it is now.
            if inode.is_some() || at.dir.removals() == removals {
                return Ok(Before {
                    kind,
                    identity: Identity::of(&stat),
                    live: inode.as_deref().map(Inode::live),
                    inode,
                });
            }
        }
    }

    /// The entry that something of this kind is renamed to. What is there may be stored under another name than that: then it is of another kind, and POSIX says what that means.
    fn target(&self, parent: NodeId, name: &[u8], kind: FileType, how: Rename) -> Result<EntryAt<'_>> {
        let errno = match self.entry(parent, name, Some(kind)) {
            Err(Error::Os(Errno::EXIST)) => match how {
                Rename::NoReplace => Errno::EXIST,
                Rename::Exchange => Errno::INVAL,
                Rename::Replace if kind == FileType::Directory => Errno::NOTDIR,
                Rename::Replace => match self.entry(parent, name, None).and_then(|at| at.stat()) {
                    Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::Directory => Errno::ISDIR,
                    Ok(_) => Errno::ROFS,
                    // Something that is not shown under that name.
                    Err(_) => Errno::EXIST,
                },
            },
            at => return at,
        };
        Err(errno.into())
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

    /// The id of a directory, to be kept where our own files in it have to go and come back.
    fn id_of(&self, before: &Before) -> Option<DirId> {
        let inode = before.inode.as_ref().filter(|_| before.kind == FileType::Directory)?;
        self.directory_of(inode).ok().map(|dir| dir.id)
    }

    /// Takes a descriptor of the inode `before` if its only known entry, `at`, is about to go, since it may be in use; and locks it, and the inode that comes in its place, against
    /// being looked for until that is booked.
    fn keep_open<'b>(
        &self,
        at: &EntryAt<'_>,
        before: Option<&'b Before>,
        other: Option<&'b Before>,
    ) -> Result<(Option<Arc<Open>>, Moving<'b>)> {
        let inode = before.and_then(|before| before.inode.as_ref());
        let is_last = || inode.is_some_and(|inode| inode.is_only_at(at.parent(), &at.name));
        loop {
            let kept = match inode.filter(|_| is_last()) {
                Some(inode) => Some(self.open_to_keep(inode)?),
                None => None,
            };
            let moving = both_moving(before, other);
            // Another of its entries may have gone since. It cannot be opened while it is locked.
            if kept.is_none() && is_last() {
                continue;
            }
            return Ok((kept, moving));
        }
    }

    fn open_to_keep(&self, inode: &Arc<Inode>) -> Result<Arc<Open>> {
        let open = match inode.kind() {
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
        Ok(open)
    }

    /// Books that an entry has gone. If it was the last known one, a descriptor is all that leads to the inode.
    fn gone(&self, table: &mut Table, at: &EntryAt<'_>, before: &Before, kept: Option<&Arc<Open>>) {
        table.remove_place(before.inode.as_ref(), at.parent(), &at.name);
        let Some(inode) = &before.inode else { return };
        if !inode.is_gone() {
            self.descriptors.unpin(inode.node);
        } else if let Some(open) = self.descriptors.get(inode).or_else(|| kept.cloned()) {
            // Once more, since a lookup may have let go of it meanwhile. That too many are pinned was to be said before anything has gone.
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
    fn emptied(&self, before: &Before, id: Option<DirId>, action: impl FnOnce() -> Result<()>) -> Result<()> {
        let Some(open) = before.inode.as_ref().and_then(|inode| self.descriptors.get(inode)) else {
            return Err(Errno::NOTEMPTY.into());
        };
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

/// Inodes locked against being looked for.
type Moving<'b> = Vec<MutexGuard<'b, ()>>;

/// Locks both against being looked for until the move is booked, always in the same order.
fn both_moving<'b>(one: Option<&'b Before>, other: Option<&'b Before>) -> Moving<'b> {
    let both = [one, other].into_iter().flatten();
    let mut inodes: Vec<_> = both
        .filter_map(|before| Some((before.inode.as_ref()?.node, before.live.as_ref()?)))
        .collect();
    inodes.sort_by_key(|(node, _)| *node);
    inodes.dedup_by_key(|(node, _)| *node);
    inodes.into_iter().map(|(_, live)| live.moving.lock()).collect()
}
