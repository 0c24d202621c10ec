//! The contents of regular files: reading, writing, space, durability.

use super::attributes::kill_privileges;
use super::inode::Inode;
use super::{Allocate, NodeId, Origin, Privileges, View};
use crate::error::Result;
use crate::folder::{Contents, Durability, Late, SeekTo, Storage};
use crate::sys::descriptor;
use rustix::fs::{FileType, OFlags};
use rustix::io::Errno;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

/// How many bytes `copy_file_range` moves at a time.
const COPY_CHUNK: u64 = 1 << 20;

impl View {
    /// Up to `len` bytes from `offset` into `buf` (cleared first); fewer only at the end of the file.
    ///
    /// # Errors
    /// Damage, or what the operating system says.
    pub fn read(&self, node: NodeId, offset: u64, len: usize, buf: &mut Vec<u8>) -> Result<()> {
        let inode = self.inode(node)?;
        let read = self.read_contents(&inode, |fd, contents| contents.read_at(fd, offset, len, buf));
        self.report(&inode, read)
    }

    /// Writes all of `data`.
    ///
    /// # Errors
    /// What the operating system says; what could be read before can be read after.
    pub fn write(&self, node: NodeId, offset: u64, data: &[u8], privileges: Privileges, origin: Origin) -> Result<()> {
        let inode = self.inode(node)?;
        let written = match origin {
            Origin::Application => self.change_contents(&inode, u64::MAX, |fd, contents| {
                contents.write_at(fd, offset, data)?;
                privileges.apply(&inode, fd)
            }),
            Origin::Cache => {
                let live = inode.live();
                let turn = live.turns.enter(offset, data.len());
                // Before it is its turn. What keeps the file from being opened is found out, and told, then.
                let late = self.with_file(&inode, |file| Ok((file.late(offset, data), file.ends_before(offset, data.len()))));
                let (late, grows) = late.unwrap_or_else(|_| (Late::new(offset, data), false));
                if grows {
                    turn.wait();
                }
                self.change_contents(&inode, u64::MAX, |fd, contents| {
                    let _attributes = live.attributes.lock();
                    self.write_late(&inode, fd, contents, &late, privileges)
                })
            }
        };
        self.report(&inode, written)
    }

    /// Writes what comes late from the kernel's cache, and changes nothing besides the contents.
    ///
    /// The kernel has changed the modification time when the application wrote, and sends it by itself, perhaps before the bytes; or it has not, when that was within the
    /// tick of its clock in which it was told the time, and a later one would make the file seem changed once the kernel has forgotten it. Set-user-id and set-group-id
    /// stay.
    fn write_late(
        &self,
        inode: &Inode,
        fd: BorrowedFd<'_>,
        contents: &mut dyn Contents,
        late: &Late<'_>,
        privileges: Privileges,
    ) -> Result<()> {
        if privileges != Privileges::Keep {
            contents.write_late(fd, late)?;
            return privileges.apply(inode, fd);
        }
        self.keeping_privileges(fd, || contents.write_late(fd, late))
    }

    /// Runs `action`, which writes what an application wrote before. It may have set set-user-id since, and the operating system takes that away when an ordinary user's daemon writes.
    fn keeping_privileges<T>(&self, fd: BorrowedFd<'_>, action: impl FnOnce() -> Result<T>) -> Result<T> {
        if self.daemon.uid == 0 {
            return action();
        }
        descriptor::keeping_privileges(fd, action)
    }

    /// Makes a file durable.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn fsync(&self, node: NodeId, what: Durability) -> Result<()> {
        let inode = self.inode(node)?;
        if inode.kind() != FileType::RegularFile {
            return Ok(());
        }
        if self.folder.storage() == Storage::Replaced {
            let stored = self.store(&inode);
            self.report(&inode, stored)?;
        }
        // What is changed from here on need not be durable when this is done.
        let live = inode.live();
        let changes = live.metadata_changes();
        let what = if what == Durability::All && live.is_metadata_durable(changes) {
            Durability::Modified
        } else {
            what
        };
        let synced = self.with_file(&inode, |file| {
            file.write(|body| {
                // A change of ours only where something could not be written before.
                let change = body.contents.has_pending().then(|| inode.change_contents());
                let rest = match &change {
                    Some(_) => self.keeping_privileges(body.fd.as_fd(), || body.contents.start_sync(body.fd.as_fd(), what))?,
                    None => body.contents.start_sync(body.fd.as_fd(), what)?,
                };
                if let Some(change) = change {
                    let mark = change.mark();
                    change.settle(mark, &rustix::fs::fstat(&body.fd)?);
                }
                Ok(rest)
            })
        });
        // Without the file's lock: who reads it need not wait for the disk.
        let synced = synced.and_then(|rest| rest.map_or(Ok(()), |rest| rest()));
        self.report(&inode, synced)?;
        if what == Durability::All {
            live.metadata_is_durable(changes);
        }
        match self.folder.storage() {
            Storage::InPlace => Ok(()),
            Storage::Replaced => self.sync_entries(&inode),
        }
    }

    /// Makes a directory's entries durable.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn fsyncdir(&self, node: NodeId, what: Durability) -> Result<()> {
        // A removed directory has no id, so it is not looked at as a directory.
        let inode = self.inode(node)?;
        let readable = self.with_handle(&inode, |fd| Ok(descriptor::reopen(fd, OFlags::RDONLY | OFlags::DIRECTORY)))?;
        let synced = match (readable, what) {
            (Ok(fd), Durability::Data) => rustix::fs::fdatasync(fd),
            (Ok(fd), Durability::Modified | Durability::All) => rustix::fs::fsync(fd),
            // A directory that its owner may not list can still be made durable, with all the rest.
            (Err(Errno::ACCESS), _) => rustix::fs::syncfs(&self.root),
            (Err(error), _) => Err(error),
        };
        Ok(synced?)
    }

    /// The first data or hole from `offset` on.
    ///
    /// # Errors
    /// ENXIO when there is none.
    pub fn seek(&self, node: NodeId, offset: u64, to: SeekTo) -> Result<u64> {
        let inode = self.inode(node)?;
        let found = self.read_contents(&inode, |fd, contents| contents.seek(fd, offset, to));
        self.report(&inode, found)
    }

    /// Takes, gives back or zeroes space.
    ///
    /// # Errors
    /// EFBIG, ENOSPC, EOPNOTSUPP as fallocate(2).
    pub fn fallocate(&self, node: NodeId, how: Allocate, offset: u64, len: u64, privileges: Privileges) -> Result<()> {
        let inode = self.inode(node)?;
        let end = offset.checked_add(len).ok_or(Errno::FBIG)?;
        // Within the file, space is there already; beyond its end there is nothing to make zeros of.
        let file_len = self.with_file(&inode, |file| Ok(file.len()))?;
        let keep = match how {
            Allocate::Grow | Allocate::Keep if end <= file_len => 0,
            Allocate::Punch | Allocate::ZeroKeep if offset >= file_len => 0,
            Allocate::Grow | Allocate::Keep | Allocate::Punch | Allocate::ZeroGrow | Allocate::ZeroKeep => u64::MAX,
        };
        let done = self.change_contents(&inode, keep, |fd, contents| {
            match how {
                Allocate::Grow | Allocate::Keep => contents.allocate(fd, offset, len)?,
                Allocate::Punch | Allocate::ZeroGrow | Allocate::ZeroKeep => contents.zero(fd, offset, len)?,
            }
            let grows = match how {
                Allocate::Grow | Allocate::ZeroGrow => end > contents.len(),
                Allocate::Keep | Allocate::Punch | Allocate::ZeroKeep => false,
            };
            if grows {
                contents.resize(fd, end)?;
            }
            privileges.apply(&inode, fd)
        });
        self.report(&inode, done)
    }

    /// Copies within or between files; returns how many bytes.
    ///
    /// # Errors
    /// EINVAL when the ranges overlap in one file; else as read and write, when nothing was copied yet.
    pub fn copy_file_range(
        &self,
        from: NodeId,
        from_offset: u64,
        to: NodeId,
        to_offset: u64,
        len: u64,
        privileges: Privileges,
    ) -> Result<u64> {
        if from == to && from_offset < to_offset.saturating_add(len) && to_offset < from_offset.saturating_add(len) {
            return Err(Errno::INVAL.into());
        }
        let mut copied = 0;
        let mut chunk = Vec::new();
        while copied < len {
            let step = usize::try_from((len - copied).min(COPY_CHUNK)).unwrap_or(usize::MAX);
            let moved = self.read(from, from_offset + copied, step, &mut chunk).and_then(|()| {
                if chunk.is_empty() {
                    Ok(())
                } else {
                    self.write(to, to_offset + copied, &chunk, privileges, Origin::Application)
                }
            });
            match moved {
                Ok(()) if chunk.is_empty() => break,
                Ok(()) => copied += u64::try_from(chunk.len()).unwrap_or(0),
                Err(error) if copied == 0 => return Err(error),
                Err(_) => break,
            }
        }
        Ok(copied)
    }

    fn read_contents<T>(&self, inode: &Arc<Inode>, action: impl FnOnce(BorrowedFd<'_>, &dyn Contents) -> Result<T>) -> Result<T> {
        self.with_file(inode, |file| file.read(|body| action(body.fd.as_fd(), &*body.contents)))
    }
}

impl Privileges {
    /// Takes set-user-id and set-group-id away from a file that was changed, if they are to go.
    fn apply(self, inode: &Inode, fd: BorrowedFd<'_>) -> Result<()> {
        match self {
            Self::Keep => Ok(()),
            Self::Kill(caller) => {
                let killed = kill_privileges(fd, caller);
                inode.live().metadata_changed();
                killed
            }
        }
    }
}
