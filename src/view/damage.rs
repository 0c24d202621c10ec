//! The damage that was met so far: which of it is news, and how much it was.
//!
//! A program that comes to a damaged record tries again, and the kernel forgets files and looks them up again; a log that said so each time would hide what it says. What is
//! remembered is bounded: damage is news again when there was so much other damage in between.

use super::View;
use super::inode::{Identity, Inode};
use crate::error::{Error, Result};
use crate::sys::disk::{FileStat, Moment, stat_at};
use lru::LruCache;
use parking_lot::Mutex;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// So many files, and so many findings, are remembered.
const REMEMBERED: usize = 4096;

/// How much damage was met.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DamageSeen {
    /// In so many files, directories and symlinks. One that was replaced, or changed and damaged elsewhere, counts again.
    pub files: u64,
    /// So many different things in them: records, for example.
    pub findings: u64,
}

/// What is remembered of it.
pub(super) struct Damages {
    files: AtomicU64,
    findings: AtomicU64,
    /// Leaf lock.
    known: Mutex<Known>,
}

struct Known {
    files: LruCache<Identity, When>,
    /// What was found in which file.
    findings: LruCache<u64, ()>,
}

/// When a file was made (its number may be another's later) and changed last, where that could be told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct When {
    born: Option<Moment>,
    changed: Option<Moment>,
}

impl From<FileStat> for When {
    fn from(stat: FileStat) -> Self {
        Self {
            born: stat.born,
            changed: Some(stat.changed),
        }
    }
}

impl Damages {
    pub(super) fn new() -> Self {
        Self {
            files: AtomicU64::new(0),
            findings: AtomicU64::new(0),
            // Mostly there is none, and then it takes no memory.
            known: Mutex::new(Known {
                files: LruCache::unbounded(),
                findings: LruCache::unbounded(),
            }),
        }
    }

    /// How much there was.
    pub(super) fn seen(&self) -> DamageSeen {
        DamageSeen {
            files: self.files.load(Ordering::Relaxed),
            findings: self.findings.load(Ordering::Relaxed),
        }
    }

    /// The damage `error` was met in a file, which is as old as `when` says. Whether that is news: the first in this file, or another than before in one that was changed since. What
    /// else is damaged in a file that nobody has touched is not.
    fn met(&self, file: Identity, when: When, error: &Error) -> bool {
        let mut hasher = DefaultHasher::new();
        (file, error.to_string()).hash(&mut hasher);
        let mut known = self.known.lock();
        let is_other = put(&mut known.findings, hasher.finish(), ()).is_none();
        if is_other {
            self.findings.fetch_add(1, Ordering::Relaxed);
        }
        let before = put(&mut known.files, file, when);
        let is_news = before.is_none_or(|before| before.born != when.born || (is_other && before != when));
        if is_news {
            self.files.fetch_add(1, Ordering::Relaxed);
        }
        is_news
    }
}

/// What was there before.
fn put<K: Hash + Eq, V>(cache: &mut LruCache<K, V>, key: K, value: V) -> Option<V> {
    let before = cache.put(key, value);
    if cache.len() > REMEMBERED {
        cache.pop_lru();
    }
    before
}

impl View {
    /// How much damage was met so far.
    pub fn damage_seen(&self) -> DamageSeen {
        self.damages.seen()
    }

    /// Logs damage in an inode, once, by its path in the vault.
    pub(super) fn report<T>(&self, inode: &Arc<Inode>, result: Result<T>) -> Result<T> {
        if let Err(error @ (Error::Damage(_) | Error::Undecodable(_) | Error::Recipe(_))) = &result {
            // What cannot be looked at is known by its number alone.
            let when = self.with_handle(inode, |fd| Ok(stat_at(fd, c"")?.into())).unwrap_or_default();
            if self.damages.met(inode.identity(), when, error) {
                log::error!("damaged: {}: {error}", self.path(inode).display());
            }
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: Identity = Identity { dev: 1, ino: 2 };

    fn moment(secs: i64) -> Option<Moment> {
        Some(Moment { secs, nanos: 0 })
    }

    fn when(born: i64, changed: i64) -> When {
        When {
            born: moment(born),
            changed: moment(changed),
        }
    }

    fn seen(files: u64, findings: u64) -> DamageSeen {
        DamageSeen { files, findings }
    }

    #[test]
    fn a_file_is_news_once_and_each_finding_counts_once() {
        let damages = Damages::new();
        let (one, other) = (Error::Undecodable("one"), Error::Undecodable("other"));
        assert!(damages.met(FILE, when(1, 1), &one));
        assert!(!damages.met(FILE, when(1, 1), &one));
        assert!(!damages.met(FILE, when(1, 1), &other));
        assert_eq!(damages.seen(), seen(1, 2));
        assert!(damages.met(Identity { dev: 2, ino: 2 }, When::default(), &one));
        assert_eq!(damages.seen(), seen(2, 3));
    }

    #[test]
    fn what_was_changed_or_replaced_is_news_again() {
        let damages = Damages::new();
        let (one, other) = (Error::Undecodable("one"), Error::Undecodable("other"));
        assert!(damages.met(FILE, when(1, 1), &one));
        assert!(!damages.met(FILE, when(1, 2), &one), "changed, and damaged as before");
        assert!(damages.met(FILE, when(1, 3), &other), "changed, and damaged elsewhere");
        assert!(!damages.met(FILE, when(1, 3), &one));
        assert!(damages.met(FILE, when(4, 4), &one), "another file of that number");
        assert!(!damages.met(FILE, when(4, 4), &one));
        assert_eq!(damages.seen(), seen(3, 2));
    }

    #[test]
    fn memory_is_bounded() {
        let damages = Damages::new();
        let error = Error::Undecodable("it");
        let files = u64::try_from(REMEMBERED).unwrap() + 10;
        for ino in 0..files {
            assert!(damages.met(Identity { dev: 1, ino }, When::default(), &error));
        }
        let known = damages.known.lock();
        assert_eq!((known.files.len(), known.findings.len()), (REMEMBERED, REMEMBERED));
        assert_eq!(damages.seen(), seen(files, files));
    }
}
