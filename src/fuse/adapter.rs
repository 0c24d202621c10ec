//! The kernel's requests, each: unpack, one call into the view, reply.

use super::convert::{
    access, allocation, attributes, bare_attributes, caller, changes, kind, node, origin, privileges, privileges_of, rename, set_xattr,
};
use super::listings::Listings;
use super::protocol::{NO_HANDLE, Opening, negotiate};
use super::reply::{self, Answer};
use super::seeker::Seeker;
use super::unsupported::Unsupported;
use super::{Acls, Terms, Told};
use crate::error::Result;
use crate::folder::Durability;
use crate::view::{Fill, NodeId, Privileges, View};
use fuser::{
    AccessFlags, BsdFileFlags, CopyFileRangeFlags, Errno, FileHandle, Filesystem, FopenFlags, Generation, INodeNo, IoctlFlags,
    KernelConfig, LockOwner, Notifier, OpenFlags, PollEvents, PollFlags, PollNotifier, RenameFlags, ReplyAttr, ReplyBmap, ReplyCreate,
    ReplyData, ReplyDirectory, ReplyDirectoryPlus, ReplyEmpty, ReplyEntry, ReplyIoctl, ReplyLock, ReplyLseek, ReplyOpen, ReplyPoll,
    ReplyStatfs, ReplyWrite, ReplyXattr, Request, TimeOrNow, WriteFlags,
};
use std::cell::RefCell;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

/// What the kernel may copy at once with copy_file_range: its own limit for one call.
const MAX_COPY: u64 = 0x7fff_f000;

thread_local! {
    /// What READ decrypts into: one per thread, so that it is not made anew for each request.
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// A view, as fuser wants it.
pub(super) struct Adapter {
    view: Arc<View>,
    files: Opening,
    directories: Opening,
    seeker: Seeker,
    listings: Listings,
    terms: Terms,
    unsupported: Unsupported,
    notifier: Arc<OnceLock<Notifier>>,
    told: Told,
}

impl Adapter {
    pub(super) fn new(
        view: Arc<View>,
        (seeker, listings): (Seeker, Listings),
        terms: Terms,
        notifier: Arc<OnceLock<Notifier>>,
        told: Told,
    ) -> Self {
        Self {
            view,
            files: Opening::Answered,
            directories: Opening::Answered,
            seeker,
            listings,
            terms,
            unsupported: Unsupported::new(terms.acls),
            notifier,
            told,
        }
    }

    /// Calls `action` where the view counts openers.
    fn count(&self, action: impl FnOnce() -> Answer<()>) -> Answer<()> {
        match self.files {
            Opening::Counted => action(),
            Opening::NotNeeded | Opening::Answered => Ok(()),
        }
    }

    /// Makes the kernel ask for the attributes of `ino` again: where a mode changes in passing, it goes by the old one until that expires, also when it executes the file.
    /// To be called before the reply, so that whoever made the change sees it. No data is dropped, so nothing is waited for.
    fn forget_attributes(&self, ino: INodeNo) {
        if let Some(notifier) = self.notifier.get() {
            // It fails where there is nothing to forget.
            let _ = notifier.inval_inode(ino, -1, 0);
        }
    }

    /// As [`forget_attributes`](Self::forget_attributes), if a change of contents may have taken set-user-id or set-group-id away.
    fn forget_privileges(&self, ino: INodeNo, privileges: Privileges) {
        match privileges {
            Privileges::Keep => {}
            Privileges::Kill(_) => self.forget_attributes(ino),
        }
    }

    /// As [`forget_attributes`](Self::forget_attributes), if the attribute `name` is an ACL that has the mode in it, and the kernel does not know that it has.
    fn forget_mode(&self, ino: INodeNo, name: &OsStr) {
        if self.terms.acls == Acls::Stored && name == "system.posix_acl_access" {
            self.forget_attributes(ino);
        }
    }

    /// The `mode` of what a caller with that `umask` makes in `parent`.
    fn masked(&self, view: &View, parent: NodeId, mode: u32, umask: u32) -> Result<u32> {
        match self.terms.acls {
            // The kernel has applied the mask.
            Acls::Absent | Acls::Stored => Ok(mode),
            Acls::Enforced => view.masked(parent, mode, umask),
        }
    }

    /// The directory `ino` is listed from `offset` on.
    fn listing(&self, ino: INodeNo, offset: u64) {
        if offset == 0 {
            self.listings.begins(ino);
        }
    }

    /// That was done, and there was nothing more if it `has_ended`.
    fn listed(&self, ino: INodeNo, has_ended: bool) {
        // What comes along is not used at all where it expires at once.
        if has_ended && !self.terms.lifetime.is_zero() {
            self.listings.ends(ino);
        }
    }

    /// Whether there are attributes of the kind that `name` is of.
    fn supports(&self, name: &OsStr) -> Answer<()> {
        let supported = self.unsupported.check(name);
        if supported.is_err() {
            self.told.tally.request();
        }
        supported
    }

    /// Answers a request for something in the mount.
    pub(super) fn call<T>(&self, what: &str, ino: INodeNo, call: impl FnOnce(&View, NodeId) -> Result<T>) -> Answer<T> {
        self.told.tally.request();
        self.call_uncounted(what, ino, call)
    }

    /// As [`call`](Self::call), where that is no use of the mount.
    fn call_uncounted<T>(&self, what: &str, ino: INodeNo, call: impl FnOnce(&View, NodeId) -> Result<T>) -> Answer<T> {
        super::call(&self.view, what, ino, call)
    }
}

fn length(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

fn durability(datasync: bool) -> Durability {
    if datasync { Durability::Data } else { Durability::All }
}

impl Filesystem for Adapter {
    fn init(&mut self, _: &Request, config: &mut KernelConfig) -> std::io::Result<()> {
        (self.files, self.directories) = negotiate(config, &self.view, self.terms.acls)?;
        Ok(())
    }

    /// Nothing: who started the session makes everything durable after its end, where a failure can still be told.
    fn destroy(&mut self) {}

    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        match self.call("lookup", parent, |view, parent| view.lookup(parent, name.as_bytes())) {
            Err(error) if error == Errno::ENOENT => reply::absent(reply, self.terms.lifetime),
            result => reply::entry(reply, self.terms.lifetime, result),
        }
    }

    // Each of a batch comes here, too.
    fn forget(&self, _: &Request, ino: INodeNo, count: u64) {
        // Nobody waits for an answer, and a panic has been logged.
        let _ = self.call_uncounted("forget", ino, |view, node| {
            view.forget(node, count);
            Ok(())
        });
    }

    fn getattr(&self, _: &Request, ino: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        reply::attr(reply, self.terms.lifetime, self.call("getattr", ino, View::getattr));
    }

    fn setattr(
        &self,
        request: &Request,
        ino: INodeNo,
        mode: Option<u32>,
        uid: Option<u32>,
        gid: Option<u32>,
        size: Option<u64>,
        atime: Option<TimeOrNow>,
        mtime: Option<TimeOrNow>,
        ctime: Option<SystemTime>,
        _: Option<FileHandle>,
        _crtime: Option<SystemTime>,
        _chgtime: Option<SystemTime>,
        _bkuptime: Option<SystemTime>,
        _: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let changes = changes((mode, uid, gid, size), atime, mtime, ctime);
        reply::attr(
            reply,
            self.terms.lifetime,
            self.call("setattr", ino, |view, node| view.setattr(caller(request), node, &changes)),
        );
    }

    fn readlink(&self, _: &Request, ino: INodeNo, reply: ReplyData) {
        reply::data(reply, self.call("readlink", ino, View::readlink).as_deref().map_err(|&error| error));
    }

    fn mknod(&self, request: &Request, parent: INodeNo, name: &OsStr, mode: u32, umask: u32, rdev: u32, reply: ReplyEntry) {
        let made = self.call("mknod", parent, |view, parent| {
            let mode = self.masked(view, parent, mode, umask)?;
            view.mknod(caller(request), parent, name.as_bytes(), mode, rdev)
        });
        reply::entry(reply, self.terms.lifetime, made);
    }

    fn mkdir(&self, request: &Request, parent: INodeNo, name: &OsStr, mode: u32, umask: u32, reply: ReplyEntry) {
        let made = self.call("mkdir", parent, |view, parent| {
            let mode = self.masked(view, parent, mode, umask)?;
            view.mkdir(caller(request), parent, name.as_bytes(), mode)
        });
        reply::entry(reply, self.terms.lifetime, made);
    }

    fn unlink(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        reply::empty(
            reply,
            self.call("unlink", parent, |view, parent| view.unlink(parent, name.as_bytes())),
        );
    }

    fn rmdir(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        reply::empty(
            reply,
            self.call("rmdir", parent, |view, parent| view.rmdir(parent, name.as_bytes())),
        );
    }

    fn symlink(&self, request: &Request, parent: INodeNo, name: &OsStr, target: &Path, reply: ReplyEntry) {
        let target = target.as_os_str().as_bytes();
        let made = self.call("symlink", parent, |view, parent| {
            view.symlink(caller(request), parent, name.as_bytes(), target)
        });
        reply::entry(reply, self.terms.lifetime, made);
    }

    fn rename(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        new_parent: INodeNo,
        new_name: &OsStr,
        flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        let renamed = self.call("rename", parent, |view, parent| {
            view.rename(parent, name.as_bytes(), node(new_parent), new_name.as_bytes(), rename(flags)?)
        });
        reply::empty(reply, renamed);
    }

    fn link(&self, _: &Request, ino: INodeNo, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        reply::entry(
            reply,
            self.terms.lifetime,
            self.call("link", ino, |view, inode| view.link(inode, node(parent), name.as_bytes())),
        );
    }

    fn open(&self, _: &Request, ino: INodeNo, flags: OpenFlags, reply: ReplyOpen) {
        match self.count(|| self.call("open", ino, |view, node| view.open(node, access(flags)))) {
            Ok(()) => self.files.reply(FopenFlags::FOPEN_KEEP_CACHE, reply),
            Err(error) => reply.error(error),
        }
    }

    fn read(&self, _: &Request, ino: INodeNo, _: FileHandle, offset: u64, size: u32, _: OpenFlags, _: Option<LockOwner>, reply: ReplyData) {
        let mut buffer = BUFFER.take();
        let read = self.call("read", ino, |view, node| {
            let size = usize::try_from(size).map_err(|_| rustix::io::Errno::INVAL)?;
            view.read(node, offset, size, &mut buffer)
        });
        self.told.tally.read(read.map_or(0, |()| length(buffer.len())));
        reply::data(reply, read.map(|()| buffer.as_slice()));
        BUFFER.set(buffer);
    }

    fn write(
        &self,
        request: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: u64,
        data: &[u8],
        flags: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let privileges = privileges(flags, caller(request));
        let written = self.call("write", ino, |view, node| {
            view.write(node, offset, data, privileges, origin(flags))?;
            u32::try_from(data.len()).map_err(|_| rustix::io::Errno::INVAL.into())
        });
        self.told.tally.written(written.map_or(0, u64::from));
        self.forget_privileges(ino, privileges);
        reply::written(reply, written);
    }

    fn flush(&self, _: &Request, ino: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        match self.files {
            Opening::Counted => reply::empty(reply, self.call("flush", ino, View::flush)),
            Opening::NotNeeded | Opening::Answered => reply.error(Errno::ENOSYS),
        }
    }

    fn release(&self, _: &Request, ino: INodeNo, _: FileHandle, flags: OpenFlags, _: Option<LockOwner>, _flush: bool, reply: ReplyEmpty) {
        let released = self.count(|| self.call("release", ino, |view, node| view.release(node, access(flags))));
        reply::empty(reply, released);
    }

    fn fsync(&self, _: &Request, ino: INodeNo, _: FileHandle, datasync: bool, reply: ReplyEmpty) {
        reply::empty(reply, self.call("fsync", ino, |view, node| view.fsync(node, durability(datasync))));
    }

    fn opendir(&self, _: &Request, _: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        self.directories
            .reply(FopenFlags::FOPEN_KEEP_CACHE | FopenFlags::FOPEN_CACHE_DIR, reply);
    }

    fn readdir(&self, _: &Request, ino: INodeNo, _: FileHandle, offset: u64, mut reply: ReplyDirectory) {
        self.listing(ino, offset);
        let mut taken = false;
        let listed = self.call("readdir", ino, |view, node| {
            view.readdir(node, offset, &mut |entry| {
                let full = reply.add(INodeNo(entry.node.0), entry.next, kind(entry.kind), OsStr::from_bytes(entry.name));
                taken |= !full;
                if full { Fill::Full } else { Fill::Taken }
            })
        });
        self.listed(ino, listed.is_ok() && !taken);
        match listed {
            // What was found before the failure counts; the kernel comes again for the rest, and meets it then.
            Err(error) if !taken => reply.error(error),
            Ok(()) | Err(_) => reply.ok(),
        }
    }

    fn readdirplus(&self, _: &Request, ino: INodeNo, _: FileHandle, offset: u64, mut reply: ReplyDirectoryPlus) {
        self.listing(ino, offset);
        let mut taken = false;
        let listed = self.call("readdirplus", ino, |view, node| {
            view.readdirplus(node, offset, &mut |entry| {
                let attr = entry
                    .entry
                    .map_or_else(|| bare_attributes(entry.node, entry.kind), |known| attributes(&known.attr));
                let generation = Generation(entry.entry.map_or(0, |known| known.generation));
                let full = reply.add(
                    attr.ino,
                    entry.next,
                    OsStr::from_bytes(entry.name),
                    &self.terms.lifetime,
                    &attr,
                    generation,
                );
                taken |= !full;
                if full { Fill::Full } else { Fill::Taken }
            })
        });
        self.listed(ino, listed.is_ok() && !taken);
        match listed {
            // As in readdir; and the view has counted these as looked up, so the kernel has to learn of them.
            Err(error) if !taken => reply.error(error),
            Ok(()) | Err(_) => reply.ok(),
        }
    }

    fn releasedir(&self, _: &Request, _: INodeNo, _: FileHandle, _: OpenFlags, reply: ReplyEmpty) {
        reply.ok();
    }

    fn fsyncdir(&self, _: &Request, ino: INodeNo, _: FileHandle, datasync: bool, reply: ReplyEmpty) {
        reply::empty(
            reply,
            self.call("fsyncdir", ino, |view, node| view.fsyncdir(node, durability(datasync))),
        );
    }

    fn statfs(&self, _: &Request, ino: INodeNo, reply: ReplyStatfs) {
        match self.call_uncounted("statfs", ino, |view, _| view.statfs()) {
            Ok(s) => reply.statfs(s.blocks, s.bfree, s.bavail, s.files, s.ffree, s.bsize, s.namelen, s.frsize),
            Err(error) => reply.error(error),
        }
    }

    fn setxattr(&self, _: &Request, ino: INodeNo, name: &OsStr, value: &[u8], flags: i32, _position: u32, reply: ReplyEmpty) {
        let set = self.supports(name).and_then(|()| {
            self.call("setxattr", ino, |view, node| {
                view.setxattr(node, name.as_bytes(), value, set_xattr(flags)?)
            })
        });
        self.forget_mode(ino, name);
        reply::empty(reply, set);
    }

    fn getxattr(&self, request: &Request, ino: INodeNo, name: &OsStr, size: u32, reply: ReplyXattr) {
        if self.told.is_asked(node(ino), name) {
            let told = self.call_uncounted("status", ino, |_, _| self.told.to(request.uid()));
            return reply::xattr(reply, size, told);
        }
        let value = self
            .unsupported
            .check(name)
            .and_then(|()| self.call("getxattr", ino, |view, node| view.getxattr(node, name.as_bytes())));
        reply::xattr(reply, size, self.unsupported.got(name, value));
    }

    fn listxattr(&self, _: &Request, ino: INodeNo, size: u32, reply: ReplyXattr) {
        let names = self.call("listxattr", ino, View::listxattr);
        reply::xattr(reply, size, names.map(|names| self.unsupported.listed(names)));
    }

    fn removexattr(&self, _: &Request, ino: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let removed = self
            .unsupported
            .check(name)
            .and_then(|()| self.call("removexattr", ino, |view, node| view.removexattr(node, name.as_bytes())));
        self.forget_mode(ino, name);
        reply::empty(reply, removed);
    }

    /// The kernel checks permissions itself (default_permissions), and does not ask.
    fn access(&self, _: &Request, _: INodeNo, _: AccessFlags, reply: ReplyEmpty) {
        reply.ok();
    }

    /// The kernel sends this when it believes that there is no such file. Where one has appeared underneath since, ESTALE makes it look again, and then open what
    /// is there as it opens any file: with a check of its permissions, which it leaves out for a file that it has just created.
    fn create(&self, request: &Request, parent: INodeNo, name: &OsStr, mode: u32, umask: u32, flags: i32, reply: ReplyCreate) {
        match self.call("create", parent, |view, parent| {
            let mode = self.masked(view, parent, mode, umask)?;
            view.create(caller(request), parent, name.as_bytes(), mode, access(OpenFlags(flags)))
        }) {
            Ok(made) => reply.created(
                &self.terms.lifetime,
                &attributes(&made.attr),
                Generation(made.generation),
                NO_HANDLE,
                FopenFlags::FOPEN_KEEP_CACHE,
            ),
            Err(error) if error == Errno::EEXIST && flags & libc::O_EXCL == 0 => reply.error(Errno::ESTALE),
            Err(error) => reply.error(error),
        }
    }

    fn fallocate(&self, request: &Request, ino: INodeNo, _: FileHandle, offset: u64, length: u64, mode: i32, reply: ReplyEmpty) {
        let privileges = privileges_of(caller(request));
        let done = self.call("fallocate", ino, |view, node| {
            view.fallocate(node, allocation(mode)?, offset, length, privileges)
        });
        self.forget_privileges(ino, privileges);
        reply::empty(reply, done);
    }

    fn lseek(&self, _: &Request, ino: INodeNo, _: FileHandle, offset: i64, whence: i32, reply: ReplyLseek) {
        self.told.tally.request();
        self.seeker.seek(ino, offset, whence, reply);
    }

    fn copy_file_range(
        &self,
        request: &Request,
        from: INodeNo,
        _: FileHandle,
        from_offset: u64,
        to: INodeNo,
        _: FileHandle,
        to_offset: u64,
        len: u64,
        flags: CopyFileRangeFlags,
        reply: ReplyWrite,
    ) {
        let privileges = privileges_of(caller(request));
        let copied = self.call("copy_file_range", from, |view, from| {
            if !flags.is_empty() {
                return Err(rustix::io::Errno::INVAL.into());
            }
            let copied = view.copy_file_range(from, from_offset, node(to), to_offset, len.min(MAX_COPY), privileges)?;
            u32::try_from(copied).map_err(|_| rustix::io::Errno::OVERFLOW.into())
        });
        let bytes = copied.map_or(0, u64::from);
        self.told.tally.read(bytes);
        self.told.tally.written(bytes);
        self.forget_privileges(to, privileges);
        reply::written(reply, copied);
    }

    // There is nothing behind these. The kernel keeps locks itself, and takes ENOSYS as an answer for ever. fuser's own answers would log.

    fn getlk(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, _start: u64, _end: u64, _: i32, _pid: u32, reply: ReplyLock) {
        reply.error(Errno::ENOSYS);
    }

    fn setlk(
        &self,
        _: &Request,
        _: INodeNo,
        _: FileHandle,
        _: LockOwner,
        _start: u64,
        _end: u64,
        _: i32,
        _pid: u32,
        _wait: bool,
        reply: ReplyEmpty,
    ) {
        reply.error(Errno::ENOSYS);
    }

    fn bmap(&self, _: &Request, _: INodeNo, _blocksize: u32, _block: u64, reply: ReplyBmap) {
        reply.error(Errno::ENOSYS);
    }

    fn ioctl(&self, _: &Request, _: INodeNo, _: FileHandle, _: IoctlFlags, _command: u32, _: &[u8], _room: u32, reply: ReplyIoctl) {
        reply.error(Errno::ENOSYS);
    }

    fn poll(&self, _: &Request, _: INodeNo, _: FileHandle, _: PollNotifier, _: PollEvents, _: PollFlags, reply: ReplyPoll) {
        reply.error(Errno::ENOSYS);
    }
}
