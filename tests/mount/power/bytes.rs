//! Bytes that say when they were written, and whether those of a file are what a power cut may leave.

use std::ops::RangeInclusive;

/// `len` bytes from the offset `at` on of what version `version` of a file is. None of them is zero, so that holes are seen.
pub(super) fn pattern(version: u64, at: u64, len: u64) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(usize::try_from(len).unwrap() + 16);
    let start = at / 8;
    for word in start..(at + len).div_ceil(8) {
        let mut mixed = (version ^ word.wrapping_mul(0x9e37_79b9_7f4a_7c15)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 31)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 29;
        bytes.extend(mixed.to_le_bytes().map(|byte| byte.max(1)));
    }
    let skipped = usize::try_from(at - start * 8).unwrap();
    bytes.drain(..skipped);
    bytes.truncate(usize::try_from(len).unwrap());
    bytes
}

/// A change of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// `len` bytes at `at` become those of a version.
    Write { at: u64, len: u64, version: u64 },
    /// It becomes so long.
    SetLen(u64),
}

impl Change {
    /// Makes it to the bytes of a file.
    fn apply(self, bytes: &mut Vec<u8>) {
        match self {
            Self::Write { at, len, version } => {
                let (from, to) = (usize::try_from(at).unwrap(), usize::try_from(at + len).unwrap());
                bytes.resize(bytes.len().max(to), 0);
                bytes[from..to].copy_from_slice(&pattern(version, at, len));
            }
            Self::SetLen(len) => bytes.resize(usize::try_from(len).unwrap(), 0),
        }
    }
}

/// What a file may be: what `sure` changes have made of it, and any part of what `possible` ones would make of it after that.
pub(super) fn explain(found: &[u8], sure: &[Change], possible: &[Change]) -> Result<(), String> {
    let mut base = vec![];
    for change in sure {
        change.apply(&mut base);
    }
    let len = u64::try_from(base.len()).unwrap();
    let found_len = u64::try_from(found.len()).unwrap();
    let lengths = lengths(len, possible);
    if !lengths.iter().any(|range| range.contains(&found_len)) {
        return Err(format!("{found_len} bytes long, after {len} and {} changes", possible.len()));
    }
    let mut explained: Vec<bool> = found
        .iter()
        .enumerate()
        .map(|(at, byte)| base.get(at).map_or(*byte == 0, |base| base == byte))
        .collect();
    for change in possible {
        match *change {
            Change::Write { at, len, version } => {
                let bytes = pattern(version, at, len);
                let from = usize::try_from(at).unwrap();
                for (at, byte) in (from..).zip(bytes).take_while(|(at, _)| *at < found.len()) {
                    explained[at] |= found[at] == byte;
                }
            }
            // What grows again is zeros.
            Change::SetLen(len) => {
                for at in usize::try_from(len).unwrap()..found.len() {
                    explained[at] |= found[at] == 0;
                }
            }
        }
    }
    let wrong: Vec<_> = explained.iter().enumerate().filter(|(_, good)| !**good).map(|(at, _)| at).collect();
    match wrong.as_slice() {
        [] => Ok(()),
        [first, ..] => Err(format!(
            "{} of {found_len} bytes are not what they may be, the first at {first} ({}), after {} changes that were synced and {} that were not",
            wrong.len(),
            if found[*first] == 0 { "zero" } else { "not zero" },
            sure.len(),
            possible.len()
        )),
    }
}

/// The lengths that a file of `len` bytes may have after any part of `changes`.
fn lengths(mut len: u64, changes: &[Change]) -> Vec<RangeInclusive<u64>> {
    let mut ranges = vec![len..=len];
    for change in changes {
        let new = match *change {
            Change::Write { at, len: written, .. } => len.max(at + written),
            Change::SetLen(new) => {
                len = new;
                new
            }
        };
        ranges.push(len..=new);
        len = new;
    }
    ranges
}

#[test]
fn what_a_power_cut_may_not_leave_is_seen() {
    let write = |at, len, version| Change::Write { at, len, version };
    let sure = [write(0, 9000, 1), Change::SetLen(8000)];
    let possible = [write(100, 50, 2), Change::SetLen(200), write(300, 10, 3)];
    let old = pattern(1, 0, 8000);
    let ok = |found: &[u8]| explain(found, &sure, &possible).is_ok();
    let patched = |at: usize, bytes: &[u8]| {
        let mut found = old.clone();
        found[at..at + bytes.len()].copy_from_slice(bytes);
        found
    };
    assert!(ok(&old));
    assert!(ok(&patched(100, &pattern(2, 100, 50))) && ok(&patched(100, &pattern(2, 100, 20))));
    assert!(ok(&old[..200]) && ok(&[&old[..200], &[0; 105]].concat()) && ok(&patched(300, &pattern(3, 300, 10))[..310]));
    assert!(!ok(&old[..199]) && !ok(&old[..7999]) && !ok(&[]));
    assert!(!ok(&patched(99, &pattern(2, 99, 51))), "never written there");
    assert!(!ok(&patched(10, &[0; 20])), "a hole where nothing was cut");
    assert!(!ok(&patched(100, &pattern(4, 100, 50))), "no such version");
    assert!(
        explain(&old, &[sure[0], sure[1], write(10, 100, 5)], &[]).is_err(),
        "older than synced"
    );
}
