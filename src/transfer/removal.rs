//! Removing what was copied, once everything that was made of it is durable.

use super::tree::Frame;
use super::{End, Engine, Halt, Originals, Problem};
use crate::error::Error;
use crate::view::{Attr, Time};
use crate::walk::Known;
use rustix::io::Errno;
use std::ops::ControlFlow;

/// How many entries, and how many bytes in them, may wait for their directory to be synced: few enough that a large directory does not need its space twice.
const WAITING_MAX: usize = 1000;
const WAITING_BYTES_MAX: u64 = 256 << 20;

/// An entry that is in the target.
pub(super) struct Verified {
    name: Box<[u8]>,
    size: u64,
    modified: Time,
}

impl Verified {
    /// The entry `name`, whose original had the attributes `attr` before it was read.
    pub(super) fn new(name: &[u8], attr: &Attr) -> Self {
        Self {
            name: name.into(),
            size: attr.size,
            modified: attr.mtime,
        }
    }

    fn is_unchanged(&self, now: &Attr) -> bool {
        (self.size, self.modified) == (now.size, now.mtime)
    }
}

impl<'a> Engine<'a> {
    /// Books an entry that is in the target.
    pub(super) fn verified(&mut self, frame: &mut Frame<'a>, verified: Verified) -> ControlFlow<End> {
        match self.policy.originals {
            Originals::Kept => ControlFlow::Continue(()),
            Originals::Removed => {
                frame.verified.push(verified);
                let bytes: u64 = frame.verified.iter().map(|verified| verified.size).sum();
                if frame.verified.len() < WAITING_MAX && bytes < WAITING_BYTES_MAX {
                    return ControlFlow::Continue(());
                }
                self.remove_verified(frame)
            }
        }
    }

    /// Removes the originals of what is in the target.
    ///
    /// The target's directory gets its times before, and the source's gets them back afterwards: who is interrupted finds them in one of the two.
    pub(super) fn remove_verified(&mut self, frame: &mut Frame<'a>) -> ControlFlow<End> {
        let verified = std::mem::take(&mut frame.verified);
        if verified.is_empty() {
            return ControlFlow::Continue(());
        }
        if let Err(halt) = self.settle(frame) {
            return self.book(None, halt);
        }
        for verified in &verified {
            if let Err(halt) = self.remove(&frame.source, verified) {
                self.book(Some(&verified.name), halt)?;
            }
        }
        // Who may remove entries need not own the directory.
        let _ = frame.times.set(&frame.source);
        ControlFlow::Continue(())
    }

    /// Makes everything durable that was moved into a directory.
    fn settle(&mut self, frame: &Frame<'a>) -> Result<(), Halt> {
        self.change()?;
        frame.times.set(&frame.target)?;
        self.sync_directory(&frame.target)
    }

    fn remove(&mut self, dir: &Known<'a>, verified: &Verified) -> Result<(), Halt> {
        match Known::at(dir, &verified.name) {
            // Somebody else has removed it.
            Err(Error::Os(Errno::NOENT)) => return Ok(()),
            Err(error) => return Err(Problem::NotRemoved(error).into()),
            Ok(now) if !verified.is_unchanged(&now.attr) => return Err(Problem::Changed.into()),
            Ok(_) => {}
        }
        self.change()?;
        let removed = self.source.unlink(dir.node(), &verified.name);
        Ok(removed.map_err(Problem::NotRemoved)?)
    }

    /// Removes the directory `name` of the source, if nothing is in it any more.
    pub(super) fn remove_directory(&mut self, above: &Frame<'a>, name: &[u8]) -> Result<(), Halt> {
        self.change()?;
        match self.source.rmdir(above.source.node(), name) {
            Ok(()) | Err(Error::Os(Errno::NOTEMPTY | Errno::EXIST)) => {}
            Err(error) => return Err(Problem::NotRemoved(error).into()),
        }
        // As above. (The directory itself is gone, and its entry's going is what changed the time.)
        let _ = above.times.set(&above.source);
        Ok(())
    }
}
