//! Bytes that must not outlive their use, nor leave the memory of this process.
//!
//! Keeps true: they are zeroed when they are dropped, and neither copied nor printed by accident. As many as a command needs lie in pages that are not swapped out, where the
//! limit of the operating system allows that.

use crate::sys::memory;
use parking_lot::Mutex;
use rand::Rng;
use std::sync::LazyLock;
use std::{hint, mem};
use zeroize::Zeroize;

/// Bytes of a place for one secret in locked memory: the longest one there is.
const SLOT: usize = 96;
/// How many such places there are: for all keys of a vault, several times; not for those of all its files. Few enough for the limit that kernels before 5.16 have, 64 KiB.
const SLOTS: usize = 128;

/// The places that are free. Never given back to the allocator. Leaf lock.
static FREE: LazyLock<Mutex<Vec<&'static mut [u8]>>> = LazyLock::new(|| {
    let memory: &'static mut [u8] = vec![0; SLOT * SLOTS].leak();
    lock(memory);
    Mutex::new(memory.chunks_exact_mut(SLOT).collect())
});

/// Locks memory, or goes on without.
fn lock(memory: &[u8]) {
    if let Err(errno) = memory::lock(memory) {
        log::debug!("keys and passwords may be swapped out, they cannot be locked in memory: {errno}");
    }
}

/// `N` secret bytes, zeroed when dropped, in locked memory while there is room.
///
/// On the heap so that moving the value does not leave copies on the stack, and filled in place for the same reason. There is no `Clone`, `Debug`
/// or `PartialEq`: a secret is neither copied, printed nor compared by accident.
pub struct Secret<const N: usize>(Place<N>);

enum Place<const N: usize> {
    /// A place of [`SLOT`] bytes.
    Locked(&'static mut [u8]),
    /// Where all of them were taken, or are too small.
    Heap(Box<[u8; N]>),
}

impl<const N: usize> Secret<N> {
    fn zeros() -> Self {
        let free = if N <= SLOT { FREE.lock().pop() } else { None };
        Self(free.map_or_else(|| Place::Heap(Box::new([0; N])), Place::Locked))
    }

    fn bytes(&mut self) -> &mut [u8; N] {
        match &mut self.0 {
            Place::Locked(slot) => slot.first_chunk_mut().expect(FITS),
            Place::Heap(bytes) => bytes,
        }
    }

    /// A secret that `fill` writes into place.
    pub fn fill_with(fill: impl FnOnce(&mut [u8; N])) -> Self {
        let mut secret = Self::zeros();
        fill(secret.bytes());
        secret
    }

    /// As [`fill_with`](Self::fill_with), for a source that may fail.
    ///
    /// # Errors
    /// What `fill` returned; the bytes written so far are zeroed.
    pub fn try_fill_with<E>(fill: impl FnOnce(&mut [u8; N]) -> Result<(), E>) -> Result<Self, E> {
        let mut secret = Self::zeros();
        fill(secret.bytes())?;
        Ok(secret)
    }

    /// A fresh random secret from the thread's cryptographic generator, which the operating system seeds.
    pub fn random() -> Self {
        Self::fill_with(|bytes| rand::rng().fill_bytes(bytes))
    }

    /// The bytes. The one place where they can be read.
    pub fn expose(&self) -> &[u8; N] {
        match &self.0 {
            Place::Locked(slot) => slot.first_chunk().expect(FITS),
            Place::Heap(bytes) => bytes,
        }
    }
}

const FITS: &str = "only what is no longer than a place was given one";

impl<const N: usize> Drop for Secret<N> {
    fn drop(&mut self) {
        self.bytes().zeroize();
        if let Place::Locked(slot) = &mut self.0 {
            FREE.lock().push(mem::take(slot));
        }
    }
}

/// Secret bytes that become known one by one, up to so many; zeroed when dropped, in locked memory, and never moved to a larger one.
pub struct SecretBytes {
    bytes: Box<[u8]>,
    len: usize,
}

/// Bytes that are locked at a time: nearly all passwords are shorter.
const LOCKED_AT_ONCE: usize = 4096;

impl SecretBytes {
    /// None, with room for `most`.
    pub fn new(most: usize) -> Self {
        Self {
            bytes: vec![0; most].into(),
            len: 0,
        }
    }

    /// Those of `bytes`, which are secret elsewhere already, or not at all.
    pub fn copy_of(bytes: &[u8]) -> Self {
        let mut copy = Self::new(bytes.len());
        let has_room = bytes.iter().all(|byte| copy.push(*byte));
        debug_assert!(has_room, "as many as there are");
        copy
    }

    /// One more. Returns whether there was room.
    #[must_use]
    pub fn push(&mut self, byte: u8) -> bool {
        if self.len.is_multiple_of(LOCKED_AT_ONCE) {
            let next = self.bytes.iter().skip(self.len).take(LOCKED_AT_ONCE).count();
            lock(self.bytes.get(self.len..self.len + next).unwrap_or_default());
        }
        match self.bytes.get_mut(self.len) {
            Some(place) => *place = byte,
            None => return false,
        }
        self.len += 1;
        true
    }

    /// Keeps the first `len`, if there are more.
    pub fn truncate(&mut self, len: usize) {
        if let Some(rest) = self.bytes.get_mut(len..) {
            rest.zeroize();
            self.len = self.len.min(len);
        }
    }

    /// The bytes.
    pub fn expose(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

impl Drop for SecretBytes {
    fn drop(&mut self) {
        self.bytes.zeroize();
    }
}

/// Runs `work`, which computes with secrets, and overwrites what that left on the stack and in registers: ciphers and hashes are written by others, and not all of them tidy up.
pub fn leaving_no_trace<T>(work: impl FnOnce() -> T) -> T {
    let result = deeper(work);
    memory::wipe_traces();
    result
}

/// Some way down the stack: what wipes it keeps a little at its beginning for itself.
#[inline(never)]
fn deeper<T>(work: impl FnOnce() -> T) -> T {
    let room = [0u8; 512];
    hint::black_box(&room);
    let result = deepest(work);
    hint::black_box(&room);
    result
}

/// In a frame of its own, all of which is where the stack is wiped.
#[inline(never)]
fn deepest<T>(work: impl FnOnce() -> T) -> T {
    work()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_what_was_filled_in() {
        assert_eq!(Secret::<3>::fill_with(|bytes| bytes.copy_from_slice(b"abc")).expose(), b"abc");
        assert_eq!(Secret::<3>::fill_with(|_| {}).expose(), &[0; 3]);
        let filled = Secret::<1>::try_fill_with(|bytes| {
            bytes[0] = 7;
            Ok::<(), ()>(())
        });
        assert_eq!(filled.ok().map(|secret| *secret.expose()), Some([7]));
        assert_eq!(Secret::<1>::try_fill_with(|_| Err("no")).map(drop), Err("no"));
    }

    #[test]
    fn random_ones_differ() {
        assert_ne!(Secret::<32>::random().expose(), Secret::<32>::random().expose());
    }

    #[test]
    fn there_are_always_more() {
        let many: Vec<_> = (0..3 * SLOTS)
            .map(|at| Secret::<SLOT>::fill_with(|bytes| bytes.fill(u8::try_from(at % 251).unwrap())))
            .collect();
        let is_heap = |secret: &&Secret<SLOT>| matches!(secret.0, Place::Heap(_));
        assert!(many.iter().filter(is_heap).count() >= 2 * SLOTS);
        for (at, secret) in many.iter().enumerate() {
            assert_eq!(secret.expose(), &[u8::try_from(at % 251).unwrap(); SLOT]);
        }
        drop(many);
        for _ in 0..SLOTS {
            assert_eq!(Secret::<SLOT>::zeros().expose(), &[0; SLOT], "what was dropped is zeroed");
        }
        assert!(
            matches!(Secret::<{ SLOT + 1 }>::random().0, Place::Heap(_)),
            "one that is too long for a place"
        );
    }

    #[test]
    fn bytes_one_by_one() {
        let mut bytes = SecretBytes::new(LOCKED_AT_ONCE + 2);
        assert_eq!(bytes.expose(), b"");
        for at in 0..LOCKED_AT_ONCE + 2 {
            assert!(bytes.push(u8::try_from(at % 7).unwrap()));
        }
        assert!(!bytes.push(9), "there is no room");
        assert_eq!(bytes.expose().len(), LOCKED_AT_ONCE + 2);
        bytes.truncate(usize::MAX);
        assert_eq!(bytes.expose().len(), LOCKED_AT_ONCE + 2);
        bytes.truncate(5);
        assert_eq!(bytes.expose(), [0, 1, 2, 3, 4]);
        assert!(bytes.bytes[5..].iter().all(|byte| *byte == 0), "what was cut off is zeroed");
        assert!(bytes.push(8));
        assert_eq!(bytes.expose(), [0, 1, 2, 3, 4, 8]);
    }
}
