//! A disk in memory that counts what it is asked, and can run full.

use crate::folder::{Durability, SeekTo};
use crate::sys::disk::Disk;
use crate::vault::file::run::bytes;
use rustix::io::{Errno, Result};
use std::cell::RefCell;
use std::collections::BTreeMap;

const BLOCK: u64 = 4096;
const BLOCK_LEN: usize = 4096;

/// How often a disk was asked for something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) reads: usize,
    pub(super) writes: usize,
    pub(super) others: usize,
}

/// What happens after the call that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    /// Everything works again.
    Works,
    /// What needs no new block works.
    Full,
    /// No write works; cutting does.
    NoWrites,
    /// Nothing that changes the file works.
    Dead,
}

/// A failure to come.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fault {
    /// How many changing calls work before.
    pub(super) after: usize,
    /// How many bytes the failing call takes, if it is a write.
    pub(super) torn: usize,
    pub(super) then: Then,
}

#[derive(Clone, Default)]
struct Inner {
    len: u64,
    /// The blocks that take space. What is not here reads as zeros.
    blocks: BTreeMap<u64, Box<[u8; BLOCK_LEN]>>,
    counts: Counts,
    fault: Option<Fault>,
    /// Since the fault has struck.
    broken: Option<Then>,
    no_holes: bool,
}

/// One file on a simulated disk. A clone is a copy of it.
#[derive(Clone, Default)]
pub(super) struct MemDisk(RefCell<Inner>);

impl MemDisk {
    pub(super) fn without_holes() -> Self {
        let disk = Self::default();
        disk.0.borrow_mut().no_holes = true;
        disk
    }

    pub(super) fn len(&self) -> u64 {
        self.0.borrow().len
    }

    /// Blocks that take space.
    pub(super) fn blocks(&self) -> usize {
        self.0.borrow().blocks.len()
    }

    /// What was asked since this was asked last.
    pub(super) fn counts(&self) -> Counts {
        std::mem::take(&mut self.0.borrow_mut().counts)
    }

    pub(super) fn arm(&self, fault: Fault) {
        let mut inner = self.0.borrow_mut();
        (inner.fault, inner.broken) = (Some(fault), None);
    }

    /// Everything works again.
    pub(super) fn disarm(&self) {
        let mut inner = self.0.borrow_mut();
        (inner.fault, inner.broken) = (None, None);
    }

    /// Whether the fault has struck.
    pub(super) fn struck(&self) -> bool {
        self.0.borrow().broken.is_some()
    }

    /// All bytes.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut all = vec![0; usize::try_from(self.len()).unwrap()];
        self.read_at(&mut all, 0).unwrap();
        all
    }

    /// A disk with these bytes.
    pub(super) fn of(data: &[u8]) -> Self {
        let disk = Self::default();
        disk.write_at(data, 0).unwrap();
        disk
    }
}

impl Inner {
    fn read(&self, buf: &mut [u8], offset: u64) -> usize {
        let end = self.len.min(offset + bytes(buf.len()));
        let mut at = offset;
        while at < end {
            let (block, within) = place(at);
            let len = (BLOCK_LEN - within).min(usize::try_from(end - at).unwrap());
            let out = &mut buf[usize::try_from(at - offset).unwrap()..][..len];
            match self.blocks.get(&block) {
                Some(data) => out.copy_from_slice(&data[within..within + len]),
                None => out.fill(0),
            }
            at += bytes(len);
        }
        usize::try_from(end.saturating_sub(offset)).unwrap()
    }

    /// How many bytes of a write that needs no new blocks there is room for.
    fn room(&self, len: usize, offset: u64) -> usize {
        let end = offset + bytes(len);
        let free = (offset / BLOCK..end.div_ceil(BLOCK)).find(|block| !self.blocks.contains_key(block));
        free.map_or(len, |block| usize::try_from((block * BLOCK).saturating_sub(offset)).unwrap())
    }

    fn write(&mut self, data: &[u8], offset: u64) {
        let mut rest = data;
        let mut at = offset;
        while !rest.is_empty() {
            let (block, within) = place(at);
            let (now, later) = rest.split_at(rest.len().min(BLOCK_LEN - within));
            let block = self.blocks.entry(block).or_insert_with(|| Box::new([0; BLOCK_LEN]));
            block[within..within + now.len()].copy_from_slice(now);
            at += bytes(now.len());
            rest = later;
        }
        self.len = self.len.max(at);
    }

    /// Whether the call that is about to change the file is the one that fails.
    fn strikes(&mut self) -> Option<Fault> {
        let fault = self.fault.as_mut()?;
        if fault.after > 0 {
            fault.after -= 1;
            return None;
        }
        self.broken = Some(fault.then);
        self.fault.take()
    }

    fn other(&mut self, needs_space: bool) -> Result<()> {
        self.counts.others += 1;
        let broken = self.broken;
        match (self.strikes(), broken) {
            (Some(_), _) | (None, Some(Then::Dead)) => Err(Errno::IO),
            (None, Some(Then::Full | Then::NoWrites)) if needs_space => Err(Errno::NOSPC),
            (None, _) => Ok(()),
        }
    }

    fn clear(&mut self, from: u64, to: u64) {
        let gone: Vec<u64> = self
            .blocks
            .range(from.div_ceil(BLOCK)..to / BLOCK)
            .map(|(block, _)| *block)
            .collect();
        gone.iter().for_each(|block| drop(self.blocks.remove(block)));
        for at in [from / BLOCK, to / BLOCK] {
            let (begin, end) = (from.max(at * BLOCK).min(to), to.min((at + 1) * BLOCK).max(from));
            if let Some(block) = self.blocks.get_mut(&at).filter(|_| begin < end) {
                block[place(begin).1..][..usize::try_from(end - begin).unwrap()].fill(0);
            }
        }
    }
}

fn place(offset: u64) -> (u64, usize) {
    (offset / BLOCK, usize::try_from(offset % BLOCK).unwrap())
}

impl Disk for MemDisk {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<usize> {
        let mut inner = self.0.borrow_mut();
        inner.counts.reads += 1;
        Ok(inner.read(buf, offset))
    }

    fn write_at(&self, data: &[u8], offset: u64) -> Result<usize> {
        let mut inner = self.0.borrow_mut();
        inner.counts.writes += 1;
        let broken = inner.broken;
        let room = match (inner.strikes(), broken) {
            (Some(fault), _) => fault.torn.min(data.len()),
            (None, None | Some(Then::Works)) => data.len(),
            (None, Some(Then::Full)) => inner.room(data.len(), offset),
            (None, Some(Then::NoWrites | Then::Dead)) => 0,
        };
        if room == 0 {
            return Err(Errno::NOSPC);
        }
        inner.write(&data[..room], offset);
        Ok(room)
    }

    fn set_len(&self, len: u64) -> Result<()> {
        let mut inner = self.0.borrow_mut();
        inner.other(false)?;
        inner.clear(len, 1 << 62);
        inner.len = len;
        Ok(())
    }

    fn punch(&self, offset: u64, len: u64) -> Result<()> {
        let mut inner = self.0.borrow_mut();
        if inner.no_holes {
            return Err(Errno::OPNOTSUPP);
        }
        inner.other(false)?;
        inner.clear(offset, offset + len);
        Ok(())
    }

    fn allocate(&self, offset: u64, len: u64) -> Result<()> {
        let mut inner = self.0.borrow_mut();
        inner.other(true)?;
        for block in offset / BLOCK..(offset + len).div_ceil(BLOCK) {
            inner.blocks.entry(block).or_insert_with(|| Box::new([0; BLOCK_LEN]));
        }
        Ok(())
    }

    fn seek(&self, offset: u64, to: SeekTo) -> Result<u64> {
        let mut inner = self.0.borrow_mut();
        inner.counts.others += 1;
        if offset >= inner.len {
            return Err(Errno::NXIO);
        }
        let mut at = offset;
        let is_data = |at: u64| inner.blocks.contains_key(&(at / BLOCK));
        match to {
            SeekTo::Data if is_data(at) => Ok(at),
            SeekTo::Data => match inner.blocks.range(at / BLOCK..).next() {
                Some((block, _)) if block * BLOCK < inner.len => Ok(block * BLOCK),
                Some(_) | None => Err(Errno::NXIO),
            },
            SeekTo::Hole => {
                while at < inner.len && is_data(at) {
                    at = (at / BLOCK + 1) * BLOCK;
                }
                Ok(at.min(inner.len))
            }
        }
    }

    fn sync(&self, _what: Durability) -> Result<()> {
        self.0.borrow_mut().other(false)
    }
}
