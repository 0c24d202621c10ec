//! New entries: files, directories, symlinks, nodes, and further links.

use super::attributes::restore_privileges;
use super::inode::Inode;
use super::resolve::EntryAt;
use super::{Access, Caller, Entry, NodeId, Ownership, View};
use crate::error::{Error, Result};
use crate::folder::Storage;
use crate::sys::descriptor;
use crate::sys::temporary::{Existing, Unnamed, write_all};
use rustix::fs::{AtFlags, CWD, FileType, Gid, Mode, OFlags, Stat, Uid};
use rustix::io::Errno;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::Ordering;

impl View {
    /// Makes a regular file, and opens it with that access.
    ///
    /// # Errors
    /// EEXIST when the name is taken.
    pub fn create(&self, caller: Caller, parent: NodeId, name: &[u8], mode: u32, access: Access) -> Result<Entry> {
        if !self.counts_openers() {
            return self.make_regular(caller, parent, name, mode);
        }
        self.count_writer(access)?;
        let made = self.make_regular(caller, parent, name, mode);
        let counted = made.and_then(|made| {
            self.inode(made.attr.node)?.live().openers.fetch_add(1, Ordering::SeqCst);
            Ok(made)
        });
        counted.inspect_err(|_| self.uncount_writer(access))
    }

    /// Makes a regular file; its descriptor is kept, since what is made is mostly written next.
    fn make_regular(&self, caller: Caller, parent: NodeId, name: &[u8], mode: u32) -> Result<Entry> {
        let at = self.new_entry(parent, name, FileType::RegularFile)?;
        let _change = at.parent().change();
        let fd = self.make(&at, || self.make_file(&at, self.first_mode(caller, mode)))?;
        let given = self.give_to(caller, &at, fd.as_fd(), mode);
        let stat = self.keep(&at, given.and_then(|()| Ok(rustix::fs::fstat(&fd)?)))?;
        descriptor::is_new(&stat);
        let inode = self.change_table(|table| table.intern_new(&stat, at.place()));
        // Somebody may have looked it up already, and opened it.
        let live = inode.live();
        let opening = live.opening.lock();
        if inode.open().is_none() {
            self.keep_new(&inode, fd, &stat).inspect_err(|_| self.forget(inode.node, 1))?;
        }
        drop(opening);
        self.entry_of(&inode, &stat)
    }

    /// A new, empty file at `at`, open for reading and writing.
    fn make_file(&self, at: &EntryAt<'_>, mode: Mode) -> Result<OwnedFd> {
        let bytes = self.folder.empty_file();
        if bytes.is_empty() {
            let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            return Ok(rustix::fs::openat(at.fd(), at.name.entry(), flags, mode)?);
        }
        // Whole and durable before it has its name: nobody ever finds half a file there, also after a crash.
        let mut new = Unnamed::new(at.fd(), mode)?;
        let made = rustix::fs::fstat(new.fd())?;
        descriptor::is_new(&made);
        write_all(new.fd(), &bytes)?;
        // An ordinary user's write takes set-user-id and set-group-id away.
        restore_privileges(new.fd(), descriptor::mode(&made))?;
        rustix::fs::fdatasync(new.fd())?;
        new.put(at.fd(), at.name.entry(), Existing::Kept)?;
        Ok(new.into_fd())
    }

    /// Makes a regular file, fifo, socket or device; `mode` has type and permission bits.
    ///
    /// # Errors
    /// EEXIST when the name is taken; EPERM for a device where we may not make one.
    pub fn mknod(&self, caller: Caller, parent: NodeId, name: &[u8], mode: u32, rdev: u32) -> Result<Entry> {
        let kind = FileType::from_raw_mode(mode);
        if kind == FileType::RegularFile {
            return self.make_regular(caller, parent, name, mode);
        }
        let at = self.new_entry(parent, name, kind)?;
        let device = u64::from(rdev);
        let _change = at.parent().change();
        self.make(&at, || {
            Ok(rustix::fs::mknodat(
                at.fd(),
                at.name.entry(),
                kind,
                self.first_mode(caller, mode),
                device,
            )?)
        })?;
        self.made(caller, &at, mode)
    }

    /// Makes a directory.
    ///
    /// # Errors
    /// EEXIST when the name is taken.
    pub fn mkdir(&self, caller: Caller, parent: NodeId, name: &[u8], mode: u32) -> Result<Entry> {
        let at = self.new_entry(parent, name, FileType::Directory)?;
        let _change = at.parent().change();
        self.make(&at, || {
            Ok(rustix::fs::mkdirat(at.fd(), at.name.entry(), self.first_mode(caller, mode))?)
        })?;
        self.made(caller, &at, mode)
    }

    /// Makes a symlink.
    ///
    /// # Errors
    /// EEXIST when the name is taken; ENAMETOOLONG when the target is.
    pub fn symlink(&self, caller: Caller, parent: NodeId, name: &[u8], target: &[u8]) -> Result<Entry> {
        let at = self.new_entry(parent, name, FileType::Symlink)?;
        let stored = self.folder.seal_target(target)?;
        let _change = at.parent().change();
        self.make(&at, || Ok(rustix::fs::symlinkat(&*stored, at.fd(), at.name.entry())?))?;
        self.made(caller, &at, 0)
    }

    /// Makes a hard link.
    ///
    /// # Errors
    /// EEXIST when the name is taken; ENOENT when the inode has no name any more.
    pub fn link(&self, node: NodeId, parent: NodeId, name: &[u8]) -> Result<Entry> {
        let inode = self.inode(node)?;
        // A file that is replaced would be another one than its other links lead to.
        if self.folder.storage() == Storage::Replaced {
            return Err(Errno::PERM.into());
        }
        let at = self.new_entry(parent, name, inode.kind())?;
        let _changes = (inode.change(), at.parent().change());
        self.make(&at, || {
            self.with_handle(&inode, |fd| {
                // The link of a descriptor leads to the inode itself, whatever it is called now.
                let link = descriptor::link(fd);
                Ok(rustix::fs::linkat(CWD, link, at.fd(), at.name.entry(), AtFlags::SYMLINK_FOLLOW)?)
            })
        })?;
        let found = self.found(&at.dir, &at.name);
        self.keep(&at, found)
    }

    fn new_entry(&self, parent: NodeId, name: &[u8], kind: FileType) -> Result<EntryAt<'_>> {
        self.writable()?;
        self.entry(parent, name, Some(kind))
    }

    /// Calls `make` to make the entry, with what must surround it.
    fn make<T>(&self, at: &EntryAt<'_>, make: impl FnOnce() -> Result<T>) -> Result<T> {
        self.folder.before_entry(&at.name, at.fd())?;
        let made = make();
        if made.is_err() {
            self.folder.after_entry(&at.name, at.fd());
        }
        made
    }

    /// The reply for an entry that was made without being opened.
    fn made(&self, caller: Caller, at: &EntryAt<'_>, mode: u32) -> Result<Entry> {
        let given = if self.gives_away(caller) {
            self.give_entry_to(caller, at, mode)
        } else {
            Ok(())
        };
        let stat = self.keep(at, given.and_then(|()| at.stat()))?;
        descriptor::is_new(&stat);
        let inode = self.change_table(|table| table.intern_new(&stat, at.place()));
        self.entry_of(&inode, &stat)
    }

    /// The reply for a new inode. Where there is none, the kernel does not learn of it.
    fn entry_of(&self, inode: &Arc<Inode>, stat: &Stat) -> Result<Entry> {
        let attr = self.attr(inode, stat).inspect_err(|_| self.forget(inode.node, 1))?;
        Ok(inode.entry(attr))
    }

    /// Gives the entry that was just made away: only if it still is that one, since who may write to the vault could have put another there.
    fn give_entry_to(&self, caller: Caller, at: &EntryAt<'_>, mode: u32) -> Result<()> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let path = rustix::fs::openat(at.fd(), at.name.entry(), flags, Mode::empty())?;
        let stat = rustix::fs::fstat(&path)?;
        let is_directory = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
        if stat.st_uid != self.daemon.uid || (stat.st_nlink != 1 && !is_directory) {
            return Err(Error::Stale);
        }
        self.give_to(caller, at, path.as_fd(), mode)
    }

    /// Takes back an entry that was made but could not be given to whom it belongs, or not be looked at: who asked for it hears that there is none.
    fn keep<T>(&self, at: &EntryAt<'_>, given: Result<T>) -> Result<T> {
        // What is not ours is not to be removed.
        if given.as_ref().is_err_and(|error| !matches!(error, Error::Stale)) {
            // If it cannot be taken back either, the first error is the one to tell.
            let _ = rustix::fs::unlinkat(at.fd(), at.name.entry(), AtFlags::empty())
                .or_else(|_| rustix::fs::unlinkat(at.fd(), at.name.entry(), AtFlags::REMOVEDIR));
            self.folder.after_entry(&at.name, at.fd());
        }
        given
    }

    fn gives_away(&self, caller: Caller) -> bool {
        self.options.ownership == Ownership::Caller && caller != self.daemon
    }

    /// Gives a new file to who asked for it. In a set-group-id directory the group is the directory's, and stays.
    fn give_to(&self, caller: Caller, at: &EntryAt<'_>, fd: BorrowedFd<'_>, mode: u32) -> Result<()> {
        if !self.gives_away(caller) {
            return Ok(());
        }
        let directory: Stat = rustix::fs::fstat(at.fd())?;
        let inherits = directory.st_mode & 0o2000 != 0;
        let gid = if inherits { None } else { Some(Gid::from_raw(caller.gid)) };
        descriptor::chown(fd, Some(Uid::from_raw(caller.uid)), gid)?;
        // chown takes set-user-id and set-group-id away from what is not a directory.
        if mode & 0o6000 != 0 {
            let stat = rustix::fs::fstat(fd)?;
            descriptor::chmod(fd, Mode::from_raw_mode((stat.st_mode | (mode & 0o6000)) & 0o7777))?;
        }
        Ok(())
    }

    /// The mode to make a file with. One that is given away gets set-user-id and set-group-id only when it is its owner's: until then they would be those of the daemon.
    fn first_mode(&self, caller: Caller, mode: u32) -> Mode {
        let kept = if self.gives_away(caller) { 0o1777 } else { 0o7777 };
        Mode::from_raw_mode(mode & kept)
    }
}
