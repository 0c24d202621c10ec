//! What was asked of a mount so far, counted where that costs nothing: each thread has numbers of its own, in a cache line that no other thread writes to.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// How many threads can count without meeting. More share, which is slower and not wrong.
const CELLS: usize = 32;

/// The numbers of one mount.
#[derive(Debug, Default)]
pub struct Tally {
    cells: [Cell; CELLS],
}

/// The numbers of one thread. Processors fetch cache lines of 64 bytes in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Cell {
    requests: AtomicU64,
    read: AtomicU64,
    written: AtomicU64,
}

/// All of it at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Requests for something in the mount. Neither what the kernel forgets is one, nor a question after free space, nor one for these numbers.
    pub requests: u64,
    /// Bytes that were read. What the kernel had in its memory it did not ask for.
    pub read: u64,
    /// Bytes that were written.
    pub written: u64,
}

static NEXT: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static MINE: usize = NEXT.fetch_add(1, Ordering::Relaxed) % CELLS;
}

impl Tally {
    /// One request more.
    pub(super) fn request(&self) {
        self.mine().requests.fetch_add(1, Ordering::Relaxed);
    }

    /// So many bytes more were read.
    pub(super) fn read(&self, bytes: u64) {
        self.mine().read.fetch_add(bytes, Ordering::Relaxed);
    }

    /// So many bytes more were written.
    pub(super) fn written(&self, bytes: u64) {
        self.mine().written.fetch_add(bytes, Ordering::Relaxed);
    }

    fn mine(&self) -> &Cell {
        &self.cells[MINE.with(|mine| *mine)]
    }

    /// The sums. As long as the requests do not grow, nobody uses the mount.
    pub fn totals(&self) -> Totals {
        let sum = |number: fn(&Cell) -> &AtomicU64| self.cells.iter().map(|cell| number(cell).load(Ordering::Relaxed)).sum();
        Totals {
            requests: sum(|cell| &cell.requests),
            read: sum(|cell| &cell.read),
            written: sum(|cell| &cell.written),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_lost_when_many_count() {
        let tally = Tally::default();
        std::thread::scope(|scope| {
            for _ in 0..CELLS + 8 {
                scope.spawn(|| {
                    for _ in 0..100 {
                        tally.request();
                        tally.read(3);
                        tally.written(5);
                    }
                });
            }
        });
        let threads = u64::try_from(CELLS + 8).unwrap();
        let expected = Totals {
            requests: 100 * threads,
            read: 300 * threads,
            written: 500 * threads,
        };
        assert_eq!(tally.totals(), expected);
    }
}
