//! A simulated disk: files whose unsynced sectors a crash keeps, loses or mixes in any way, and calls that fail when told.

use super::inode::Inode;
use crate::journal::home::Home;
use crate::journal::overlay::{index, length};
use crate::sys::disk::{Backing, Disk, Durability, FileId, FileStat, Kept, Moment};
use parking_lot::Mutex;
use rand::RngExt;
use rand::rngs::StdRng;
use rustix::io::{Errno, Result};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The inode number of the journal.
const JOURNAL: u64 = 1;

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
    /// Journals that were put aside.
    kept: Vec<Inode>,
    fault: Option<Fault>,
    struck: bool,
    /// What is to be done in the middle of the next write to a file.
    hook: Option<Hook>,
}

type Hook = (u64, At, Box<dyn FnOnce() + Send>);

/// A call of the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum At {
    Write,
    Sync,
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

impl World {
    /// A new, empty file.
    pub(crate) fn create(&self) -> SimFile {
        let mut inner = self.0.lock();
        inner.clock += 1;
        let ino = inner.inodes.keys().last().map_or(JOURNAL, |last| *last) + 1;
        let clock = inner.clock;
        inner.inodes.insert(ino, Inode::new(clock));
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
        inner.inodes.values().all(Inode::is_synced)
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

    /// Calls `action` when the file is written to or synced for the next time, before that is done.
    pub(crate) fn at_next(&self, at: At, ino: u64, action: impl FnOnce() + Send + 'static) {
        self.0.lock().hook = Some((ino, at, Box::new(action)));
    }

    pub(super) fn call_hook(&self, ino: u64, at: At) {
        let hook = self.0.lock().hook.take_if(|(of, when, _)| (*of, *when) == (ino, at));
        if let Some((.., action)) = hook {
            action();
        }
    }

    /// How often the file is written to while `action` is done.
    pub(crate) fn writes_to(&self, ino: u64, action: impl FnOnce()) -> usize {
        let count = |inner: &Inner| inner.inodes.get(&ino).map_or(0, |inode| inode.writes);
        let before = count(&self.0.lock());
        action();
        count(&self.0.lock()) - before
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
            inode.sync(Durability::All);
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

    fn put_aside(&self) -> Result<String> {
        self.change(JOURNAL, |_| ())?;
        let mut inner = self.0.lock();
        let journal = inner.inodes.remove(&JOURNAL).unwrap();
        inner.kept.push(journal);
        Ok(inner.kept.len().to_string())
    }

    fn is_ours(&self) -> Result<bool> {
        Ok(true)
    }

    fn sync_all(&self) -> Result<()> {
        let inos: Vec<u64> = self.0.lock().inodes.keys().copied().collect();
        inos.into_iter()
            .try_for_each(|ino| self.change(ino, |inode| inode.sync(Durability::All)))
    }

    fn stat(&self) -> Result<FileStat> {
        Ok(FileStat {
            id: FileId { dev: 1, ino: 0 },
            born: Some(moment(0)),
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
