//! Journals over the simulated disk, recovered where one was left there.

use super::sim::World;
use crate::journal::recover::{Recovery, Report};
use crate::journal::{Access, Journal, JournaledFile};
use crate::keys::{ContentKey, JournalKey, MasterKey};
use crate::sys::disk::{Backing, FileId};
use rustix::io::Result;
use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;

/// A journal in use. When it is given up, as by a crash, nothing of it stays in memory: the journal knows its files, and they know it.
pub(crate) struct Mounted(Arc<Journal>);

impl Deref for Mounted {
    type Target = Arc<Journal>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        self.0.discharge();
    }
}

impl Journal {
    /// Whether the file was told to have lost something.
    pub(crate) fn has_lost(&self, id: FileId) -> bool {
        self.check_lost(id).is_err()
    }

    /// Hands the operating system all entries that were collected, which it may write at any time or not.
    pub(crate) fn write_out(&self) {
        if let Some(log) = self.log_if_begun() {
            log.write_out_now();
        }
    }
}

impl JournaledFile {
    /// Whether it was made in this mount and is written to as it is.
    pub(crate) fn is_new(&self) -> bool {
        self.state.read().new.is_some()
    }
}

impl World {
    /// The journal of what is on the disk, recovered if it was left there.
    pub(crate) fn mount(&self, master: &MasterKey, size: u64) -> Result<(Mounted, Option<Report>)> {
        self.mount_as(master, size, Access::ReadWrite)
    }

    pub(crate) fn mount_as(&self, master: &MasterKey, size: u64, access: Access) -> Result<(Mounted, Option<Report>)> {
        let key = Arc::new(JournalKey::derive(master));
        let journal = Mounted(Journal::new(Box::new(self.clone()), key, access, size)?);
        let Some(disk) = journal.home.open()? else {
            return Ok((journal, None));
        };
        let recovery = Recovery::begin(&journal, disk, ContentKey::derive(master), &|_| ())?;
        for ino in self.files() {
            let file = self.file(ino);
            let stat = file.stat()?;
            let role = recovery.role(&stat);
            recovery.visit(&file, &stat, role, Path::new(&ino.to_string()))?;
        }
        let report = recovery.finish().unwrap_or_else(|error| panic!("all was searched: {error}"));
        Ok((journal, Some(report)))
    }
}
