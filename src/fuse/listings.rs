//! Listings of directories, which the kernel keeps, and which are to be dropped when what came with them has expired.
//!
//! A listing comes with the attributes of each entry, so who goes through a directory and looks at each file needs no request for any of them. The attributes expire, the
//! listing does not: who comes again later gets the names out of the kernel's cache, and then there is a LOOKUP for each. That takes far longer than to list the directory anew,
//! attributes included. So the kernel is told to forget a listing that is as old as that.

use fuser::{INodeNo, Notifier};
use std::collections::VecDeque;
use std::io;
use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

/// How many may be waiting. Whatever is listed beyond that is kept, which is slower and no mistake.
const MAX_WAITING: usize = 1 << 16;
/// How long after its time a listing may stay, so that many are dropped in one go.
const SLACK: Duration = Duration::from_millis(100);

#[derive(Default)]
struct Waiting {
    /// The directories, by when they were listed.
    listed: VecDeque<(Instant, INodeNo)>,
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

/// Where it is told what was listed.
pub(super) struct Listings(Arc<Shared>);

/// Where that comes out.
pub(super) struct Listed(Arc<Shared>);

impl Listings {
    pub(super) fn new() -> (Self, Listed) {
        let shared = Arc::<Shared>::default();
        (Self(shared.clone()), Listed(shared))
    }

    /// The directory `ino` has just been listed, from its beginning on.
    pub(super) fn add(&self, ino: INodeNo) {
        let mut waiting = self.0.waiting();
        if waiting.listed.is_empty() {
            self.0.changed.notify_one();
        }
        if waiting.listed.len() < MAX_WAITING {
            waiting.listed.push_back((Instant::now(), ino));
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
    /// Has each listing dropped when it is as old as `lifetime`, until the [`Listings`] are dropped.
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

    /// Waits until some have expired. None when it has ended.
    fn wait(&self, lifetime: Duration) -> Option<Vec<INodeNo>> {
        let mut waiting = self.0.waiting();
        while !waiting.has_ended {
            let age = waiting.listed.front().map(|(listed, _)| listed.elapsed());
            waiting = match age {
                None => self.0.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner),
                Some(age) if age < lifetime + SLACK => {
                    let left = lifetime + SLACK - age;
                    self.0.changed.wait_timeout(waiting, left).unwrap_or_else(PoisonError::into_inner).0
                }
                Some(_) => {
                    let expired = waiting.listed.partition_point(|(listed, _)| listed.elapsed() >= lifetime);
                    let left = waiting.listed.split_off(expired);
                    return Some(mem::replace(&mut waiting.listed, left).into_iter().map(|(_, ino)| ino).collect());
                }
            };
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn each_comes_out_when_it_is_old_enough() {
        let (listings, listed) = Listings::new();
        let before = Instant::now();
        listings.add(INodeNo(2));
        listings.add(INodeNo(3));
        let lifetime = Duration::from_millis(20);
        assert_eq!(listed.wait(lifetime), Some(vec![INodeNo(2), INodeNo(3)]));
        assert!(before.elapsed() >= lifetime);
        listings.add(INodeNo(4));
        assert_eq!(listed.wait(Duration::ZERO), Some(vec![INodeNo(4)]));
    }

    #[test]
    fn who_waits_is_told_of_the_first_and_of_the_end() {
        let (listings, listed) = Listings::new();
        let waiter = thread::spawn(move || (listed.wait(Duration::ZERO), listed.wait(Duration::from_hours(1))));
        thread::sleep(Duration::from_millis(20));
        listings.add(INodeNo(2));
        thread::sleep(Duration::from_millis(200));
        listings.add(INodeNo(3));
        drop(listings);
        assert_eq!(waiter.join().unwrap(), (Some(vec![INodeNo(2)]), None));
    }

    #[test]
    fn no_more_wait_than_may() {
        let (listings, listed) = Listings::new();
        for ino in 0..u64::try_from(MAX_WAITING).unwrap() + 10 {
            listings.add(INodeNo(ino));
        }
        assert_eq!(listed.wait(Duration::ZERO).unwrap().len(), MAX_WAITING);
    }
}
