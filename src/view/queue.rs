//! A queue: who came first goes first, whoever is ready first.
//!
//! Keeps true: who is in the queue waits for nobody but those before, so that each has their turn.

use parking_lot::{Condvar, Mutex};
use std::sync::Arc;

/// A queue.
#[derive(Default)]
pub(super) struct Queue {
    /// Leaf lock.
    state: Mutex<State>,
    moved: Condvar,
}

#[derive(Default)]
struct State {
    /// How many have come.
    came: u64,
    /// How many have left.
    left: u64,
}

/// A place in a queue, until this is dropped.
pub(super) struct Place {
    queue: Arc<Queue>,
    /// How many came before.
    before: u64,
}

impl Queue {
    /// A place behind all who are there.
    pub(super) fn enter(self: &Arc<Self>) -> Place {
        let mut state = self.state.lock();
        let before = state.came;
        state.came += 1;
        Place {
            queue: Arc::clone(self),
            before,
        }
    }
}

impl Place {
    /// Waits until all who came before have left.
    pub(super) fn wait(&self) {
        let mut state = self.queue.state.lock();
        self.queue.moved.wait_while(&mut state, |state| state.left < self.before);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.wait();
        self.queue.state.lock().left += 1;
        self.queue.moved.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn who_came_first_goes_first() {
        let queue = Arc::new(Queue::default());
        let order = Arc::new(Mutex::new(Vec::new()));
        let places: Vec<_> = (0..8).map(|_| queue.enter()).collect();
        let threads: Vec<_> = places
            .into_iter()
            .enumerate()
            .rev()
            .map(|(number, place)| {
                let order = Arc::clone(&order);
                std::thread::spawn(move || {
                    place.wait();
                    // Others who did not wait would be done meanwhile.
                    std::thread::sleep(Duration::from_millis(5));
                    order.lock().push(number);
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(*order.lock(), (0..8).collect::<Vec<_>>());
    }

    #[test]
    fn who_leaves_without_having_waited_leaves_in_turn() {
        let queue = Arc::new(Queue::default());
        let (first, second, third) = (queue.enter(), queue.enter(), queue.enter());
        let leaves = std::thread::spawn(move || drop(second));
        std::thread::sleep(Duration::from_millis(20));
        assert!(!leaves.is_finished());
        drop(first);
        leaves.join().unwrap();
        third.wait();
    }
}
