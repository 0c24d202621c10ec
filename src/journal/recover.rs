//! Opening a vault whose journal is still there, because it was not closed: its files become what they were at their last commit, and those that were new and
//! being written keep what of them is good.
//!
//! May be killed at any point and done again: the journal goes only when everything that it says is in the files.

use super::file::{Enrolled, JournaledFile, State};
use super::format::{ENTRIES_AT, Entry};
use super::home::Root;
use super::log::Log;
use super::overlay::Overlay;
use super::replay::{self, FileState, Replay, SALT_AT};
use super::verify::{self, Repair};
use super::{Access, Journal, thread, walk};
use crate::keys::{ContentKey, JournalKey, MasterKey, SALT_LEN};
use crate::sys::disk::{Backing, Disk, Durability, FileId, FileStat, Kept, read_full_at, write_all_at};
use parking_lot::Mutex;
use rustix::fs::OFlags;
use rustix::io::{Errno, Result};
use std::collections::HashSet;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};
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
    /// New files that were cut to what is good of them: their paths in the vault.
    pub cut: Vec<PathBuf>,
    /// Whether neither header of the journal could be read, so that nothing of it could.
    pub unreadable: bool,
    /// Why not everything could be written to the files yet: it is kept in memory and in the journal, and tried again.
    pub pending: Option<Errno>,
}

/// How far a recovery is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Files that were looked at.
    pub files: u64,
    /// Bytes of new files that were verified.
    pub bytes: u64,
}

impl Journal {
    /// The journal of the vault whose root directory is `root`. If one is there, the vault was not closed: everything is put right, and what was done is told. `watch` is called
    /// now and then meanwhile, by several threads.
    ///
    /// # Errors
    /// What the operating system says of reading the vault. What cannot be written is no error: the files are served with what is in memory.
    pub fn open(
        root: BorrowedFd<'_>,
        master: &MasterKey,
        access: Access,
        size: u64,
        watch: &(dyn Fn(Progress) + Sync),
    ) -> Result<(Arc<Self>, Option<Report>)> {
        let flags = match access {
            Access::ReadWrite => OFlags::RDWR,
            Access::ReadOnly => OFlags::RDONLY,
        };
        let home = Box::new(Root::new(root, flags)?);
        let key = Arc::new(JournalKey::derive(master));
        let journal = Self::new(home, key, access, size)?;
        let report = match journal.home.open()? {
            None => None,
            Some(disk) => {
                let recovery = Recovery::begin(&journal, disk, ContentKey::derive(master))?;
                let missed = walk::walk(root, access, &recovery, watch)?;
                Some(recovery.finish(missed)?)
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
    journal: Arc<Journal>,
    content: ContentKey,
    /// The journal's file, and what it says, if that could be read.
    log: Option<(Kept, Replay)>,
    /// Whether inode numbers are those that were written down.
    same_place: bool,
    /// Files that were put right: one with several names is found several times. Leaf lock.
    visited: Mutex<HashSet<FileId>>,
    /// Leaf lock.
    report: Mutex<Report>,
}

/// What a file of the vault is to recovery.
pub(super) enum Role {
    /// Nothing is to be done.
    Other,
    /// It may be one of the journal's: that is seen by its header.
    Perhaps,
    /// It is the journal's, the one at this index.
    Named(usize),
    /// It was new when the vault was left: all of it is to be looked at.
    New,
}

impl Recovery {
    /// Reads the journal.
    pub(super) fn begin(journal: &Arc<Journal>, disk: Kept, content: ContentKey) -> Result<Self> {
        let replay = replay::read(&*disk, &journal.key)?;
        let root = journal.home.stat()?;
        let same_place = replay.as_ref().is_some_and(|replay| replay.header.root == (root.id.ino, root.born));
        let report = Report {
            entries: replay.as_ref().map_or(0, |replay| replay.entries),
            unreadable: replay.is_none(),
            ..Report::default()
        };
        Ok(Self {
            journal: Arc::clone(journal),
            content,
            log: replay.map(|replay| (disk, replay)),
            same_place,
            visited: Mutex::default(),
            report: Mutex::new(report),
        })
    }

    fn files(&self) -> &[FileState] {
        self.log.as_ref().map_or(&[], |(_, replay)| &replay.files)
    }

    /// What a regular file is to us.
    pub(super) fn role(&self, stat: &FileStat) -> Role {
        let Some((_, replay)) = &self.log else { return Role::Other };
        if !self.same_place && !replay.files.is_empty() {
            return Role::Perhaps;
        }
        let is_named = |file: &FileState| self.same_place && file.identity.ino == stat.id.ino && file.identity.born == stat.born;
        match replay.files.iter().position(is_named) {
            Some(_) if stat.born.is_none() => Role::Perhaps,
            Some(index) => Role::Named(index),
            None if self.is_new(stat) => Role::New,
            None => Role::Other,
        }
    }

    fn is_new(&self, stat: &FileStat) -> bool {
        let since = self.log.as_ref().map(|(_, replay)| replay.header.since);
        since.is_some_and(|since| stat.born.unwrap_or(stat.changed) >= since)
    }

    /// Which of the journal's files this one is, whose inode number does not tell.
    fn named_by_header(&self, disk: &dyn Disk, stat: &FileStat) -> Result<Option<usize>> {
        let mut salt = [0; SALT_LEN];
        let is_empty = read_full_at(disk, &mut salt, SALT_AT)? < SALT_LEN;
        let named = |file: &FileState| match is_empty {
            true => self.same_place && file.identity.ino == stat.id.ino,
            false => file.salts.contains(&salt) && salt != [0; SALT_LEN],
        };
        Ok(self.files().iter().position(named))
    }

    /// Puts one file right, which is open as `file` and lies at `path` in the vault. Returns how many bytes were verified.
    pub(super) fn visit(&self, file: &dyn Backing, stat: &FileStat, role: Role, path: &Path) -> Result<u64> {
        let role = match role {
            Role::Perhaps => match self.named_by_header(file, stat)? {
                Some(index) => Role::Named(index),
                None if self.is_new(stat) => Role::New,
                None => Role::Other,
            },
            Role::Other | Role::Named(_) | Role::New => role,
        };
        if matches!(role, Role::Named(_) | Role::New) && !self.visited.lock().insert(stat.id) {
            return Ok(0);
        }
        match role {
            Role::Other | Role::Perhaps => Ok(0),
            Role::New => self.visit_new(file, stat, stat.len, path),
            Role::Named(index) => {
                let Some(state) = self.files().get(index).cloned() else {
                    return Ok(0);
                };
                self.report.lock().files += 1;
                // One that was written to but not committed is as long as it was committed before; if it is new, who knows what of that is on disk.
                if state.committed.is_none() && self.is_new(stat) {
                    return self.visit_new(file, stat, state.len.min(stat.len), path);
                }
                self.lay_over(file, stat, state)?;
                Ok(0)
            }
        }
    }

    /// A file gets over it what the journal says.
    fn lay_over(&self, file: &dyn Backing, stat: &FileStat, replayed: FileState) -> Result<()> {
        let end = self.log.as_ref().map_or(ENTRIES_AT, |(_, replay)| replay.end);
        let enrolled = Enrolled {
            number: replayed.number,
            kept: file.keep()?,
            last_entry: end,
            upto: end,
            commit: None,
        };
        let state = State {
            committed: replayed.len,
            visible: replayed.visible,
            disk_len: stat.len,
            overlay: replayed.overlay,
            modified: replayed.committed,
            enrolled: Some(enrolled),
            ..State::known(replayed.len)
        };
        self.journal.held_changed(0, state.overlay.held());
        let file = JournaledFile::with(Arc::clone(&self.journal), stat.id, state);
        self.journal.register(&Arc::new(file));
        Ok(())
    }

    /// A new file, of which `len` bytes count, keeps what of it is good.
    fn visit_new(&self, file: &dyn Backing, stat: &FileStat, len: u64, path: &Path) -> Result<u64> {
        let repair = match verify::repair(file, len, &self.content)? {
            Some(repair) => repair,
            None if len == stat.len => return Ok(len),
            None => Repair {
                keep: len,
                end: Vec::new(),
            },
        };
        self.report.lock().cut.push(path.to_owned());
        match self.journal.access {
            Access::ReadWrite => {
                // In the order in which a second attempt finds what the first one would.
                file.set_len(repair.keep)?;
                write_all_at(file, &repair.end, repair.keep)?;
                file.sync(Durability::Data)?;
            }
            Access::ReadOnly => {
                let mut overlay = Overlay::default();
                overlay.write(repair.keep, &repair.end);
                let state = FileState {
                    number: 0,
                    identity: super::format::Identity {
                        ino: stat.id.ino,
                        born: stat.born,
                        salt: [0; SALT_LEN],
                    },
                    salts: Vec::new(),
                    visible: repair.keep,
                    len: repair.len(),
                    overlay,
                    committed: None,
                };
                self.lay_over(file, stat, state)?;
            }
        }
        Ok(len)
    }

    /// Every file was visited, but those that were not for the reason `missed`.
    ///
    /// # Errors
    /// `missed`, where files that the journal names are not among those that were visited: they may be there after all, and what the journal has of them must stay.
    pub(super) fn finish(mut self, missed: Option<Errno>) -> Result<Report> {
        let mut report = std::mem::take(self.report.get_mut());
        report.gone = self.files().len().saturating_sub(report.files);
        if let Some(errno) = missed.filter(|_| report.gone > 0 && self.journal.access == Access::ReadWrite) {
            return Err(errno);
        }
        report.cut.sort();
        // Where nothing of the journal can be read, the next change begins a new one over it.
        let Some((disk, replay)) = self.log.take().filter(|_| self.journal.access == Access::ReadWrite) else {
            return Ok(report);
        };
        let greatest = replay.files.iter().map(|file| file.number).max().unwrap_or(0);
        self.journal.numbers.fetch_max(greatest + 1, Ordering::Relaxed);
        let log = Log::new(
            Arc::clone(&self.journal.key),
            disk,
            replay.header,
            replay.chain,
            replay.end,
            self.journal.size,
        )?;
        log.append(&Entry::Void);
        self.journal.begin_with(log);
        let done = self.journal.checkpoint().and_then(|()| self.journal.sync_news());
        report.pending = done.err();
        Ok(report)
    }
}
