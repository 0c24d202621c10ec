//! The simulated disk's files as the journal uses them.

use super::inode::{SECTOR, place};
use super::sim::{At, SimFile, moment};
use crate::journal::overlay::{index, length};
use crate::sys::disk::{Backing, Disk, Durability, FileId, FileStat, Kept, Moment, SeekTo};
use rustix::io::{Errno, Result};
use std::sync::Arc;

impl Disk for SimFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<usize> {
        let inner = self.world.0.lock();
        let inode = inner.inodes.get(&self.ino).ok_or(Errno::NOENT)?;
        let end = inode.len.min(offset + length(buf.len()));
        let mut at = offset;
        while at < end {
            let (number, within) = place(at);
            let len = (SECTOR - within).min(index(end - at));
            buf[index(at - offset)..][..len].copy_from_slice(&inode.sector(number)[within..within + len]);
            at += len as u64;
        }
        Ok(index(end.saturating_sub(offset)))
    }

    fn write_at(&self, data: &[u8], offset: u64) -> Result<usize> {
        self.world.call_hook(self.ino, At::Write);
        self.world.change(self.ino, |inode| {
            inode.writes += 1;
            inode.put(offset, data);
            if offset + length(data.len()) > inode.len {
                inode.put_len(offset + length(data.len()));
            }
        })?;
        self.date(None);
        Ok(data.len())
    }

    fn set_len(&self, len: u64) -> Result<()> {
        self.world.change(self.ino, |inode| inode.put_len(len))?;
        self.date(None);
        Ok(())
    }

    fn punch(&self, offset: u64, len: u64) -> Result<()> {
        self.world.change(self.ino, |inode| {
            let end = inode.len.min(offset + len);
            if end > offset {
                inode.put(offset, &vec![0; index(end - offset)]);
            }
        })
    }

    fn allocate(&self, _: u64, _: u64) -> Result<()> {
        self.world.change(self.ino, |_| ())
    }

    fn seek(&self, offset: u64, to: SeekTo) -> Result<u64> {
        let len = self.stat()?.len;
        match to {
            _ if offset >= len => Err(Errno::NXIO),
            SeekTo::Data => Ok(offset),
            SeekTo::Hole => Ok(len),
        }
    }

    fn sync(&self, what: Durability) -> Result<()> {
        self.world.call_hook(self.ino, At::Sync);
        self.world.change(self.ino, |inode| inode.sync(what)).inspect_err(|_| {
            if let Some(inode) = self.world.0.lock().inodes.get_mut(&self.ino) {
                inode.sync_failed();
            }
        })
    }
}

impl SimFile {
    fn date(&self, to: Option<Moment>) {
        let mut inner = self.world.0.lock();
        inner.clock += 1;
        let clock = inner.clock;
        if let Some(inode) = inner.inodes.get_mut(&self.ino) {
            inode.modified = to.map_or(clock, |to| u64::try_from(to.secs).unwrap());
            inode.changed = clock;
        }
    }
}

impl Backing for SimFile {
    fn keep(&self) -> Result<Kept> {
        Ok(Arc::new(self.clone()))
    }

    fn stat(&self) -> Result<FileStat> {
        let inner = self.world.0.lock();
        let inode = inner.inodes.get(&self.ino).ok_or(Errno::NOENT)?;
        Ok(FileStat {
            id: FileId { dev: 1, ino: self.ino },
            born: Some(moment(inode.born)),
            modified: moment(inode.modified),
            changed: moment(inode.changed),
            len: inode.len,
            links: u32::from(!inode.unlinked),
        })
    }

    fn keeping_privileges(&self, action: &mut dyn FnMut() -> Result<()>) -> Result<()> {
        action()
    }

    fn set_modified(&self, to: Option<Moment>) -> Result<()> {
        self.world.change(self.ino, |_| ())?;
        self.date(to);
        Ok(())
    }
}
