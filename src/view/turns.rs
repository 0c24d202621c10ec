//! The order of writes that make a file longer: each waits for the one that ends where it begins.
//!
//! The kernel's cache hands such writes over in the order of their places, and several threads take them. One that came before the one in front of it would leave a gap, which becomes
//! a hole, and is filled a moment later.

use parking_lot::Mutex;
use std::marker::PhantomData;
use std::thread::{self, Thread};

/// The writes to a file from the kernel's cache that are under way.
#[derive(Default)]
pub(super) struct Turns(Mutex<Vec<Write>>);

struct Write {
    offset: u64,
    end: u64,
    thread: Thread,
}

/// A write that is under way, as long as this is there.
pub(super) struct Turn<'a> {
    turns: &'a Turns,
    offset: u64,
    end: u64,
    /// It is this thread's.
    _here: PhantomData<*const ()>,
}

impl Turns {
    /// A write of `len` bytes at `offset`, by this thread, which has no other one here.
    pub(super) fn enter(&self, offset: u64, len: usize) -> Turn<'_> {
        let end = u64::try_from(len).map_or(u64::MAX, |len| offset.saturating_add(len));
        let thread = thread::current();
        self.0.lock().push(Write { offset, end, thread });
        Turn {
            turns: self,
            offset,
            end,
            _here: PhantomData,
        }
    }
}

impl Turn<'_> {
    /// Waits until nothing is under way that ends where this write begins. What is waited for begins before it, so no two wait for each other.
    pub(super) fn wait(&self) {
        let is_before = |write: &Write| write.end == self.offset && write.offset < self.offset;
        while self.turns.0.lock().iter().any(is_before) {
            thread::park();
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut writes = self.turns.0.lock();
        let own = thread::current().id();
        writes.retain(|write| write.thread.id() != own);
        // They look again, whether there is another one to wait for.
        let next = writes.iter().filter(|write| write.offset == self.end);
        let woken = next.map(|write| write.thread.unpark()).count();
        drop(writes);
        if woken > 0 {
            // A thread that is woken may have to wait for the processor of the one that woke it, although another one has nothing to do (docs/performance.md). More wait for that one.
            thread::yield_now();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::time::Duration;

    /// The writes in the order in which they are done, where the last one may begin first. Where none waits for another, it is done before the next one begins.
    fn done_in_order(writes: &[(u64, usize)], independent: bool) -> Vec<(u64, usize)> {
        let (turns, done) = (Arc::new(Turns::default()), Mutex::new(Vec::new()));
        thread::scope(|scope| {
            let gates: Vec<_> = writes
                .iter()
                .map(|&(offset, len)| {
                    let (open, gate) = std::sync::mpsc::channel::<()>();
                    let (entered, is_in) = std::sync::mpsc::channel();
                    let (turns, done) = (Arc::clone(&turns), &done);
                    scope.spawn(move || {
                        let turn = turns.enter(offset, len);
                        entered.send(()).unwrap();
                        gate.recv().unwrap();
                        turn.wait();
                        done.lock().push((offset, len));
                    });
                    is_in.recv().unwrap();
                    open
                })
                .collect();
            for (begun, gate) in gates.into_iter().rev().enumerate() {
                gate.send(()).unwrap();
                thread::sleep(Duration::from_millis(5));
                while independent && done.lock().len() <= begun {
                    thread::yield_now();
                }
            }
        });
        assert!(turns.0.lock().is_empty());
        done.into_inner()
    }

    #[test]
    fn what_follows_waits_for_what_is_before() {
        let writes = [(0, 100), (100, 50), (150, 1), (151, 1000)];
        assert_eq!(done_in_order(&writes, false), writes);
    }

    #[test]
    fn what_does_not_follow_waits_for_nothing() {
        let writes = [(0, 100), (101, 50), (50, 100), (10, 0), (0, 10)];
        let mut reversed = writes;
        reversed.reverse();
        assert_eq!(done_in_order(&writes, true), reversed);
    }

    #[test]
    fn the_same_place_may_be_written_twice() {
        let done = done_in_order(&[(0, 100), (0, 100), (100, 7), (100, 7), (107, 0), (107, 0)], false);
        let places: Vec<_> = done.iter().map(|(offset, _)| *offset).collect();
        assert_eq!(places, [0, 0, 100, 100, 107, 107]);
    }
}
