//! One regular file of a vault: byte ranges over sealed records. `docs/format.md`, "A regular file".
//!
//! Turns "these bytes at this offset" into runs of whole records, and those into as few reads and writes as can be (one, for most calls): merging what is
//! only partly overwritten, filling gaps with holes, and taking back what a full disk cut short. Knows nothing of names, inodes or other files, and nothing
//! of how a record is sealed.
//!
//! Keeps true:
//! * A byte is returned only if its record was opened, and the end of the file only if the last record was.
//! * The last record is replaced only by one who has opened it, so no write makes a cut file look whole.
//! * When a call fails, what could be read before can be read after. What the disk does not take back stays pending in memory until it does.

mod ahead;
mod grow;
mod holes;
mod known;
mod pending;
mod read;
mod resize;
mod run;
mod scratch;
mod seek;
mod unlocked;
mod write;

#[cfg(test)]
mod tests;

use crate::error::{Error, Result};
use crate::folder::{Contents, Durability, Late, Sealer, SeekTo, Unfinished};
use crate::journal::{JournaledFile, Mtime, Syncing};
use crate::keys::ContentKey;
use crate::record::{Damage, MAX_PLAIN_LEN, Place, Position, RECORD_LEN, Reason, SEALED_LEN, Size, cipher_len, size_on_disk};
use crate::sys::disk::{Backing, Disk, keeping_modified};
use ahead::SealsAhead;
use known::KnownHoles;
use parking_lot::RwLock;
use pending::Pending;
use run::bytes;
use rustix::fs::Stat;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use unlocked::Unlocked;

/// The state of one regular file of a vault, shared by all who have it open.
pub struct VaultFile {
    content: Arc<ContentKey>,
    /// The journal over the file, if there is one.
    journaled: Option<Arc<JournaledFile>>,
    /// The length, as the length on disk gave it and as this state has changed it since.
    size: Size,
    /// The header and the file's keys, once they were needed; `None` in an empty file. The lock is held only to copy or set the pointer. Shared with who seals ahead.
    unlocked: Arc<RwLock<Option<Arc<Unlocked>>>>,
    /// Which records are holes, where that is known.
    known_holes: Option<KnownHoles>,
    /// Whether the last record was opened, or written, by this state.
    end_seen: AtomicBool,
    /// The plaintext of the last record, once it was opened or written: at most 4095 bytes. Saves appending writes from reading it.
    tail: Option<Vec<u8>>,
    /// What must be on disk, and is not because the disk did not take it. Readers see it.
    pending: Pending,
}

impl VaultFile {
    /// The state of the file that is open as `_file` and of which `stat` was just taken. Reads nothing: damage shows when bytes are read.
    ///
    /// # Errors
    /// None so far.
    pub fn open(content: Arc<ContentKey>, _file: BorrowedFd<'_>, stat: &Stat) -> Result<Self> {
        // A negative length cannot be; taken as none it shows an empty file.
        Ok(Self::of_length(content, u64::try_from(stat.st_size).unwrap_or(0)))
    }

    /// The state of a file of `cipher_len` bytes on disk.
    fn of_length(content: Arc<ContentKey>, cipher_len: u64) -> Self {
        let size = size_on_disk(cipher_len);
        Self {
            content,
            journaled: None,
            size,
            unlocked: Arc::default(),
            known_holes: None,
            end_seen: AtomicBool::new(false),
            tail: None,
            pending: Pending::default(),
        }
    }

    /// The state of a file that is changed by way of the journal.
    pub(super) fn journaled(content: Arc<ContentKey>, file: Arc<JournaledFile>) -> Self {
        let mut state = Self::of_length(content, file.len());
        state.journaled = Some(file);
        state
    }

    /// The length to show.
    fn length(&self) -> u64 {
        let (Size::Whole(len) | Size::Cut(len)) = self.size;
        len
    }

    /// The length, once the file is fit to be changed: not cut, and nothing pending.
    fn ready(&mut self, disk: &dyn Disk) -> Result<u64> {
        match self.size {
            Size::Cut(shown) => Err(cut(shown).into()),
            Size::Whole(len) => {
                self.settle(disk)?;
                Ok(len)
            }
        }
    }

    /// Makes everything durable that was written.
    fn sync_to(&mut self, disk: &dyn Disk, what: Durability) -> Result<()> {
        self.settle(disk)?;
        Ok(disk.sync(what)?)
    }
}

/// How a file is reached: as it is, or through the journal.
impl VaultFile {
    /// Calls `action` with the file's bytes, to look at them.
    fn look<T>(&self, file: &dyn Backing, action: impl FnOnce(&Self, &dyn Disk) -> Result<T>) -> Result<T> {
        match &self.journaled {
            None => action(self, file),
            Some(journaled) => action(self, &journaled.over(file)),
        }
    }

    /// Calls `action` with the file's bytes, to change about `len` bytes of plaintext, up to the byte `to`.
    fn change(&mut self, file: &dyn Backing, len: usize, to: u64, action: impl FnOnce(&mut Self, &dyn Disk) -> Result<()>) -> Result<()> {
        self.change_at(file, Mtime::Now, len, to, action)
    }

    /// As [`change`](Self::change), and says what becomes of the time of modification.
    fn change_at(
        &mut self,
        file: &dyn Backing,
        mtime: Mtime,
        len: usize,
        to: u64,
        action: impl FnOnce(&mut Self, &dyn Disk) -> Result<()>,
    ) -> Result<()> {
        let Some(journaled) = self.journaled.clone() else {
            return match mtime {
                Mtime::Now => action(self, file),
                Mtime::Kept => keeping_modified(file, || action(self, file)),
            };
        };
        // Records, and one at each end.
        let sealed = bytes(len.div_ceil(RECORD_LEN) + 2) * bytes(SEALED_LEN);
        let operation = journaled.begin(file, mtime, sealed, cipher_len(to.min(MAX_PLAIN_LEN)))?;
        let result = action(self, operation.disk());
        journaled.set_unsettled(!self.pending.is_empty());
        let finished = operation.finish();
        result.and(finished.map_err(Error::from))
    }
}

impl VaultFile {
    /// Begins to make durable what was written, if the file has a journal.
    fn begin_sync(&mut self, file: &dyn Backing, what: Durability) -> Result<Option<Syncing>> {
        let Some(journaled) = self.journaled.clone() else { return Ok(None) };
        if !self.pending.is_empty() {
            let to = self.length();
            self.change(file, 0, to, Self::settle)?;
        }
        Ok(Some(journaled.start_sync(file, what)?))
    }
}

impl Drop for VaultFile {
    fn drop(&mut self) {
        if !self.pending.is_empty() {
            log::error!("a file was given up with bytes that its disk would not take: they are lost");
        }
    }
}

/// The damage of a file that was cut and shows `shown` bytes: the record of the last of them is not there.
fn cut(shown: u64) -> Damage {
    Damage {
        place: Place::Record(Position::of(shown.saturating_sub(1)).record),
        reason: Reason::Length,
    }
}

impl Contents for VaultFile {
    fn len(&self) -> u64 {
        self.length()
    }

    fn read_at(&self, file: BorrowedFd<'_>, offset: u64, len: usize, buf: &mut Vec<u8>) -> Result<()> {
        self.look(&file, |this, disk| this.read(disk, offset, len, buf))
    }

    fn write_at(&mut self, file: BorrowedFd<'_>, offset: u64, data: &[u8]) -> Result<()> {
        let to = offset.saturating_add(bytes(data.len()));
        self.change(&file, data.len(), to, |this, disk| this.write(disk, offset, data))
    }

    fn write_late(&mut self, file: BorrowedFd<'_>, late: &Late<'_>) -> Result<()> {
        let (offset, data) = (late.offset, late.data);
        let to = offset.saturating_add(bytes(data.len()));
        self.change_at(&file, Mtime::Kept, data.len(), to, |this, disk| {
            this.write_sealed(disk, offset, data, late.ahead())
        })
    }

    fn sealer(&self) -> Option<Arc<dyn Sealer>> {
        Some(Arc::new(SealsAhead::of(self)))
    }

    fn resize(&mut self, file: BorrowedFd<'_>, len: u64) -> Result<()> {
        self.change(&file, 0, len, |this, disk| this.set_length(disk, len))
    }

    fn zero(&mut self, file: BorrowedFd<'_>, offset: u64, len: u64) -> Result<()> {
        let to = self.length();
        self.change(&file, 0, to, |this, disk| this.make_zero(disk, offset, len))
    }

    fn allocate(&mut self, file: BorrowedFd<'_>, offset: u64, len: u64) -> Result<()> {
        let to = self.length();
        self.change(&file, 0, to, |this, disk| this.take_space(disk, offset, len))
    }

    fn seek(&self, file: BorrowedFd<'_>, offset: u64, to: SeekTo) -> Result<u64> {
        self.look(&file, |this, disk| this.find(disk, offset, to))
    }

    fn has_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    fn sync(&mut self, file: BorrowedFd<'_>, what: Durability) -> Result<()> {
        self.start_sync(file, what)?.map_or(Ok(()), |rest| rest())
    }

    fn start_sync(&mut self, file: BorrowedFd<'_>, what: Durability) -> Result<Option<Unfinished>> {
        match self.begin_sync(&file, what)? {
            None => self.sync_to(&file, what).map(|()| None),
            Some(syncing) => Ok(Some(Box::new(move || Ok(syncing.finish()?)))),
        }
    }
}
