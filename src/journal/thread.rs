//! The thread that sees to it that checkpoints are made in time.

use super::Journal;
use crate::sys::block;
use parking_lot::{Condvar, Mutex};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long something may lie over a file.
const CHECKPOINT: Duration = Duration::from_secs(5);
/// How long a new file may be unsynced: so much, at most twice, recovery looks at. Longer than for the others, since that syncs the filesystem, and since many a new
/// file is gone by then.
const NEWS: Duration = Duration::from_secs(30);

/// What wakes the thread.
#[derive(Default)]
pub(super) struct Alarm {
    /// Leaf lock.
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Since when there is something to do.
    since: Option<Instant>,
    urgent: bool,
    /// Something is to be written to the journal's file.
    full_chunk: bool,
    stopped: bool,
    thread: Option<JoinHandle<()>>,
}

impl Alarm {
    /// There is something to do in a while.
    pub(super) fn something(&self) {
        let mut state = self.state.lock();
        if state.since.is_none() {
            state.since = Some(Instant::now());
            self.changed.notify_all();
        }
    }

    /// A checkpoint is due.
    pub(super) fn urgent(&self) {
        let mut state = self.state.lock();
        if !state.urgent {
            state.urgent = true;
            self.changed.notify_all();
        }
    }

    /// There is something to be written to the journal's file.
    pub(super) fn full_chunk(&self) {
        let mut state = self.state.lock();
        if !state.full_chunk {
            state.full_chunk = true;
            self.changed.notify_all();
        }
    }

    /// Ends the thread, and waits for that.
    pub(super) fn stop(&self) {
        let mut state = self.state.lock();
        state.stopped = true;
        self.changed.notify_all();
        let thread = state.thread.take();
        drop(state);
        if let Some(thread) = thread
            && thread.thread().id() != std::thread::current().id()
        {
            // That it panicked was said when it did.
            let _ = thread.join();
        }
    }

    /// Waits until something is due.
    fn wait(&self) -> Due {
        let mut state = self.state.lock();
        while !state.stopped && !state.urgent {
            let is_late = state.since.is_some_and(|since| since.elapsed() >= CHECKPOINT);
            if !is_late && std::mem::take(&mut state.full_chunk) {
                return Due::WriteOut;
            }
            match state.since {
                None => self.changed.wait(&mut state),
                Some(since) => {
                    if self.changed.wait_until(&mut state, since + CHECKPOINT).timed_out() {
                        break;
                    }
                }
            }
        }
        let was_urgent = std::mem::take(&mut state.urgent);
        state.since = None;
        match (state.stopped, was_urgent) {
            (true, _) => Due::Never,
            (false, true) => Due::Full,
            (false, false) => Due::Late,
        }
    }
}

/// What is due.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Due {
    /// Nothing, ever again.
    Never,
    /// What was collected is to be written to the journal's file.
    WriteOut,
    /// A checkpoint: something has been waiting for long enough.
    Late,
    /// A checkpoint: the journal is about to be full, much is written.
    Full,
}

/// Starts the thread. It ends with the journal.
pub(super) fn start(journal: &Arc<Journal>) {
    let (alarm, weak) = (Arc::clone(&journal.alarm), Arc::downgrade(journal));
    let thread = std::thread::spawn(move || run(&alarm, &weak));
    journal.alarm.state.lock().thread = Some(thread);
}

fn run(alarm: &Alarm, weak: &Weak<Journal>) {
    let mut news_synced = Instant::now();
    let mut failing = false;
    loop {
        let due = alarm.wait();
        let Some(journal) = weak.upgrade() else { return };
        match due {
            Due::Never => return,
            Due::WriteOut => {
                journal.write_full_chunks();
                continue;
            }
            Due::Late | Due::Full => {}
        }
        let mut done = journal.checkpoint_in_background();
        match due {
            Due::Late => block::forget_spare(),
            // If nothing comes any more, memory is given back then.
            Due::Never | Due::WriteOut | Due::Full => alarm.something(),
        }
        if journal.has_news() {
            if news_synced.elapsed() >= NEWS {
                done = done.and_then(|()| journal.sync_news());
                news_synced = Instant::now();
            } else {
                alarm.something();
            }
        }
        if let Err(errno) = done {
            // It is all in the journal; so it is tried again, and said once.
            if !failing {
                log::error!("what is in the journal cannot be written to the vault's files yet: {errno}");
            }
            alarm.something();
        }
        failing = done.is_err();
    }
}
