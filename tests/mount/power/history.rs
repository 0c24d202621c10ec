//! What a workload has done so far. It does one thing after another, so that two numbers say what a power cut came in between.

use std::io;
use std::sync::{Mutex, PoisonError};

/// What is promised of what was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Promise {
    /// What was synced is there.
    Synced,
    /// All that was done is there, for it was unmounted since.
    Everything,
}

/// Between what a power cut came.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    /// So many operations had returned before it.
    pub(super) done: usize,
    /// So many had begun after it.
    pub(super) begun: usize,
    /// What they promise.
    pub(super) promise: Promise,
}

impl Window {
    /// Of operations of which the first `synced` that had returned were synced: how many are surely there.
    pub(super) fn sure(&self, synced: usize) -> usize {
        match self.promise {
            Promise::Synced => synced,
            Promise::Everything => self.done,
        }
    }
}

/// All operations of one workload, in order.
pub(super) struct History<Op>(Mutex<Events<Op>>);

struct Events<Op> {
    begun: Vec<Op>,
    done: usize,
}

impl<Op: Clone> History<Op> {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Events { begun: vec![], done: 0 }))
    }

    /// Does `work`, which is the operation `op`. One that fails counts as begun for ever.
    pub(super) fn perform<T>(&self, op: Op, work: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        self.with(|events| events.begun.push(op));
        let result = work()?;
        self.with(|events| events.done = events.begun.len());
        Ok(result)
    }

    /// How many operations have returned.
    pub(super) fn done(&self) -> usize {
        self.with(|events| events.done)
    }

    /// How many have begun.
    pub(super) fn begun(&self) -> usize {
        self.with(|events| events.begun.len())
    }

    /// The operations that had begun.
    pub(super) fn up_to(&self, begun: usize) -> Vec<Op> {
        self.with(|events| events.begun[..begun].to_vec())
    }

    fn with<T>(&self, work: impl FnOnce(&mut Events<Op>) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
