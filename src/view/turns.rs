//! The order of writes that make a file longer: each waits for the one that ends where it begins.
//!
//! The kernel's cache hands such writes over in the order of their places, and several threads take them. One that came before the one in front of it would leave a gap, which becomes
//! a hole, and is filled a moment later.

use parking_lot::Mutex;
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
}

impl Turns {
    /// A write of `len` bytes at `offset`, by this thread.
    pub(super) fn enter(&self, offset: u64, len: usize) -> Turn<'_> {
        let end = u64::try_from(len).map_or(u64::MAX, |len| offset.saturating_add(len));
        let thread = thread::current();
        self.0.lock().push(Write { offset, end, thread });
        let turns = self;
        Turn { turns, offset, end }
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
        if let Some(own) = writes.iter().position(|write| (write.offset, write.end) == (self.offset, self.end)) {
            writes.swap_remove(own);
        }
        // They look again, whether there is another one to wait for.
        let next = writes.iter().filter(|write| write.offset == self.end);
        next.for_each(|write| write.thread.unpark());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::time::Duration;

    /// What waited for each other, in the order in which it was done. Those threads that are to be first begin last.
    fn done_in_order(writes: &[(u64, usize)]) -> Vec<(u64, usize)> {
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
            for gate in gates.into_iter().rev() {
                gate.send(()).unwrap();
                thread::sleep(Duration::from_millis(5));
            }
        });
        assert!(turns.0.lock().is_empty());
        done.into_inner()
    }

    #[test]
    fn what_follows_waits_for_what_is_before() {
        let writes = [(0, 100), (100, 50), (150, 1), (151, 1000)];
        assert_eq!(done_in_order(&writes), writes);
    }

    #[test]
    fn what_does_not_follow_waits_for_nothing() {
        let writes = [(0, 100), (101, 50), (50, 100), (10, 0), (0, 10)];
        let mut reversed = writes;
        reversed.reverse();
        assert_eq!(done_in_order(&writes), reversed);
    }

    #[test]
    fn the_same_place_may_be_written_twice() {
        let done = done_in_order(&[(0, 100), (0, 100), (100, 7), (100, 7), (107, 0), (107, 0)]);
        let places: Vec<_> = done.iter().map(|(offset, _)| *offset).collect();
        assert_eq!(places, [0, 0, 100, 100, 107, 107]);
    }
}
