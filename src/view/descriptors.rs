//! The open descriptors: a bounded number, the least recently used closed first.

use super::NodeId;
use super::inode::Inode;
use crate::error::Result;
use crate::folder::{Contents, Late, Sealer};
use lru::LruCache;
use parking_lot::{Mutex, RwLock, RwLockUpgradableReadGuard};
use rustix::io::Errno;
use std::collections::HashMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What is open of an inode.
pub(super) enum Open {
    /// A regular file, and the state of its contents.
    File(OpenFile),
    /// Opened with O_PATH: no regular file, or one that was removed before anybody opened it through us.
    Path(OwnedFd),
}

/// An open regular file.
pub(super) struct OpenFile {
    /// Held for reading by those who read the contents, for writing by who changes them. Taken after `Live::opening`.
    body: RwLock<Body>,
    /// The length as the last change left it, for those who must not wait for the next one.
    len: AtomicU64,
    /// Who seals ahead what comes late. Leaf lock.
    sealer: RwLock<Option<Arc<dyn Sealer>>>,
}

/// The descriptor of a regular file and the state of its contents.
pub(super) struct Body {
    /// Open for reading, and for writing where that is how it is changed.
    pub(super) fd: OwnedFd,
    /// Whether it can be changed: where that is done in the file itself, whether the descriptor can be written to.
    pub(super) writable: bool,
    /// The state of the contents.
    pub(super) contents: Box<dyn Contents>,
}

impl OpenFile {
    /// A file that was just opened.
    pub(super) fn new(body: Body) -> Self {
        let len = AtomicU64::new(body.contents.len());
        let sealer = RwLock::new(body.contents.sealer());
        Self {
            body: RwLock::new(body),
            len,
            sealer,
        }
    }

    /// Calls `action` with the contents, side by side with others that read.
    pub(super) fn read<T>(&self, action: impl FnOnce(&Body) -> T) -> T {
        action(&self.body.read())
    }

    /// Calls `action` with the contents, alone.
    pub(super) fn write<T>(&self, action: impl FnOnce(&mut Body) -> T) -> T {
        let mut body = self.body.write();
        let result = action(&mut body);
        self.len.store(body.contents.len(), Ordering::SeqCst);
        result
    }

    /// Puts what `renew` returns, if anything, in the place of the contents.
    pub(super) fn renew(&self, renew: impl FnOnce(&Body) -> Result<Option<Box<dyn Contents>>>) -> Result<()> {
        let mut body = self.body.write();
        if let Some(contents) = renew(&body)? {
            *self.sealer.write() = contents.sealer();
            self.len.store(contents.len(), Ordering::SeqCst);
            body.contents = contents;
        }
        Ok(())
    }

    /// Calls `action`, which prepares a change, with the contents, side by side with others that read. Only one does that at a time.
    pub(super) fn prepare<T>(&self, action: impl FnOnce(&Body) -> T) -> T {
        action(&self.body.upgradable_read())
    }

    /// Calls `prepare` with the contents, side by side with others that read; if that returns something, calls `finish` with it and the contents, alone. Nothing is changed
    /// in between.
    pub(super) fn replace<T>(
        &self,
        prepare: impl FnOnce(&Body) -> Result<Option<T>>,
        finish: impl FnOnce(&mut Body, T) -> Result<()>,
    ) -> Result<()> {
        let body = self.body.upgradable_read();
        match prepare(&body)? {
            Some(prepared) => finish(&mut RwLockUpgradableReadGuard::upgrade(body), prepared),
            None => Ok(()),
        }
    }

    /// What comes late, made ready for its turn.
    pub(super) fn late<'a>(&self, offset: u64, data: &'a [u8]) -> Late<'a> {
        let sealer = self.sealer.read().clone();
        sealer.map_or_else(|| Late::new(offset, data), |sealer| Late::sealed(offset, data, &*sealer))
    }

    /// Whether the file would be longer with `len` bytes at `offset`.
    pub(super) fn ends_before(&self, offset: u64, len: usize) -> bool {
        u64::try_from(len).is_ok_and(|len| offset.saturating_add(len) > self.len())
    }

    /// The length in plaintext bytes.
    pub(super) fn len(&self) -> u64 {
        self.len.load(Ordering::SeqCst)
    }

    /// Whether there is something that only this state knows.
    pub(super) fn has_pending(&self) -> bool {
        self.body.try_read().is_none_or(|body| body.contents.has_pending())
    }
}

impl Open {
    /// Calls `action` with the descriptor.
    pub(super) fn with_fd<T>(&self, action: impl FnOnce(BorrowedFd<'_>) -> T) -> T {
        match self {
            Self::File(file) => file.read(|body| action(body.fd.as_fd())),
            Self::Path(fd) => action(fd.as_fd()),
        }
    }

    fn has_pending(&self) -> bool {
        match self {
            Self::File(file) => file.has_pending(),
            Self::Path(_) => false,
        }
    }

    /// Whether nothing is lost when it is closed.
    fn is_idle(self: &Arc<Self>) -> bool {
        Arc::strong_count(self) == 1 && !self.has_pending()
    }
}

/// The cache of descriptors. It may let go of any at any time: what is in use stays reachable through its inode.
pub(super) struct Descriptors {
    /// Leaf lock, also below the table's.
    cache: Mutex<Cache>,
    limit: usize,
}

struct Cache {
    /// Descriptors that can be opened again.
    named: LruCache<NodeId, Arc<Open>>,
    /// Descriptors of unlinked inodes, which nothing else leads to: they stay until the kernel forgets the inode.
    pinned: HashMap<NodeId, Arc<Open>>,
}

impl Descriptors {
    /// A cache of at most `limit` descriptors (a few more while that many are in use at once).
    pub(super) fn new(limit: usize) -> Self {
        let cache = Cache {
            named: LruCache::unbounded(),
            pinned: HashMap::new(),
        };
        Self {
            cache: Mutex::new(cache),
            limit,
        }
    }

    /// What is open of an inode.
    pub(super) fn get(&self, inode: &Inode) -> Option<Arc<Open>> {
        let mut cache = self.cache.lock();
        if let Some(open) = cache.named.get(&inode.node) {
            return Some(Arc::clone(open));
        }
        if let Some(open) = cache.pinned.get(&inode.node) {
            return Some(Arc::clone(open));
        }
        // It was let go of, but somebody still uses it: then it may be needed once more.
        let open = inode.open()?;
        cache.named.put(inode.node, Arc::clone(&open));
        Some(open)
    }

    /// Takes in a descriptor and closes others that have not been used for long. Returns whose.
    pub(super) fn insert(&self, inode: &Inode, open: &Arc<Open>) -> Vec<NodeId> {
        let (mut closed, mut idle) = (Vec::new(), Vec::new());
        let mut cache = self.cache.lock();
        inode.set_open(open);
        closed.extend(cache.named.put(inode.node, Arc::clone(open)));
        let over = (cache.named.len() + cache.pinned.len()).saturating_sub(self.limit);
        if over > 0 {
            let oldest = cache.named.iter().rev().filter(|(_, open)| open.is_idle());
            idle.extend(oldest.map(|(node, _)| *node).take(over));
            closed.extend(idle.iter().filter_map(|node| cache.named.pop(node)));
        }
        // close(2) may take its time: not with the lock held.
        drop(cache);
        drop(closed);
        idle
    }

    /// Keeps the descriptor of an inode whose last known entry is about to go, or has gone.
    ///
    /// # Errors
    /// ENFILE when so many unlinked files are in use that no descriptors would be left for others.
    pub(super) fn pin(&self, inode: &Inode, open: &Arc<Open>) -> rustix::io::Result<()> {
        let mut cache = self.cache.lock();
        if cache.pinned.len() >= self.limit.saturating_sub(self.limit / 8) && !cache.pinned.contains_key(&inode.node) {
            return Err(Errno::NFILE);
        }
        inode.set_open(open);
        cache.named.pop(&inode.node);
        cache.pinned.insert(inode.node, Arc::clone(open));
        Ok(())
    }

    /// The inode has a name again (or still): its descriptor is one like others.
    pub(super) fn unpin(&self, node: NodeId) {
        let mut cache = self.cache.lock();
        if let Some(open) = cache.pinned.remove(&node) {
            cache.named.put(node, open);
        }
    }

    /// Lets go of what is open of inodes that are not known any more. What only its state knows is kept until it can be written.
    pub(super) fn forget(&self, nodes: &[NodeId]) -> Vec<Arc<Open>> {
        let mut cache = self.cache.lock();
        let mut closed = Vec::new();
        for node in nodes {
            if let Some(open) = cache.pinned.remove(node) {
                cache.named.put(*node, open);
            }
            if cache.named.peek(node).is_some_and(|open| !open.has_pending()) {
                closed.extend(cache.named.pop(node));
            }
        }
        closed
    }

    /// All that is open, by the numbers of the inodes.
    pub(super) fn all(&self) -> Vec<(NodeId, Arc<Open>)> {
        let cache = self.cache.lock();
        let open = cache.named.iter().chain(&cache.pinned);
        open.map(|(node, open)| (*node, Arc::clone(open))).collect()
    }
}
