//! One entry: it is there already, something else is, or it is made under another name, read back, and gets its own.

use super::attributes::{self, Times};
use super::links::Linked;
use super::removal::Verified;
use super::tree::Frame;
use super::{Engine, Event, Existing, Halt, Originals, Problem, Same};
use crate::error::{self, Error};
use crate::folder::Durability;
use crate::view::{Access, NodeId, Rename};
use crate::walk::Known;
use rand::Rng;
use rustix::fs::FileType;
use rustix::io::Errno;

/// What the names of half-made entries begin with.
const TEMPORARY: &str = ".plainview-part-";
/// Hexadecimal digits after that.
const DIGITS: usize = 16;

/// What became of an entry.
pub(super) enum Moved<'a> {
    /// It is a directory, to be gone through.
    Directory(Box<Frame<'a>>),
    /// It is in the target.
    Verified(Verified),
    /// Somebody has removed it meanwhile.
    Gone,
}

impl<'a> Engine<'a> {
    /// Moves the entry `name` of a directory.
    pub(super) fn entry(&mut self, dir: &Frame<'a>, name: &[u8]) -> Result<Moved<'a>, Halt> {
        let Some(original) = Known::look(&dir.source, name).map_err(Problem::Unreadable)? else {
            return Ok(Moved::Gone);
        };
        if original.attr.kind == FileType::Directory {
            return Ok(Moved::Directory(Box::new(self.enter(dir, original, name)?)));
        }
        let verified = Verified::new(name, &original.attr);
        let there = match find(&dir.target, name)? {
            Some(there) if self.passes_for_same(&original, &there)? => {
                self.skip(&original, &there, name)?;
                Some(there)
            }
            Some(there) if self.policy.existing == Existing::Kept || there.attr.kind == FileType::Directory => {
                return Err(Problem::Conflict.into());
            }
            Some(_) | None => self.link_or_copy(&original, &dir.target, name)?,
        };
        if let Some(there) = there {
            self.remember(original, there);
        }
        Ok(Moved::Verified(verified))
    }

    /// Whether an entry that is there already need not be copied.
    fn passes_for_same(&mut self, original: &Known<'a>, there: &Known<'a>) -> Result<bool, Halt> {
        let (one, other) = (&original.attr, &there.attr);
        let both_files = (one.kind, other.kind) == (FileType::RegularFile, FileType::RegularFile);
        let same_times = self.policy.same == Same::Times && both_files && (one.size, one.mtime) == (other.size, other.mtime);
        if same_times || self.is_linked(original, there) {
            self.tell(Event::Bytes(2 * bytes_of(original)))?;
            return Ok(true);
        }
        if both_files && one.size != other.size {
            return Ok(false);
        }
        // It is not written again, so here its bytes count for both times.
        self.is_same(original, there, 2)
    }

    /// Leaves an entry that is there already; but for its attributes, where what is there is to be as the original is.
    fn skip(&mut self, original: &Known<'a>, there: &Known<'a>, name: &[u8]) -> Result<(), Halt> {
        match self.policy.existing {
            Existing::Kept => {}
            Existing::Replaced => self.dress(original, there, Times::of(&original.attr), Some(name))?,
        }
        match self.policy.originals {
            Originals::Kept => {}
            // Whoever put it there need not have synced it.
            Originals::Removed => {
                self.change()?;
                let synced = self.target.fsync(there.node(), Durability::All);
                synced.map_err(Problem::Unwritable)?;
            }
        }
        self.summary.skipped += 1;
        Ok(())
    }

    /// Makes a new entry, or one that takes the place of what is there; all of it, or nothing. Returns it, if it may be linked to.
    fn link_or_copy(&mut self, original: &Known<'a>, dir: &Known<'a>, name: &[u8]) -> Result<Option<Known<'a>>, Halt> {
        let temporary = format!("{TEMPORARY}{:0DIGITS$x}", rand::rng().next_u64()).into_bytes();
        if self.link(original, dir, &temporary)? == Linked::Yes {
            self.put_or_remove(dir, &temporary, name)?;
            self.tell(Event::Bytes(2 * bytes_of(original)))?;
            self.summary.files += 1;
            self.summary.links += 1;
            self.tell(Event::Done(&self.path_of(Some(name))))?;
            return Ok(None);
        }
        let made = self.make(original, dir, &temporary)?;
        if let Err(halt) = self.fill(original, made, dir, &temporary, name) {
            self.remove_temporary(dir, &temporary);
            return Err(halt);
        }
        self.put_or_remove(dir, &temporary, name)?;
        self.summary.files += 1;
        self.summary.bytes += bytes_of(original);
        self.tell(Event::Done(&self.path_of(Some(name))))?;
        find(dir, name).map_err(Halt::from)
    }

    fn put_or_remove(&mut self, dir: &Known<'a>, temporary: &[u8], name: &[u8]) -> Result<(), Halt> {
        let put = self.put(dir, temporary, name);
        if put.is_err() {
            self.remove_temporary(dir, temporary);
        }
        put
    }

    fn remove_temporary(&self, dir: &Known<'a>, temporary: &[u8]) {
        // Best effort: if it stays, the next run removes it.
        let _ = self.target.unlink(dir.node(), temporary);
    }

    /// Makes the entry `temporary` of the original's kind, with a symlink's target, but without contents and attributes.
    fn make(&mut self, original: &Known<'a>, dir: &Known<'a>, temporary: &[u8]) -> Result<Known<'a>, Halt> {
        let (into, caller, dir) = (self.target, self.caller, dir.node());
        let kind = original.attr.kind;
        let target = match kind {
            FileType::Symlink => original.view().readlink(original.node()).map_err(Problem::Unreadable)?,
            FileType::RegularFile
            | FileType::Directory
            | FileType::Fifo
            | FileType::Socket
            | FileType::CharacterDevice
            | FileType::BlockDevice
            | FileType::Unknown => Vec::new(),
        };
        self.change()?;
        let made = match kind {
            FileType::RegularFile => into.create(caller, dir, temporary, 0o600, Access::ReadWrite),
            FileType::Symlink => into.symlink(caller, dir, temporary, &target),
            FileType::Fifo | FileType::Socket | FileType::CharacterDevice | FileType::BlockDevice => {
                into.mknod(caller, dir, temporary, kind.as_raw_mode() | 0o600, original.attr.rdev)
            }
            FileType::Directory | FileType::Unknown => Err(Errno::OPNOTSUPP.into()),
        };
        Ok(Known::new(into, made.map_err(Problem::Unwritable)?))
    }

    /// Gives what was `made` its contents and attributes, makes it durable, and compares what can be read of it then.
    fn fill(&mut self, original: &Known<'a>, made: Known<'a>, dir: &Known<'a>, temporary: &[u8], name: &[u8]) -> Result<(), Halt> {
        let times = Times::of(&original.attr);
        if original.attr.kind == FileType::RegularFile {
            self.write_contents(original, &made)?;
        }
        self.dress(original, &made, times, Some(name))?;
        self.change()?;
        self.target.fsync(made.node(), Durability::All).map_err(Problem::Unwritable)?;
        // Forgotten, so that nothing is left of it but what is on disk.
        drop(made);
        let read_back = Known::at(dir, temporary).map_err(Problem::Unverifiable)?;
        if !self.is_same(original, &read_back, 1)? {
            return Err(Problem::Differs.into());
        }
        // Reading has changed the time of the last access.
        self.change()?;
        Ok(times.set(&read_back)?)
    }

    /// Gives `to`, which is the copy of the entry `name` of the directory that it is in, or of that itself, the attributes of `from`.
    pub(super) fn dress(&mut self, from: &Known<'a>, to: &Known<'a>, times: Times, name: Option<&[u8]>) -> Result<(), Halt> {
        self.change()?;
        for attribute in attributes::copy(from, to, times)? {
            self.summary.without += 1;
            let path = self.path_of(name);
            self.tell(Event::Without(&path, &attribute))?;
        }
        Ok(())
    }

    /// Gives a finished entry its name.
    fn put(&mut self, dir: &Known<'_>, temporary: &[u8], name: &[u8]) -> Result<(), Halt> {
        self.change()?;
        match self.rename(dir.node(), temporary, name) {
            Ok(()) => Ok(()),
            Err(Error::Os(Errno::EXIST | Errno::ISDIR)) => Err(Problem::Conflict.into()),
            Err(error) => Err(Problem::Unwritable(error).into()),
        }
    }

    fn rename(&self, dir: NodeId, temporary: &[u8], name: &[u8]) -> error::Result<()> {
        let replace = || self.target.rename(dir, temporary, dir, name, Rename::Replace);
        match self.policy.existing {
            Existing::Replaced => replace(),
            Existing::Kept => match self.target.rename(dir, temporary, dir, name, Rename::NoReplace) {
                // Not every filesystem knows that. Nothing had the name when it was looked for.
                Err(Error::Os(Errno::INVAL)) => replace(),
                renamed => renamed,
            },
        }
    }
}

/// The bytes of a regular file, none of another entry.
fn bytes_of(entry: &Known<'_>) -> u64 {
    match entry.attr.kind {
        FileType::RegularFile => entry.attr.size,
        FileType::Directory
        | FileType::Symlink
        | FileType::Fifo
        | FileType::Socket
        | FileType::CharacterDevice
        | FileType::BlockDevice
        | FileType::Unknown => 0,
    }
}

/// The entry `name` of a directory of the target, if there is one.
pub(super) fn find<'a>(dir: &Known<'a>, name: &[u8]) -> Result<Option<Known<'a>>, Problem> {
    Known::look(dir, name).map_err(Problem::Unwritable)
}

/// Whether a name in the target is one of an entry that was never finished.
pub(super) fn is_temporary(name: &[u8]) -> bool {
    name.strip_prefix(TEMPORARY.as_bytes())
        .is_some_and(|rest| rest.len() == DIGITS && rest.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')))
}
