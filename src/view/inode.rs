//! The inodes that the kernel knows, and where each can be found.

use super::{Entry, NodeId};
use crate::name::{CipherName, DirId};
use parking_lot::{Mutex, RwLock};
use rustix::fs::{FileType, Stat};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// What makes an inode the same one on disk: device and inode number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Identity {
    dev: u64,
    ino: u64,
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

/// Where an inode can be found again.
#[derive(Clone)]
pub(super) enum Place {
    /// The root directory, whose descriptor is always open.
    Root,
    /// An entry of a directory. Any one of them, for a file with several links.
    At {
        /// The directory.
        parent: Arc<Inode>,
        /// The entry's name on disk.
        name: CipherName,
    },
    /// Its last known entry was removed: only the descriptor that was taken before still leads to it.
    Gone,
}

/// One inode.
pub(super) struct Inode {
    /// Its number in the view.
    pub(super) node: NodeId,
    /// Its identity on disk.
    pub(super) identity: Identity,
    /// Distinguishes it from earlier inodes of this number.
    pub(super) generation: u64,
    /// What it is.
    pub(super) kind: FileType,
    /// Held while a regular file is being opened, so that there is only one state of it. Taken before any other lock.
    pub(super) opening: Mutex<()>,
    /// The id of a directory, once it was needed. Leaf lock.
    pub(super) dir_id: RwLock<Option<DirId>>,
    /// Where it is. Changed only with the table locked for writing. Leaf lock.
    place: Mutex<Place>,
    /// Its ctime when it was last seen, to notice changes that are not ours. Leaf lock.
    seen: Mutex<(i64, i64)>,
    /// How many of our own changes are under way.
    changing: AtomicU32,
    /// Whether we changed it since `seen`.
    changed: AtomicBool,
    /// Whether somebody else changed it, and the kernel was not told yet.
    stale: AtomicBool,
    /// Whether damage in it was logged.
    pub(super) damage_logged: AtomicBool,
}

/// What a fresh look at an inode says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// It is as it was, or as we made it.
    AsKnown,
    /// We changed it since the last look: look once more before deciding, for this look may be older than our change.
    LookAgain,
    /// Somebody else changed it.
    ChangedByOthers,
}

fn ctime(stat: &Stat) -> (i64, i64) {
    (stat.st_ctime, i64::try_from(stat.st_ctime_nsec).unwrap_or(0))
}

impl Inode {
    fn new(node: NodeId, generation: u64, kind: FileType, stat: &Stat, place: Place) -> Self {
        Self {
            node,
            identity: Identity::of(stat),
            generation,
            kind,
            opening: Mutex::new(()),
            dir_id: RwLock::new(None),
            place: Mutex::new(place),
            seen: Mutex::new(ctime(stat)),
            changing: AtomicU32::new(0),
            changed: AtomicBool::new(false),
            stale: AtomicBool::new(false),
            damage_logged: AtomicBool::new(false),
        }
    }

    /// Where it is now.
    pub(super) fn place(&self) -> Place {
        self.place.lock().clone()
    }

    /// Whether its known place is the entry `name` of `parent`.
    pub(super) fn is_at(&self, parent: &Inode, name: &CipherName) -> bool {
        match &*self.place.lock() {
            Place::At { parent: at, name: known } => at.node == parent.node && known == name,
            Place::Root | Place::Gone => false,
        }
    }

    /// Whether its last known entry was removed.
    pub(super) fn is_gone(&self) -> bool {
        matches!(*self.place.lock(), Place::Gone)
    }

    /// Announces a change of ours; it counts as ours until the returned guard is dropped, and the next look takes what it finds as ours.
    pub(super) fn change(&self) -> Change<'_> {
        self.changing.fetch_add(1, Ordering::SeqCst);
        Change(self)
    }

    /// Compares a fresh `stat` with what was seen last.
    pub(super) fn look(&self, stat: &Stat) -> Seen {
        if self.stale.load(Ordering::SeqCst) {
            return Seen::ChangedByOthers;
        }
        let now = ctime(stat);
        let mut seen = self.seen.lock();
        if *seen == now || self.changing.load(Ordering::SeqCst) > 0 {
            return Seen::AsKnown;
        }
        if self.changed.swap(false, Ordering::SeqCst) {
            *seen = now;
            return Seen::LookAgain;
        }
        Seen::ChangedByOthers
    }

    /// Announces a look that will be [accepted](Self::accept) whatever it finds: changes of ours so far are in it.
    pub(super) fn expect_look(&self) {
        self.changed.store(false, Ordering::SeqCst);
    }

    /// Takes `stat`, made after [`look`](Self::look) said [`Seen::LookAgain`] or after [`expect_look`](Self::expect_look), as what we left.
    pub(super) fn accept(&self, stat: &Stat) {
        *self.seen.lock() = ctime(stat);
    }

    /// Forgets what was known of a directory that somebody else changed: it may even be another one of the same number.
    pub(super) fn look_anew(&self, stat: &Stat) {
        *self.dir_id.write() = None;
        self.accept(stat);
    }

    /// Remembers that somebody else changed it until a lookup can tell the kernel.
    pub(super) fn mark_stale(&self) {
        self.stale.store(true, Ordering::SeqCst);
    }
}

/// A change of ours under way.
pub(super) struct Change<'a>(&'a Inode);

impl Drop for Change<'_> {
    fn drop(&mut self) {
        self.0.changed.store(true, Ordering::SeqCst);
        self.0.changing.fetch_sub(1, Ordering::SeqCst);
    }
}

/// An inode of the table.
struct Known {
    inode: Arc<Inode>,
    /// How often the kernel looked it up and did not forget it yet.
    lookups: u64,
    /// How many other known inodes have their place in it: a directory stays as long as one does.
    children: u64,
}

/// All known inodes. The view keeps it behind one lock.
pub(super) struct Table {
    known: HashMap<NodeId, Known>,
    root: Identity,
    /// Numbers of inodes that are not on the root's device or clash with the root's number.
    foreign: HashMap<Identity, NodeId>,
    next_foreign: u64,
    /// Those that were dropped, until somebody closes what is open of them.
    dropped: Vec<NodeId>,
}

/// Numbers from here on are given to inodes whose own number cannot be shown.
const FOREIGN: u64 = 1 << 62;

impl Table {
    /// A table that knows the root.
    pub(super) fn new(root: &Stat) -> Self {
        let inode = Arc::new(Inode::new(NodeId::ROOT, 0, FileType::Directory, root, Place::Root));
        let known = Known {
            inode,
            lookups: 1,
            children: 0,
        };
        Self {
            known: HashMap::from([(NodeId::ROOT, known)]),
            root: Identity::of(root),
            foreign: HashMap::new(),
            next_foreign: FOREIGN,
            dropped: Vec::new(),
        }
    }

    /// The inode of this number.
    pub(super) fn get(&self, node: NodeId) -> Option<Arc<Inode>> {
        self.known.get(&node).map(|known| Arc::clone(&known.inode))
    }

    /// The inode of this identity, if it is known.
    pub(super) fn find(&self, stat: &Stat) -> Option<Arc<Inode>> {
        self.get(self.number(Identity::of(stat))?)
    }

    /// The number of an inode on the root's device, by its own number alone: what a directory's listing shows.
    pub(super) fn listed(&self, ino: u64) -> NodeId {
        self.number(Identity { dev: self.root.dev, ino }).unwrap_or(NodeId(ino))
    }

    fn number(&self, identity: Identity) -> Option<NodeId> {
        if identity == self.root {
            Some(NodeId::ROOT)
        } else if identity.dev == self.root.dev && identity.ino > NodeId::ROOT.0 && identity.ino < FOREIGN {
            Some(NodeId(identity.ino))
        } else {
            self.foreign.get(&identity).copied()
        }
    }

    fn number_or_new(&mut self, identity: Identity) -> NodeId {
        if let Some(node) = self.number(identity) {
            return node;
        }
        let node = NodeId(self.next_foreign);
        self.next_foreign += 1;
        self.foreign.insert(identity, node);
        node
    }

    /// Counts a lookup of what `stat` describes, found at `place`. Where the number is known but `seen` or the kind says that it is not the same any more, a new
    /// generation takes its place.
    pub(super) fn intern(&mut self, stat: &Stat, kind: FileType, place: Place, seen: Seen) -> Arc<Inode> {
        let node = self.number_or_new(Identity::of(stat));
        match self.known.get_mut(&node) {
            Some(known) => {
                known.lookups += 1;
                let replaced = known.inode.kind != kind || (seen == Seen::ChangedByOthers && kind == FileType::RegularFile);
                if replaced {
                    let generation = known.inode.generation + 1;
                    let old_place = std::mem::replace(&mut *known.inode.place.lock(), Place::Gone);
                    known.inode = Arc::new(Inode::new(node, generation, kind, stat, Place::Gone));
                    self.released(old_place);
                }
            }
            None => {
                let inode = Arc::new(Inode::new(node, 0, kind, stat, Place::Gone));
                self.known.insert(
                    node,
                    Known {
                        inode,
                        lookups: 1,
                        children: 0,
                    },
                );
            }
        }
        let inode = self.get(node).expect("it was found or inserted above");
        if let Place::At { parent, name } = &place
            && !inode.is_at(parent, name)
        {
            // A directory that somebody else moved, or another one of the same number.
            *inode.dir_id.write() = None;
        }
        self.set_place(&inode, place);
        inode
    }

    /// Says where an inode is from now on.
    pub(super) fn set_place(&mut self, inode: &Arc<Inode>, place: Place) {
        if inode.node == NodeId::ROOT {
            return;
        }
        if let Place::At { parent, name } = &place {
            if inode.is_at(parent, name) {
                return;
            }
            if let Some(known) = self.known.get_mut(&parent.node) {
                known.children += 1;
            }
        }
        let old = std::mem::replace(&mut *inode.place.lock(), place);
        self.released(old);
    }

    /// An inode has left `place`: its directory has a child less, and goes if nothing else needs it.
    fn released(&mut self, place: Place) {
        if let Place::At { parent, .. } = place {
            if let Some(known) = self.known.get_mut(&parent.node) {
                known.children = known.children.saturating_sub(1);
            }
            self.drop_if_unused(parent.node);
        }
    }

    /// The kernel forgets `count` lookups.
    pub(super) fn forget(&mut self, node: NodeId, count: u64) {
        if let Some(known) = self.known.get_mut(&node) {
            known.lookups = known.lookups.saturating_sub(count);
        }
        self.drop_if_unused(node);
    }

    /// The inodes that are not known any more since this was asked last: what was forgotten, and the directories that were known only because of that.
    pub(super) fn take_dropped(&mut self) -> Vec<NodeId> {
        std::mem::take(&mut self.dropped)
    }

    fn drop_if_unused(&mut self, node: NodeId) {
        let unused = self
            .known
            .get(&node)
            .is_some_and(|known| known.lookups == 0 && known.children == 0 && node != NodeId::ROOT);
        if unused && let Some(known) = self.known.remove(&node) {
            self.dropped.push(node);
            self.foreign.remove(&known.inode.identity);
            let place = std::mem::replace(&mut *known.inode.place.lock(), Place::Gone);
            self.released(place);
        }
    }
}

impl Inode {
    /// The reply to a lookup of this inode.
    pub(super) fn entry(&self, attr: super::Attr) -> Entry {
        Entry {
            attr,
            generation: self.generation,
        }
    }
}
