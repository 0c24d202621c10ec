//! Unmounting what nobody uses.
//!
//! Looks now and then whether something was asked of the mount. What is open or somebody's working directory is in use, which the kernel knows, and refuses; that it is
//! asked costs something, so it is not asked all the time.

use super::detach::Refused;
use crate::fuse::Tally;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

/// Longest time between two looks.
const LOOK: Duration = Duration::from_secs(30);

/// Since when nobody uses a mount, and how long that may be.
pub(super) struct Idle {
    limit: Duration,
    tally: Arc<Tally>,
    /// How many requests there were at the last look, and since when. Leaf lock.
    seen: Mutex<(u64, Instant)>,
}

impl Idle {
    /// Of a mount whose requests are counted in `tally`, and which is to go after `limit`.
    pub(super) fn new(limit: Duration, tally: Arc<Tally>) -> Self {
        Self {
            limit,
            tally,
            seen: Mutex::new((0, Instant::now())),
        }
    }

    /// How long nobody may use it.
    pub(super) fn limit(&self) -> Duration {
        self.limit
    }

    /// How much of that is left, if nobody uses it any more.
    pub(super) fn left(&self) -> Duration {
        let requests = self.tally.totals().requests;
        let mut seen = self.seen.lock();
        if seen.0 != requests {
            *seen = (requests, Instant::now());
        }
        self.limit.saturating_sub(seen.1.elapsed())
    }

    /// It is in use all the same.
    fn begin_anew(&self) {
        self.seen.lock().1 = Instant::now();
    }
}

/// Watches until this is dropped.
pub(super) struct Watch(#[expect(dead_code, reason = "dropping it ends the thread")] Sender<()>);

/// Calls `unmount` once nothing of `idle` is left, and again later if that was refused.
pub(super) fn watch(idle: Arc<Idle>, unmount: impl Fn() -> Result<(), Refused> + Send + 'static) -> Watch {
    let (sender, ended) = channel();
    thread::spawn(move || run(&idle, &ended, unmount));
    Watch(sender)
}

fn run(idle: &Idle, ended: &Receiver<()>, unmount: impl Fn() -> Result<(), Refused>) {
    let look = (idle.limit / 4).min(LOOK);
    while ended.recv_timeout(look) == Err(RecvTimeoutError::Timeout) {
        if !idle.left().is_zero() {
            continue;
        }
        match unmount() {
            Ok(()) => return,
            Err(Refused::Busy) => {}
            Err(Refused::Other(why)) => log::warn!("not used for {:?}, but it cannot be unmounted: {why}", idle.limit),
        }
        idle.begin_anew();
    }
}
