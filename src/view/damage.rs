//! The damage that was met so far: which of it is news, and how much it was.
//!
//! A program that comes to a damaged record tries again, and the kernel forgets files and looks them up again; a log that said so each time would hide what it says. What is
//! remembered is bounded: damage is news again when there was so much other damage in between.

use super::View;
use super::inode::{Identity, Inode};
use crate::error::{Error, Result};
use crate::sys::disk::{Moment, stat_at};
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
    /// In so many files, directories and symlinks. One that was repaired or replaced and is damaged again counts again.
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
    /// When the file was made: its number may be another's later.
    files: LruCache<Identity, Option<Moment>>,
    /// What was found in which file.
    findings: LruCache<u64, ()>,
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

    /// The damage `error` was met in a file. Whether it is the first in that.
    fn met(&self, file: Identity, born: Option<Moment>, error: &Error) -> bool {
        let mut hasher = DefaultHasher::new();
        (file, error.to_string()).hash(&mut hasher);
        let mut known = self.known.lock();
        if put(&mut known.findings, hasher.finish(), ()).is_none() {
            self.findings.fetch_add(1, Ordering::Relaxed);
        }
        let is_first = put(&mut known.files, file, born) != Some(born);
        if is_first {
            self.files.fetch_add(1, Ordering::Relaxed);
        }
        is_first
    }

    /// Somebody has written a file anew, underneath: what is damaged in it from now on is news.
    pub(super) fn forget(&self, file: Identity) {
        // That is most files, when there is any damage at all.
        if self.files.load(Ordering::Relaxed) > 0 {
            self.known.lock().files.pop(&file);
        }
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
            let born = self.with_handle(inode, |fd| Ok(stat_at(fd, c"")?.born)).unwrap_or_default();
            if self.damages.met(inode.identity(), born, error) {
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

    fn seen(files: u64, findings: u64) -> DamageSeen {
        DamageSeen { files, findings }
    }

    #[test]
    fn a_file_is_news_once_and_each_finding_counts_once() {
        let damages = Damages::new();
        let (one, other) = (Error::Undecodable("one"), Error::Undecodable("other"));
        assert!(damages.met(FILE, moment(1), &one));
        assert!(!damages.met(FILE, moment(1), &one));
        assert!(!damages.met(FILE, moment(1), &other));
        assert_eq!(damages.seen(), seen(1, 2));
        assert!(damages.met(Identity { dev: 2, ino: 2 }, None, &one));
        assert_eq!(damages.seen(), seen(2, 3));
    }

    #[test]
    fn what_was_repaired_or_replaced_is_news_again() {
        let damages = Damages::new();
        let error = Error::Undecodable("it");
        damages.forget(FILE);
        assert!(damages.met(FILE, moment(1), &error));
        damages.forget(FILE);
        assert!(damages.met(FILE, moment(1), &error), "repaired");
        assert!(!damages.met(FILE, moment(1), &error));
        assert!(damages.met(FILE, moment(2), &error), "another file of that number");
        assert_eq!(damages.seen(), seen(3, 1));
    }

    #[test]
    fn memory_is_bounded() {
        let damages = Damages::new();
        let error = Error::Undecodable("it");
        let files = u64::try_from(REMEMBERED).unwrap() + 10;
        for ino in 0..files {
            assert!(damages.met(Identity { dev: 1, ino }, None, &error));
        }
        let known = damages.known.lock();
        assert_eq!((known.files.len(), known.findings.len()), (REMEMBERED, REMEMBERED));
        assert_eq!(damages.seen(), seen(files, files));
    }
}
