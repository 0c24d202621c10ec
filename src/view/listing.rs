//! Listing a directory by offset alone: the kernel sends no OPENDIR, so where a listing goes on is known only by the backing directory's own position.

use super::resolve::Directory;
use super::{DirEntry, Fill, NodeId, View};
use crate::error::{Error, Result};
use crate::folder::Folder;
use crate::name::{CipherName, PlainName};
use lru::LruCache;
use parking_lot::Mutex;
use rustix::fs::{Dir, FileType};
use rustix::io::Errno;
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

/// A listing under way: a directory stream, the entry that was read but did not fit the last reply, and the one that comes after the entries of our own.
pub(super) struct Stream {
    dir: Dir,
    unread: Option<Stored>,
    ahead: Option<Stored>,
    /// When it was opened, and the directory's times then: what it has read ahead is old once the directory was changed.
    opened: Instant,
    changed: (i64, u64),
}

/// An entry as it is in the vault.
struct Stored {
    name: std::ffi::CString,
    ino: u64,
    kind: FileType,
    next: u64,
}

/// Streams that were left in the middle, by directory and the offset at which they go on. A listing that finds its stream there need not open and seek one.
pub(super) struct Streams {
    /// Leaf lock.
    left: Mutex<LruCache<(NodeId, u64), Stream>>,
}

impl Streams {
    /// Keeps at most `limit` streams.
    pub(super) fn new(limit: usize) -> Self {
        let limit = NonZeroUsize::new(limit).unwrap_or(NonZeroUsize::MIN);
        Self {
            left: Mutex::new(LruCache::new(limit)),
        }
    }

    fn go_on(&self, dir: &Directory<'_>, offset: u64) -> Result<Stream> {
        let stat = rustix::fs::fstat(dir.fd())?;
        let changed = (stat.st_mtime, stat.st_mtime_nsec);
        if offset != 0
            && let Some(stream) = self.left.lock().pop(&(dir.inode.node, offset))
            && stream.changed == changed
            && !stream.is_old()
        {
            return Ok(stream);
        }
        let mut stream = Dir::new(dir.open_listing()?)?;
        if offset != 0 {
            stream.seek(offset.cast_signed())?;
        }
        Ok(Stream {
            dir: stream,
            unread: None,
            ahead: None,
            opened: Instant::now(),
            changed,
        })
    }

    /// What was left of these inodes, to be dropped: they are not known any more, and their numbers may be others' next.
    pub(super) fn take(&self, nodes: &[NodeId]) -> Vec<Stream> {
        let mut left = self.left.lock();
        let keys: Vec<_> = left.iter().map(|(key, _)| *key).filter(|(node, _)| nodes.contains(node)).collect();
        keys.iter().filter_map(|key| left.pop(key)).collect()
    }

    /// Keeps a stream for the next request, and lets go of those that nobody came back for.
    fn leave(&self, node: NodeId, offset: u64, stream: Stream) {
        let mut left = self.left.lock();
        let mut closed = vec![left.push((node, offset), stream).map(|(_, stream)| stream)];
        while left.peek_lru().is_some_and(|(_, stream)| stream.is_old()) {
            closed.push(left.pop_lru().map(|(_, stream)| stream));
        }
        drop(left);
        drop(closed);
    }
}

impl Stream {
    fn is_old(&self) -> bool {
        self.opened.elapsed() >= STREAM_LIFETIME
    }

    /// The next entry. Where to go on after it is behind the entries of our own that follow: those may go together with it, and not every filesystem (tmpfs) finds
    /// its way on from an entry that has gone.
    fn next(&mut self, folder: &dyn Folder) -> Result<Option<Stored>> {
        if let Some(entry) = self.unread.take() {
            return Ok(Some(entry));
        }
        let Some(mut entry) = self.ahead.take().map_or_else(|| self.read(), |ahead| Ok(Some(ahead)))? else {
            return Ok(None);
        };
        while let Some(following) = self.read()? {
            if !folder.is_own(&following.name) {
                self.ahead = Some(following);
                break;
            }
            entry.next = following.next;
        }
        Ok(Some(entry))
    }

    fn read(&mut self) -> Result<Option<Stored>> {
        let Some(entry) = self.dir.read().transpose()? else {
            return Ok(None);
        };
        // A cookie: what the filesystem means by it is its own affair.
        let next = entry.offset().cast_unsigned();
        Ok(Some(Stored {
            name: entry.file_name().to_owned(),
            ino: entry.ino(),
            kind: entry.file_type(),
            next,
        }))
    }
}

/// How long a stream that was left may be taken up again. Two changes of a directory within one tick of the clock leave it the same times.
const STREAM_LIFETIME: Duration = Duration::from_secs(1);

/// Whether a listing has attributes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum With {
    Names,
    Attributes,
}

impl View {
    /// Calls `fill` for the entries of a directory from `offset` on (0, or some entry's `next`), until it says full or there are no more.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn readdir(&self, node: NodeId, offset: u64, fill: &mut dyn FnMut(&DirEntry<'_>) -> Fill) -> Result<()> {
        self.list(node, offset, With::Names, fill)
    }

    /// As [`readdir`](Self::readdir), with attributes; each entry that `fill` takes counts as looked up.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn readdirplus(&self, node: NodeId, offset: u64, fill: &mut dyn FnMut(&DirEntry<'_>) -> Fill) -> Result<()> {
        self.list(node, offset, With::Attributes, fill)
    }

    fn list(&self, node: NodeId, offset: u64, with: With, fill: &mut dyn FnMut(&DirEntry<'_>) -> Fill) -> Result<()> {
        let mut dir = self.directory(node)?;
        let mut stream = self.streams.go_on(&dir, offset)?;
        let mut position = offset;
        while let Some(stored) = stream.next(&*self.folder)? {
            let next = stored.next;
            if self.show(&mut dir, &stored, with, fill)? == Fill::Full {
                stream.unread = Some(stored);
                self.streams.leave(node, position, stream);
                return Ok(());
            }
            position = next;
        }
        Ok(())
    }

    /// Hands one entry to `fill`, if it is one of the view.
    fn show(&self, dir: &mut Directory<'_>, stored: &Stored, with: With, fill: &mut dyn FnMut(&DirEntry<'_>) -> Fill) -> Result<Fill> {
        let bytes = stored.name.to_bytes();
        if bytes == b"." || bytes == b".." {
            let node = if bytes == b"." { dir.inode.node } else { self.above(dir) };
            return Ok(fill(&DirEntry {
                node,
                next: stored.next,
                kind: FileType::Directory,
                name: bytes,
                stored: &stored.name,
                entry: None,
            }));
        }
        if self.folder.is_own(&stored.name) {
            return Ok(Fill::Taken);
        }
        let Some((plain, name)) = self.open_name(dir, stored) else {
            return Ok(Fill::Taken);
        };
        match with {
            With::Names => {
                let node = self.table.read().listed(stored.ino);
                // Not every filesystem says what an entry is.
                let kind = if stored.kind == FileType::Unknown {
                    dir.stat(&name)
                        .map_or(FileType::Unknown, |stat| FileType::from_raw_mode(stat.st_mode))
                } else {
                    stored.kind
                };
                Ok(fill(&DirEntry {
                    node,
                    next: stored.next,
                    kind,
                    name: plain.as_bytes(),
                    stored: &stored.name,
                    entry: None,
                }))
            }
            With::Attributes => self.show_with_attributes(dir, stored, &plain, &name, fill),
        }
    }

    fn show_with_attributes(
        &self,
        dir: &Directory<'_>,
        stored: &Stored,
        plain: &PlainName,
        name: &CipherName,
        fill: &mut dyn FnMut(&DirEntry<'_>) -> Fill,
    ) -> Result<Fill> {
        let found = self.found(dir, name);
        let entry = match found {
            Ok(entry) => entry,
            // Removed since the directory was read.
            Err(Error::Os(Errno::NOENT)) => return Ok(Fill::Taken),
            Err(error) => return Err(error),
        };
        let node = entry.attr.node;
        let shown = DirEntry {
            node,
            next: stored.next,
            kind: entry.attr.kind,
            name: plain.as_bytes(),
            stored: &stored.name,
            entry: Some(entry),
        };
        let filled = fill(&shown);
        if filled == Fill::Full {
            self.forget(node, 1);
        }
        Ok(filled)
    }

    /// The plaintext name of an entry. Where it does not decode, the directory's id is read again: a sync client may have brought it after the directory.
    fn open_name(&self, dir: &mut Directory<'_>, stored: &Stored) -> Option<(PlainName, CipherName)> {
        let folder: &dyn Folder = &*self.folder;
        folder.open_name(dir.id, &stored.name, stored.kind, dir.fd()).or_else(|| {
            let id = self.read_directory_id(&dir.inode).ok().filter(|id| *id != dir.id)?;
            dir.id = id;
            folder.open_name(id, &stored.name, stored.kind, dir.fd())
        })
    }

    /// The directory above.
    fn above(&self, dir: &Directory<'_>) -> NodeId {
        dir.inode.place().map_or(NodeId::ROOT, |place| place.parent.node)
    }
}
