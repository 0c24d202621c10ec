//! Who has a file open, where that counts: in a folder whose files are stored anew as a whole ([`Storage::Replaced`]), a change is stored when somebody closes the file, and what
//! is at hand for the next one goes with the last who has it open.

use super::descriptors::Open;
use super::inode::Inode;
use super::{Access, NodeId, View};
use crate::error::{Error, Result};
use crate::folder::Storage;
use rustix::fs::Stat;
use rustix::io::Errno;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;

impl View {
    /// Whether [`open`](Self::open), [`flush`](Self::flush) and [`release`](Self::release) have to be called.
    pub fn counts_openers(&self) -> bool {
        self.folder.storage() == Storage::Replaced
    }

    /// Somebody has opened a file, to change it or not.
    ///
    /// # Errors
    /// EROFS when it may not be changed; EPERM when it could not be replaced by one with the same owner and group; ENFILE when so many are open to be changed that no
    /// descriptors would be left for others.
    pub fn open(&self, node: NodeId, access: Access) -> Result<()> {
        let inode = self.inode(node)?;
        if access == Access::ReadWrite {
            self.changeable(&inode)?;
            self.replaceable(&inode, &self.stat(&inode)?)?;
        }
        self.refresh(&inode)?;
        self.count_writer(access)?;
        inode.live().openers.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    /// Looks whether another program has written the file anew since it was opened first: within a second of that, nobody else has asked.
    fn refresh(&self, inode: &Arc<Inode>) -> Result<()> {
        if let Some(open) = self.descriptors.get(inode)
            && let Open::File(file) = &*open
            && file.read(|body| Ok::<_, Error>(!body.contents.has_pending() && body.contents.is_overwritten(body.fd.as_fd())?))?
        {
            self.overwritten(inode)?;
        }
        Ok(())
    }

    /// Counts who opens a file to change it: that takes a second descriptor.
    pub(super) fn count_writer(&self, access: Access) -> Result<()> {
        let more = |writers: usize| (writers < self.writers_max).then_some(writers + 1);
        match access {
            Access::ReadOnly => Ok(()),
            Access::ReadWrite => {
                let counted = self.writers.fetch_update(Ordering::SeqCst, Ordering::SeqCst, more);
                Ok(counted.map(drop).map_err(|_| Errno::NFILE)?)
            }
        }
    }

    /// Undoes [`count_writer`](Self::count_writer).
    pub(super) fn uncount_writer(&self, access: Access) {
        match access {
            Access::ReadOnly => {}
            Access::ReadWrite => {
                self.writers.fetch_sub(1, Ordering::SeqCst);
            }
        }
    }

    /// Somebody has closed a file: what was changed is stored.
    ///
    /// # Errors
    /// What the operating system says. The change is kept, can be read, and is stored by the next call that succeeds.
    pub fn flush(&self, node: NodeId) -> Result<()> {
        let inode = self.inode(node)?;
        let stored = self.store(&inode);
        self.report(&inode, stored)
    }

    /// One of those who had opened a file, with that access, does not need it any more.
    ///
    /// # Errors
    /// As [`flush`](Self::flush).
    pub fn release(&self, node: NodeId, access: Access) -> Result<()> {
        self.uncount_writer(access);
        let inode = self.inode(node)?;
        // First, so that who changes it from now on by its path stores that. Fails where the number is another inode's by now.
        let less = |count: u32| count.checked_sub(1);
        let _ = inode.live().openers.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less);
        // Others who have it open will close it. The kernel tells this late, and one of them may have begun to write the file anew: what is half-written must not be stored.
        let stored = self.store_if(&inode, || inode.openers() == 0);
        self.let_go(&inode);
        self.report(&inode, stored)
    }

    /// Lets go of what is at hand for the next change of a file, if nobody has that open.
    pub(super) fn let_go(&self, inode: &Inode) {
        if inode.openers() == 0
            && !inode.is_gone()
            && let Some(open) = self.descriptors.get(inode)
            && let Open::File(file) = &*open
        {
            file.write(|body| body.contents.release());
        }
    }

    /// Changes the length of a file, and stores that if nobody has it open: nobody will close it then.
    ///
    /// # Errors
    /// What the operating system says. If nobody has it open, it is then as it was.
    pub(super) fn resize_and_store(&self, inode: &Arc<Inode>, size: u64) -> Result<()> {
        if !self.counts_openers() {
            return self.resize(inode, size);
        }
        let is_open = || inode.openers() > 0;
        let was_open = is_open() || self.with_file(inode, |file| Ok(file.read(|body| body.contents.has_pending())))?;
        let resized = self.resize(inode, size);
        if is_open() {
            return resized;
        }
        let stored = resized.and_then(|()| self.store(inode));
        if stored.is_err() && !was_open {
            self.revert(inode)?;
        }
        self.let_go(inode);
        stored
    }

    /// Takes back what could not be stored of a file that nobody has open, nor has opened meanwhile, and perhaps written to.
    fn revert(&self, inode: &Arc<Inode>) -> Result<()> {
        self.with_file(inode, |file| {
            file.write(|body| {
                if inode.openers() == 0 {
                    body.contents.revert();
                }
            });
            self.keep_no_longer(inode, file);
            Ok(())
        })
    }

    /// Refuses changes of a file that may be changed but is somebody else's, or another group's than the new one could be: that would be ours.
    pub(super) fn replaceable(&self, inode: &Inode, stat: &Stat) -> Result<()> {
        let is_in_group =
            || stat.st_gid == self.daemon.gid || self.groups.contains(&stat.st_gid) || self.inherits_group(inode, stat.st_gid);
        if self.daemon.uid == 0 || (stat.st_uid == self.daemon.uid && is_in_group()) {
            Ok(())
        } else {
            Err(Errno::PERM.into())
        }
    }

    /// Whether a new file in the inode's directory gets that group.
    fn inherits_group(&self, inode: &Inode, gid: u32) -> bool {
        let directory = inode.place().and_then(|place| {
            let dir = self.directory_of(&place.parent).ok()?;
            rustix::fs::fstat(dir.fd()).ok()
        });
        directory.is_some_and(|stat| stat.st_mode & 0o2000 != 0 && stat.st_gid == gid)
    }
}
