//! One inode: what it is, where it can be found, and whether what is seen of it now is what we left.

use super::descriptors::Open;
use super::{Attr, Entry, NodeId};
use crate::error::Result;
use crate::name::{CipherName, DirId};
use parking_lot::{Mutex, RwLock};
use rustix::fs::{FileType, Stat};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Weak};

/// How many links of one file are remembered. When all of them are removed, its descriptor leads to it, whether there are more or not.
const PLACES_MAX: usize = 64;

/// What makes an inode the same one on disk: device and inode number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Identity {
    pub(super) dev: u64,
    pub(super) ino: u64,
}

impl Identity {
    /// The identity of what `stat` describes.
    pub(super) fn of(stat: &Stat) -> Self {
        Self {
            dev: stat.st_dev,
            ino: stat.st_ino,
        }
    }
}

/// Where an inode can be found: an entry of a directory.
#[derive(Clone)]
pub(super) struct Place {
    /// The directory.
    pub(super) parent: Arc<Inode>,
    /// The entry's name on disk.
    pub(super) name: CipherName,
}

impl Place {
    pub(super) fn is(&self, parent: &Inode, name: &CipherName) -> bool {
        self.parent.node == parent.node && self.name == *name
    }
}

/// What of an inode tells whether somebody changed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    changed: (i64, u64),
    modified: (i64, u64),
    size: i64,
}

impl Stamp {
    fn of(stat: &Stat) -> Self {
        Self {
            changed: (stat.st_ctime, stat.st_ctime_nsec),
            modified: (stat.st_mtime, stat.st_mtime_nsec),
            size: stat.st_size,
        }
    }

    /// Whether the contents may differ. A changed ctime alone comes from links, modes and attributes, which are read anew anyway.
    fn other_contents(self, other: Self) -> bool {
        self.changed != other.changed && (self.modified != other.modified || self.size != other.size)
    }
}

/// One inode.
pub(super) struct Inode {
    /// Its number in the view.
    pub(super) node: NodeId,
    /// Its identity on disk, and the one that it is about to have. Leaf lock.
    identity: Mutex<(Identity, Option<Identity>)>,
    /// What it is.
    pub(super) kind: FileType,
    /// Distinguishes it from earlier inodes of this number, and its contents from those before others changed them.
    generation: AtomicU64,
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
    /// The id of a directory, once it was needed. Leaf lock.
    pub(super) dir_id: RwLock<Option<DirId>>,
    /// Its known entries: none for the root, one for another directory. None also when the last known one was removed. Changed only with the table locked for
    /// writing. Leaf lock.
    places: Mutex<Vec<Place>>,
    /// What was seen of it last. Held while it is looked at again, so that two do not draw two conclusions from one change. Taken before a directory's leaves.
    seen: Mutex<Stamp>,
    /// How many of our own changes are under way.
    changing: AtomicU32,
    /// Whether we changed it since `seen`.
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

/// What a look at an inode says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is as it was, or as we made it.
    AsKnown,
    /// Somebody else changed it; the generation was raised.
    ChangedByOthers,
    /// It is another inode: the entry was changed since the first look.
    Another,
}

impl Inode {
    pub(super) fn new(node: NodeId, generation: u64, kind: FileType, stat: &Stat) -> Self {
        Self {
            node,
            identity: Mutex::new((Identity::of(stat), None)),
            kind,
            generation: AtomicU64::new(generation),
            opening: Mutex::new(()),
            open: Mutex::new(Weak::new()),
            moving: Mutex::new(()),
            replacing: Mutex::new(()),
            attributes: Mutex::new(()),
            dir_id: RwLock::new(None),
            places: Mutex::new(Vec::new()),
            seen: Mutex::new(Stamp::of(stat)),
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

    /// Its identity on disk.
    pub(super) fn identity(&self) -> Identity {
        self.identity.lock().0
    }

    /// Whether what `stat` describes is this inode.
    pub(super) fn is(&self, stat: &Stat) -> bool {
        let identity = Identity::of(stat);
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

    /// Its known places, the latest first.
    pub(super) fn places(&self) -> Vec<Place> {
        self.places.lock().iter().rev().cloned().collect()
    }

    /// The latest known place.
    pub(super) fn place(&self) -> Option<Place> {
        self.places.lock().last().cloned()
    }

    /// Whether one of its known places is such.
    pub(super) fn any_place(&self, is_such: impl FnMut(&Place) -> bool) -> bool {
        self.places.lock().iter().any(is_such)
    }

    /// Whether no entry of it is known any more.
    pub(super) fn is_gone(&self) -> bool {
        self.node != NodeId::ROOT && self.places.lock().is_empty()
    }

    /// Whether the entry `name` of `parent` is one of its known places.
    pub(super) fn is_at(&self, parent: &Inode, name: &CipherName) -> bool {
        self.places.lock().iter().any(|place| place.is(parent, name))
    }

    /// Whether that is its only known place.
    pub(super) fn is_only_at(&self, parent: &Inode, name: &CipherName) -> bool {
        self.places.lock().iter().all(|place| place.is(parent, name))
    }

    /// Adds a place. Returns one that had to go for it: a directory has one place.
    pub(super) fn add_place(&self, place: Place) -> Option<Place> {
        let mut places = self.places.lock();
        let limit = if self.kind == FileType::Directory { 1 } else { PLACES_MAX };
        let gone = if places.len() >= limit { Some(places.remove(0)) } else { None };
        // Most have one place for ever.
        places.reserve_exact(1);
        places.push(place);
        gone
    }

    /// Takes a place away.
    pub(super) fn remove_place(&self, parent: &Inode, name: &CipherName) -> Option<Place> {
        let mut places = self.places.lock();
        let index = places.iter().position(|place| place.is(parent, name))?;
        Some(places.remove(index))
    }

    /// Takes all places away.
    pub(super) fn take_places(&self) -> Vec<Place> {
        std::mem::take(&mut *self.places.lock())
    }

    /// Its generation.
    pub(super) fn generation(&self) -> u64 {
        self.generation.load(Ordering::SeqCst)
    }

    /// Its contents are others now than those that the kernel has.
    pub(super) fn raise_generation(&self) {
        self.generation.fetch_add(1, Ordering::SeqCst);
    }

    /// The reply to a lookup of this inode.
    pub(super) fn entry(&self, attr: Attr) -> Entry {
        Entry {
            attr,
            generation: self.generation(),
        }
    }

    /// Announces a change of ours; it counts as ours until the returned guard is dropped, and the next look takes what it finds as ours.
    pub(super) fn change(&self) -> Change<'_> {
        self.begin_change(true)
    }

    /// As [`change`](Self::change), of its contents and their time only.
    pub(super) fn change_contents(&self) -> Change<'_> {
        self.begin_change(false)
    }

    fn begin_change(&self, of_metadata: bool) -> Change<'_> {
        self.changing.fetch_add(1, Ordering::SeqCst);
        Change { inode: self, of_metadata }
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

    /// Compares what was seen, `first`, with what is known; where they differ, looks `again` and draws the conclusion from that, since the first look may be older
    /// than a change of ours. `has_left` says whether what is seen then is the folder's doing, behind the view's back.
    ///
    /// # Errors
    /// What `again` returned.
    pub(super) fn judge(
        &self,
        first: &Stat,
        again: impl FnOnce() -> Result<Stat>,
        has_left: impl FnOnce(&Stat) -> bool,
    ) -> Result<(Stat, Verdict)> {
        if !self.is(first) {
            return Ok((*first, Verdict::Another));
        }
        let mut seen = self.seen.lock();
        if *seen == Stamp::of(first) {
            return Ok((*first, Verdict::AsKnown));
        }
        let ours = self.changed.swap(false, Ordering::SeqCst) || self.changing.load(Ordering::SeqCst) > 0;
        let stat = again().inspect_err(|_| {
            self.changed.fetch_or(ours, Ordering::SeqCst);
        })?;
        if !self.is(&stat) {
            self.changed.fetch_or(ours, Ordering::SeqCst);
            return Ok((stat, Verdict::Another));
        }
        let left = has_left(&stat);
        let ours = ours || left || self.changed.load(Ordering::SeqCst) || self.changing.load(Ordering::SeqCst) > 0;
        let before = std::mem::replace(&mut *seen, Stamp::of(&stat));
        if ours || !before.other_contents(*seen) {
            return Ok((stat, Verdict::AsKnown));
        }
        if self.kind == FileType::RegularFile {
            self.raise_generation();
        }
        // What a sync client brought may be the id of the directory.
        *self.dir_id.write() = None;
        Ok((stat, Verdict::ChangedByOthers))
    }
}

/// A change of ours under way.
pub(super) struct Change<'a> {
    inode: &'a Inode,
    of_metadata: bool,
}

/// A moment between two changes of ours.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark(u64);

impl Change<'_> {
    /// Now. To be taken before the look that [`settle`](Self::settle) gets.
    pub(super) fn mark(&self) -> Mark {
        Mark(self.inode.ended.load(Ordering::SeqCst))
    }

    /// Whether no other change of ours is under way, or has ended since.
    pub(super) fn is_alone_since(&self, mark: Mark) -> bool {
        self.inode.changing.load(Ordering::SeqCst) == 1 && self.inode.ended.load(Ordering::SeqCst) == mark.0
    }

    /// Ends the change, which left the inode as `stat`, taken after `mark`, says. A later change by others is told from ours then, however much later. Where another
    /// change of ours is under way or has ended since, `stat` may be older than that one, and the next look decides.
    pub(super) fn settle(self, mark: Mark, stat: &Stat) {
        let inode = self.inode;
        // Who looks at it meanwhile may wait for what we hold: then the look decides, and takes the change as ours.
        let Some(mut seen) = inode.seen.try_lock() else { return };
        if self.is_alone_since(mark) && inode.is(stat) {
            *seen = Stamp::of(stat);
            inode.changed.store(false, Ordering::SeqCst);
            // One that has ended in between has said so before it did.
            if self.is_alone_since(mark) {
                self.end();
                std::mem::forget(self);
            }
        }
    }
}

impl Change<'_> {
    fn end(&self) {
        if self.of_metadata {
            self.inode.metadata_changed();
        }
        self.inode.ended.fetch_add(1, Ordering::SeqCst);
        self.inode.changing.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Drop for Change<'_> {
    fn drop(&mut self) {
        self.inode.changed.store(true, Ordering::SeqCst);
        self.end();
    }
}
