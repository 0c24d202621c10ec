//! Listings of directories, which the kernel keeps, and which are to be dropped when what came with them has expired.
//!
//! A listing comes with the attributes of each entry, so who goes through a directory and looks at each file needs no request for any of them. The attributes expire, the
//! listing does not: who comes again later gets the names out of the kernel's cache, and then there is a LOOKUP for each. That takes far longer than to list the directory anew,
//! attributes included. So the kernel is told to forget a listing that is as old as that.

use fuser::{INodeNo, Notifier};
use std::collections::{BTreeSet, HashMap};
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

/// How many may be waiting. Whatever is listed beyond that is kept, which is slower and no mistake.
const MAX_WAITING: usize = 1 << 16;

#[derive(Default)]
struct Waiting {
    /// When each directory was listed last.
    listed: HashMap<INodeNo, Instant>,
    /// The same, in that order.
    order: BTreeSet<(Instant, INodeNo)>,
    has_ended: bool,
}

#[derive(Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

impl Shared {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    /// The directory is listed now.
    fn set(&mut self, ino: INodeNo) {
        let now = Instant::now();
        if let Some(before) = self.listed.insert(ino, now) {
            self.order.remove(&(before, ino));
        }
        self.order.insert((now, ino));
    }

    /// Takes those out that were listed at least `age` ago.
    fn take(&mut self, age: Duration) -> Vec<INodeNo> {
        let mut taken = Vec::new();
        while let Some(&(at, ino)) = self.order.first()
            && at.elapsed() >= age
        {
            self.order.remove(&(at, ino));
            self.listed.remove(&ino);
            taken.push(ino);
        }
        taken
    }
}

/// Where it is told what is listed.
pub(super) struct Listings(Arc<Shared>);

/// Where that comes out.
pub(super) struct Listed(Arc<Shared>);

impl Listings {
    pub(super) fn new() -> (Self, Listed) {
        let shared = Arc::<Shared>::default();
        (Self(shared.clone()), Listed(shared))
    }

    /// Somebody begins to list the directory `ino`. What the kernel does not have whole it does not keep, so it is not to be disturbed now.
    pub(super) fn begins(&self, ino: INodeNo) {
        let mut waiting = self.0.waiting();
        if waiting.listed.contains_key(&ino) {
            waiting.set(ino);
        }
    }

    /// The kernel has the whole listing of the directory `ino`.
    pub(super) fn ends(&self, ino: INodeNo) {
        let mut waiting = self.0.waiting();
        if waiting.listed.is_empty() {
            self.0.changed.notify_one();
        }
        if waiting.listed.len() < MAX_WAITING || waiting.listed.contains_key(&ino) {
            waiting.set(ino);
        }
    }
}

impl Drop for Listings {
    fn drop(&mut self) {
        self.0.waiting().has_ended = true;
        self.0.changed.notify_one();
    }
}

impl Listed {
    /// Has each listing dropped before what came with it expires, which it does after `lifetime`, until the [`Listings`] are dropped.
    ///
    /// # Errors
    /// That no thread could be made.
    pub(super) fn serve(self, lifetime: Duration, notifier: Notifier) -> io::Result<JoinHandle<()>> {
        Builder::new().name("listings".into()).spawn(move || {
            while let Some(expired) = self.wait(lifetime) {
                for ino in expired {
                    // It fails where the kernel has forgotten the directory, or is gone.
                    let _ = notifier.inval_inode(ino, 0, 0);
                }
            }
        })
    }

    /// Waits until the first of them has expired to seven tenths, and takes all that have so to a half: so many go at once. Long before the rest has, since who lists a
    /// directory looks at its files after a while, and each that has expired by then is a request. None when it has ended.
    fn wait(&self, lifetime: Duration) -> Option<Vec<INodeNo>> {
        let due = lifetime / 10 * 7;
        let mut waiting = self.0.waiting();
        while !waiting.has_ended {
            let age = waiting.order.first().map(|(at, _)| at.elapsed());
            waiting = match age {
                None => self.0.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner),
                Some(age) if age < due => {
                    let left = due - age;
                    self.0.changed.wait_timeout(waiting, left).unwrap_or_else(PoisonError::into_inner).0
                }
                Some(_) => return Some(waiting.take(lifetime / 2)),
            };
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;
    use std::thread;

    const HOUR: Duration = Duration::from_hours(1);

    #[test]
    fn each_comes_out_once_when_it_is_old_enough() {
        let (listings, listed) = Listings::new();
        let before = Instant::now();
        for ino in [2, 3, 2, 3, 2] {
            listings.ends(INodeNo(ino));
        }
        let lifetime = Duration::from_millis(20);
        let mut out = Vec::new();
        while out.len() < 2 {
            out.extend(listed.wait(lifetime).unwrap());
        }
        assert_eq!(out, [INodeNo(3), INodeNo(2)]);
        assert!(before.elapsed() >= lifetime / 10 * 7);
        assert!(listed.0.waiting().listed.is_empty() && listed.0.waiting().order.is_empty());
    }

    #[test]
    fn who_lists_it_anew_is_not_disturbed() {
        let (listings, listed) = Listings::new();
        listings.begins(INodeNo(2));
        assert!(listed.0.waiting().listed.is_empty(), "the kernel has nothing of it");
        listings.ends(INodeNo(2));
        listings.ends(INodeNo(3));
        listings.begins(INodeNo(2));
        assert_eq!(listed.0.waiting().take(Duration::ZERO), [INodeNo(3), INodeNo(2)]);
    }

    #[test]
    fn who_waits_is_told_of_the_first_and_of_the_end() {
        let (listings, listed) = Listings::new();
        let (told, tells) = channel();
        let waiter = thread::spawn(move || {
            told.send(listed.wait(Duration::ZERO)).unwrap();
            told.send(listed.wait(HOUR)).unwrap();
        });
        listings.ends(INodeNo(2));
        assert_eq!(tells.recv().unwrap(), Some(vec![INodeNo(2)]));
        listings.ends(INodeNo(3));
        drop(listings);
        assert_eq!(tells.recv().unwrap(), None);
        waiter.join().unwrap();
    }

    #[test]
    fn no_more_wait_than_may() {
        let (listings, listed) = Listings::new();
        for ino in 0..u64::try_from(MAX_WAITING).unwrap() + 10 {
            listings.ends(INodeNo(ino));
        }
        assert_eq!(listed.wait(Duration::ZERO).unwrap().len(), MAX_WAITING);
    }
}
