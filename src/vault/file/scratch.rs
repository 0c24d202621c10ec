//! Buffers that a thread uses again and again.

use std::cell::RefCell;

/// The longest buffer that is kept, in bytes: a request of the kernel is at most 1 MiB.
const KEPT: usize = 2 << 20;

thread_local! {
    static SPARE: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// A buffer taken from the thread's spare ones, to which it goes back when dropped.
///
/// It stays as long as it ever was, so that it is filled with zeros only where it grows; what is in it is left over from earlier use.
pub(super) struct Scratch(Vec<u8>);

impl Scratch {
    /// A spare buffer, or a new one.
    pub(super) fn take() -> Self {
        Self(SPARE.with_borrow_mut(Vec::pop).unwrap_or_default())
    }

    /// `len` bytes of it, whose contents mean nothing.
    pub(super) fn of(&mut self, len: usize) -> &mut [u8] {
        if self.0.len() < len {
            self.0.resize(len, 0);
        }
        &mut self.0[..len]
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if self.0.len() <= KEPT {
            let buffer = std::mem::take(&mut self.0);
            SPARE.with_borrow_mut(|spare| spare.push(buffer));
        }
    }
}
