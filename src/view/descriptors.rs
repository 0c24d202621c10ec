//! The open descriptors: a bounded number, the least recently used closed first.

use super::NodeId;
use crate::folder::Contents;
use lru::LruCache;
use parking_lot::{Mutex, RwLock};
use rustix::io::Errno;
use std::collections::HashMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

/// What is open of an inode.
pub(super) enum Open {
    /// A regular file, and the state of its contents.
    File(OpenFile),
    /// Anything else, opened with O_PATH.
    Path(OwnedFd),
}

/// An open regular file.
pub(super) struct OpenFile {
    /// Held for reading by those who read the contents, for writing by who changes them. Taken after `Inode::opening`.
    pub(super) body: RwLock<Body>,
}

/// The descriptor of a regular file and the state of its contents.
pub(super) struct Body {
    /// Open for reading, and for writing where `writable`.
    pub(super) fd: OwnedFd,
    /// Whether the descriptor can be written to.
    pub(super) writable: bool,
    /// The state of the contents.
    pub(super) contents: Box<dyn Contents>,
}

impl Open {
    /// Calls `action` with the descriptor.
    pub(super) fn with_fd<T>(&self, action: impl FnOnce(BorrowedFd<'_>) -> T) -> T {
        match self {
            Self::File(file) => action(file.body.read().fd.as_fd()),
            Self::Path(fd) => action(fd.as_fd()),
        }
    }

    /// Whether nothing is lost when it is closed.
    fn is_idle(self: &Arc<Self>) -> bool {
        Arc::strong_count(self) == 1
            && match &**self {
                Self::File(file) => file.body.try_read().is_some_and(|body| !body.contents.has_pending()),
                Self::Path(_) => true,
            }
    }
}

/// The cache of descriptors.
pub(super) struct Descriptors {
    /// Leaf lock. An inode's descriptor is used only while an `Arc` of it is held, and closed only when nobody else holds one, so that a file has one state at a time.
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
        Self {
            cache: Mutex::new(Cache {
                named: LruCache::unbounded(),
                pinned: HashMap::new(),
            }),
            limit,
        }
    }

    /// What is open of an inode.
    pub(super) fn get(&self, node: NodeId) -> Option<Arc<Open>> {
        let mut cache = self.cache.lock();
        if let Some(open) = cache.named.get(&node) {
            return Some(Arc::clone(open));
        }
        cache.pinned.get(&node).map(Arc::clone)
    }

    /// Takes in a descriptor and closes others that have not been used for long.
    pub(super) fn insert(&self, node: NodeId, open: Arc<Open>) {
        let mut closed = Vec::new();
        let mut cache = self.cache.lock();
        cache.named.put(node, open);
        let over = (cache.named.len() + cache.pinned.len()).saturating_sub(self.limit);
        if over > 0 {
            let idle = cache
                .named
                .iter()
                .rev()
                .filter(|(_, open)| open.is_idle())
                .map(|(node, _)| *node)
                .take(over)
                .collect::<Vec<_>>();
            closed.extend(idle.iter().filter_map(|node| cache.named.pop(node)));
        }
        // close(2) may take its time: not with the lock held.
        drop(cache);
        drop(closed);
    }

    /// Keeps the descriptor of an inode whose last entry is about to go.
    ///
    /// # Errors
    /// ENFILE when so many unlinked files are in use that no descriptors would be left for others.
    pub(super) fn pin(&self, node: NodeId, open: Arc<Open>) -> Result<(), Errno> {
        let mut cache = self.cache.lock();
        if cache.pinned.len() >= self.limit.saturating_sub(self.limit / 8) {
            return Err(Errno::NFILE);
        }
        cache.named.pop(&node);
        cache.pinned.insert(node, open);
        Ok(())
    }

    /// The inode has a name again (or still): its descriptor is one like others.
    pub(super) fn unpin(&self, node: NodeId) {
        let mut cache = self.cache.lock();
        if let Some(open) = cache.pinned.remove(&node) {
            cache.named.put(node, open);
        }
    }

    /// Closes what is open of an inode, as soon as nobody uses it.
    pub(super) fn remove(&self, node: NodeId) {
        drop(self.take(node));
    }

    /// What is open of an inode, to be dropped: close(2) may take its time, and not with a lock held.
    pub(super) fn take(&self, node: NodeId) -> impl Sized + use<> {
        let mut cache = self.cache.lock();
        (cache.named.pop(&node), cache.pinned.remove(&node))
    }

    /// All open files.
    pub(super) fn all(&self) -> Vec<Arc<Open>> {
        let cache = self.cache.lock();
        cache
            .named
            .iter()
            .map(|(_, open)| open)
            .chain(cache.pinned.values())
            .map(Arc::clone)
            .collect()
    }
}
