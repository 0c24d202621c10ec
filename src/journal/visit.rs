//! Recovery of one file: which one it is to the journal, and making it what it was.

use super::Access;
use super::file::{Enrolled, JournaledFile, State};
use super::format::{ENTRIES_AT, Identity};
use super::overlay::Overlay;
use super::recover::{Place, Recovery};
use super::tale::{FileState, OnDisk, SALT_AT};
use super::verify::{self, Care, Repair};
use crate::keys::SALT_LEN;
use crate::sys::disk::{Backing, Disk, Durability, FileStat, Moment, read_full_at, write_all_at};
use rustix::io::Result;
use std::path::Path;
use std::sync::Arc;

/// How many seconds after the last write to the journal, and after its last commit, a file may have been written to by who wrote the journal.
const UNCOMMITTED: i64 = 30;
const NO_SALT: [u8; SALT_LEN] = [0; SALT_LEN];

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
    /// What a regular file is to us.
    pub(super) fn role(&self, stat: &FileStat) -> Role {
        let by_name = match self.place {
            Place::Copy | Place::Unborn if !self.files().is_empty() => return Role::Perhaps,
            Place::Copy | Place::Unborn => None,
            Place::Same => self.named_by_inode(stat),
        };
        match by_name {
            Some(index) => Role::Named(index),
            None if self.is_new(stat) => Role::New,
            None => Role::Other,
        }
    }

    fn is_new(&self, stat: &FileStat) -> bool {
        let since = self.log.as_ref().map(|(_, replay)| replay.header.since);
        let is_here = stat.id.dev == self.journal.dev;
        is_here && since.is_some_and(|since| stat.born.unwrap_or(stat.changed) >= since)
    }

    fn named_by_inode(&self, stat: &FileStat) -> Option<usize> {
        let is_named = |file: &FileState| file.identity.ino == stat.id.ino && file.identity.born == stat.born;
        let index = self.files().iter().position(is_named)?;
        self.claim(index, stat).then_some(index)
    }

    /// Whether this file is the first one that is found to be the journal's at `index`: a copy of it, as in a snapshot that lies in the vault, is not.
    fn claim(&self, index: usize, stat: &FileStat) -> bool {
        *self.claims.lock().entry(index).or_insert(stat.id) == stat.id
    }

    /// Which of the journal's files this one is, whose inode number does not tell.
    fn named_by_header(&self, disk: &dyn Disk, stat: &FileStat) -> Result<Option<usize>> {
        let salt = salt_of(disk)?;
        let named = |file: &FileState| match self.place == Place::Unborn && file.identity.ino == stat.id.ino {
            true => fits(file, salt),
            false => salt != NO_SALT && file.salts.contains(&salt),
        };
        Ok(self.files().iter().position(named))
    }

    /// Puts one file right, which is open as `file` and lies at `path` in the vault. Returns how many bytes were verified.
    pub(super) fn visit(&self, file: &dyn Backing, stat: &FileStat, role: Role, path: &Path) -> Result<u64> {
        let role = match role {
            Role::Perhaps => match self.named_by_header(file, stat)? {
                Some(index) if self.claim(index, stat) => Role::Named(index),
                Some(_) => return Ok(self.leave(path)),
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
            Role::Named(index) => match self.files().get(index) {
                Some(state) => self.visit_named(file, stat, state, path),
                None => Ok(0),
            },
        }
    }

    fn visit_named(&self, file: &dyn Backing, stat: &FileStat, state: &FileState, path: &Path) -> Result<u64> {
        if !fits(state, salt_of(file)?) || (self.place == Place::Copy && self.is_newer(file, stat, state)?) {
            return Ok(self.leave(path));
        }
        self.report.lock().files += 1;
        // One that was written to but not committed is as long as it was committed before; if it is new, who knows what of that is on disk.
        if state.committed.is_none() && self.is_new(stat) {
            return self.visit_new(file, stat, state.len.min(stat.len), path);
        }
        self.lay_over(file, stat, state.clone())?;
        Ok(0)
    }

    /// The file is not what the journal is about any more: what is in it must not be overwritten.
    fn leave(&self, path: &Path) -> u64 {
        self.report.lock().left.push(path.to_owned());
        0
    }

    /// Whether a copied file has come from somewhere where it was changed after the journal was written: then it is good as it is.
    fn is_newer(&self, file: &dyn Backing, stat: &FileStat, state: &FileState) -> Result<bool> {
        let known = self.written.max(state.committed.unwrap_or_default());
        let latest = Moment {
            secs: known.secs.saturating_add(UNCOMMITTED),
            ..known
        };
        Ok(stat.modified > latest && verify::repair(file, stat.len, &self.content, Care::Thorough)?.is_none())
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
            durable_modified: replayed.committed,
            enrolled: Some(enrolled),
            ..State::known(replayed.len)
        };
        let file = JournaledFile::with(Arc::clone(&self.journal), stat.id, state);
        self.journal.register(&Arc::new(file));
        Ok(())
    }

    /// A new file, of which `len` bytes count, keeps what of it is good.
    fn visit_new(&self, file: &dyn Backing, stat: &FileStat, len: u64, path: &Path) -> Result<u64> {
        let care = match self.place {
            Place::Same | Place::Unborn => Care::Thorough,
            // Every file of a copy seems new.
            Place::Copy => Care::EndOnly,
        };
        let repair = match verify::repair(file, len, &self.content, care)? {
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
                file.keeping_privileges(&mut || {
                    file.set_len(repair.keep)?;
                    write_all_at(file, &repair.end, repair.keep)
                })?;
                file.sync(Durability::Data)?;
            }
            Access::ReadOnly => {
                let mut overlay = Overlay::default();
                let (at, len) = (repair.keep, repair.len());
                overlay.write(at, repair.end.into());
                let state = FileState {
                    number: 0,
                    identity: Identity {
                        ino: stat.id.ino,
                        born: stat.born,
                        salt: NO_SALT,
                    },
                    salts: Vec::new(),
                    header: OnDisk::Any,
                    visible: at,
                    len,
                    overlay,
                    committed: None,
                };
                self.lay_over(file, stat, state)?;
            }
        }
        Ok(len)
    }
}

/// The salt in a file's header; zeros where there is none.
fn salt_of(disk: &dyn Disk) -> Result<[u8; SALT_LEN]> {
    let mut salt = NO_SALT;
    let got = read_full_at(disk, &mut salt, SALT_AT)?;
    Ok(if got < SALT_LEN { NO_SALT } else { salt })
}

/// Whether a file with this salt can be the one that the journal left.
fn fits(file: &FileState, salt: [u8; SALT_LEN]) -> bool {
    match file.header {
        OnDisk::Any => true,
        OnDisk::Missing if salt == NO_SALT => true,
        OnDisk::Missing | OnDisk::Known => salt != NO_SALT && file.salts.contains(&salt),
    }
}
