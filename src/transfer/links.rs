//! Hard links: entries of the source that are one file are one in the target, too.

use super::{Engine, Halt, Originals, Problem};
use crate::error::Error;
use crate::view::NodeId;
use crate::walk::Known;
use rustix::fs::FileType;
use rustix::io::Errno;
use std::collections::HashMap;

/// Files with several names that were copied under one of them. They stay known, on both sides, so that their numbers are nobody else's.
#[derive(Default)]
pub(super) struct Links<'a> {
    copied: HashMap<NodeId, Copied<'a>>,
}

struct Copied<'a> {
    _original: Known<'a>,
    copy: Known<'a>,
}

/// Whether an entry could be made a further name of what was copied already.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Linked {
    /// It is one.
    Yes,
    /// It has to be copied for itself.
    No,
}

impl<'a> Engine<'a> {
    /// Makes the entry `name` of the directory `dir`, which is not there, a link, if another name of the original was copied already.
    pub(super) fn link(&mut self, original: &Known<'a>, dir: &Known<'a>, name: &[u8]) -> Result<Linked, Halt> {
        let Some(copied) = self.links.copied.get(&original.node()) else {
            return Ok(Linked::No);
        };
        let node = copied.copy.node();
        self.change()?;
        match self.target.link(node, dir.node(), name) {
            Ok(made) => drop(Known::new(self.target, made)),
            Err(Error::Os(Errno::EXIST)) => return Err(Problem::Conflict.into()),
            // Not every filesystem has links, and none has any number of them. What was copied may be gone again.
            Err(Error::Os(Errno::PERM | Errno::OPNOTSUPP | Errno::MLINK | Errno::NOENT | Errno::XDEV) | Error::Stale) => {
                return Ok(Linked::No);
            }
            Err(error) => return Err(Problem::Unwritable(error).into()),
        }
        Ok(Linked::Yes)
    }

    /// Whether the entry that is there already is a link of what was copied of the original.
    pub(super) fn is_linked(&self, original: &Known<'a>, there: &Known<'a>) -> bool {
        let copied = self.links.copied.get(&original.node());
        copied.is_some_and(|copied| copied.copy.node() == there.node())
    }

    /// Remembers that the original is in the target as `copy`, if it has further names.
    pub(super) fn remember(&mut self, original: Known<'a>, copy: Known<'a>) {
        // What is removed while it is known keeps a descriptor each.
        if original.attr.nlink > 1 && original.attr.kind != FileType::Directory && self.policy.originals == Originals::Kept {
            self.links
                .copied
                .entry(original.node())
                .or_insert(Copied { _original: original, copy });
        }
    }
}
