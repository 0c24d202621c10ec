//! Which records of a file are bad: runs of them, as few as can be, and never too many to be told.

use super::records::Why;
use std::collections::BTreeMap;

/// So many runs of a file are told of; the others are counted.
const TOLD: usize = 100;

/// A run of bad records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    /// The record behind the last one.
    pub(super) end: u64,
    /// What is wrong with the first.
    pub(super) why: Why,
    /// Whether something else is wrong with others.
    pub(super) mixed: bool,
}

/// The bad records of one file.
#[derive(Debug, Default)]
pub(super) struct Bad {
    /// By the first record.
    runs: BTreeMap<u64, Run>,
    /// Records in runs that are not told of.
    more: u64,
    /// Of all bad records the first.
    first: Option<u64>,
    unreadable: bool,
}

impl Bad {
    /// The records `first..end` are bad.
    pub(super) fn insert(&mut self, first: u64, end: u64, why: Why) {
        self.first = Some(self.first.map_or(first, |known| known.min(first)));
        self.unreadable |= why.is_unreadable();
        let (mut start, mut run) = (first, Run { end, why, mixed: false });
        let before = self.runs.range(..first).next_back().map(|(start, run)| (*start, *run));
        if let Some((before, known)) = before.filter(|(_, known)| known.end == first && known.why.goes_with(why)) {
            let mixed = known.mixed || known.why != why;
            (start, run) = (
                before,
                Run {
                    mixed,
                    end,
                    why: known.why,
                },
            );
            self.runs.remove(&before);
        }
        if let Some(behind) = self.runs.get(&end).copied().filter(|behind| behind.why.goes_with(why)) {
            self.runs.remove(&end);
            run.end = behind.end;
            run.mixed |= behind.mixed || behind.why != run.why;
        }
        if self.runs.len() < TOLD {
            self.runs.insert(start, run);
        } else {
            self.more += run.end - start;
        }
    }

    /// The first bad record.
    pub(super) fn first(&self) -> Option<u64> {
        self.first
    }

    /// Whether there is one that the operating system does not let us read.
    pub(super) fn is_unreadable(&self) -> bool {
        self.unreadable
    }

    /// The runs, and how many bad records there are beside them.
    pub(super) fn told(&self) -> (impl Iterator<Item = (u64, &Run)>, u64) {
        (self.runs.iter().map(|(first, run)| (*first, run)), self.more)
    }
}
