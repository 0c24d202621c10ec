//! A file with the journal over it: which of its bytes are in the file, which lie over it, and which way a change goes.
//!
//! Keeps true: a committed byte of the file is not overwritten, cut or punched; who reads sees what was written last, wherever it is.

use super::Journal;
use super::format::{Entry, Identity};
use super::log::{Appended, Position, Room};
use super::over::{Mtime, Over};
use super::overlay::Overlay;
use super::tale::SALT_AT;
use crate::keys::SALT_LEN;
use crate::sys::block::Block;
use crate::sys::disk::{Backing, FileId, Kept, Moment, read_full_at};
use parking_lot::{Mutex, MutexGuard, RwLock, RwLockReadGuard};
use rustix::io::{Errno, Result};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// What an operation may write to the journal beside its own bytes: records at both ends, the header, the old last record, and putting back what failed.
const AROUND: u64 = 32 << 10;

/// A file that is changed by way of the journal.
///
/// Locks, in the order in which they are taken: `op`, the journal's `checkpoints`, its `news` or `gate`, `times`, `state`, and the journal's leaves.
pub(crate) struct JournaledFile {
    pub(super) journal: Arc<Journal>,
    pub(super) id: FileId,
    /// Held while an operation changes the file: in between, the file is what somebody wrote, and can be committed.
    pub(super) op: Mutex<()>,
    /// Held for reading by those who read the file, for as long as that takes, so that nothing is taken from over it that is not yet in it.
    pub(super) state: RwLock<State>,
    /// Whether what is on disk is half of a change, which a failure left and which could not be undone yet.
    pub(super) unsettled: AtomicBool,
    /// Held while the file itself is synced: of two at the same time the operating system tells only one that it failed.
    pub(super) syncing: Mutex<()>,
    /// How often that failed: who wrote to the file before cannot rely on a sync that succeeds after.
    pub(super) failed_syncs: AtomicU64,
    /// Held by who writes to the file itself, until it has the time of modification that it should have, and by who sets that.
    pub(super) times: Mutex<()>,
}

/// What is where.
pub(super) struct State {
    /// Whether the file was made in this generation of new files and never synced: then it is written to as it is, and recovery looks at all of it.
    pub(super) new: Option<u64>,
    /// Bytes of the file that a commit covers, wherever they are: they change by way of the journal.
    pub(super) committed: u64,
    /// Whether the file was cut into its committed bytes after they were committed.
    pub(super) is_cut: bool,
    /// Bytes of the file on disk that show; behind them are zeros, and what lies over them. Less than `disk_len` where a cut waits to be made.
    pub(super) visible: u64,
    /// The file's length on disk.
    pub(super) disk_len: u64,
    /// The file's length.
    pub(super) len: u64,
    pub(super) overlay: Overlay,
    /// Whether the journal says, durably, that bytes behind the committed ones are written to the file.
    pub(super) in_place: bool,
    /// How often the file itself was changed, and how many of these changes are durable.
    pub(super) changes: u64,
    pub(super) durable_changes: u64,
    /// Changes that the last commit in the journal counts on. Of two commits of the same entries, the one with more of them is the later one.
    pub(super) committed_changes: u64,
    /// The serial number of that commit: it may say no more than that the file has another time of modification.
    pub(super) commitment: u64,
    /// What stands for the file in the journal, until that is begun anew.
    pub(super) enrolled: Option<Enrolled>,
    /// When the file was modified last, where the file on disk does not say: it was left to the journal, or recovery found out.
    pub(super) modified: Option<Moment>,
    /// When the file was changed last of which the time was left to the journal, since that was begun anew: so the file on disk does not say that either.
    pub(super) changed: Option<Moment>,
    /// Which time of modification is durable, if any is known to be.
    pub(super) durable_modified: Option<Moment>,
}

/// A file that has entries in the journal.
pub(super) struct Enrolled {
    pub(super) number: u64,
    /// For the checkpoint.
    pub(super) kept: Kept,
    /// The byte of the journal behind the file's last entry.
    pub(super) last_entry: u64,
    /// Up to which byte of the journal its entries are committed.
    pub(super) upto: u64,
    /// Where the last commit is.
    pub(super) commit: Option<Position>,
}

impl State {
    /// A file of `len` bytes on disk, all of which count as committed. They may have been written a moment ago, by an earlier state: a first sync makes sure.
    pub(super) fn known(len: u64) -> Self {
        Self {
            new: None,
            committed: len,
            is_cut: false,
            visible: len,
            disk_len: len,
            len,
            overlay: Overlay::default(),
            in_place: false,
            changes: 1,
            durable_changes: 0,
            committed_changes: 1,
            commitment: 0,
            enrolled: None,
            modified: None,
            changed: None,
            durable_modified: None,
        }
    }

    /// A file that was just made, when new files were of this generation.
    pub(super) fn new(generation: u64) -> Self {
        Self {
            new: Some(generation),
            ..Self::known(0)
        }
    }

    /// Whether the byte at `offset` is to be written to the file itself.
    pub(super) fn is_in_place(&self, offset: u64) -> bool {
        self.new.is_some() || (self.in_place && offset >= self.committed)
    }

    /// Whether nothing has changed since the last commit in the journal.
    pub(super) fn is_committed(&self) -> bool {
        let entries = self.enrolled.as_ref().is_none_or(|enrolled| enrolled.last_entry <= enrolled.upto);
        entries && (self.committed_changes == self.changes || !self.in_place)
    }

    /// The first `len` bytes are committed.
    pub(super) fn commit(&mut self, len: u64) {
        self.committed = len;
        self.is_cut = false;
    }

    /// From where on bytes were not committed yet.
    pub(super) fn uncommitted_from(&self) -> u64 {
        match self.is_cut {
            true => self.free_from(),
            false => self.committed,
        }
    }

    /// From where on bytes could be written to the file itself, once the journal says so.
    pub(super) fn free_from(&self) -> u64 {
        if self.visible < self.disk_len {
            self.visible
        } else {
            self.committed
        }
    }
}

impl JournaledFile {
    /// A file in this state.
    pub(super) fn with(journal: Arc<Journal>, id: FileId, state: State) -> Self {
        Self {
            journal,
            id,
            op: Mutex::new(()),
            state: RwLock::new(state),
            unsettled: AtomicBool::new(false),
            syncing: Mutex::new(()),
            failed_syncs: AtomicU64::new(0),
            times: Mutex::new(()),
        }
    }

    /// The file's length on disk, once everything is there.
    pub(crate) fn len(&self) -> u64 {
        self.state.read().len
    }

    /// The file as it is to be read. `disk` is the file itself, in this call and all others.
    pub(crate) fn over<'a>(self: &'a Arc<Self>, disk: &'a dyn Backing) -> Over<'a> {
        Over::new(self, disk, Mtime::Now)
    }

    /// Begins an operation that writes about `upcoming` bytes, up to the byte `end`. Until the returned guard is dropped, nothing of the file is committed.
    ///
    /// # Errors
    /// ENOSPC, or what else the operating system says of the journal; nothing was changed then.
    pub(crate) fn begin<'a>(self: &'a Arc<Self>, disk: &'a dyn Backing, mtime: Mtime, upcoming: u64, end: u64) -> Result<Operation<'a>> {
        self.journal.start(None)?;
        let op = self.op.lock();
        let over = Over::new(self, disk, mtime);
        let new = self.state.read().new;
        if let Some(generation) = new {
            let news = self.journal.news.read();
            if *news == generation {
                let _gate = Gate::News { _held: news };
                return Ok(Operation { over, _op: op, _gate });
            }
            drop(news);
            self.grow_old();
        }
        let (_held, _room) = self.journal.enter(upcoming + AROUND)?;
        self.make_room(disk, upcoming, end)?;
        let is_touched = mtime == Mtime::Now || self.state.read().in_place;
        let _times = is_touched.then(|| self.times.lock());
        let _gate = Gate::Journal { _held, _room, _times };
        Ok(Operation { over, _op: op, _gate })
    }

    /// Tells whether what is on disk is only half of a change: then it must not be committed, and who knows the other half writes it before the next change.
    pub(crate) fn set_unsettled(&self, unsettled: bool) {
        let before = self.unsettled.swap(unsettled, Ordering::Relaxed);
        self.journal.unsettled_changed(before, unsettled);
    }

    /// The file is new no more: what it has counts as committed.
    pub(super) fn grow_old(&self) {
        let mut state = self.state.write();
        let len = state.len;
        state.new = None;
        state.commit(len);
        state.committed_changes = state.changes;
    }

    /// Makes the file one that the journal knows.
    pub(super) fn enroll(self: &Arc<Self>, disk: &dyn Backing) -> Result<()> {
        if self.state.read().enrolled.is_some() {
            return Ok(());
        }
        let stat = disk.stat()?;
        let mut salt = [0; SALT_LEN];
        if read_full_at(disk, &mut salt, SALT_AT)? < SALT_LEN {
            salt = [0; SALT_LEN];
        }
        let kept = disk.keep()?;
        let log = self.journal.log()?;
        let mut state = self.state.write();
        let number = self.journal.next_number();
        let identity = Identity {
            ino: stat.id.ino,
            born: stat.born,
            salt,
        };
        let base = state.committed;
        let file = number;
        let end = log.append(&Entry::File { file, base, identity }).end;
        state.enrolled = Some(Enrolled {
            number,
            kept,
            last_entry: end,
            upto: end,
            commit: None,
        });
        drop(state);
        self.journal.register(self);
        Ok(())
    }

    /// Appends an entry about the file, which is enrolled.
    pub(super) fn append<'e>(&self, entry: impl FnOnce(u64) -> Entry<'e>) -> Result<Appended> {
        self.append_in(&mut self.state.write(), entry)
    }

    /// As [`append`](Self::append), of bytes whose memory is kept.
    pub(super) fn append_block(&self, state: &mut State, offset: u64, block: &mut Block) -> Result<Appended> {
        let enrolled = state.enrolled.as_mut().ok_or(Errno::IO)?;
        let appended = self.journal.log()?.append_block(enrolled.number, offset, block);
        enrolled.last_entry = appended.end;
        Ok(appended)
    }

    pub(super) fn append_in<'e>(&self, state: &mut State, entry: impl FnOnce(u64) -> Entry<'e>) -> Result<Appended> {
        let enrolled = state.enrolled.as_mut().ok_or(Errno::IO)?;
        let appended = self.journal.log()?.append(&entry(enrolled.number));
        enrolled.last_entry = appended.end;
        Ok(appended)
    }
}

/// What keeps a checkpoint away while an operation is under way.
enum Gate<'a> {
    News {
        _held: RwLockReadGuard<'a, u64>,
    },
    Journal {
        _held: RwLockReadGuard<'a, ()>,
        _room: Room<'a>,
        /// Where the file itself is written to, or its time of modification set: nobody else does either meanwhile.
        _times: Option<MutexGuard<'a, ()>>,
    },
}

/// An operation that changes a file.
pub(crate) struct Operation<'a> {
    over: Over<'a>,
    _gate: Gate<'a>,
    _op: MutexGuard<'a, ()>,
}

impl<'a> Operation<'a> {
    /// The file as it is to be read and changed.
    pub(crate) fn disk(&self) -> &Over<'a> {
        &self.over
    }

    /// Ends the operation.
    ///
    /// # Errors
    /// What the operating system says of the time of modification, which may be wrong then.
    pub(crate) fn finish(self) -> Result<()> {
        self.over.restore()
    }
}

impl Drop for Operation<'_> {
    fn drop(&mut self) {
        self.over.file().journal.after_operation();
    }
}

impl Drop for JournaledFile {
    fn drop(&mut self) {
        self.set_unsettled(false);
    }
}
