//! From a node number to an open descriptor: the table, the descriptor cache, and `*at` calls from the parent's descriptor, never an absolute path.

use super::descriptors::{Body, Open, OpenFile};
use super::inode::{Identity, Inode, Place};
use super::{Access, NodeId, View};
use crate::error::{Error, Result};
use crate::name::{CipherName, DirId};
use crate::sys::descriptor;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// How often a descriptor is looked for again when the entry was renamed while we went there.
const TRIES: usize = 8;

/// A directory, open: its inode, its id, and a descriptor to start `*at` calls from.
pub(super) struct Directory<'v> {
    view: &'v View,
    pub(super) inode: Arc<Inode>,
    pub(super) id: DirId,
    open: Option<Arc<Open>>,
}

impl Directory<'_> {
    /// The directory's descriptor.
    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        match self.open.as_deref() {
            Some(Open::Path(fd)) => fd.as_fd(),
            // A directory is never open as a file; the root is always open.
            Some(Open::File(_)) | None => self.view.root.as_fd(),
        }
    }

    /// Calls `action` with the directory's descriptor, to get at one of its entries; where its mode does not let us search it, with that permission for a moment.
    ///
    /// For entries that are known: who holds a descriptor of one needs no permission for the directory, and paths the kernel checks before it asks us.
    pub(super) fn search<T>(&self, mut action: impl FnMut(BorrowedFd<'_>) -> rustix::io::Result<T>) -> rustix::io::Result<T> {
        match action(self.fd()) {
            Err(Errno::ACCESS) => {
                let _change = self.inode.change();
                descriptor::with_permission(self.fd(), Mode::XUSR, || action(self.fd()))
            }
            other => other,
        }
    }
}

/// An entry of a directory, which need not exist.
pub(super) struct EntryAt<'v> {
    pub(super) dir: Directory<'v>,
    pub(super) parent: Arc<Inode>,
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

    /// The place of an inode that is here.
    pub(super) fn place(&self) -> Place {
        Place::At {
            parent: Arc::clone(&self.parent),
            name: self.name.clone(),
        }
    }
}

/// What is at the entry `name` of `parent` now.
pub(super) fn stat_at(view: &View, parent: &Arc<Inode>, name: &CipherName) -> Result<Stat> {
    let dir = view.directory_of(parent)?;
    Ok(dir.search(|fd| rustix::fs::statat(fd, name.entry(), AtFlags::SYMLINK_NOFOLLOW))?)
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
        if inode.kind != FileType::Directory {
            return Err(Errno::NOTDIR.into());
        }
        let open = if inode.node == NodeId::ROOT {
            None
        } else {
            Some(self.handle(inode)?)
        };
        let known = *inode.dir_id.read();
        let mut dir = Directory {
            view: self,
            inode: Arc::clone(inode),
            id: known.unwrap_or(self.folder.root()),
            open,
        };
        if known.is_none() {
            dir.id = self.read_directory_id(&dir)?;
        }
        Ok(dir)
    }

    /// Finds out the id of a directory, and remembers it.
    pub(super) fn read_directory_id(&self, dir: &Directory<'_>) -> Result<DirId> {
        // Its mode may have to be changed for a moment.
        let _change = dir.inode.change();
        let id = match dir.inode.place() {
            Place::Root => self.folder.root(),
            Place::At { parent, name } => {
                let above = self.directory_of(&parent)?.id;
                self.folder.directory_id(above, &name, dir.fd())?
            }
            // A directory that was removed holds nothing and can hold nothing.
            Place::Gone => return Err(Errno::NOENT.into()),
        };
        *dir.inode.dir_id.write() = Some(id);
        Ok(id)
    }

    /// The entry `name` of the directory `parent`.
    pub(super) fn entry(&self, parent: NodeId, name: &[u8]) -> Result<EntryAt<'_>> {
        let plain = Self::name(name)?;
        let dir = self.directory(parent)?;
        let name = self.folder.seal_name(dir.id, &plain)?;
        Ok(EntryAt {
            parent: Arc::clone(&dir.inode),
            dir,
            name,
        })
    }

    /// A descriptor of any inode but the root: what is open of it, or one opened with O_PATH.
    pub(super) fn handle(&self, inode: &Arc<Inode>) -> Result<Arc<Open>> {
        if let Some(open) = self.descriptors.get(inode.node) {
            return Ok(open);
        }
        let (fd, _) = self.open_at_place(inode, OFlags::PATH)?;
        let open = Arc::new(Open::Path(fd));
        if inode.kind == FileType::Directory {
            self.descriptors.insert(inode.node, Arc::clone(&open));
        }
        Ok(open)
    }

    /// Calls `action` with a descriptor of any inode.
    pub(super) fn with_handle<T>(&self, inode: &Arc<Inode>, action: impl FnOnce(BorrowedFd<'_>) -> Result<T>) -> Result<T> {
        if inode.node == NodeId::ROOT {
            return action(self.root.as_fd());
        }
        self.handle(inode)?.with_fd(action)
    }

    /// What is open of a regular file, opened if need be.
    pub(super) fn file(&self, inode: &Arc<Inode>) -> Result<Arc<Open>> {
        if inode.kind != FileType::RegularFile {
            return Err(if inode.kind == FileType::Directory {
                Errno::ISDIR
            } else {
                Errno::INVAL
            }
            .into());
        }
        if let Some(open) = self.descriptors.get(inode.node) {
            return Ok(open);
        }
        let _opening = inode.opening.lock();
        if let Some(open) = self.descriptors.get(inode.node) {
            return Ok(open);
        }
        let (fd, stat, writable) = self.open_contents(inode)?;
        self.keep_file(inode, fd, &stat, writable)
    }

    /// Takes in the descriptor of a regular file. The caller holds `inode.opening`, or nobody else knows the inode yet.
    pub(super) fn keep_file(&self, inode: &Arc<Inode>, fd: OwnedFd, stat: &Stat, writable: bool) -> Result<Arc<Open>> {
        let contents = self.folder.contents(fd.as_fd(), stat)?;
        let body = parking_lot::RwLock::new(Body { fd, writable, contents });
        let open = Arc::new(Open::File(OpenFile { body }));
        self.descriptors.insert(inode.node, Arc::clone(&open));
        Ok(open)
    }

    /// Opens a regular file for reading and, where that can be done, writing.
    fn open_contents(&self, inode: &Arc<Inode>) -> Result<(OwnedFd, Stat, bool)> {
        if self.options.access == Access::ReadWrite {
            match self.open_at_place(inode, OFlags::RDWR) {
                Err(Error::Os(Errno::ACCESS | Errno::ROFS | Errno::PERM | Errno::TXTBSY)) => {}
                opened => return opened.map(|(fd, stat)| (fd, stat, true)),
            }
        }
        match self.open_at_place(inode, OFlags::RDONLY) {
            Err(Error::Os(Errno::ACCESS)) => {}
            opened => return opened.map(|(fd, stat)| (fd, stat, false)),
        }
        let (path, _) = self.open_at_place(inode, OFlags::PATH)?;
        let _change = inode.change();
        let fd = descriptor::with_permission(path.as_fd(), Mode::RUSR, || descriptor::reopen(path.as_fd(), OFlags::RDONLY))?;
        let stat = rustix::fs::fstat(&fd)?;
        Ok((fd, stat, false))
    }

    /// Makes sure that the descriptor of an open file can be written to.
    pub(super) fn make_writable(&self, inode: &Inode, body: &mut Body) -> Result<()> {
        self.writable()?;
        if !body.writable {
            let _change = inode.change();
            let fd = body.fd.as_fd();
            body.fd = descriptor::with_permission(fd, Mode::RUSR | Mode::WUSR, || descriptor::reopen(fd, OFlags::RDWR))?;
            body.writable = true;
        }
        Ok(())
    }

    /// Opens an inode where it was last seen, and makes sure that it is the same one.
    fn open_at_place(&self, inode: &Arc<Inode>, flags: OFlags) -> Result<(OwnedFd, Stat)> {
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let flags = if flags.contains(OFlags::PATH) {
            OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC
        } else {
            flags
        };
        for _ in 0..TRIES {
            let Place::At { parent, name } = inode.place() else { break };
            let dir = self.directory_of(&parent)?;
            let result = dir
                .search(|parent| rustix::fs::openat(parent, name.entry(), flags, Mode::empty()))
                .and_then(|fd| {
                    let stat = rustix::fs::fstat(&fd)?;
                    Ok((fd, stat))
                });
            match result {
                Ok((fd, stat)) if Identity::of(&stat) == inode.identity => return Ok((fd, stat)),
                // Another file, or none: either it was renamed while we went there, or somebody else did it.
                Ok(_) | Err(Errno::NOENT | Errno::LOOP | Errno::NXIO) if inode.is_at(&parent, &name) => break,
                Ok(_) | Err(Errno::NOENT | Errno::LOOP | Errno::NXIO) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Error::Stale)
    }

    /// Logs damage in an inode, once, by its path in the vault.
    pub(super) fn report<T>(&self, inode: &Arc<Inode>, result: Result<T>) -> Result<T> {
        if let Err(error @ (Error::Damage(_) | Error::Undecodable(_))) = &result
            && !inode.damage_logged.swap(true, Ordering::Relaxed)
        {
            let path = self.with_handle(inode, |fd| Ok(descriptor::path(fd))).unwrap_or_default();
            log::error!("damaged: {}: {error}", path.display());
        }
        result
    }
}
