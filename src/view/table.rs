//! The inodes that the kernel knows, by their numbers.

use super::NodeId;
use super::inode::{Identity, Inode, Place};
use crate::name::CipherName;
use rustix::fs::{FileType, Stat};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// An inode of the table.
struct Known {
    inode: Arc<Inode>,
    /// How often the kernel looked it up and did not forget it yet.
    lookups: u64,
    /// How many places of known inodes are in it: a directory stays as long as there is one.
    children: u64,
}

/// All known inodes. The view keeps it behind one lock.
pub(super) struct Table {
    known: HashMap<NodeId, Known>,
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
        let inode = Arc::new(Inode::new(NodeId::ROOT, 0, FileType::Directory, root));
        let known = Known {
            inode,
            lookups: 1,
            children: 0,
        };
        Self {
            known: HashMap::from([(NodeId::ROOT, known)]),
            root: Identity::of(root),
            given: HashMap::new(),
            next_given: GIVEN,
            moves: 0,
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
        let is_free = || self.known.get(&own).is_none_or(|known| known.inode.identity() == identity);
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
        inode.expect(Some(identity));
        self.given.insert(identity, inode.node);
    }

    /// Books that it has taken its place, at those of its `places` alone. Who has looked at one of them before has seen the old file, and looks again.
    pub(super) fn replaced(&mut self, inode: &Arc<Inode>, places: &[Place]) {
        self.given.remove(&inode.identity());
        inode.become_next();
        self.moves += 1;
        for place in inode.places() {
            if places.iter().any(|kept| kept.is(&place.parent, &place.name)) {
                place.parent.removals.fetch_add(1, Ordering::SeqCst);
            } else {
                self.remove_place(Some(inode), &place.parent, &place.name);
            }
        }
    }

    /// Books that it has not.
    pub(super) fn not_replaced(&mut self, inode: &Inode, next: &Stat) {
        self.given.remove(&Identity::of(next));
        inode.expect(None);
    }

    /// Counts a lookup of an inode that is known: it stays known until that is forgotten.
    pub(super) fn hold(&mut self, node: NodeId) {
        if let Some(known) = self.known.get_mut(&node) {
            known.lookups += 1;
        }
    }

    /// Counts a lookup of what `stat` describes, found at `place`.
    pub(super) fn intern(&mut self, stat: &Stat, place: Place) -> Arc<Inode> {
        let kind = FileType::from_raw_mode(stat.st_mode);
        match self.find(stat).filter(|inode| inode.kind == kind) {
            Some(inode) => {
                if let Some(known) = self.known.get_mut(&inode.node) {
                    known.lookups += 1;
                }
                self.add_place(&inode, place);
                inode
            }
            None => self.intern_new(stat, place),
        }
    }

    /// Counts a lookup of a new inode. Where its number is known, that one is no more, and a new generation takes its place.
    pub(super) fn intern_new(&mut self, stat: &Stat, place: Place) -> Arc<Inode> {
        let kind = FileType::from_raw_mode(stat.st_mode);
        let node = self.number_or_new(Identity::of(stat));
        let (mut lookups, mut children, mut generation) = (1, 0, 0);
        if let Some(old) = self.known.remove(&node) {
            (lookups, children, generation) = (old.lookups + 1, old.children, old.inode.generation() + 1);
            self.dropped.push(node);
            self.released(old.inode.take_places());
        }
        let inode = Arc::new(Inode::new(node, generation, kind, stat));
        let known = Known {
            inode: Arc::clone(&inode),
            lookups,
            children,
        };
        self.known.insert(node, known);
        self.add_place(&inode, place);
        inode
    }

    /// Books that an inode has an entry at `place`.
    pub(super) fn add_place(&mut self, inode: &Arc<Inode>, place: Place) {
        if inode.node == NodeId::ROOT || inode.is_at(&place.parent, &place.name) {
            return;
        }
        if inode.kind == FileType::Directory {
            // One that somebody else moved here, or that we did: then its id is pinned.
            *inode.dir_id.write() = None;
        }
        if let Some(parent) = self.known.get_mut(&place.parent.node) {
            parent.children += 1;
        }
        let gone = inode.add_place(place);
        self.released(gone.into_iter().collect());
    }

    /// Books that the entry `name` of `parent`, which may have been one of the inode's, is not any more.
    pub(super) fn remove_place(&mut self, inode: Option<&Arc<Inode>>, parent: &Inode, name: &CipherName) {
        self.moves += 1;
        parent.removals.fetch_add(1, Ordering::SeqCst);
        let gone = inode.and_then(|inode| inode.remove_place(parent, name));
        self.released(gone.into_iter().collect());
    }

    /// The kernel forgets `count` lookups.
    pub(super) fn forget(&mut self, node: NodeId, count: u64) {
        if let Some(known) = self.known.get_mut(&node) {
            known.lookups = known.lookups.saturating_sub(count);
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

    /// Some inodes have left these places: their directories have children less, and go if nothing else needs them.
    fn released(&mut self, places: Vec<Place>) {
        let mut parents = Vec::new();
        for place in places {
            if let Some(parent) = self.known.get_mut(&place.parent.node) {
                parent.children = parent.children.saturating_sub(1);
                parents.push(place.parent.node);
            }
        }
        self.drop_unused(parents);
    }

    /// Drops those of the inodes, and of the directories above them, that nothing needs. A loop, since a chain of directories can be as deep as anybody likes.
    fn drop_unused(&mut self, mut candidates: Vec<NodeId>) {
        while let Some(node) = candidates.pop() {
            let unused = |known: &Known| known.lookups == 0 && known.children == 0 && node != NodeId::ROOT;
            if !self.known.get(&node).is_some_and(unused) {
                continue;
            }
            let Some(known) = self.known.remove(&node) else { continue };
            self.dropped.push(node);
            // Another file may have the identity by now.
            if self.given.get(&known.inode.identity()) == Some(&node) {
                self.given.remove(&known.inode.identity());
            }
            for place in known.inode.take_places() {
                if let Some(parent) = self.known.get_mut(&place.parent.node) {
                    parent.children = parent.children.saturating_sub(1);
                    candidates.push(place.parent.node);
                }
            }
        }
    }
}
