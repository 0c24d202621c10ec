//! One encrypted file of a recipe folder: read where it lies, changed beside it.
//!
//! Reading decrypts what is asked for and nothing else, since CBC can be decrypted from any block on. It cannot be changed in the middle: each block of ciphertext
//! depends on all before it. So the first change copies the contents to a scratch file, an unnamed file of a vault whose key is nowhere but in this process's
//! memory, and all that follows goes there; what was changed is written as a new file, which the view puts in the old one's place.
//!
//! Keeps true:
//! * The file on disk is never written to, but for its time of modification. Until a new one is in its place, it holds the old contents whole.
//! * The scratch file never holds plaintext, and nothing leads to it once this process is gone.
//! * A file whose length does not fit its header is never read, and changed only by making it empty.

mod anew;
mod read;
mod scratch;
#[cfg(test)]
mod tests;

use super::{Header, RecipeKey, disk};
use crate::error::{Error, Result};
use crate::folder::{Contents, Durability, SeekTo};
use crate::keys::{ContentKey, MasterKey};
use crate::record::MAX_PLAIN_LEN;
use parking_lot::Mutex;
use read::Stored;
use rustix::fs::Stat;
use rustix::io::Errno;
use scratch::Scratch;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Arc;

pub(super) use anew::fresh_header;

/// Plaintext bytes that are copied at a time.
const PIECE: usize = 1 << 20;

/// What all files of a folder share.
pub(super) struct Shared {
    /// The key of the folder.
    key: RecipeKey,
    /// The key of the scratch files: random, and never written anywhere.
    scratch: Arc<ContentKey>,
    /// The folder, where scratch files are made.
    root: OwnedFd,
}

impl Shared {
    /// What the files have in common whose key is `key`, in the folder `root`.
    pub(super) fn new(key: RecipeKey, root: OwnedFd) -> Self {
        let scratch = Arc::new(ContentKey::derive(&MasterKey::random()));
        Self { key, scratch, root }
    }
}

/// The state of one encrypted file, shared by all who have it open.
pub(super) struct RecipeFile {
    shared: Arc<Shared>,
    /// What the file on disk was when it was opened, or written by us.
    stored: Stored,
    /// The beginning of the file that was last written anew. Leaf lock.
    written: Mutex<Option<Header>>,
    /// All of the contents, from the first change on. Then the file on disk is not looked at any more.
    scratch: Option<Scratch>,
    /// One that was made for a change to come, and how many bytes were copied to it. Leaf lock.
    prepared: Mutex<Option<(u64, Scratch)>>,
    /// Whether the scratch file holds something else than the file on disk.
    changed: bool,
    /// Whether the file has no name any more, so that nothing need be written.
    abandoned: bool,
}

impl RecipeFile {
    /// The state of the file that is open as `file` and of which `stat` was just taken. Reads its header.
    ///
    /// # Errors
    /// What reading it said. That it does not fit is told when bytes are read.
    pub(super) fn open(shared: Arc<Shared>, file: BorrowedFd<'_>, stat: &Stat) -> Result<Self> {
        // A negative length cannot be.
        let stored = Stored::of(file, u64::try_from(stat.st_size).unwrap_or(0))?;
        Ok(Self {
            shared,
            stored,
            written: Mutex::new(None),
            scratch: None,
            prepared: Mutex::new(None),
            changed: false,
            abandoned: false,
        })
    }

    /// The length of contents that can be read.
    ///
    /// # Errors
    /// That they cannot.
    fn readable_len(&self) -> Result<u64> {
        match &self.scratch {
            Some(scratch) => Ok(scratch.len()),
            None => self.stored.whole(),
        }
    }

    /// Calls `action` with the scratch file. If there is none yet, one is made that holds the first `keep` bytes of the contents.
    ///
    /// The time of modification is set first: where that is refused, the file is none of those that we can replace, and nothing is copied in vain.
    ///
    /// # Errors
    /// ESTALE when another program has written the file anew since it was looked at, for then nobody knows what is to be changed. What the operating system
    /// says. The contents are what they were, or, if they had been changed already, as [`Contents::write_at`] says.
    fn in_scratch(&mut self, file: BorrowedFd<'_>, keep: u64, action: impl FnOnce(&mut Scratch) -> Result<()>) -> Result<()> {
        if !self.changed && !self.stored.is(file)? {
            return Err(Error::Stale);
        }
        disk::touch(file)?;
        let prepared = self.prepared.get_mut().take().filter(|(kept, _)| *kept == keep);
        let mut scratch = match (self.scratch.take(), prepared) {
            (Some(scratch), _) | (None, Some((_, scratch))) => scratch,
            (None, None) => self.copied(file, keep)?,
        };
        let result = action(&mut scratch);
        // Where nothing had changed, the file on disk is all that is needed.
        self.scratch = (result.is_ok() || self.changed).then_some(scratch);
        result
    }

    /// As [`in_scratch`](Self::in_scratch), for what changes the contents.
    fn change(&mut self, file: BorrowedFd<'_>, keep: u64, action: impl FnOnce(&mut Scratch) -> Result<()>) -> Result<()> {
        self.in_scratch(file, keep, action)?;
        // Also of an abandoned file: it may have had another name after all.
        (self.changed, self.abandoned) = (true, false);
        Ok(())
    }

    /// A scratch file that holds the first `keep` bytes of the contents.
    fn copied(&self, file: BorrowedFd<'_>, keep: u64) -> Result<Scratch> {
        let mut scratch = Scratch::new(&self.shared)?;
        anew::in_pieces(keep, |offset, len, buf| {
            self.read_at(file, offset, len, buf)?;
            scratch.write_at(offset, buf)
        })?;
        Ok(scratch)
    }
}

/// The end of a range of `len` bytes from `offset` on.
///
/// # Errors
/// EFBIG when no file is that long.
fn end_of(offset: u64, len: u64) -> Result<u64> {
    let end = offset.checked_add(len).filter(|end| *end <= MAX_PLAIN_LEN);
    Ok(end.ok_or(Errno::FBIG)?)
}

impl Contents for RecipeFile {
    fn len(&self) -> u64 {
        self.scratch.as_ref().map_or_else(|| self.stored.shown(), Scratch::len)
    }

    fn read_at(&self, file: BorrowedFd<'_>, offset: u64, len: usize, buf: &mut Vec<u8>) -> Result<()> {
        match &self.scratch {
            Some(scratch) => scratch.read_at(offset, len, buf),
            None => self.stored.read(&self.shared.key, file, offset, len, buf),
        }
    }

    fn write_at(&mut self, file: BorrowedFd<'_>, offset: u64, data: &[u8]) -> Result<()> {
        let len = self.readable_len()?;
        if data.is_empty() {
            return Ok(());
        }
        end_of(offset, disk::bytes(data.len()))?;
        self.change(file, len, |scratch| scratch.write_at(offset, data))
    }

    /// Makes the file `len` bytes long. Where it is so already, nothing happens, also not to its times; but emptying an empty one counts as a change of it.
    fn resize(&mut self, file: BorrowedFd<'_>, len: u64) -> Result<()> {
        end_of(len, 0)?;
        let now = match self.readable_len() {
            // Whoever empties a file does not want what is in it.
            Err(_) if len == 0 => None,
            now => Some(now?),
        };
        match now {
            Some(0) if len == 0 => Ok(disk::touch(file)?),
            Some(now) if now == len => Ok(()),
            now => self.change(file, now.unwrap_or(0).min(len), |scratch| scratch.resize(len)),
        }
    }

    fn zero(&mut self, file: BorrowedFd<'_>, offset: u64, len: u64) -> Result<()> {
        let now = self.readable_len()?;
        if len == 0 || offset >= now {
            return Ok(());
        }
        self.change(file, now, |scratch| scratch.zero(offset, len))
    }

    /// Takes space in the scratch file, where bytes will go that are not there yet. That a new file will need as much once more cannot be promised.
    fn allocate(&mut self, file: BorrowedFd<'_>, offset: u64, len: u64) -> Result<()> {
        let now = self.readable_len()?;
        let end = end_of(offset, len)?;
        if self.scratch.is_none() && end <= now {
            return Ok(disk::touch(file)?);
        }
        self.in_scratch(file, now, |scratch| scratch.allocate(offset, len))
    }

    fn seek(&self, _: BorrowedFd<'_>, offset: u64, to: SeekTo) -> Result<u64> {
        if let Some(scratch) = &self.scratch {
            return scratch.seek(offset, to);
        }
        let len = self.len();
        if offset >= len {
            return Err(Errno::NXIO.into());
        }
        match to {
            SeekTo::Data => Ok(offset),
            SeekTo::Hole => Ok(len),
        }
    }

    fn has_pending(&self) -> bool {
        self.changed && !self.abandoned
    }

    /// Makes the file on disk durable. What is pending is not in it.
    fn sync(&mut self, file: BorrowedFd<'_>, what: Durability) -> Result<()> {
        Ok(disk::sync(file, what)?)
    }

    fn write_anew(&self, file: BorrowedFd<'_>, into: BorrowedFd<'_>) -> Result<()> {
        let header = fresh_header(self.readable_len()?);
        anew::write(&self.shared.key, header, into, |offset, len, buf| {
            self.read_at(file, offset, len, buf)
        })?;
        *self.written.lock() = Some(header);
        Ok(())
    }

    fn written_anew(&mut self) {
        if let Some(stored) = self.written.get_mut().take().and_then(Stored::written) {
            self.stored = stored;
        }
        self.changed = false;
    }

    fn is_overwritten(&self, file: BorrowedFd<'_>) -> Result<bool> {
        Ok(!self.stored.is(file)?)
    }

    fn prepare(&self, file: BorrowedFd<'_>, keep: u64) -> Result<()> {
        // What cannot be read, the change itself will tell of.
        let (Ok(len), None) = (self.readable_len(), &self.scratch) else {
            return Ok(());
        };
        let keep = keep.min(len);
        if keep == 0 || !self.stored.is(file)? || self.prepared.lock().as_ref().is_some_and(|(kept, _)| *kept == keep) {
            return Ok(());
        }
        let scratch = self.copied(file, keep)?;
        *self.prepared.lock() = Some((keep, scratch));
        Ok(())
    }

    fn revert(&mut self) {
        (self.scratch, self.changed) = (None, false);
    }

    fn abandon(&mut self) {
        self.abandoned = true;
    }

    /// Lets go of a scratch file that holds what the file on disk holds. That of an abandoned file stays, for no other one holds what it does.
    fn release(&mut self) {
        *self.prepared.get_mut() = None;
        if !self.changed {
            self.scratch = None;
        }
    }
}
