//! Copying entries of one view into another: a recipe folder or a local directory into a vault, and a vault into a local directory.
//!
//! Knows two views and nothing of what is behind them, nor who asks or how it is told; does not know fuser or the command line. Keeps true: an entry gets its
//! name in the target only when it is whole, durable, and was read back and found equal to what was read once more; what has that name already is changed only
//! where that is asked for; a source is only removed when what was made of it is durable. So it can be killed at any moment and started again.

mod attributes;
mod census;
mod contents;
mod entry;
mod left;
mod links;
mod removal;
#[cfg(test)]
mod tests;
mod tree;

pub use census::{Census, census};
pub use left::stored_entries;

use crate::error::Error;
use crate::view::{Caller, View};
use crate::walk::{Known, os_name};
use links::Links;
use rustix::io::Errno;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// What is to be copied where: entries of one directory into another.
pub struct Top<'v> {
    /// The directory that they are in.
    pub source: Known<'v>,
    /// Which ones.
    pub names: Names,
    /// The directory that they come into, which itself stays as it is.
    pub target: Known<'v>,
    /// What the source directory is called in what is told.
    pub path: PathBuf,
}

/// Entries of a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Names {
    /// All of them.
    All,
    /// These.
    Only(Vec<Box<[u8]>>),
}

/// How it is to be copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// What becomes of the source.
    pub originals: Originals,
    /// What becomes of something else that has the name already.
    pub existing: Existing,
    /// When a file that is there already passes for the same.
    pub same: Same,
}

/// What becomes of a source that was copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Originals {
    /// It stays.
    Kept,
    /// It is removed, as soon as what was made of it is durable.
    Removed,
}

/// What becomes of an entry of the target that has the name of another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// It stays, and that is told.
    Kept,
    /// The copy takes its place, unless one of the two is a directory.
    Replaced,
}

/// When a regular file that is there already passes for the same, and is not copied again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Same {
    /// When all its bytes are.
    Bytes,
    /// When its size and time of modification are, which it gets only when it was verified; or else all its bytes.
    Times,
}

/// What is told while it goes on. Whoever is told answers whether it shall go on.
#[derive(Debug)]
pub enum Event<'a> {
    /// Something is about to be changed, in the target or in the source.
    Change,
    /// So many bytes were read and dealt with. In all, each byte of a regular file counts twice: it is written, then compared.
    Bytes(u64),
    /// The entry of this path, as its top has it, was made in the target.
    Done(&'a Path),
    /// The target cannot hold this extended attribute of the entry of this path, as its top has it; all the rest is copied.
    Without(&'a Path, &'a [u8]),
    /// Something is wrong with the entry of this path, as its top has it.
    Problem(&'a Path, &'a Problem),
}

/// Who is told.
pub type Watch<'a> = &'a mut dyn FnMut(Event<'_>) -> ControlFlow<()>;

/// Why an entry is not in the target, or still in the source. Each follows upon the entry's path and a colon.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// There is another entry of that name already.
    #[error("there is something else of that name, which was left alone")]
    Conflict,
    /// The source does not say what it holds.
    #[error("cannot be read: {0}")]
    Unreadable(Error),
    /// The target does not take it.
    #[error("cannot be written: {0}")]
    Unwritable(Error),
    /// What the target has of it does not tell.
    #[error("cannot be read back: {0}")]
    Unverifiable(Error),
    /// What was read back is something else.
    #[error("what was read back differs: it changed meanwhile, or the memory or the disk is failing")]
    Differs,
    /// It was copied and stays where it was, too.
    #[error("was copied, but cannot be removed: {0}")]
    NotRemoved(Error),
    /// It is not any more what was copied.
    #[error("was copied as it was, but has changed since, so it was not removed")]
    Changed,
}

impl Problem {
    /// Whether the original is damaged: it can be read no better by who tries again.
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Unreadable(error) => match error {
                Error::Damage(_) | Error::Undecodable(_) | Error::Recipe(_) => true,
                Error::Os(errno) => *errno == Errno::IO,
                Error::Name(_) | Error::Stale => false,
            },
            Self::Conflict | Self::Unwritable(_) | Self::Unverifiable(_) | Self::Differs | Self::NotRemoved(_) | Self::Changed => false,
        }
    }

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
    /// Entries that were made, or replaced, and verified, but for directories.
    pub files: u64,
    /// Those among them that are further names of others.
    pub links: u64,
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
    /// Those among them whose original is damaged.
    pub damaged: u64,
    /// Extended attributes that the target cannot hold.
    pub without: u64,
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

/// Copies what the `tops` say, and all that is below, one after the other. Entries that are one file stay one file, as long as one view shows them.
pub fn transfer<'v>(tops: Vec<Top<'v>>, policy: Policy, watch: Watch<'v>) -> (Summary, End) {
    let Some(first) = tops.first() else {
        return (Summary::default(), End::Complete);
    };
    let mut engine = Engine {
        source: first.source.view(),
        target: first.target.view(),
        policy,
        watch,
        caller: Caller {
            uid: rustix::process::geteuid().as_raw(),
            gid: rustix::process::getegid().as_raw(),
        },
        summary: Summary::default(),
        links: Links::default(),
        path: PathBuf::new(),
    };
    let end = match engine.tops(tops) {
        ControlFlow::Continue(()) => End::Complete,
        ControlFlow::Break(end) => end,
    };
    (engine.summary, end)
}

/// A transfer under way.
struct Engine<'a> {
    source: &'a View,
    target: &'a View,
    policy: Policy,
    watch: Watch<'a>,
    /// Who makes what is made in the target.
    caller: Caller,
    summary: Summary,
    links: Links<'a>,
    /// The directory that is being gone through.
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

impl Engine<'_> {
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

    /// The path of the entry `name` of the directory at `path`, or without a name of that directory itself.
    fn path_of(&self, name: Option<&[u8]>) -> PathBuf {
        name.map_or_else(|| self.path.clone(), |name| self.path.join(os_name(name)))
    }

    /// Books why the entry `name` of the directory at `path`, or without a name that directory itself, was not dealt with; and whether that ends everything.
    fn book(&mut self, name: Option<&[u8]>, halt: Halt) -> ControlFlow<End> {
        let problem = match halt {
            Halt::Stopped => return ControlFlow::Break(End::Stopped),
            Halt::Problem(problem) => problem,
        };
        self.summary.damaged += u64::from(problem.is_damage());
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
        let path = self.path_of(name);
        match self.tell(Event::Problem(&path, &problem)) {
            Err(_) => ControlFlow::Break(End::Stopped),
            Ok(()) if problem.is_general() => ControlFlow::Break(End::Failed),
            Ok(()) => ControlFlow::Continue(()),
        }
    }
}
