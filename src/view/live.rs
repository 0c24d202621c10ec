//! What only an inode in use needs: one that is a directory, that was opened or changed, or whose number is not its own. Of most, no more is ever wanted than their attributes.

use super::descriptors::Open;
use super::inode::{Identity, Inode};
use super::stamp::Stamp;
use super::turns::Turns;
use crate::name::DirId;
use parking_lot::{Mutex, RwLock};
use rustix::fs::Stat;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Weak};

/// What only an inode in use needs. A new one says of the inode what holds of any that was only looked up, so it can go and be made again; but not while somebody has it: who locks
/// something of it, or remembers one of its counts, keeps it meanwhile.
pub(super) struct Live {
    /// The identity on disk, and the one that it is about to have. Leaf lock.
    identity: Mutex<(Identity, Option<Identity>)>,
    /// Distinguishes the inode from earlier ones of its number, and its contents from those before others changed them.
    pub(super) generation: AtomicU64,
    /// How many places of known inodes are in this directory, which stays known as long as there is one. Changed only with the table locked for writing.
    pub(super) children: AtomicU64,
    /// Held while a regular file is being opened, so that there is only one state of it. Taken before any other lock.
    pub(super) opening: Mutex<()>,
    /// What is open of it, as long as anybody uses that: the one state of a file, also when the cache has let go of it. Leaf lock.
    pub(super) open: Mutex<Weak<Open>>,
    /// Held while one of its entries is being removed or moved, until that is booked: who finds nothing at a place waits for it before believing that. Taken
    /// after `opening`, before the leaves.
    pub(super) moving: Mutex<()>,
    /// Held while an entry of this directory is replaced and it gets its times back, so that two do not hinder each other. Taken after `moving`, before the leaves.
    pub(super) replacing: Mutex<()>,
    /// Held while its mode, owner or times are set, and while a write is under way that is to leave them as they were, so that neither undoes the other. Taken after a file's
    /// own lock, before those of its contents.
    pub(super) attributes: Mutex<()>,
    /// The writes to it that come from the kernel's cache. Waited for with nothing held.
    pub(super) turns: Turns,
    /// The id of a directory, once it was needed. Leaf lock.
    pub(super) dir_id: RwLock<Option<DirId>>,
    /// How many of our own changes are under way.
    changing: AtomicU32,
    /// Whether we changed it since it was seen last.
    changed: AtomicBool,
    /// How many of our changes have ended.
    ended: AtomicU64,
    /// How often we changed more of it than its contents and their time, and how many of these changes are durable. At first nobody knows whether it is.
    metadata: AtomicU64,
    durable_metadata: AtomicU64,
    /// How many entries of this directory were removed or moved by us: who looked at one before and books it after may have seen what is not there any more.
    pub(super) removals: AtomicU64,
    /// How many have it open, where that is counted.
    pub(super) openers: AtomicU32,
    /// Whether it is kept in the table because a change of it could not be stored.
    pub(super) held: AtomicBool,
}

impl Live {
    pub(super) fn new(identity: Identity) -> Self {
        Self {
            identity: Mutex::new((identity, None)),
            generation: AtomicU64::new(0),
            children: AtomicU64::new(0),
            opening: Mutex::new(()),
            open: Mutex::new(Weak::new()),
            moving: Mutex::new(()),
            replacing: Mutex::new(()),
            attributes: Mutex::new(()),
            turns: Turns::default(),
            dir_id: RwLock::new(None),
            changing: AtomicU32::new(0),
            changed: AtomicBool::new(false),
            ended: AtomicU64::new(0),
            metadata: AtomicU64::new(1),
            durable_metadata: AtomicU64::new(0),
            removals: AtomicU64::new(0),
            openers: AtomicU32::new(0),
            held: AtomicBool::new(false),
        }
    }

    /// Whether a new one, with that identity, would do as well for a file that nobody uses.
    pub(super) fn is_as_new(&self, identity: Identity) -> bool {
        // What was counted besides matters to those who have it.
        *self.identity.lock() == (identity, None)
            && self.generation.load(Ordering::SeqCst) == 0
            && self.children.load(Ordering::SeqCst) == 0
            && self.open.lock().strong_count() == 0
            && !self.is_changed()
            && self.openers.load(Ordering::SeqCst) == 0
            && !self.held.load(Ordering::SeqCst)
    }

    /// The identity on disk.
    pub(super) fn identity(&self) -> Identity {
        self.identity.lock().0
    }

    /// Whether that is its identity, or the one that it is about to have.
    pub(super) fn is(&self, identity: Identity) -> bool {
        let known = self.identity.lock();
        known.0 == identity || known.1 == Some(identity)
    }

    /// Another file is about to take the place of its file; nothing when that was called off. Changed only with the table locked for writing.
    pub(super) fn expect(&self, next: Option<Identity>) {
        self.identity.lock().1 = next;
    }

    /// Another file has taken the place of its file. Changed only with the table locked for writing.
    pub(super) fn become_next(&self) {
        let mut known = self.identity.lock();
        known.0 = known.1.take().unwrap_or(known.0);
    }

    /// Whether we have changed it since it was seen last, or are changing it.
    pub(super) fn is_changed(&self) -> bool {
        self.changed.load(Ordering::SeqCst) || self.changing.load(Ordering::SeqCst) > 0
    }

    /// As [`is_changed`](Self::is_changed), and it counts as seen.
    pub(super) fn take_changed(&self) -> bool {
        self.changed.swap(false, Ordering::SeqCst) || self.changing.load(Ordering::SeqCst) > 0
    }

    /// Undoes [`take_changed`](Self::take_changed), which has returned `changed`.
    pub(super) fn put_changed(&self, changed: bool) {
        self.changed.fetch_or(changed, Ordering::SeqCst);
    }

    /// More of it was changed than its contents and their time. To be said when that is done: a sync that begins before may not cover it.
    pub(super) fn metadata_changed(&self) {
        self.metadata.fetch_add(1, Ordering::SeqCst);
    }

    /// How often that was so.
    pub(super) fn metadata_changes(&self) -> u64 {
        self.metadata.load(Ordering::SeqCst)
    }

    /// Whether so many of these changes are durable.
    pub(super) fn is_metadata_durable(&self, changes: u64) -> bool {
        self.durable_metadata.load(Ordering::SeqCst) >= changes
    }

    /// So many of these changes are durable now.
    pub(super) fn metadata_is_durable(&self, changes: u64) {
        self.durable_metadata.fetch_max(changes, Ordering::SeqCst);
    }
}

/// A change of ours under way. It counts as ours until this is dropped, and the next look takes what it finds as ours.
pub(super) struct Change<'a> {
    inode: &'a Inode,
    live: Arc<Live>,
    of_metadata: bool,
    /// Whether the next look has nothing to take as ours.
    settled: bool,
}

/// A moment between two changes of ours.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark(u64);

impl<'a> Change<'a> {
    pub(super) fn begin(inode: &'a Inode, of_metadata: bool) -> Self {
        let live = inode.live();
        live.changing.fetch_add(1, Ordering::SeqCst);
        Self {
            inode,
            live,
            of_metadata,
            settled: false,
        }
    }

    /// Now. To be taken before the look that [`settle`](Self::settle) gets.
    pub(super) fn mark(&self) -> Mark {
        Mark(self.live.ended.load(Ordering::SeqCst))
    }

    /// Whether no other change of ours is under way, or has ended since.
    pub(super) fn is_alone_since(&self, mark: Mark) -> bool {
        self.live.changing.load(Ordering::SeqCst) == 1 && self.live.ended.load(Ordering::SeqCst) == mark.0
    }

    /// Ends the change, which left the inode as `stat`, taken after `mark`, says. A later change by others is told from ours then, however much later. Where another
    /// change of ours is under way or has ended since, `stat` may be older than that one, and the next look decides.
    pub(super) fn settle(mut self, mark: Mark, stat: &Stat) {
        let inode = self.inode;
        // Who looks at it meanwhile may wait for what we hold: then the look decides, and takes the change as ours.
        let Some(mut seen) = inode.seen.try_lock() else { return };
        if self.is_alone_since(mark) && inode.is(stat) {
            *seen = Stamp::of(stat);
            self.live.changed.store(false, Ordering::SeqCst);
            // One that has ended in between has said so before it did.
            self.settled = self.is_alone_since(mark);
        }
        // Whoever looks next finds both, or neither.
        drop(self);
        drop(seen);
    }
}

impl Drop for Change<'_> {
    fn drop(&mut self) {
        if !self.settled {
            self.live.changed.store(true, Ordering::SeqCst);
        }
        if self.of_metadata {
            self.live.metadata_changed();
        }
        self.live.ended.fetch_add(1, Ordering::SeqCst);
        self.live.changing.fetch_sub(1, Ordering::SeqCst);
    }
}
