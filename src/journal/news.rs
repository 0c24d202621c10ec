//! New files: written to as they are, without entries, until they are synced, each by itself or all at once.
//!
//! Keeps true: recovery looks at every file that was new when the vault was left.

use super::Journal;
use super::file::{JournaledFile, State};
use crate::sys::disk::{FileId, Moment};
use rustix::io::{Errno, Result};
use std::sync::Arc;
use std::sync::atomic::Ordering;

impl Journal {
    /// The state of an empty file that was made just now, at the moment `made` by the clock of its filesystem.
    pub(crate) fn new_file(&self, id: FileId, made: Moment) -> Option<Arc<JournaledFile>> {
        let generation = *self.news.read();
        self.not_lost(id);
        self.forget_trace(id);
        // Until the journal is begun nothing is told from new files; where the clock was set back, recovery would not know this one.
        let is_new = id.dev == self.dev && self.start(Some(made)).is_ok() && self.log_if_begun().is_some_and(|log| made >= log.since());
        let state = if is_new { State::new(generation) } else { State::known(0) };
        Some(Arc::new(JournaledFile::with(self.this.upgrade()?, id, state)))
    }

    pub(super) fn news_were_written(&self) {
        if !self.news_written.swap(true, Ordering::Relaxed) {
            self.alarm.something();
        }
    }

    /// Whether there are new files that were not synced.
    pub(super) fn has_news(&self) -> bool {
        self.news_written.load(Ordering::Relaxed)
    }

    /// Makes all new files durable that were made until now, so that recovery need not look at them.
    ///
    /// # Errors
    /// What the operating system says.
    pub(crate) fn sync_news(&self) -> Result<()> {
        let Some(log) = self.log_if_begun() else { return Ok(()) };
        if self.unsettled.load(Ordering::Relaxed) > 0 {
            return Err(Errno::IO);
        }
        let now = self.home.now()?;
        {
            // From here on, what was new is not: it is changed by way of the journal, or goes on after an intent.
            let mut generation = self.news.write();
            *generation += 1;
            self.news_written.store(false, Ordering::Relaxed);
        }
        let synced = self.home.sync_all().and_then(|()| log.set_since(now));
        if synced.is_err() {
            self.news_written.store(true, Ordering::Relaxed);
        }
        synced
    }
}
