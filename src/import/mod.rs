//! Moving what one view shows into another: a recipe folder into a vault.
//!
//! Knows two views and nothing of what is behind them, nor who asks or how it is told; does not know fuser or the command line. Keeps true: an entry gets its
//! name in the vault only when it is whole, durable, and was read back and found equal to what was read once more; what has that name already is never
//! changed; a source is only removed when what was made of it is durable. So it can be killed at any moment and started again.

mod attributes;
mod census;
mod contents;
mod entry;
mod known;
mod left;
mod removal;
#[cfg(test)]
mod tests;
mod tree;

pub use census::{Census, census};
pub use left::stored_entries;

use crate::error::Error;
use crate::view::{Caller, View};
use rustix::io::Errno;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// What becomes of a source that was imported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Originals {
    /// It stays.
    Kept,
    /// It is removed, as soon as what was made of it is durable.
    Removed,
}

/// What is told while it goes on. Whoever is told answers whether it shall go on.
#[derive(Debug)]
pub enum Event<'a> {
    /// Something is about to be changed, in the vault or in the source.
    Change,
    /// So many bytes were read and dealt with. In all, each byte of a regular file counts twice: it is written, then compared.
    Bytes(u64),
    /// Something is wrong with the entry of this path, relative to the source.
    Problem(&'a Path, &'a Problem),
}

/// Who is told.
pub type Watch<'a> = &'a mut dyn FnMut(Event<'_>) -> ControlFlow<()>;

/// Why an entry is not in the vault, or still in the source. Each follows upon the entry's path and a colon.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// There is another entry of that name already.
    #[error("the vault has something else of that name, which was left alone")]
    Conflict,
    /// The source does not say what it holds.
    #[error("cannot be read: {0}")]
    Unreadable(Error),
    /// The vault does not take it.
    #[error("cannot be put into the vault: {0}")]
    Unwritable(Error),
    /// What the vault has of it does not tell.
    #[error("cannot be read back from the vault: {0}")]
    Unverifiable(Error),
    /// What was read back is something else.
    #[error("what was read back from the vault differs: it changed meanwhile, or the memory or the disk is failing")]
    Differs,
    /// It was imported and stays where it was, too.
    #[error("is in the vault now, but cannot be removed: {0}")]
    NotRemoved(Error),
    /// It is not any more what was imported.
    #[error("is in the vault as it was, but has changed since, so it was not removed")]
    Changed,
}

impl Problem {
    /// Whether all others would meet it, too.
    fn is_general(&self) -> bool {
        match self {
            Self::Unwritable(error) => matches!(error, Error::Os(Errno::NOSPC | Errno::DQUOT | Errno::ROFS)),
            Self::Conflict | Self::Unreadable(_) | Self::Unverifiable(_) | Self::Differs | Self::NotRemoved(_) | Self::Changed => false,
        }
    }
}

/// What was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Entries that were made and verified, but for directories.
    pub files: u64,
    /// Directories that were made.
    pub directories: u64,
    /// Bytes of the regular files among the former.
    pub bytes: u64,
    /// Entries other than directories that were there already, and are equal.
    pub skipped: u64,
    /// Entries that have the name of something else.
    pub conflicts: u64,
    /// Entries that something else is wrong with.
    pub failed: u64,
    /// Entries that the source has, directories included, as far as it was looked through.
    pub seen: u64,
}

/// How it ended.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    /// It went through everything, and what it made is durable.
    Complete,
    /// Who was told wanted it to stop.
    Stopped,
    /// Nothing more can be written, or the top directory not be read; the problem was told.
    Failed,
}

/// Moves everything that `source` shows into `vault`.
pub fn import(source: &View, vault: &View, originals: Originals, watch: Watch<'_>) -> (Summary, End) {
    let mut import = Import {
        source,
        vault,
        originals,
        watch,
        caller: Caller {
            uid: rustix::process::geteuid().as_raw(),
            gid: rustix::process::getegid().as_raw(),
        },
        summary: Summary::default(),
        path: PathBuf::new(),
    };
    let end = match import.tree() {
        ControlFlow::Continue(()) => End::Complete,
        ControlFlow::Break(end) => end,
    };
    (import.summary, end)
}

/// An import under way.
struct Import<'a> {
    source: &'a View,
    vault: &'a View,
    originals: Originals,
    watch: Watch<'a>,
    /// Who makes what is made in the vault.
    caller: Caller,
    summary: Summary,
    /// The directory that is being gone through, relative to the top.
    path: PathBuf,
}

/// Why an entry was not dealt with.
enum Halt {
    /// Everything is to stop.
    Stopped,
    /// It cannot be.
    Problem(Problem),
}

impl From<Problem> for Halt {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl Import<'_> {
    /// Announces a change.
    fn change(&mut self) -> Result<(), Halt> {
        self.tell(Event::Change)
    }

    fn tell(&mut self, event: Event<'_>) -> Result<(), Halt> {
        match (self.watch)(event) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(Halt::Stopped),
        }
    }

    /// Books why the entry `name` of the directory at `path`, or without a name that directory itself, was not dealt with; and whether that ends everything.
    fn book(&mut self, name: Option<&[u8]>, halt: Halt) -> ControlFlow<End> {
        let problem = match halt {
            Halt::Stopped => return ControlFlow::Break(End::Stopped),
            Halt::Problem(problem) => problem,
        };
        match problem {
            Problem::Conflict => self.summary.conflicts += 1,
            Problem::Unreadable(_)
            | Problem::Unwritable(_)
            | Problem::Unverifiable(_)
            | Problem::Differs
            | Problem::NotRemoved(_)
            | Problem::Changed => {
                self.summary.failed += 1;
            }
        }
        let path = match name {
            Some(name) => self.path.join(known::os_name(name)),
            None => self.path.clone(),
        };
        match self.tell(Event::Problem(&path, &problem)) {
            Err(_) => ControlFlow::Break(End::Stopped),
            Ok(()) if problem.is_general() => ControlFlow::Break(End::Failed),
            Ok(()) => ControlFlow::Continue(()),
        }
    }
}
