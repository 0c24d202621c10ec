//! Unmounting what nobody uses.
//!
//! Looks now and then whether the view was asked anything. What is open or somebody's working directory is in use, which the kernel knows, and refuses; that it is
//! asked costs something, so it is not asked all the time.

use super::detach::Refused;
use crate::view::View;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::{Duration, Instant};

/// Longest time between two looks.
const LOOK: Duration = Duration::from_secs(30);

/// Watches until this is dropped.
pub(super) struct Watch(#[expect(dead_code, reason = "dropping it ends the thread")] Sender<()>);

/// Calls `unmount` once nothing was asked of `view` for `idle`, and again later if that was refused.
pub(super) fn watch(idle: Duration, view: &Arc<View>, unmount: impl Fn() -> Result<(), Refused> + Send + 'static) -> Watch {
    let (sender, ended) = channel();
    let view = Arc::downgrade(view);
    thread::spawn(move || run(idle, &view, &ended, unmount));
    Watch(sender)
}

fn run(idle: Duration, view: &Weak<View>, ended: &Receiver<()>, unmount: impl Fn() -> Result<(), Refused>) {
    let (mut uses, mut since) = (0, Instant::now());
    let look = (idle / 4).min(LOOK);
    while ended.recv_timeout(look) == Err(RecvTimeoutError::Timeout) {
        let Some(now) = view.upgrade().map(|view| view.uses()) else {
            return;
        };
        if now != uses {
            (uses, since) = (now, Instant::now());
        } else if since.elapsed() >= idle {
            match unmount() {
                Ok(()) => return,
                Err(Refused::Busy) => {}
                Err(Refused::Other(why)) => log::warn!("not used for {idle:?}, but it cannot be unmounted: {why}"),
            }
            since = Instant::now();
        }
    }
}
