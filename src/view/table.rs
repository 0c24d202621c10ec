//! The inodes that the kernel knows, by their numbers.

use super::NodeId;
use super::inode::{Identity, Inode};
use super::places::Place;
use crate::name::CipherName;
use rustix::fs::{FileType, Stat};
use std::borrow::Borrow;
use std::collections::{HashMap, HashSet};
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// An inode of the table, found by its number.
struct Known(Arc<Inode>);

impl Borrow<NodeId> for Known {
    fn borrow(&self) -> &NodeId {
        &self.0.node
    }
}

impl Hash for Known {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.node.hash(state);
    }
}

impl PartialEq for Known {
    fn eq(&self, other: &Self) -> bool {
        self.0.node == other.0.node
    }
}

impl Eq for Known {}

/// All known inodes. The view keeps it behind one lock.
pub(super) struct Table {
    known: HashSet<Known>,
    root: Identity,
    /// Numbers of inodes that cannot have their own: on another device than the root, or clashing with the root's or that of an inode whose file was replaced.
    given: HashMap<Identity, NodeId>,
    next_given: u64,
    /// How many entries were removed or moved by us so far.
    moves: u64,
    /// Inodes that went, until the view has closed their descriptors.
    dropped: Vec<NodeId>,
}

/// Numbers from here on are given to inodes whose own number cannot be shown.
const GIVEN: u64 = 1 << 62;

impl Table {
    /// A table that knows the root.
    pub(super) fn new(root: &Stat) -> Self {
        Self {
            known: HashSet::from([Known(Arc::new(Inode::new(NodeId::ROOT, 0, root)))]),
            root: Identity::of(root),
            given: HashMap::new(),
            next_given: GIVEN,
            moves: 0,
            dropped: Vec::new(),
        }
    }

    /// The inode of this number.
    pub(super) fn get(&self, node: NodeId) -> Option<Arc<Inode>> {
        self.find_known(node).cloned()
    }

    fn find_known(&self, node: NodeId) -> Option<&Arc<Inode>> {
        self.known.get(&node).map(|known| &known.0)
    }

    /// The inode of this identity, if it is known.
    pub(super) fn find(&self, stat: &Stat) -> Option<Arc<Inode>> {
        self.get(self.number(Identity::of(stat))?)
    }

    /// The number of an inode on the root's device, by its own number alone: what a directory's listing shows.
    pub(super) fn listed(&self, ino: u64) -> NodeId {
        self.number(Identity { dev: self.root.dev, ino }).unwrap_or(NodeId(ino))
    }

    /// How many entries were removed or moved so far, anywhere.
    pub(super) fn moves(&self) -> u64 {
        self.moves
    }

    fn number(&self, identity: Identity) -> Option<NodeId> {
        if identity == self.root {
            return Some(NodeId::ROOT);
        }
        if let Some(node) = self.given.get(&identity) {
            return Some(*node);
        }
        let own = NodeId(identity.ino);
        let is_free = || self.find_known(own).is_none_or(|inode| inode.identity() == identity);
        (identity.dev == self.root.dev && own > NodeId::ROOT && own.0 < GIVEN && is_free()).then_some(own)
    }

    fn number_or_new(&mut self, identity: Identity) -> NodeId {
        if let Some(node) = self.number(identity) {
            return node;
        }
        let node = NodeId(self.next_given);
        self.next_given += 1;
        self.given.insert(identity, node);
        node
    }

    /// Books that the file described by `next` is about to take the place of an inode's file: what is found there is the inode from now on, whichever it is.
    pub(super) fn expect(&mut self, inode: &Inode, next: &Stat) {
        let identity = Identity::of(next);
        inode.live().expect(Some(identity));
        self.given.insert(identity, inode.node);
    }

    /// Books that it has taken its place, at those of its `places` alone. Who has looked at one of them before has seen the old file, and looks again.
    pub(super) fn replaced(&mut self, inode: &Arc<Inode>, places: &[Place]) {
        self.given.remove(&inode.identity());
        inode.live().become_next();
        self.moves += 1;
        for place in inode.places() {
            if places.iter().any(|kept| kept.is(&place.parent, &place.name)) {
                place.parent.live().removals.fetch_add(1, Ordering::SeqCst);
            } else {
                self.remove_place(Some(inode), &place.parent, &place.name);
            }
        }
    }

    /// Books that it has not.
    pub(super) fn not_replaced(&mut self, inode: &Inode, next: &Stat) {
        self.given.remove(&Identity::of(next));
        inode.live().expect(None);
    }

    /// Counts a lookup of an inode that is known: it stays known until that is forgotten.
    pub(super) fn hold(&mut self, node: NodeId) {
        if let Some(inode) = self.find_known(node) {
            inode.looked_up(1);
        }
    }

    /// Counts a lookup of what `stat` describes, found at `place`.
    pub(super) fn intern(&mut self, stat: &Stat, place: Place) -> Arc<Inode> {
        let kind = FileType::from_raw_mode(stat.st_mode);
        match self.find(stat).filter(|inode| inode.kind() == kind) {
            Some(inode) => {
                inode.looked_up(1);
                self.add_place(&inode, place);
                inode
            }
            None => self.intern_new(stat, place),
        }
    }

    /// Counts a lookup of a new inode. Where its number is known, that one is no more, and a new generation takes its place.
    pub(super) fn intern_new(&mut self, stat: &Stat, place: Place) -> Arc<Inode> {
        let node = self.number_or_new(Identity::of(stat));
        let old = self.known.take(&node).map(|known| known.0);
        let generation = old.as_ref().map_or(0, |old| old.generation() + 1);
        let inode = Arc::new(Inode::new(node, generation, stat));
        inode.looked_up(1);
        if let Some(old) = old {
            inode.looked_up(old.lookups());
            inode.set_children(old.children());
            self.dropped.push(node);
            self.released(old.take_places());
        }
        self.known.insert(Known(Arc::clone(&inode)));
        self.add_place(&inode, place);
        inode
    }

    /// Books that an inode has an entry at `place`.
    pub(super) fn add_place(&mut self, inode: &Arc<Inode>, place: Place) {
        if inode.node == NodeId::ROOT || inode.is_at(&place.parent, &place.name) {
            return;
        }
        if inode.kind() == FileType::Directory {
            // One that somebody else moved here, or that we did: then its id is pinned.
            *inode.live().dir_id.write() = None;
        }
        if let Some(parent) = self.find_known(place.parent.node) {
            parent.set_children(parent.children() + 1);
        }
        let gone = inode.add_place(place);
        self.released(gone.into_iter().collect());
    }

    /// Books that the entry `name` of `parent`, which may have been one of the inode's, is not any more.
    pub(super) fn remove_place(&mut self, inode: Option<&Arc<Inode>>, parent: &Inode, name: &CipherName) {
        self.moves += 1;
        parent.live().removals.fetch_add(1, Ordering::SeqCst);
        let gone = inode.and_then(|inode| inode.remove_place(parent, name));
        self.released(gone.into_iter().collect());
    }

    /// The kernel forgets `count` lookups.
    pub(super) fn forget(&mut self, node: NodeId, count: u64) {
        if let Some(inode) = self.find_known(node) {
            inode.forgotten(count);
        }
        self.drop_unused(vec![node]);
    }

    /// The inodes that went since the last call.
    pub(super) fn take_dropped(&mut self) -> Vec<NodeId> {
        std::mem::take(&mut self.dropped)
    }

    /// Gives memory back that so many inodes do not need.
    pub(super) fn shrink(&mut self) {
        self.known.shrink_to(2 * self.known.len());
    }

    /// Some inodes have left places in these directories, which have children less, and go if nothing else needs them.
    fn released(&mut self, parents: Vec<Arc<Inode>>) {
        self.drop_unused(parents.iter().map(|parent| self.left(parent)).collect());
    }

    /// A known inode is in a directory no more.
    fn left(&self, parent: &Inode) -> NodeId {
        if let Some(parent) = self.find_known(parent.node) {
            parent.set_children(parent.children().saturating_sub(1));
        }
        parent.node
    }

    /// Drops those of the inodes, and of the directories above them, that nothing needs. A loop, since a chain of directories can be as deep as anybody likes.
    fn drop_unused(&mut self, mut candidates: Vec<NodeId>) {
        while let Some(node) = candidates.pop() {
            let is_unused = |inode: &Arc<Inode>| inode.lookups() == 0 && inode.children() == 0 && node != NodeId::ROOT;
            if !self.find_known(node).is_some_and(is_unused) {
                continue;
            }
            let Some(Known(inode)) = self.known.take(&node) else { continue };
            self.dropped.push(node);
            // Another file may have the identity by now.
            if self.given.get(&inode.identity()) == Some(&node) {
                self.given.remove(&inode.identity());
            }
            candidates.extend(inode.take_places().iter().map(|parent| self.left(parent)));
        }
    }
}
