//! Opening a vault whose journal is still there, because it was not closed: its files become what they were at their last commit, and those that were new and
//! being written keep what of them is good.
//!
//! May be killed at any point and done again: the journal goes only when everything that it says is in the files. A journal of which not all can be used, since it is damaged
//! or since it does not fit the files, is not gone on with, but put aside when that is so.

use super::format::Entry;
use super::home::Root;
use super::log::Log;
use super::replay::{self, Replay};
use super::tale::FileState;
use super::{Access, Journal, thread, walk};
use crate::keys::{ContentKey, JournalKey, MasterKey};
use crate::sys::disk::{Durability, FileId, Kept, Moment};
use parking_lot::Mutex;
use rustix::fs::OFlags;
use rustix::io::{Errno, Result};
use std::collections::{HashMap, HashSet};
use std::os::fd::BorrowedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// What was found and done when a vault was not closed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Entries in the journal.
    pub entries: usize,
    /// Files that were made what they were at their last commit.
    pub files: usize,
    /// Files in the journal that are not there any more.
    pub gone: usize,
    /// Whether this is a copy of the vault that was not closed: then files that are gone may also not have been recognised.
    pub is_copy: bool,
    /// New files that were cut to what is good of them: their paths in the vault.
    pub cut: Vec<PathBuf>,
    /// Files in the journal that were changed since by somebody else, and left as they are.
    pub left: Vec<PathBuf>,
    /// What is wrong with the journal itself.
    pub damage: Damage,
    /// The name, in the vault's root, under which a journal was kept of which not all could be used.
    pub aside: Option<String>,
    /// Why not everything could be written to the files yet: it is kept in memory and in the journal, and tried again.
    pub pending: Option<Errno>,
}

/// What is wrong with a journal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Damage {
    /// Nothing that could be told from a crash.
    #[default]
    None,
    /// Entries are missing at its end that were there once.
    Missing,
    /// Neither header can be read; or it is another vault's.
    Unreadable,
}

/// Why a vault that was not closed was not put right. Nothing was lost by that.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Its journal is something else.
    #[error("plainview.journal in it is no regular file, so plainview did not make it: move it away")]
    NotAFile,
    /// Files that the journal names were not found, and not all directories could be searched for them.
    #[error("{gone} files that its journal has changes of were not found, and {} could not be searched for them: {errno}", path.display())]
    NotSearched {
        /// How many files.
        gone: usize,
        /// One of what could not be searched, in the vault.
        path: PathBuf,
        /// Why not.
        errno: Errno,
    },
    /// A file that the journal names cannot be put right.
    #[error("{}: {errno}", path.display())]
    File {
        /// The file, in the vault.
        path: PathBuf,
        /// Why not.
        errno: Errno,
    },
    /// What else the operating system says.
    #[error("{0}")]
    Os(#[from] Errno),
}

/// How far a recovery is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The journal is read.
    Reading {
        /// Bytes of it that were read.
        done: u64,
        /// Its length. What ends it may come before.
        total: u64,
    },
    /// The vault's files are looked through, and put right.
    Looking {
        /// Files that were looked at.
        files: u64,
        /// Bytes of new files that were verified.
        bytes: u64,
    },
    /// What the journal has is written into the files.
    Writing,
}

impl Journal {
    /// The journal of the vault whose root directory is `root`. If one is there, the vault was not closed: everything is put right, and what was done is told. `watch` is called
    /// now and then meanwhile, by several threads.
    ///
    /// # Errors
    /// What the operating system says of reading the vault, and what else keeps it from being put right. What cannot be written is mostly no error: the files are served with what is in memory.
    pub fn open(
        root: BorrowedFd<'_>,
        master: &MasterKey,
        access: Access,
        size: u64,
        watch: &(dyn Fn(Progress) + Sync),
    ) -> std::result::Result<(Arc<Self>, Option<Report>), Error> {
        let flags = match access {
            Access::ReadWrite => OFlags::RDWR,
            Access::ReadOnly => OFlags::RDONLY,
        };
        let home = Box::new(Root::new(root, flags)?);
        if !home.may_be_journal()? {
            return Err(Error::NotAFile);
        }
        let key = Arc::new(JournalKey::derive(master));
        let journal = Self::new(home, key, access, size)?;
        let report = match journal.home.open()? {
            None => None,
            Some(disk) => {
                let recovery = Recovery::begin(&journal, disk, ContentKey::derive(master), watch)?;
                walk::walk(root, access, &recovery, watch)?;
                if access == Access::ReadWrite {
                    watch(Progress::Writing);
                }
                Some(recovery.finish()?)
            }
        };
        if access == Access::ReadWrite {
            thread::start(&journal);
        }
        Ok((journal, report))
    }
}

/// A recovery under way: it is shown every file of the vault, once.
pub(super) struct Recovery {
    pub(super) journal: Arc<Journal>,
    pub(super) content: ContentKey,
    /// The journal's file, and what it says, if that could be read.
    pub(super) log: Option<(Kept, Replay)>,
    pub(super) place: Place,
    /// Whether the user that we are wrote it, and when its file was made.
    is_ours: bool,
    begun: Option<Moment>,
    /// When the journal's file was written to last.
    pub(super) written: Moment,
    /// Which file of the journal each turned out to be. Leaf lock.
    pub(super) claims: Mutex<HashMap<usize, FileId>>,
    /// Files that were put right: one with several names is found several times. Leaf lock.
    pub(super) visited: Mutex<HashSet<FileId>>,
    /// Something that could not be searched. Leaf lock.
    pub(super) missed: Mutex<Option<(PathBuf, Errno)>>,
    /// Leaf lock.
    pub(super) report: Mutex<Report>,
}

/// Where the vault lies, as seen from its journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Where it was: inode numbers and births tell which file is which.
    Same,
    /// Where it was, on a filesystem that knows no births, and perhaps no lasting inode numbers.
    Unborn,
    /// Somewhere else, so that only what is in a file tells which it is.
    Copy,
}

impl Recovery {
    /// Reads the journal; `watch` is called now and then meanwhile.
    pub(super) fn begin(journal: &Arc<Journal>, disk: Kept, content: ContentKey, watch: &dyn Fn(Progress)) -> Result<Self> {
        let (root, file) = (journal.home.stat()?, disk.stat()?);
        let total = file.len;
        let replay = replay::read(&*disk, &journal.key, &|done| watch(Progress::Reading { done, total }))?;
        let same_root = replay.as_ref().is_some_and(|replay| replay.header.root == (root.id.ino, root.born));
        let place = match (same_root, root.born) {
            (true, Some(_)) => Place::Same,
            (true, None) => Place::Unborn,
            (false, _) => Place::Copy,
        };
        let damage = match &replay {
            None => Damage::Unreadable,
            Some(replay) if replay.is_damaged => Damage::Missing,
            Some(_) => Damage::None,
        };
        let report = Report {
            entries: replay.as_ref().map_or(0, |replay| replay.entries),
            is_copy: replay.is_some() && place == Place::Copy,
            damage,
            ..Report::default()
        };
        Ok(Self {
            journal: Arc::clone(journal),
            content,
            is_ours: journal.home.is_ours()?,
            begun: file.born,
            written: file.modified,
            log: replay.map(|replay| (disk, replay)),
            place,
            claims: Mutex::default(),
            visited: Mutex::default(),
            missed: Mutex::default(),
            report: Mutex::new(report),
        })
    }

    pub(super) fn files(&self) -> &[FileState] {
        self.log.as_ref().map_or(&[], |(_, replay)| &replay.files)
    }

    /// How many of the journal's files were not found.
    pub(super) fn gone(&self) -> usize {
        self.files().len().saturating_sub(self.claims.lock().len())
    }

    /// Something could not be looked at in which a file of the journal may be; it was changed last at the moment `changed`, if that is known.
    pub(super) fn miss(&self, path: PathBuf, errno: Errno, changed: Option<Moment>) {
        // What denied itself to us all the time was not changed by us.
        let is_older = matches!((changed, self.begun), (Some(changed), Some(begun)) if changed < begun);
        if errno == Errno::ACCESS && self.is_ours && is_older {
            return;
        }
        log::error!("cannot look for files to recover in {}: {errno}", path.display());
        self.missed.lock().get_or_insert((path, errno));
    }

    /// Every file was visited.
    ///
    /// # Errors
    /// That files were not found of which the journal must not be lost, and what the operating system says where it cannot be gone on with.
    pub(super) fn finish(mut self) -> std::result::Result<Report, Error> {
        let gone = self.gone();
        let missed = self.missed.get_mut().take().filter(|_| gone > 0);
        let mut report = std::mem::take(self.report.get_mut());
        report.gone = gone;
        report.cut.sort();
        report.left.sort();
        if self.journal.access == Access::ReadOnly {
            return Ok(report);
        }
        if let Some((path, errno)) = missed {
            return Err(Error::NotSearched { gone, path, errno });
        }
        let is_used_up = report.damage == Damage::None && report.left.is_empty() && !(report.is_copy && gone > 0);
        match self.log.take().filter(|_| is_used_up) {
            Some((disk, replay)) => report.pending = self.go_on(disk, &replay)?,
            None => report.aside = Some(self.put_aside()?),
        }
        Ok(report)
    }

    /// Goes on with the journal, everything in which is brought into the files; why that could not be done yet, if so.
    fn go_on(&self, disk: Kept, replay: &Replay) -> Result<Option<Errno>> {
        let journal = &self.journal;
        let greatest = replay.files.iter().map(|file| file.number).max().unwrap_or(0);
        journal.numbers.fetch_max(greatest + 1, Ordering::Relaxed);
        // What was read may be in memory only, and what comes behind counts on it. If this fails, so does the checkpoint's sync, which tells.
        let _ = disk.sync(Durability::Data);
        let key = Arc::clone(&journal.key);
        let log = Log::new(key, disk, replay.header, replay.chain, replay.end, journal.size)?;
        log.append(&Entry::Void);
        journal.begin_with(log);
        Ok(journal.checkpoint().and_then(|()| journal.sync_news()).err())
    }

    /// Brings what could be read of the journal into the files and keeps it, unchanged, under another name, which is returned. Until that is done, it is in force.
    fn put_aside(&self) -> Result<String> {
        for (file, kept) in self.journal.enrolled() {
            file.write_into(&*kept)?;
            kept.sync(Durability::Data)?;
            file.written_into();
        }
        self.journal.discharge();
        // New files that were cut.
        self.journal.home.sync_all()?;
        self.journal.home.put_aside()
    }
}
