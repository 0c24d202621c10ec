//! The write-ahead journal of a vault: after a kill or a power cut at any instant, each file is what it was at its last commit. `docs/crash-safety.md`.
//!
//! Works on the ciphertext bytes of files, below records and names, of which it knows nothing: a `JournaledFile` lies between a file of the vault and its
//! descriptor. Keeps true: committed bytes of a file are not overwritten, cut or punched in it before a durable journal holds what replaces them; a change
//! comes back after a crash whole, with all others of its file up to a commit, or not at all.
//!
//! [`format`](self) and `header` are the bytes of the journal, `overlay` what lies over a file, in the memory of `chunk`; `log` appends and syncs; `file`, `over`, `room`, `commit` and `sync` are a file that is read, changed and synced; `news` are new files;
//! `writeback` brings what is committed into the files while they are changed, `checkpoint` everything, `thread` sees to that in time; `replay` reads a journal, `tale` is what it says of one file, `damage` tells damage from a crash;
//! `recover` makes the files what it says: `walk` finds them, `visit` puts one right, `verify` sees what of a new one is good.
//!
//! Locks, in the order in which they are taken: `JournaledFile::op`; `Journal::checkpoints`; `Journal::news` or `Journal::gate`; `JournaledFile::times`; `JournaledFile::state`; the leaves (`Journal::files`,
//! `Journal::traces`, the log's, the thread's).

mod checkpoint;
mod chunk;
mod commit;
mod damage;
mod file;
mod format;
mod header;
mod home;
mod log;
mod news;
mod over;
mod overlay;
mod recover;
mod replay;
mod room;
mod sync;
mod tale;
#[cfg(test)]
pub(crate) mod tests;
mod thread;
mod verify;
mod visit;
mod walk;
mod writeback;

use crate::keys::JournalKey;
use crate::sys::disk::{FileId, Kept, Moment};
use checkpoint::{EnrolledFiles, TRACES_MAX, Trace};
pub(crate) use file::JournaledFile;
use file::State;
use format::ENTRIES_AT;
pub(crate) use home::ASIDE;
use home::Home;
use log::{Log, Room};
use lru::LruCache;
pub(crate) use over::Mtime;
use parking_lot::{Mutex, RwLock, RwLockReadGuard};
pub use recover::{Damage, Error, Progress, Report};
use rustix::io::{Errno, Result};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};
pub(crate) use sync::Syncing;
use thread::Alarm;

/// How long a journal may become, and how many bytes may be kept in memory, when nobody says otherwise.
pub const SIZE: u64 = 64 << 20;
/// The least that one may say.
pub const SIZE_MIN: u64 = 4 << 20;
/// The most.
pub const SIZE_MAX: u64 = 1 << 30;
/// So many files may have entries at once.
pub const FILES_MAX: usize = 256;

/// Whether files may be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// They may.
    ReadWrite,
    /// They may not, and nothing of the vault is: what a journal says that was left there is kept in memory.
    ReadOnly,
}

/// How full a journal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fullness {
    /// Bytes of entries; nothing when that cannot be told at the moment, for the disk is waited for.
    pub used: Option<u64>,
    /// How many bytes they may become.
    pub size: u64,
}

/// The journal of a vault.
pub struct Journal {
    key: Arc<JournalKey>,
    home: Box<dyn Home>,
    access: Access,
    /// Bytes that the journal, and what is in memory, may become.
    size: u64,
    /// The device that the vault's root is on: files elsewhere are never new, since `sync_all` does not reach them.
    dev: u64,
    /// The file, from the first change on.
    log: OnceLock<Log>,
    /// Held while the journal's file is being made.
    beginning: Mutex<()>,
    /// Held for reading by operations on committed files and by who appends a commit, for writing by the checkpoint.
    gate: RwLock<()>,
    /// Held by who writes into the files what lies over them: one at a time.
    checkpoints: Mutex<()>,
    /// Held for reading by operations on new files; the generation of those that are new, which is raised when all before are to be synced.
    news: RwLock<u64>,
    /// Whether new files were written to since they were synced.
    news_written: AtomicBool,
    /// Files with entries, and, in a vault that was recovered read-only, with something over them. Leaf lock.
    files: Mutex<HashMap<FileId, Arc<JournaledFile>>>,
    numbers: AtomicU64,
    /// How many files are not settled.
    unsettled: AtomicU64,
    /// What checkpoints did to files that nobody has looked at since. Leaf lock.
    traces: Mutex<LruCache<FileId, Trace>>,
    /// Files that could not be synced, and why: what was written to them may be lost. Leaf lock.
    lost: Mutex<HashMap<FileId, Errno>>,
    alarm: Arc<Alarm>,
    /// This journal.
    this: Weak<Self>,
}

impl Journal {
    fn new(home: Box<dyn Home>, key: Arc<JournalKey>, access: Access, size: u64) -> Result<Arc<Self>> {
        let dev = home.stat()?.id.dev;
        Ok(Arc::new_cyclic(|this| Self {
            key,
            home,
            access,
            size,
            dev,
            log: OnceLock::new(),
            beginning: Mutex::new(()),
            gate: RwLock::new(()),
            checkpoints: Mutex::new(()),
            news: RwLock::new(0),
            news_written: AtomicBool::new(false),
            files: Mutex::default(),
            numbers: AtomicU64::new(1),
            unsettled: AtomicU64::new(0),
            traces: Mutex::new(LruCache::new(TRACES_MAX)),
            lost: Mutex::default(),
            alarm: Arc::default(),
            this: this.clone(),
        }))
    }

    /// The state of a file: the one that it has, or a new one, for which all of the file counts as committed, which has `len` bytes at the moment.
    pub(crate) fn file(&self, id: FileId, len: impl FnOnce() -> u64) -> Option<Arc<JournaledFile>> {
        if let Some(file) = self.enrolled_file(id) {
            return Some(file);
        }
        // Not before: it may have been enrolled until now, and the file be shorter or longer then.
        Some(Arc::new(JournaledFile::with(self.this.upgrade()?, id, State::known(len()))))
    }

    /// A file that has entries.
    pub(crate) fn enrolled_file(&self, id: FileId) -> Option<Arc<JournaledFile>> {
        self.files.lock().get(&id).cloned()
    }

    /// Begins the journal, if that was not done: durably, before anything is changed that it is needed for. No file that was made before `since` is new.
    ///
    /// # Errors
    /// What the operating system says.
    fn start(&self, since: Option<Moment>) -> Result<()> {
        if self.log.get().is_some() {
            return Ok(());
        }
        if self.access == Access::ReadOnly {
            return Err(Errno::ROFS);
        }
        let _beginning = self.beginning.lock();
        if self.log.get().is_none() {
            let root = self.home.stat()?;
            let now = self.home.now()?;
            let header = Log::first_header(since.map_or(now, |since| since.min(now)), (root.id.ino, root.born));
            let disk = self.home.create(&header.file(&self.key))?;
            self.begin_with(Log::new(Arc::clone(&self.key), disk, header, header.epoch, ENTRIES_AT, self.size)?);
        }
        Ok(())
    }

    fn begin_with(&self, log: Log) {
        // The caller holds `beginning`, or nobody else knows the journal yet.
        let _ = self.log.set(log);
    }

    fn log_if_begun(&self) -> Option<&Log> {
        self.log.get()
    }

    fn log(&self) -> Result<&Log> {
        self.start(None)?;
        self.log.get().ok_or(Errno::IO)
    }

    /// Waits until there is no checkpoint and there is room for `upcoming` bytes, and keeps it so.
    ///
    /// # Errors
    /// ENOSPC, also after a checkpoint; what else the operating system says of that.
    fn enter(&self, upcoming: u64) -> Result<(RwLockReadGuard<'_, ()>, Room<'_>)> {
        let log = self.log()?;
        let is_full = || log.used() + upcoming > self.size || self.files.lock().len() >= FILES_MAX;
        let gate = self.gate.read();
        log.settle()?;
        let room = if is_full() { None } else { Some(log.reserve(upcoming)) };
        let is_disk_full = match room {
            Some(Ok(room)) => return Ok((gate, room)),
            Some(Err(Errno::NOSPC | Errno::DQUOT)) => true,
            Some(Err(errno)) => return Err(errno),
            None => false,
        };
        drop(gate);
        let checkpoints = self.checkpoints.lock();
        // Perhaps somebody has made one while we waited.
        if is_disk_full || is_full() {
            self.checkpoint_alone()?;
        }
        drop(checkpoints);
        let gate = self.gate.read();
        log.settle()?;
        let room = log.reserve(upcoming)?;
        Ok((gate, room))
    }

    fn next_number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }

    /// The file has entries from now on.
    fn register(&self, file: &Arc<JournaledFile>) {
        let mut files = self.files.lock();
        files.insert(file.id, Arc::clone(file));
        let many = files.len() >= FILES_MAX / 2;
        drop(files);
        self.alarm.something();
        if many {
            self.alarm.urgent();
        }
    }

    fn enrolled(&self) -> EnrolledFiles {
        let files: Vec<_> = self.files.lock().values().cloned().collect();
        let kept = |file: &Arc<JournaledFile>| file.state.read().enrolled.as_ref().map(|enrolled| Arc::clone(&enrolled.kept));
        files
            .into_iter()
            .filter_map(|file| kept(&file).map(|kept: Kept| (file, kept)))
            .collect()
    }

    /// No file has entries any more.
    fn discharge(&self) {
        let files = std::mem::take(&mut *self.files.lock());
        drop(files);
    }

    /// Whether what is on disk of a file is half of a change.
    fn unsettled_changed(&self, before: bool, now: bool) {
        match (before, now) {
            (false, true) => drop(self.unsettled.fetch_add(1, Ordering::Relaxed)),
            (true, false) => drop(self.unsettled.fetch_sub(1, Ordering::Relaxed)),
            (true, true) | (false, false) => {}
        }
    }

    /// How full it is; nothing where nothing is changed. It does not wait for the disk.
    pub(crate) fn fill(&self) -> Option<Fullness> {
        let used = || self.log_if_begun().map_or(Some(0), Log::used_soon);
        (self.access == Access::ReadWrite).then(|| Fullness {
            used: used(),
            size: self.size,
        })
    }

    fn write_full_chunks(&self) {
        if let Some(log) = self.log_if_begun() {
            log.write_full_chunks();
        }
    }

    /// After each operation.
    fn after_operation(&self) {
        if let Some(log) = self.log_if_begun() {
            if log.has_full_chunk() {
                self.alarm.full_chunk();
            }
            if log.used() > self.size / 2 {
                self.alarm.urgent();
            }
        }
    }

    /// Brings everything into the files, makes all of the vault durable, and removes the journal. Nothing is changed any more.
    ///
    /// # Errors
    /// What the operating system says; then the journal stays, and the next mount does what is left.
    pub fn close(&self) -> Result<()> {
        self.alarm.stop();
        if self.log_if_begun().is_none() {
            // Files that something was recovered over, to be read only: they refer to this journal, which would keep itself alive.
            self.discharge();
            return Ok(());
        }
        let _checkpoints = self.checkpoints.lock();
        let gate = self.gate.write();
        self.checkpoint_locked(&gate)?;
        self.home.sync_all()?;
        self.home.remove()
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.alarm.stop();
    }
}
