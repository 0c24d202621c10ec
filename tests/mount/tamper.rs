//! What somebody could do to a vault that lies where others can write, byte by byte: each change is an error or hides an entry, and is logged by its path in the
//! vault. Never are there wrong bytes or wrong names, and everything else stays readable.
//!
//! Not seen, by design (`docs/threat-model.md`): an older genuine version, a file of nothing, two files' whole contents exchanged, a hole made in a file that
//! has some. A failure prints its seed; `PLAINVIEW_TEST_SEED` gives it back.

mod attributes;
mod change;
mod config;
mod contents;
pub(crate) mod live;
mod names;
mod trial;
mod zeros;

use crate::harness::Mounted;
use rand::SeedableRng;
use rand::rngs::StdRng;

/// What no log may contain: it is in all plaintext names, targets and attributes here.
const SECRET: &str = "SECRET";

/// Where random bytes and positions come from, with the seed for messages.
fn random() -> (u64, StdRng) {
    let seed = crate::differential::seed();
    (seed, StdRng::seed_from_u64(seed))
}

/// Unmounts; the log may, and must, tell of each of `told` in a line that contains `what`, and tells nothing secret.
#[track_caller]
fn unmount_and_check_log<'n>(mut mounted: Mounted<'_>, what: &[&str], told: impl IntoIterator<Item = &'n str>) {
    let log = mounted.log();
    let lines: Vec<_> = log.lines().filter(|line| what.iter().any(|what| line.contains(what))).collect();
    let untold: Vec<_> = told
        .into_iter()
        .filter(|name| !lines.iter().any(|line| line.contains(*name)))
        .collect();
    assert!(
        untold.is_empty(),
        "{} things are not in the log, such as {:?}:\n{log}",
        untold.len(),
        &untold[..untold.len().min(5)]
    );
    assert!(!log.contains(SECRET), "a secret is in the log:\n{log}");
    what.iter().for_each(|what| mounted.allow_log(what));
    mounted.unmount();
}
