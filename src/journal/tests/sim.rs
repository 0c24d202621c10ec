//! A simulated disk: files whose unsynced sectors a crash keeps, loses or mixes in any way, and calls that fail when told.

use crate::journal::home::Home;
use crate::journal::overlay::{index, length};
use crate::journal::recover::{Recovery, Report};
use crate::journal::{Access, Journal};
use crate::keys::{ContentKey, JournalKey, MasterKey};
use crate::sys::disk::{Backing, Disk, FileId, FileStat, Kept, Moment};
use parking_lot::Mutex;
use rand::RngExt;
use rand::rngs::StdRng;
use rustix::io::{Errno, Result};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// What a disk writes whole or not at all.
pub(crate) const SECTOR: usize = 512;
type Sector = [u8; SECTOR];
/// The inode number of the journal.
const JOURNAL: u64 = 1;

/// One file on the simulated disk.
#[derive(Clone, Default)]
pub(super) struct Inode {
    pub(super) born: u64,
    pub(super) modified: u64,
    pub(super) changed: u64,
    pub(super) len: u64,
    sectors: BTreeMap<u64, Sector>,
    /// What a crash may leave of each sector and of the length: what is durable, then everything since.
    maybe: BTreeMap<u64, Vec<Sector>>,
    lens: Vec<u64>,
    /// Whether a crash leaves the file.
    exists_durably: bool,
    /// Whether it has no name any more.
    pub(super) unlinked: bool,
}

/// A failure to come.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fault {
    /// How many calls that change something work before.
    pub(crate) after: usize,
    pub(crate) errno: Errno,
    /// Whether all later ones fail, too.
    pub(crate) lasting: bool,
}

#[derive(Default)]
pub(super) struct Inner {
    pub(super) inodes: BTreeMap<u64, Inode>,
    pub(super) clock: u64,
    fault: Option<Fault>,
    struck: bool,
}

/// A disk with some files and a journal. A clone is the same disk.
#[derive(Clone, Default)]
pub(crate) struct World(pub(super) Arc<Mutex<Inner>>);

/// One file of it.
#[derive(Clone)]
pub(crate) struct SimFile {
    pub(super) world: World,
    pub(crate) ino: u64,
}

impl Inode {
    pub(super) fn sector(&self, number: u64) -> Sector {
        self.sectors.get(&number).copied().unwrap_or([0; SECTOR])
    }

    pub(super) fn put_sector(&mut self, number: u64, sector: Sector) {
        let old = self.sector(number);
        if old == sector {
            return;
        }
        self.maybe.entry(number).or_insert_with(|| vec![old]).push(sector);
        self.sectors.insert(number, sector);
    }

    pub(super) fn put(&mut self, mut offset: u64, mut data: &[u8]) {
        while !data.is_empty() {
            let (number, within) = place(offset);
            let (now, later) = data.split_at(data.len().min(SECTOR - within));
            let mut sector = self.sector(number);
            sector[within..within + now.len()].copy_from_slice(now);
            self.put_sector(number, sector);
            offset += length(now.len());
            data = later;
        }
    }

    pub(super) fn put_len(&mut self, len: u64) {
        if self.lens.is_empty() {
            self.lens.push(self.len);
        }
        self.lens.push(len);
        let (first, within) = place(len);
        let gone: Vec<u64> = self.sectors.range(first..).map(|(number, _)| *number).collect();
        for number in gone {
            let mut sector = self.sector(number);
            let from = if number == first { within } else { 0 };
            if sector[from..].iter().any(|byte| *byte != 0) {
                sector[from..].fill(0);
                self.put_sector(number, sector);
            }
        }
        self.len = len;
    }

    pub(super) fn sync(&mut self) {
        self.maybe.clear();
        self.lens.clear();
        self.exists_durably = true;
    }

    /// What a crash leaves, as `choose` picks among so many possibilities each time.
    fn crash(&mut self, choose: &mut dyn FnMut(usize) -> usize) {
        for (number, versions) in std::mem::take(&mut self.maybe) {
            self.sectors.insert(number, versions[choose(versions.len())]);
        }
        let lens = std::mem::take(&mut self.lens);
        if !lens.is_empty() {
            self.len = lens[choose(lens.len())];
        }
        let len = self.len;
        self.put_len(len);
        self.sync();
    }
}

impl Journal {
    /// Hands the operating system all entries that were collected, which it may write at any time or not.
    pub(crate) fn write_out(&self) {
        if let Some(log) = self.log_if_begun() {
            log.write_out_now();
        }
    }
}

impl World {
    /// The journal of what is on the disk, recovered if it was left there.
    pub(crate) fn mount(&self, master: &MasterKey, size: u64) -> Result<(Arc<Journal>, Option<Report>)> {
        self.mount_as(master, size, Access::ReadWrite)
    }

    pub(crate) fn mount_as(&self, master: &MasterKey, size: u64, access: Access) -> Result<(Arc<Journal>, Option<Report>)> {
        let key = Arc::new(JournalKey::derive(master));
        let journal = Journal::new(Box::new(self.clone()), key, access, size)?;
        let Some(disk) = journal.home.open()? else {
            return Ok((journal, None));
        };
        let recovery = Recovery::begin(&journal, disk, ContentKey::derive(master))?;
        for ino in self.files() {
            let file = self.file(ino);
            let stat = file.stat()?;
            let role = recovery.role(&stat);
            recovery.visit(&file, &stat, role, Path::new(&ino.to_string()))?;
        }
        let report = recovery.finish(None)?;
        Ok((journal, Some(report)))
    }

    /// A new, empty file.
    pub(crate) fn create(&self) -> SimFile {
        let mut inner = self.0.lock();
        inner.clock += 1;
        let ino = inner.inodes.keys().last().map_or(JOURNAL, |last| *last) + 1;
        let (born, modified, changed) = (inner.clock, inner.clock, inner.clock);
        inner.inodes.insert(
            ino,
            Inode {
                born,
                modified,
                changed,
                ..Inode::default()
            },
        );
        drop(inner);
        self.file(ino)
    }

    /// Takes a file's name away; who has it open keeps it.
    pub(crate) fn remove_file(&self, ino: u64) {
        if let Some(inode) = self.0.lock().inodes.get_mut(&ino) {
            inode.unlinked = true;
        }
    }

    pub(crate) fn file(&self, ino: u64) -> SimFile {
        SimFile { world: self.clone(), ino }
    }

    /// The files but for the journal.
    pub(crate) fn files(&self) -> Vec<u64> {
        let inner = self.0.lock();
        let named = inner.inodes.iter().filter(|(ino, inode)| **ino != JOURNAL && !inode.unlinked);
        named.map(|(ino, _)| *ino).collect()
    }

    pub(crate) fn exists(&self, ino: u64) -> bool {
        self.0.lock().inodes.contains_key(&ino)
    }

    pub(crate) fn has_journal(&self) -> bool {
        self.exists(JOURNAL)
    }

    pub(crate) fn journal(&self) -> SimFile {
        self.file(JOURNAL)
    }

    pub(crate) fn bytes(&self, ino: u64) -> Vec<u8> {
        let file = self.file(ino);
        let mut bytes = vec![0; index(file.stat().unwrap().len)];
        file.read_at(&mut bytes, 0).unwrap();
        bytes
    }

    /// Whether everything is durable.
    pub(crate) fn is_synced(&self) -> bool {
        let inner = self.0.lock();
        inner.inodes.values().all(|inode| inode.maybe.is_empty() && inode.lens.is_empty())
    }

    /// In how many ways a crash can leave the disk; each is a list of choices for [`crashed`](Self::crashed).
    pub(crate) fn choices(&self) -> Vec<usize> {
        let mut choices = Vec::new();
        self.crashed(&mut |count| {
            choices.push(count);
            0
        });
        choices
    }

    /// Another disk, as a crash at this moment leaves this one.
    pub(crate) fn crashed(&self, choose: &mut dyn FnMut(usize) -> usize) -> Self {
        let inner = self.0.lock();
        let mut inodes = BTreeMap::new();
        for (ino, inode) in &inner.inodes {
            let mut inode = inode.clone();
            // That it was removed is taken as durable: otherwise it is only one file more.
            if inode.unlinked || (!inode.exists_durably && choose(2) == 0) {
                continue;
            }
            inode.crash(choose);
            inodes.insert(*ino, inode);
        }
        Self(Arc::new(Mutex::new(Inner {
            inodes,
            clock: inner.clock,
            ..Inner::default()
        })))
    }

    /// As [`crashed`](Self::crashed), by chance: sometimes nothing or everything unsynced is kept, mostly some.
    pub(crate) fn crashed_randomly(&self, rng: &mut StdRng) -> Self {
        let mode = rng.random_range(0..8);
        self.crashed(&mut |count| match mode {
            0 => 0,
            1 => count - 1,
            2 if rng.random_range(0..10) > 0 => count - 1,
            3 if rng.random_range(0..10) > 0 => 0,
            _ => rng.random_range(0..count),
        })
    }

    pub(crate) fn arm(&self, fault: Fault) {
        let mut inner = self.0.lock();
        (inner.fault, inner.struck) = (Some(fault), false);
    }

    pub(crate) fn disarm(&self) {
        self.0.lock().fault = None;
    }

    pub(crate) fn struck(&self) -> bool {
        self.0.lock().struck
    }

    pub(super) fn change<T>(&self, ino: u64, action: impl FnOnce(&mut Inode) -> T) -> Result<T> {
        let mut inner = self.0.lock();
        inner.clock += 1;
        if let Some(fault) = &mut inner.fault {
            if fault.after > 0 {
                fault.after -= 1;
            } else {
                let fault = *fault;
                inner.struck = true;
                if !fault.lasting {
                    inner.fault = None;
                }
                return Err(fault.errno);
            }
        }
        let clock = inner.clock;
        let inode = inner.inodes.get_mut(&ino).ok_or(Errno::NOENT)?;
        inode.changed = clock;
        Ok(action(inode))
    }
}

/// The sector of an offset, and the byte in it.
pub(super) fn place(offset: u64) -> (u64, usize) {
    (offset / length(SECTOR), index(offset % length(SECTOR)))
}

pub(super) fn moment(clock: u64) -> Moment {
    Moment {
        secs: i64::try_from(clock).unwrap(),
        nanos: 0,
    }
}

impl Home for World {
    fn create(&self, bytes: &[u8]) -> Result<Kept> {
        self.0.lock().inodes.insert(JOURNAL, Inode::default());
        let made = self.change(JOURNAL, |inode| {
            inode.put_len(length(bytes.len()));
            inode.put(0, bytes);
            inode.sync();
        });
        if made.is_err() {
            self.0.lock().inodes.remove(&JOURNAL);
        }
        made.map(|()| Arc::new(self.file(JOURNAL)) as Kept)
    }

    fn open(&self) -> Result<Option<Kept>> {
        Ok(self.exists(JOURNAL).then(|| Arc::new(self.file(JOURNAL)) as Kept))
    }

    fn remove(&self) -> Result<()> {
        self.change(JOURNAL, |_| ())?;
        self.0.lock().inodes.remove(&JOURNAL);
        Ok(())
    }

    fn sync_all(&self) -> Result<()> {
        let inos: Vec<u64> = self.0.lock().inodes.keys().copied().collect();
        inos.into_iter().try_for_each(|ino| self.change(ino, Inode::sync))
    }

    fn stat(&self) -> Result<FileStat> {
        Ok(FileStat {
            id: FileId { dev: 1, ino: 0 },
            born: None,
            modified: moment(0),
            changed: moment(0),
            len: 0,
            links: 1,
        })
    }

    fn now(&self) -> Result<Moment> {
        let mut inner = self.0.lock();
        inner.clock += 1;
        Ok(moment(inner.clock))
    }
}
