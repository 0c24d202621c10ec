//! From a node number to an open descriptor: the table, the descriptor cache, and `*at` calls from the parent's descriptor, never an absolute path.

use super::descriptors::{Body, Open, OpenFile};
use super::inode::Inode;
use super::live::{Change, Live};
use super::places::Place;
use super::{Access, NodeId, View};
use crate::error::{Error, Result};
use crate::folder::Storage;
use crate::name::{CipherName, DirId};
use crate::sys::descriptor;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// How often a descriptor is looked for again when an entry was renamed while we went there.
const TRIES: usize = 8;
/// How deep a tree may be. Others can move directories so that what is known of their places goes in a circle.
const DEPTH_MAX: usize = 100_000;

/// A directory, open: its inode, its id, and a descriptor to start `*at` calls from.
pub(super) struct Directory<'v> {
    pub(super) inode: Arc<Inode>,
    live: Arc<Live>,
    pub(super) id: DirId,
    handle: Handle<'v>,
    access: Access,
}

/// A descriptor of an inode that is no regular file.
enum Handle<'v> {
    Root(&'v OwnedFd),
    Open(Arc<Open>),
}

impl Handle<'_> {
    /// What is open of an inode that was a directory. Where it is a regular file, the number is another inode's by now.
    fn path(open: Arc<Open>) -> Result<Self> {
        match &*open {
            Open::Path(_) => Ok(Self::Open(open)),
            Open::File(_) => Err(Error::Stale),
        }
    }
}

impl Directory<'_> {
    /// The directory's descriptor.
    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.handle.fd()
    }

    /// How many of its entries were removed or moved by us so far.
    pub(super) fn removals(&self) -> u64 {
        self.live.removals.load(Ordering::SeqCst)
    }

    /// Calls `action` with the directory's descriptor, to get at one of its entries.
    ///
    /// For entries that are known: who holds a descriptor of one needs no permission for the directory, and paths the kernel checks before it asks us.
    pub(super) fn search<T>(&self, action: impl FnMut(BorrowedFd<'_>) -> rustix::io::Result<T>) -> rustix::io::Result<T> {
        permitted(self.access, Mode::XUSR, &self.inode, self.fd(), action)
    }

    /// Calls `action`, which changes entries of the directory on our own behalf, with its descriptor.
    pub(super) fn alter<T>(&self, action: impl FnMut(BorrowedFd<'_>) -> rustix::io::Result<T>) -> rustix::io::Result<T> {
        permitted(self.access, Mode::WUSR | Mode::XUSR, &self.inode, self.fd(), action)
    }

    /// As [`alter`](Self::alter), within a change of the directory that the caller has begun: it is not told of as another one.
    pub(super) fn alter_within<T>(
        &self,
        _: &Change<'_>,
        mut action: impl FnMut(BorrowedFd<'_>) -> rustix::io::Result<T>,
    ) -> rustix::io::Result<T> {
        descriptor::with_permission(self.fd(), Mode::WUSR | Mode::XUSR, || action(self.fd()))
    }

    /// Opens the directory to list it: by its link, for `.` would need permission to search it. Its mode may have changed since the application opened it.
    pub(super) fn open_listing(&self) -> rustix::io::Result<OwnedFd> {
        permitted(self.access, Mode::RUSR, &self.inode, self.fd(), |fd| {
            descriptor::reopen(fd, OFlags::RDONLY | OFlags::DIRECTORY)
        })
    }

    /// What is at the entry `name` now.
    pub(super) fn stat(&self, name: &CipherName) -> Result<Stat> {
        Ok(self.search(|fd| rustix::fs::statat(fd, name.entry(), AtFlags::SYMLINK_NOFOLLOW))?)
    }
}

impl Handle<'_> {
    fn fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Root(fd) => fd.as_fd(),
            Self::Open(open) => match &**open {
                Open::Path(fd) => fd.as_fd(),
                Open::File(_) => unreachable!("Handle::path takes no other"),
            },
        }
    }
}

/// Calls `action` with the descriptor of the directory `inode`; where its mode denies it to us, with the permission `grant` for a moment, unless nothing may be changed.
fn permitted<T>(
    access: Access,
    grant: Mode,
    inode: &Inode,
    dir: BorrowedFd<'_>,
    mut action: impl FnMut(BorrowedFd<'_>) -> rustix::io::Result<T>,
) -> rustix::io::Result<T> {
    match action(dir) {
        Err(Errno::ACCESS) if access == Access::ReadWrite => {
            let _change = inode.change();
            descriptor::with_permission(dir, grant, || action(dir))
        }
        other => other,
    }
}

/// Opens an inode at `place`, whose directory is `dir`; nothing when it is not there.
fn open_in(access: Access, inode: &Inode, place: &Place, dir: BorrowedFd<'_>, flags: OFlags) -> Result<Option<(OwnedFd, Stat)>> {
    let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    // A fifo that has taken the file's place must not make us wait.
    let flags = if flags.contains(OFlags::PATH) {
        flags
    } else {
        flags | OFlags::NONBLOCK
    };
    let opened = permitted(access, Mode::XUSR, &place.parent, dir, |dir| {
        rustix::fs::openat(dir, place.name.entry(), flags, Mode::empty())
    })
    .and_then(|fd| {
        let stat = rustix::fs::fstat(&fd)?;
        Ok((fd, stat))
    });
    match opened {
        Ok((fd, stat)) if inode.is(&stat) => Ok(Some((fd, stat))),
        Ok(_) | Err(Errno::NOENT | Errno::LOOP | Errno::NXIO) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// An entry of a directory, which need not exist.
pub(super) struct EntryAt<'v> {
    pub(super) dir: Directory<'v>,
    pub(super) name: CipherName,
}

impl EntryAt<'_> {
    /// What is there.
    pub(super) fn stat(&self) -> Result<Stat> {
        Ok(rustix::fs::statat(self.dir.fd(), self.name.entry(), AtFlags::SYMLINK_NOFOLLOW)?)
    }

    /// The directory's descriptor.
    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.dir.fd()
    }

    /// The directory.
    pub(super) fn parent(&self) -> &Arc<Inode> {
        &self.dir.inode
    }

    /// The place of an inode that is here.
    pub(super) fn place(&self) -> Place {
        Place {
            parent: Arc::clone(&self.dir.inode),
            name: self.name.clone(),
        }
    }
}

impl View {
    /// The inode of this number. ESTALE when it is not known (the kernel then looks it up again).
    pub(super) fn inode(&self, node: NodeId) -> Result<Arc<Inode>> {
        self.table.read().get(node).ok_or(Error::Stale)
    }

    /// The directory of this number.
    pub(super) fn directory(&self, node: NodeId) -> Result<Directory<'_>> {
        self.directory_of(&self.inode(node)?)
    }

    /// The directory `inode`, open, and its id.
    pub(super) fn directory_of(&self, inode: &Arc<Inode>) -> Result<Directory<'_>> {
        if inode.kind() != FileType::Directory {
            return Err(Errno::NOTDIR.into());
        }
        let handle = self.path_handle(inode)?;
        let live = inode.live();
        let known = *live.dir_id.read();
        let id = match known {
            Some(id) => id,
            None => self.read_directory_id(inode)?,
        };
        Ok(Directory {
            inode: Arc::clone(inode),
            live,
            id,
            handle,
            access: self.options.access,
        })
    }

    /// Finds out the id of a directory from the nearest one above it whose id is known, and remembers it.
    pub(super) fn read_directory_id(&self, inode: &Arc<Inode>) -> Result<DirId> {
        let mut below = Vec::new();
        let mut at = Arc::clone(inode);
        let mut id = loop {
            if at.node == NodeId::ROOT {
                break self.folder.root();
            }
            let known = *at.live().dir_id.read();
            if let Some(id) = known.filter(|_| !below.is_empty()) {
                break id;
            }
            // A directory that was removed holds nothing and can hold nothing.
            let place = at.place().ok_or(Errno::NOENT)?;
            if below.len() >= DEPTH_MAX {
                return Err(Error::Stale);
            }
            let above = Arc::clone(&place.parent);
            below.push((std::mem::replace(&mut at, above), place.name));
        };
        for (dir, name) in below.into_iter().rev() {
            // Its mode may have to be changed for a moment.
            let _change = dir.change();
            let read = self.folder.directory_id(id, &name, self.path_handle(&dir)?.fd());
            id = self.report(&dir, read)?;
            *dir.live().dir_id.write() = Some(id);
        }
        Ok(id)
    }

    /// The entry `name` of the directory `parent`; `kind` as in [`Folder::seal_name`](crate::folder::Folder::seal_name).
    pub(super) fn entry(&self, parent: NodeId, name: &[u8], kind: Option<FileType>) -> Result<EntryAt<'_>> {
        let plain = Self::name(name)?;
        let dir = self.directory(parent)?;
        let name = self.folder.seal_name(dir.id, &plain, kind, dir.fd())?;
        Ok(EntryAt { dir, name })
    }

    /// A descriptor of any inode but the root: what is open of it, or one opened with O_PATH.
    pub(super) fn handle(&self, inode: &Arc<Inode>) -> Result<Arc<Open>> {
        if let Some(open) = self.descriptors.get(inode) {
            return Ok(open);
        }
        let (fd, _) = self.open_at_place(inode, OFlags::PATH)?;
        let open = Arc::new(Open::Path(fd));
        if inode.kind() == FileType::Directory {
            self.keep_descriptor(inode, &open);
        }
        Ok(open)
    }

    fn path_handle(&self, inode: &Arc<Inode>) -> Result<Handle<'_>> {
        if inode.node == NodeId::ROOT {
            return Ok(Handle::Root(&self.root));
        }
        Handle::path(self.handle(inode)?)
    }

    /// Calls `action` with a descriptor of any inode.
    pub(super) fn with_handle<T>(&self, inode: &Arc<Inode>, action: impl FnOnce(BorrowedFd<'_>) -> Result<T>) -> Result<T> {
        if inode.node == NodeId::ROOT {
            return action(self.root.as_fd());
        }
        // What is done to a file that is being replaced is done to the new one.
        let open = match inode.kind() {
            FileType::RegularFile if self.counts_openers() => self.file(inode).or_else(|_| self.handle(inode))?,
            FileType::RegularFile
            | FileType::Directory
            | FileType::Symlink
            | FileType::Fifo
            | FileType::Socket
            | FileType::CharacterDevice
            | FileType::BlockDevice
            | FileType::Unknown => self.handle(inode)?,
        };
        open.with_fd(action)
    }

    /// What is open of a regular file, opened if need be, for `action`.
    pub(super) fn with_file<T>(&self, inode: &Arc<Inode>, action: impl FnOnce(&OpenFile) -> Result<T>) -> Result<T> {
        match &*self.file(inode)? {
            Open::File(file) => action(file),
            Open::Path(_) => Err(Error::Stale),
        }
    }

    /// What is open of a regular file, opened if need be.
    pub(super) fn file(&self, inode: &Arc<Inode>) -> Result<Arc<Open>> {
        if inode.kind() != FileType::RegularFile {
            return Err(if inode.kind() == FileType::Directory {
                Errno::ISDIR
            } else {
                Errno::INVAL
            }
            .into());
        }
        let is_file = |open: &Arc<Open>| matches!(**open, Open::File(_));
        if let Some(open) = self.descriptors.get(inode).filter(is_file) {
            return Ok(open);
        }
        let live = inode.live();
        let _opening = live.opening.lock();
        match self.descriptors.get(inode) {
            Some(open) if is_file(&open) => Ok(open),
            // It was removed when it could not be opened; perhaps it can now.
            Some(path) => {
                let fd = path.with_fd(|path| descriptor::with_permission(path, Mode::RUSR, || descriptor::reopen(path, OFlags::RDONLY)))?;
                let stat = rustix::fs::fstat(&fd)?;
                let open = self.opened(inode, fd, &stat, false)?;
                if inode.is_gone() {
                    self.descriptors.pin(inode, &open)?;
                } else {
                    self.keep_descriptor(inode, &open);
                }
                Ok(open)
            }
            None => {
                let (fd, stat, writable) = self.open_contents(inode)?;
                self.keep_file(inode, fd, &stat, writable)
            }
        }
    }

    /// Takes in what is open of an inode. Those whose descriptors are closed for that are not in use any more.
    fn keep_descriptor(&self, inode: &Inode, open: &Arc<Open>) {
        for node in self.descriptors.insert(inode, open) {
            if let Ok(idle) = self.inode(node) {
                idle.rest();
            }
        }
    }

    /// Takes in the descriptor of a regular file. The caller holds `Live::opening`, or nobody else knows the inode yet.
    pub(super) fn keep_file(&self, inode: &Arc<Inode>, fd: OwnedFd, stat: &Stat, writable: bool) -> Result<Arc<Open>> {
        let open = self.opened(inode, fd, stat, writable)?;
        self.keep_descriptor(inode, &open);
        Ok(open)
    }

    /// Takes in the descriptor of a regular file that was just made.
    pub(super) fn keep_new(&self, inode: &Arc<Inode>, fd: OwnedFd, stat: &Stat) -> Result<()> {
        let place = inode.place();
        let contents = self
            .folder
            .new_contents(place.as_ref().map(|place| &place.name), fd.as_fd(), stat)?;
        let writable = true;
        let open = Arc::new(Open::File(OpenFile::new(Body { fd, writable, contents })));
        self.keep_descriptor(inode, &open);
        Ok(())
    }

    fn opened(&self, inode: &Inode, fd: OwnedFd, stat: &Stat, writable: bool) -> Result<Arc<Open>> {
        let place = inode.place();
        let contents = self.folder.contents(place.as_ref().map(|place| &place.name), fd.as_fd(), stat)?;
        Ok(Arc::new(Open::File(OpenFile::new(Body { fd, writable, contents }))))
    }

    /// Opens a regular file for reading and, where that can be done, writing.
    fn open_contents(&self, inode: &Arc<Inode>) -> Result<(OwnedFd, Stat, bool)> {
        if self.options.access == Access::ReadWrite && self.folder.storage() == Storage::InPlace {
            match self.open_at_place(inode, OFlags::RDWR) {
                Err(Error::Os(Errno::ACCESS | Errno::ROFS | Errno::PERM | Errno::TXTBSY)) => {}
                opened => return opened.map(|(fd, stat)| (fd, stat, true)),
            }
        }
        match self.open_at_place(inode, OFlags::RDONLY) {
            Err(Error::Os(Errno::ACCESS)) if self.options.access == Access::ReadWrite => {}
            opened => return opened.map(|(fd, stat)| (fd, stat, false)),
        }
        let (path, _) = self.open_at_place(inode, OFlags::PATH)?;
        let _change = inode.change();
        let fd = descriptor::with_permission(path.as_fd(), Mode::RUSR, || descriptor::reopen(path.as_fd(), OFlags::RDONLY))?;
        let stat = rustix::fs::fstat(&fd)?;
        Ok((fd, stat, false))
    }

    /// Makes sure that an open file can be changed.
    pub(super) fn make_writable(&self, inode: &Inode, body: &mut Body) -> Result<()> {
        self.changeable(inode)?;
        if body.writable {
            return Ok(());
        }
        if self.folder.storage() == Storage::Replaced {
            self.replaceable(inode, &rustix::fs::fstat(&body.fd)?)?;
        } else {
            let _change = inode.change();
            let fd = body.fd.as_fd();
            body.fd = descriptor::with_permission(fd, Mode::RUSR | Mode::WUSR, || descriptor::reopen(fd, OFlags::RDWR))?;
        }
        body.writable = true;
        Ok(())
    }

    /// Opens an inode at one of its places, and makes sure that it is the same one.
    fn open_at_place(&self, inode: &Arc<Inode>, flags: OFlags) -> Result<(OwnedFd, Stat)> {
        let mut denied = None;
        for _ in 0..TRIES {
            let moves = self.table.read().moves();
            for place in inode.places() {
                match self
                    .chain(&place.parent)
                    .and_then(|dir| open_in(self.options.access, inode, &place, dir.fd(), flags))
                {
                    Ok(Some(opened)) => return Ok(opened),
                    Ok(None) => {}
                    // Perhaps by another of its names.
                    Err(error @ (Error::Stale | Error::Os(Errno::NOENT | Errno::NOTDIR | Errno::ACCESS))) => denied = Some(error),
                    Err(error) => return Err(error),
                }
            }
            // Another file, or none: either we are renaming it or a directory above it, which is waited for here, or somebody else did.
            inode.wait_for_move();
            if self.table.read().moves() == moves {
                break;
            }
        }
        Err(denied.unwrap_or(Error::Stale))
    }

    /// A descriptor of the directory `inode`: the nearest one above it that is open is found first, then those between are opened downwards, so that a deep tree
    /// takes no stack.
    fn chain(&self, inode: &Arc<Inode>) -> Result<Handle<'_>> {
        let mut closed = Vec::new();
        let mut at = Arc::clone(inode);
        let mut handle = loop {
            if at.node == NodeId::ROOT {
                break Handle::Root(&self.root);
            }
            if let Some(open) = self.descriptors.get(&at) {
                break Handle::path(open)?;
            }
            let place = at.place().ok_or(Error::Stale)?;
            if closed.len() >= DEPTH_MAX {
                return Err(Error::Stale);
            }
            let above = Arc::clone(&place.parent);
            closed.push((std::mem::replace(&mut at, above), place));
        };
        for (dir, place) in closed.into_iter().rev() {
            let Some((fd, _)) = open_in(self.options.access, &dir, &place, handle.fd(), OFlags::PATH)? else {
                // If we are renaming it, who comes again finds it.
                dir.wait_for_move();
                return Err(Error::Stale);
            };
            let open = Arc::new(Open::Path(fd));
            self.keep_descriptor(&dir, &open);
            handle = Handle::path(open)?;
        }
        Ok(handle)
    }

    /// Where an inode lies on disk: one of its places, where it has several.
    ///
    /// # Errors
    /// ESTALE when it is not known.
    pub fn on_disk(&self, node: NodeId) -> Result<PathBuf> {
        Ok(self.path(&self.inode(node)?))
    }

    /// Where an inode lies in the vault, for messages. One that was made or replaced by us has no path of its own that the kernel would tell.
    pub(super) fn path(&self, inode: &Arc<Inode>) -> PathBuf {
        let placed = inode.place().and_then(|place| {
            let dir = self.directory_of(&place.parent).ok()?;
            Some(Path::new(&descriptor::path(dir.fd())).join(OsStr::from_bytes(place.name.entry().to_bytes())))
        });
        placed.unwrap_or_else(|| self.with_handle(inode, |fd| Ok(descriptor::path(fd))).unwrap_or_default().into())
    }
}
