//! Which records of a file are holes, as long as that is known: it is from the moment on at which this state has set the flag in a header that did not have it.
//!
//! The kernel hands out what was written in runs, and a later one may come first: then there is a hole for a moment. When it is known that the last hole was filled, the flag
//! goes, and a record of zeros is damage again.
//!
//! Keeps true: every record that is a hole is known as one, or nothing is known. What is known as a hole may not be one.
//!
//! In the file a hole without the flag is damage, so the flag comes before the first hole and goes after the last one. After a crash that holds, too, with a journal:
//! * In a file with committed bytes the header is one of them. Its change is an entry behind those that filled holes among them, and counts only with a commit that was made
//!   when the change was done; what is behind them in the file itself is durable before that commit.
//! * Of a new file that was never synced, all of which is written in place, the header may come to disk and what filled the holes not. Recovery then keeps what is in front of the
//!   first of them, as it does of a file that never had holes.
//!
//! Without a journal nothing is promised of what is being written: there a power cut may leave records damaged that were to fill holes.

use super::VaultFile;
use super::run::{Run, further};
use super::unlocked::Unlocked;
use crate::record::{Holes, RECORD_LEN, RecordNo};
use crate::sys::disk::Disk;
use std::ops::Range;
use std::sync::Arc;

/// How many ranges of holes are remembered. Files with more are meant to have holes.
pub(super) const RANGES_MAX: usize = 64;

/// The holes of a file.
pub(super) struct KnownHoles {
    /// The header, for which this holds: in another file's there is no telling.
    of: Arc<Unlocked>,
    /// Sorted, not empty, and not touching each other.
    pub(super) ranges: Vec<Range<RecordNo>>,
}

impl KnownHoles {
    /// No holes.
    pub(super) fn none(of: Arc<Unlocked>) -> Self {
        Self { of, ranges: Vec::new() }
    }

    pub(super) fn insert(&mut self, new: Range<RecordNo>) {
        if new.is_empty() {
            return;
        }
        let from = self.ranges.partition_point(|range| range.end < new.start);
        let to = self.ranges.partition_point(|range| range.start <= new.end);
        let joined = self.ranges[from..to].iter().fold(new, |all, range| {
            let (start, end) = (all.start.min(range.start), all.end.max(range.end));
            start..end
        });
        self.ranges.splice(from..to, [joined]);
    }

    pub(super) fn remove(&mut self, gone: Range<RecordNo>) {
        if gone.is_empty() {
            return;
        }
        let from = self.ranges.partition_point(|range| range.end <= gone.start);
        let to = self.ranges.partition_point(|range| range.start < gone.end);
        let (Some(first), Some(last)) = (self.ranges[from..to].first(), self.ranges[from..to].last()) else {
            return;
        };
        let rest = [first.start..gone.start, gone.end..last.end];
        self.ranges.splice(from..to, rest.into_iter().filter(|range| !range.is_empty()));
    }
}

impl VaultFile {
    /// The records of the range become holes, or may have become some.
    pub(super) fn are_holes(&mut self, records: Range<RecordNo>) {
        self.know(|known| known.insert(records));
    }

    /// The records of `run` were written.
    pub(super) fn are_written(&mut self, run: Run) {
        self.know(|known| known.remove(run.first..further(run.first, run.len.div_ceil(RECORD_LEN))));
    }

    /// Changes what is known, if anything is.
    fn know(&mut self, change: impl FnOnce(&mut KnownHoles)) {
        if let Some(known) = &mut self.known_holes {
            change(known);
            if known.ranges.len() > RANGES_MAX {
                self.known_holes = None;
            }
        }
    }

    /// After a change that went well: takes the flag off the header when it is known that the last hole was filled.
    ///
    /// The change is done, and does not fail if this does: a flag without holes is legal. It is tried again after the next change.
    pub(super) fn forbid_holes(&mut self, disk: &dyn Disk) {
        if self.known_holes.is_none() {
            return;
        }
        // From the last record on there are none: it was cut there, or a gap was not made after all.
        let last = self.last_record();
        self.know(|known| known.remove(last..RecordNo::new(u64::MAX)));
        let Some(filled) = self.known_holes.take_if(|known| known.ranges.is_empty()) else {
            return;
        };
        let is_current = self.known().is_some_and(|current| Arc::ptr_eq(&current, &filled.of));
        if is_current && let Err(error) = self.change_header(disk, &filled.of, Holes::Forbidden) {
            log::debug!("a file keeps the flag for holes that it has no more: {error}");
            self.known_holes = Some(filled);
        }
    }
}
