//! Random tests that can be repeated.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// Says how to repeat the test when it fails.
pub(super) struct Seed(u64);

impl Seed {
    /// The seed in `PLAINVIEW_TEST_SEED`, or a random one.
    pub(super) fn take() -> Self {
        match std::env::var("PLAINVIEW_TEST_SEED") {
            Ok(seed) => Self(seed.parse().expect("PLAINVIEW_TEST_SEED is a number")),
            Err(_) => Self(rand::rng().random()),
        }
    }

    pub(super) fn rng(&self) -> StdRng {
        StdRng::seed_from_u64(self.0)
    }
}

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("repeat with PLAINVIEW_TEST_SEED={}", self.0);
        }
    }
}
