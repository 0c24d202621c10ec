//! libFuzzer's program: feeds one of the targets, the one that `PLAINVIEW_FUZZ_TARGET` names. `scripts/fuzz.sh` runs it.
#![no_main]

mod targets;

use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

static TARGET: LazyLock<fn(&[u8])> = LazyLock::new(|| {
    let name = std::env::var("PLAINVIEW_FUZZ_TARGET").unwrap_or_default();
    let found = targets::ALL.iter().find(|(other, _)| *other == name);
    found.expect("PLAINVIEW_FUZZ_TARGET names a target").1
});

fuzz_target!(|data: &[u8]| TARGET(data));
