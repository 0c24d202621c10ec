//! One inode: what it is, where it can be found, and whether what is seen of it now is what we left.
//!
//! The kernel knows millions of them after a look through a large tree, and most of them were only looked at. So what they have in common is kept small, and what only some need is
//! made when it is needed, and lies elsewhere ([`Live`]).

use super::descriptors::Open;
use super::live::{Change, Live};
use super::places::{Packed, Place, Places};
use super::stamp::Stamp;
use super::{Attr, Entry, NodeId};
use crate::error::Result;
use crate::name::CipherName;
use parking_lot::Mutex;
use rustix::fs::{FileType, Stat};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

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

/// One inode.
pub(super) struct Inode {
    /// Its number in the view.
    pub(super) node: NodeId,
    /// How often the kernel looked it up and did not forget it yet. Changed only with the table locked for writing.
    lookups: AtomicU32,
    /// The device that it is on, and its number there is `node`; unless `live` says otherwise.
    device: u32,
    /// What it is: the upper four of the sixteen bits of its mode.
    kind: u8,
    /// What was seen of it last. Held while it is looked at again, so that two do not draw two conclusions from one change. Taken before a directory's leaves.
    pub(super) seen: Mutex<Stamp>,
    /// Leaf lock, above those of `live`.
    state: Mutex<State>,
}

struct State {
    /// Its known entries: none for the root, one for another directory. None also when the last known one was removed. Changed only with the table locked for
    /// writing.
    places: Places,
    /// What it needs in use. A directory always has it.
    live: Option<Arc<Live>>,
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
    /// The inode that `stat` describes, that nobody has looked up, and that can be found nowhere yet.
    pub(super) fn new(node: NodeId, generation: u64, stat: &Stat) -> Self {
        let inode = Self {
            node,
            lookups: AtomicU32::new(0),
            device: u32::try_from(stat.st_dev).unwrap_or(0),
            kind: u8::try_from((stat.st_mode >> 12) & 0xf).unwrap_or(0),
            seen: Mutex::new(Stamp::of(stat)),
            state: Mutex::new(State {
                places: Places::none(),
                live: None,
            }),
        };
        let identity = Identity::of(stat);
        if inode.kind() == FileType::Directory || inode.own_identity() != identity || generation > 0 {
            let live = Live::new(identity);
            live.generation.store(generation, Ordering::SeqCst);
            inode.state.lock().live = Some(Arc::new(live));
        }
        inode
    }

    /// What it is.
    pub(super) fn kind(&self) -> FileType {
        FileType::from_raw_mode(u32::from(self.kind) << 12)
    }

    /// What it needs in use, made if need be.
    pub(super) fn live(&self) -> Arc<Live> {
        let mut state = self.state.lock();
        let new = || Arc::new(Live::new(self.own_identity()));
        Arc::clone(state.live.get_or_insert_with(new))
    }

    /// The same, if it is there already.
    pub(super) fn live_if_any(&self) -> Option<Arc<Live>> {
        self.state.lock().live.clone()
    }

    /// Gives back what it needs only in use, if it is not.
    pub(super) fn rest(&self) {
        let mut state = self.state.lock();
        let is_idle = |live: &Arc<Live>| Arc::strong_count(live) == 1 && live.is_as_new(self.own_identity());
        if self.kind() != FileType::Directory && state.live.as_ref().is_some_and(is_idle) {
            state.live = None;
        }
    }

    /// Its identity on disk, if nothing else is said of that.
    fn own_identity(&self) -> Identity {
        Identity {
            dev: u64::from(self.device),
            ino: self.node.0,
        }
    }

    /// Its identity on disk.
    pub(super) fn identity(&self) -> Identity {
        let state = self.state.lock();
        state.live.as_ref().map_or(self.own_identity(), |live| live.identity())
    }

    /// Whether what `stat` describes is this inode.
    pub(super) fn is(&self, stat: &Stat) -> bool {
        let identity = Identity::of(stat);
        let state = self.state.lock();
        let live = state.live.as_ref();
        live.map_or_else(|| self.own_identity() == identity, |live| live.is(identity))
    }

    /// Its known places, the latest first.
    pub(super) fn places(&self) -> Vec<Place> {
        self.state.lock().places.all().iter().rev().map(Packed::unpack).collect()
    }

    /// The latest known place.
    pub(super) fn place(&self) -> Option<Place> {
        self.state.lock().places.all().last().map(Packed::unpack)
    }

    /// Whether one of its known places is such.
    pub(super) fn any_place(&self, is_such: impl FnMut(&Packed) -> bool) -> bool {
        self.state.lock().places.all().iter().any(is_such)
    }

    /// Whether no entry of it is known any more.
    pub(super) fn is_gone(&self) -> bool {
        self.node != NodeId::ROOT && self.state.lock().places.all().is_empty()
    }

    /// Whether the entry `name` of `parent` is one of its known places.
    pub(super) fn is_at(&self, parent: &Inode, name: &CipherName) -> bool {
        self.any_place(|place| place.is(parent, name))
    }

    /// Whether that is its only known place.
    pub(super) fn is_only_at(&self, parent: &Inode, name: &CipherName) -> bool {
        !self.any_place(|place| !place.is(parent, name))
    }

    /// Adds a place. Returns the directory of one that had to go for it: a directory has one place.
    pub(super) fn add_place(&self, place: Place) -> Option<Arc<Self>> {
        let limit = if self.kind() == FileType::Directory { 1 } else { PLACES_MAX };
        self.state.lock().places.add(place, limit)
    }

    /// Takes a place away. Returns its directory.
    pub(super) fn remove_place(&self, parent: &Self, name: &CipherName) -> Option<Arc<Self>> {
        self.state.lock().places.remove(parent, name)
    }

    /// Takes all places away. Returns their directories.
    pub(super) fn take_places(&self) -> Vec<Arc<Self>> {
        self.state.lock().places.take()
    }

    /// How often it was looked up and not forgotten yet.
    pub(super) fn lookups(&self) -> u32 {
        self.lookups.load(Ordering::SeqCst)
    }

    /// It was looked up, so many times more.
    pub(super) fn looked_up(&self, times: u32) {
        self.lookups.store(self.lookups().saturating_add(times), Ordering::SeqCst);
    }

    /// So many of the times that it was looked up do not count any more. Where more were than can be counted, it stays known to the end.
    pub(super) fn forgotten(&self, times: u64) {
        let lookups = self.lookups();
        if lookups != u32::MAX {
            let left = lookups.saturating_sub(u32::try_from(times).unwrap_or(u32::MAX));
            self.lookups.store(left, Ordering::SeqCst);
        }
    }

    /// How many places of known inodes are in it.
    pub(super) fn children(&self) -> u64 {
        self.live_if_any().map_or(0, |live| live.children.load(Ordering::SeqCst))
    }

    /// So many places of known inodes are in it.
    pub(super) fn set_children(&self, children: u64) {
        self.live().children.store(children, Ordering::SeqCst);
    }

    /// What is open of it, if anybody uses that.
    pub(super) fn open(&self) -> Option<Arc<Open>> {
        self.live_if_any()?.open.lock().upgrade()
    }

    /// What is open of it from now on.
    pub(super) fn set_open(&self, open: &Arc<Open>) {
        *self.live().open.lock() = Arc::downgrade(open);
    }

    /// Waits until none of its entries is being removed or moved.
    pub(super) fn wait_for_move(&self) {
        if let Some(live) = self.live_if_any() {
            drop(live.moving.lock());
        }
    }

    /// How many have it open, where that is counted.
    pub(super) fn openers(&self) -> u32 {
        self.live_if_any().map_or(0, |live| live.openers.load(Ordering::SeqCst))
    }

    /// Whether it is kept in the table because a change of it could not be stored.
    pub(super) fn is_held(&self) -> bool {
        self.live_if_any().is_some_and(|live| live.held.load(Ordering::SeqCst))
    }

    /// The generation: distinguishes it from earlier inodes of this number, and its contents from those before others changed them.
    pub(super) fn generation(&self) -> u64 {
        self.live_if_any().map_or(0, |live| live.generation.load(Ordering::SeqCst))
    }

    /// Its contents are others now than those that the kernel has.
    pub(super) fn raise_generation(&self) {
        self.live().generation.fetch_add(1, Ordering::SeqCst);
    }

    /// The reply to a lookup of this inode.
    pub(super) fn entry(&self, attr: Attr) -> Entry {
        Entry {
            attr,
            generation: self.generation(),
        }
    }

    /// Announces a change of ours.
    pub(super) fn change(&self) -> Change<'_> {
        Change::begin(self, true)
    }

    /// As [`change`](Self::change), of its contents and their time only.
    pub(super) fn change_contents(&self) -> Change<'_> {
        Change::begin(self, false)
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
        let live = self.live_if_any();
        let ours = live.as_ref().is_some_and(|live| live.take_changed());
        let put_back = || live.iter().for_each(|live| live.put_changed(ours));
        let stat = again().inspect_err(|_| put_back())?;
        if !self.is(&stat) {
            put_back();
            return Ok((stat, Verdict::Another));
        }
        let left = has_left(&stat);
        // A change may have begun since.
        let ours = ours || left || self.live_if_any().is_some_and(|live| live.is_changed());
        let before = std::mem::replace(&mut *seen, Stamp::of(&stat));
        if ours || !before.other_contents(*seen) {
            return Ok((stat, Verdict::AsKnown));
        }
        match self.kind() {
            FileType::RegularFile => self.raise_generation(),
            // What a sync client brought may be its id.
            FileType::Directory => *self.live().dir_id.write() = None,
            FileType::Symlink
            | FileType::Fifo
            | FileType::Socket
            | FileType::CharacterDevice
            | FileType::BlockDevice
            | FileType::Unknown => {}
        }
        Ok((stat, Verdict::ChangedByOthers))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::PackedName;

    #[test]
    fn a_million_of_them_are_no_burden() {
        // With the two counts of its Arc, and what the allocator takes for itself, 96 bytes; eight more would make it 112.
        assert!(size_of::<Inode>() <= 72, "{} bytes", size_of::<Inode>());
        // The usual place lies in the inode, but for the name's bytes.
        assert_eq!(size_of::<PackedName>(), 16);
        assert_eq!(size_of::<Places>(), size_of::<Packed>());
    }

    #[test]
    fn one_that_was_looked_up_too_often_stays_known() {
        let inode = Inode::new(NodeId(2), 0, &rustix::fs::stat("/").unwrap());
        inode.looked_up(1);
        inode.looked_up(u32::MAX - 2);
        inode.forgotten(u64::from(u32::MAX - 2));
        assert_eq!(inode.lookups(), 1);
        inode.forgotten(u64::MAX);
        assert_eq!(inode.lookups(), 0);
        inode.looked_up(u32::MAX);
        inode.looked_up(1);
        inode.forgotten(u64::from(u32::MAX));
        assert_eq!(inode.lookups(), u32::MAX);
    }

    #[test]
    fn a_number_that_is_not_its_own_is_told_from_one_that_is() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        std::fs::write(&path, "").unwrap();
        let stat = rustix::fs::stat(&path).unwrap();
        let own = Inode::new(NodeId(stat.st_ino), 0, &stat);
        assert!(own.live_if_any().is_none());
        let mut large = stat;
        large.st_dev = u64::MAX;
        let on_device = Inode::new(NodeId(stat.st_ino), 0, &large);
        let given = Inode::new(NodeId(stat.st_ino + 1), 0, &stat);
        for (inode, stat) in [(&own, &stat), (&on_device, &large), (&given, &stat)] {
            assert!(inode.is(stat) && inode.identity() == Identity::of(stat));
            assert_eq!(inode.kind(), FileType::RegularFile);
            inode.live();
            inode.rest();
            assert!(inode.is(stat) && inode.identity() == Identity::of(stat));
        }
        assert!(own.live_if_any().is_none() && !own.is(&large) && !on_device.is(&stat));
    }
}
