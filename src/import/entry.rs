//! One entry: it is there already, something else is, or it is made under another name, read back, and gets its own.

use super::attributes::{self, Times};
use super::known::Known;
use super::removal::Verified;
use super::tree::Frame;
use super::{Halt, Import, Originals, Problem};
use crate::error::{self, Error};
use crate::folder::Durability;
use crate::view::{Access, NodeId, Rename};
use rand::Rng;
use rustix::fs::FileType;
use rustix::io::Errno;

/// What the names of half-made entries begin with.
const TEMPORARY: &str = ".plainview-import-";
/// Hexadecimal digits after that.
const DIGITS: usize = 16;

/// What became of an entry.
pub(super) enum Moved<'a> {
    /// It is a directory, to be gone through.
    Directory(Box<Frame<'a>>),
    /// It is in the vault.
    Verified(Verified),
    /// Somebody has removed it meanwhile.
    Gone,
}

impl<'a> Import<'a> {
    /// Moves the entry `name` of a directory.
    pub(super) fn entry(&mut self, dir: &Frame<'a>, name: &[u8]) -> Result<Moved<'a>, Halt> {
        let Some(original) = look(&dir.source, name).map_err(Problem::Unreadable)? else {
            return Ok(Moved::Gone);
        };
        if original.attr.kind == FileType::Directory {
            return Ok(Moved::Directory(Box::new(self.enter(dir, original, name)?)));
        }
        match find(&dir.vault, name)? {
            Some(there) => self.compare_with_existing(&original, &there)?,
            None => self.copy(&original, &dir.vault, name)?,
        }
        Ok(Moved::Verified(Verified::new(name, &original.attr)))
    }

    /// Skips an entry that is there already.
    fn compare_with_existing(&mut self, original: &Known<'_>, there: &Known<'_>) -> Result<(), Halt> {
        // It is not written again, so here its bytes count for both times.
        if !self.is_same(original, there, 2)? {
            return Err(Problem::Conflict.into());
        }
        match self.originals {
            Originals::Kept => {}
            // Whoever put it there need not have synced it.
            Originals::Removed => {
                self.change()?;
                let synced = self.vault.fsync(there.node(), Durability::All);
                synced.map_err(Problem::Unwritable)?;
            }
        }
        self.summary.skipped += 1;
        Ok(())
    }

    /// Makes a new entry; all of it, or nothing.
    fn copy(&mut self, original: &Known<'a>, dir: &Known<'a>, name: &[u8]) -> Result<(), Halt> {
        let temporary = format!("{TEMPORARY}{:0DIGITS$x}", rand::rng().next_u64()).into_bytes();
        let made = self.make(original, dir, &temporary)?;
        let put = self
            .fill(original, made, dir, &temporary)
            .and_then(|()| self.put(dir, &temporary, name));
        if put.is_err() {
            // Best effort: if it stays, the next run removes it.
            let _ = self.vault.unlink(dir.node(), &temporary);
            return put;
        }
        self.summary.files += 1;
        if original.attr.kind == FileType::RegularFile {
            self.summary.bytes += original.attr.size;
        }
        Ok(())
    }

    /// Makes the entry `temporary` of the original's kind, with a symlink's target, but without contents and attributes.
    fn make(&mut self, original: &Known<'a>, dir: &Known<'a>, temporary: &[u8]) -> Result<Known<'a>, Halt> {
        let (vault, caller, dir) = (self.vault, self.caller, dir.node());
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
            FileType::RegularFile => vault.create(caller, dir, temporary, 0o600, Access::ReadWrite),
            FileType::Symlink => vault.symlink(caller, dir, temporary, &target),
            FileType::Fifo | FileType::Socket | FileType::CharacterDevice | FileType::BlockDevice => {
                vault.mknod(caller, dir, temporary, kind.as_raw_mode() | 0o600, original.attr.rdev)
            }
            FileType::Directory | FileType::Unknown => Err(Errno::OPNOTSUPP.into()),
        };
        Ok(Known::new(vault, made.map_err(Problem::Unwritable)?))
    }

    /// Gives what was `made` its contents and attributes, makes it durable, and compares what can be read of it then.
    fn fill(&mut self, original: &Known<'a>, made: Known<'a>, dir: &Known<'a>, temporary: &[u8]) -> Result<(), Halt> {
        let times = Times::of(&original.attr);
        if original.attr.kind == FileType::RegularFile {
            self.write_contents(original, &made)?;
        }
        self.change()?;
        attributes::copy(original, &made, times)?;
        self.change()?;
        self.vault.fsync(made.node(), Durability::All).map_err(Problem::Unwritable)?;
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

    /// Gives a finished entry its name.
    fn put(&mut self, dir: &Known<'_>, temporary: &[u8], name: &[u8]) -> Result<(), Halt> {
        self.change()?;
        match rename(self, dir.node(), temporary, name) {
            Ok(()) => Ok(()),
            Err(Error::Os(Errno::EXIST)) => Err(Problem::Conflict.into()),
            Err(error) => Err(Problem::Unwritable(error).into()),
        }
    }
}

/// Renames to a name that nothing has.
fn rename(import: &Import<'_>, dir: NodeId, temporary: &[u8], name: &[u8]) -> error::Result<()> {
    match import.vault.rename(dir, temporary, dir, name, Rename::NoReplace) {
        // Not every filesystem knows that. Nothing had the name when it was looked for, and the vault is ours alone.
        Err(Error::Os(Errno::INVAL)) => import.vault.rename(dir, temporary, dir, name, Rename::Replace),
        renamed => renamed,
    }
}

/// The entry `name` of a directory of the vault, if there is one.
pub(super) fn find<'a>(dir: &Known<'a>, name: &[u8]) -> Result<Option<Known<'a>>, Problem> {
    look(dir, name).map_err(Problem::Unwritable)
}

/// The entry `name` of a directory, if there is one.
pub(super) fn look<'a>(dir: &Known<'a>, name: &[u8]) -> error::Result<Option<Known<'a>>> {
    match Known::at(dir, name) {
        Ok(entry) => Ok(Some(entry)),
        Err(Error::Os(Errno::NOENT)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether a name in the vault is one of an entry that was never finished.
pub(super) fn is_temporary(name: &[u8]) -> bool {
    name.strip_prefix(TEMPORARY.as_bytes())
        .is_some_and(|rest| rest.len() == DIGITS && rest.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')))
}
