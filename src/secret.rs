//! Bytes that must not outlive their use.

use rand::Rng;
use zeroize::Zeroize;

/// `N` secret bytes on the heap, zeroed when dropped.
///
/// On the heap so that moving the value does not leave copies on the stack, and filled in place for the same reason. There is no `Clone`, `Debug`
/// or `PartialEq`: a secret is neither copied, printed nor compared by accident.
pub struct Secret<const N: usize>(Box<[u8; N]>);

impl<const N: usize> Secret<N> {
    /// A secret that `fill` writes into place.
    pub fn fill_with(fill: impl FnOnce(&mut [u8; N])) -> Self {
        let mut secret = Self(Box::new([0; N]));
        fill(&mut secret.0);
        secret
    }

    /// As [`fill_with`](Self::fill_with), for a source that may fail.
    ///
    /// # Errors
    /// What `fill` returned; the bytes written so far are zeroed.
    pub fn try_fill_with<E>(fill: impl FnOnce(&mut [u8; N]) -> Result<(), E>) -> Result<Self, E> {
        let mut secret = Self(Box::new([0; N]));
        fill(&mut secret.0)?;
        Ok(secret)
    }

    /// A fresh random secret from the thread's cryptographic generator, which the operating system seeds.
    pub fn random() -> Self {
        Self::fill_with(|bytes| rand::rng().fill_bytes(bytes))
    }

    /// The bytes. The one place where they can be read.
    pub fn expose(&self) -> &[u8; N] {
        &self.0
    }
}

impl<const N: usize> Drop for Secret<N> {
    fn drop(&mut self) {
        self.0.zeroize();
    }
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
}
