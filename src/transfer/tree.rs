//! Going through the tree: a stack of the directories from the top to where it is, since a tree can be as deep as anybody likes.

use super::attributes::Times;
use super::entry::{self, Moved};
use super::links::Links;
use super::removal::Verified;
use super::{End, Engine, Halt, Names, Originals, Problem, Top};
use crate::folder::Durability;
use crate::view::SetAttr;
use crate::walk::{Known, os_name};
use rustix::fs::FileType;
use std::ffi::OsStr;
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt;

/// What the owner needs to work in a directory.
const OWNER_ALL: u16 = 0o700;

/// A directory that is being gone through.
pub(super) struct Frame<'a> {
    pub(super) source: Known<'a>,
    pub(super) target: Known<'a>,
    /// The times that the target's directory gets.
    pub(super) times: Times,
    /// Names that are still to come, the last one next.
    names: Vec<Box<[u8]>>,
    /// Entries that are in the target, and not yet removed from the source.
    pub(super) verified: Vec<Verified>,
}

impl<'a> Engine<'a> {
    /// Goes through everything, and makes it durable.
    pub(super) fn tops(&mut self, tops: Vec<Top<'a>>) -> ControlFlow<End> {
        for top in tops {
            if !std::ptr::eq(self.source, top.source.view()) {
                self.links = Links::default();
            }
            (self.source, self.target) = (top.source.view(), top.target.view());
            self.path.clone_from(&top.path);
            self.tree(top)?;
        }
        if let Err(error) = self.target.sync_all() {
            self.book(None, Problem::Unwritable(error).into())?;
            return ControlFlow::Break(End::Failed);
        }
        ControlFlow::Continue(())
    }

    fn tree(&mut self, top: Top<'a>) -> ControlFlow<End> {
        let top = match self.top(top) {
            Ok(top) => top,
            Err(halt) => {
                self.book(None, halt)?;
                return ControlFlow::Break(End::Failed);
            }
        };
        let mut stack = vec![top];
        while let Some(frame) = stack.last_mut() {
            let Some(name) = frame.names.pop() else {
                self.leave(&mut stack)?;
                continue;
            };
            self.summary.seen += 1;
            match self.entry(frame, &name) {
                Ok(Moved::Directory(below)) => {
                    self.path.push(os_name(&name));
                    stack.push(*below);
                }
                Ok(Moved::Verified(verified)) => self.verified(frame, verified)?,
                Ok(Moved::Gone) => self.summary.seen -= 1,
                Err(halt) => self.book(Some(&name), halt)?,
            }
        }
        ControlFlow::Continue(())
    }

    fn top(&mut self, top: Top<'a>) -> Result<Frame<'a>, Halt> {
        let names = match top.names {
            Names::All => names(&top.source)?,
            Names::Only(mut names) => {
                names.sort();
                names.dedup();
                names
            }
        };
        self.begin(top.source, top.target, names)
    }

    /// Begins with the directory `source`, which is called `name`: in the target it is made in `above`, or is there already.
    pub(super) fn enter(&mut self, above: &Frame<'a>, source: Known<'a>, name: &[u8]) -> Result<Frame<'a>, Halt> {
        let names = names(&source)?;
        let target = match entry::find(&above.target, name)? {
            Some(there) if there.attr.kind == FileType::Directory => there,
            Some(_) => return Err(Problem::Conflict.into()),
            None => self.make_directory(above, name)?,
        };
        match self.policy.originals {
            Originals::Kept => {}
            // Else it could be gone after a power cut, with all that was moved into it.
            Originals::Removed => self.sync_directory(&above.target)?,
        }
        if target.attr.perm & OWNER_ALL != OWNER_ALL {
            self.change()?;
            let changes = SetAttr {
                mode: Some(u32::from(target.attr.perm | OWNER_ALL)),
                ..SetAttr::default()
            };
            let opened = self.target.setattr(self.caller, target.node(), &changes);
            opened.map_err(Problem::Unwritable)?;
        }
        self.begin(source, target, names)
    }

    fn make_directory(&mut self, above: &Frame<'a>, name: &[u8]) -> Result<Known<'a>, Halt> {
        self.change()?;
        let made = self.target.mkdir(self.caller, above.target.node(), name, u32::from(OWNER_ALL));
        let made = Known::new(self.target, made.map_err(Problem::Unwritable)?);
        self.summary.directories += 1;
        Ok(made)
    }

    /// Makes the entries of a directory of the target durable.
    pub(super) fn sync_directory(&mut self, directory: &Known<'a>) -> Result<(), Halt> {
        self.change()?;
        let synced = self.target.fsyncdir(directory.node(), Durability::All);
        Ok(synced.map_err(Problem::Unwritable)?)
    }

    fn begin(&mut self, source: Known<'a>, target: Known<'a>, mut names: Vec<Box<[u8]>>) -> Result<Frame<'a>, Halt> {
        // What an interrupted run left half-made.
        for there in target.list().map_err(Problem::Unwritable)? {
            let is_left = there.kind != FileType::Directory && entry::is_temporary(&there.name);
            if is_left && names.binary_search(&there.name).is_err() {
                self.change()?;
                self.target.unlink(target.node(), &there.name).map_err(Problem::Unwritable)?;
            }
        }
        names.reverse();
        let times = match self.policy.originals {
            Originals::Kept => Times::of(&source.attr),
            // Where an interrupted run has removed entries, the source has the time of that, and the target the one that it had before.
            Originals::Removed => Times::of(&source.attr).or_earlier(Times::of(&target.attr)),
        };
        Ok(Frame {
            source,
            target,
            times,
            names,
            verified: Vec::new(),
        })
    }

    /// Ends with the directory on top of the stack.
    fn leave(&mut self, stack: &mut Vec<Frame<'a>>) -> ControlFlow<End> {
        let Some(mut frame) = stack.pop() else {
            return ControlFlow::Continue(());
        };
        self.remove_verified(&mut frame)?;
        // The top directories stay as they are.
        let Some(above) = stack.last() else {
            return ControlFlow::Continue(());
        };
        let booked = match self.end(&frame, above) {
            Ok(()) => ControlFlow::Continue(()),
            Err(halt) => self.book(None, halt),
        };
        self.path.pop();
        booked
    }

    /// The target's directory becomes as the source's is: last, since each entry that is made in it changes its times, and its mode may not let us make any.
    fn end(&mut self, frame: &Frame<'a>, above: &Frame<'a>) -> Result<(), Halt> {
        self.dress(&frame.source, &frame.target, frame.times, None)?;
        match self.policy.originals {
            Originals::Kept => Ok(()),
            Originals::Removed => {
                self.sync_directory(&frame.target)?;
                let name = self.path.file_name().map(OsStr::as_bytes).unwrap_or_default().to_vec();
                self.remove_directory(above, &name)
            }
        }
    }
}

fn names(source: &Known<'_>) -> Result<Vec<Box<[u8]>>, Problem> {
    source.names().map_err(Problem::Unreadable)
}
