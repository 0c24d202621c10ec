//! Attributes: reading, changing, and what POSIX takes away when it does.

use super::descriptors::Open;
use super::inode::{Inode, Verdict};
use super::{Attr, Caller, NodeId, SetAttr, SetTime, Time, View};
use crate::error::{Error, Result};
use crate::sys::descriptor;
use rustix::fs::{FileType, Gid, Mode, Stat, Timespec, Timestamps, UTIME_NOW, UTIME_OMIT, Uid};
use rustix::io::Errno;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

/// Set-user-id and set-group-id.
const SETID: u32 = 0o6000;

impl View {
    /// Attributes of an inode.
    ///
    /// # Errors
    /// ESTALE when it is gone without us.
    pub fn getattr(&self, node: NodeId) -> Result<Attr> {
        let inode = self.inode(node)?;
        let (stat, verdict) = inode.judge(&self.stat(&inode)?, || self.stat(&inode), |stat| self.folder.has_left(stat))?;
        match verdict {
            Verdict::AsKnown => {}
            // The next lookup tells the kernel, by the generation.
            Verdict::ChangedByOthers => self.reload(&inode)?,
            Verdict::Another => return Err(Error::Stale),
        }
        self.attr(&inode, &stat)
    }

    /// What the operating system says of an inode.
    pub(super) fn stat(&self, inode: &Arc<Inode>) -> Result<Stat> {
        if inode.kind() != FileType::Directory
            && self.descriptors.get(inode).is_none()
            && let Some(place) = inode.place()
            && let Ok(stat) = self.directory_of(&place.parent).and_then(|dir| dir.stat(&place.name))
            && inode.is(&stat)
        {
            return Ok(stat);
        }
        self.with_handle(inode, |fd| Ok(rustix::fs::fstat(fd)?))
    }

    /// The attributes to show for an inode, from what the operating system says of it and what is not on disk yet.
    pub(super) fn attr(&self, inode: &Arc<Inode>, stat: &Stat) -> Result<Attr> {
        let size = self.plain_size(inode, stat)?;
        let kept = if self.is_read_only(inode) { 0o7555 } else { 0o7777 };
        let narrow = |value: u64| u32::try_from(value).unwrap_or(u32::MAX);
        let time = |secs: i64, nanos: u64| Time {
            secs,
            nanos: narrow(nanos),
        };
        let (mut mtime, mut ctime) = (time(stat.st_mtime, stat.st_mtime_nsec), time(stat.st_ctime, stat.st_ctime_nsec));
        if inode.kind() == FileType::RegularFile
            && let Some((modified, changed)) = self.folder.times(stat)
        {
            let time = |at: Timespec| time(at.tv_sec, u64::try_from(at.tv_nsec).unwrap_or(0));
            (mtime, ctime) = (time(modified), time(changed));
        }
        Ok(Attr {
            node: inode.node,
            size,
            blocks: u64::try_from(stat.st_blocks).unwrap_or(0),
            atime: time(stat.st_atime, stat.st_atime_nsec),
            mtime,
            ctime,
            kind: inode.kind(),
            perm: u16::try_from(descriptor::mode(stat) & kept).unwrap_or(0),
            nlink: narrow(stat.st_nlink),
            uid: stat.st_uid,
            gid: stat.st_gid,
            rdev: narrow(stat.st_rdev),
            blksize: 4096,
        })
    }

    fn plain_size(&self, inode: &Arc<Inode>, stat: &Stat) -> Result<u64> {
        if let Some(Open::File(file)) = self.descriptors.get(inode).as_deref() {
            return Ok(file.len());
        }
        if let Some(size) = self.folder.plain_size(inode.kind(), stat) {
            return Ok(size);
        }
        let size = match inode.kind() {
            FileType::Symlink => self
                .readlink(inode.node)
                .map(|target| u64::try_from(target.len()).unwrap_or(u64::MAX)),
            FileType::RegularFile
            | FileType::Directory
            | FileType::Fifo
            | FileType::Socket
            | FileType::CharacterDevice
            | FileType::BlockDevice
            | FileType::Unknown => self.with_file(inode, |file| Ok(file.len())),
        };
        match size {
            // In a moment it may be read, and until then a wrong size would be taken for the right one.
            Err(Error::Stale | Error::Os(Errno::NOENT | Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::AGAIN | Errno::INTR)) => size,
            // What may not be read, or cannot, is still there to be seen.
            Err(_) => Ok(u64::try_from(stat.st_size).unwrap_or(0)),
            Ok(size) => Ok(size),
        }
    }

    /// Changes attributes. A change of length by others than root takes set-user-id and set-group-id away, a change of owner always does (the operating system sees to that).
    ///
    /// # Errors
    /// What the operating system says; what came before the error stays.
    pub fn setattr(&self, caller: Caller, node: NodeId, changes: &SetAttr) -> Result<Attr> {
        let inode = self.inode(node)?;
        self.changeable(&inode)?;
        let change = if changes.is_of_contents() {
            inode.change_contents()
        } else {
            inode.change()
        };
        if let Some(size) = changes.size {
            let resized = self.resize_and_store(&inode, size);
            self.report(&inode, resized)?;
            if caller.uid != 0 {
                let killed = self.with_handle(&inode, |fd| kill_privileges(fd, caller));
                inode.live().metadata_changed();
                killed?;
            }
        }
        let (mark, stat) = self.with_handle(&inode, |fd| {
            let live = inode.live();
            let _attributes = live.attributes.lock();
            change_owner(fd, changes)?;
            if let Some(mode) = changes.mode {
                descriptor::chmod(fd, Mode::from_raw_mode(mode & 0o7777))?;
            }
            self.set_times(fd, changes)?;
            let mark = change.mark();
            Ok((mark, rustix::fs::fstat(fd)?))
        })?;
        change.settle(mark, &stat);
        inode.rest();
        self.attr(&inode, &stat)
    }

    fn set_times(&self, fd: BorrowedFd<'_>, changes: &SetAttr) -> Result<()> {
        let Some(times) = new_times(changes) else { return Ok(()) };
        if changes.atime.is_none()
            && matches!(changes.mtime, Some(SetTime::Written(_)))
            && self.folder.leave_modified(&rustix::fs::fstat(fd)?, times.last_modification)
        {
            return Ok(());
        }
        Ok(self.folder.set_times(fd, &times)?)
    }

    pub(super) fn resize(&self, inode: &Arc<Inode>, size: u64) -> Result<()> {
        // Where it is so long already, nothing is changed.
        let keep = self.with_file(inode, |file| Ok(if file.len() == size { 0 } else { size }))?;
        self.change_contents(inode, keep, |fd, contents| contents.resize(fd, size))
    }

    /// Calls `action` with a file's contents, locked for writing. It keeps the first `keep` bytes of them.
    pub(super) fn change_contents<T>(
        &self,
        inode: &Arc<Inode>,
        keep: u64,
        action: impl FnOnce(BorrowedFd<'_>, &mut dyn crate::folder::Contents) -> Result<T>,
    ) -> Result<T> {
        let changed = self.with_file(inode, |file| {
            if self.counts_openers() {
                self.changeable(inode)?;
                file.prepare(|body| {
                    self.replaceable(inode, &rustix::fs::fstat(&body.fd)?)?;
                    body.contents.prepare(body.fd.as_fd(), keep)
                })?;
            }
            let change = inode.change_contents();
            file.write(|body| {
                self.make_writable(inode, body)?;
                let result = action(body.fd.as_fd(), &mut *body.contents)?;
                let mark = change.mark();
                change.settle(mark, &rustix::fs::fstat(&body.fd)?);
                Ok(result)
            })
        });
        if self.counts_openers() && matches!(changed, Err(Error::Stale)) {
            // Another program has changed it, which must not pass for our own change.
            self.overwritten(inode)?;
        }
        changed
    }
}

/// Takes set-user-id away, and set-group-id where the group may execute. Without that bit it means mandatory locking and stays, unless `caller` is not in the
/// file's group; of the groups that a caller is in we know one.
pub(super) fn kill_privileges(fd: BorrowedFd<'_>, caller: Caller) -> Result<()> {
    let changed = descriptor::change_mode(fd, |stat, mode| {
        let group_goes = mode & 0o010 != 0 || stat.st_gid != caller.gid;
        let kept = if group_goes { mode & !SETID } else { mode & !0o4000 };
        (kept != mode).then_some(kept)
    });
    match changed {
        // Of a file that is not ours but that we may write to, the operating system takes them away when we do, and we cannot give them back.
        Err(Errno::PERM) => Ok(()),
        changed => Ok(changed?),
    }
}

/// Gives a file the mode (12 bits) back that it had.
pub(super) fn restore_privileges(fd: BorrowedFd<'_>, mode: u32) -> Result<()> {
    if rustix::fs::fstat(fd)?.st_mode & 0o7777 != mode {
        descriptor::chmod(fd, Mode::from_raw_mode(mode))?;
    }
    Ok(())
}

fn change_owner(fd: BorrowedFd<'_>, changes: &SetAttr) -> Result<()> {
    if changes.uid.is_some() || changes.gid.is_some() {
        descriptor::chown(fd, changes.uid.map(Uid::from_raw), changes.gid.map(Gid::from_raw))?;
    }
    Ok(())
}

/// The times to be set, if any are.
fn new_times(changes: &SetAttr) -> Option<Timestamps> {
    (changes.atime.is_some() || changes.mtime.is_some()).then(|| Timestamps {
        last_access: timespec(changes.atime),
        last_modification: timespec(changes.mtime),
    })
}

fn timespec(time: Option<SetTime>) -> Timespec {
    match time {
        Some(SetTime::To(time) | SetTime::Written(time)) => Timespec {
            tv_sec: time.secs,
            tv_nsec: i64::from(time.nanos),
        },
        Some(SetTime::Now) => Timespec {
            tv_sec: 0,
            tv_nsec: UTIME_NOW,
        },
        None => Timespec {
            tv_sec: 0,
            tv_nsec: UTIME_OMIT,
        },
    }
}
