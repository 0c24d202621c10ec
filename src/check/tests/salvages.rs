//! What is read of damaged files.

use super::scene::{master, noise, random, sealed, unnamed};
use crate::check::salvage::{Salvaged, salvage_disk};
use crate::keys::ContentKey;
use crate::record::{HEADER_LEN, Holes, SEALED_LEN};
use rand::{Rng, RngExt};
use std::fs::File;
use std::io::Read as _;
use std::os::fd::AsFd;

/// Records and 300 bytes.
const RECORDS: usize = 20;
const LEN: usize = RECORDS * 4096 + 300;

fn salvaged(bytes: &[u8]) -> (Salvaged, Vec<u8>) {
    let (file, out) = (unnamed(bytes), tempfile::tempfile().unwrap());
    let len = u64::try_from(bytes.len()).unwrap();
    let salvaged = salvage_disk(&file.as_fd(), len, &ContentKey::derive(&master()), &out.as_fd(), &|_| {}).unwrap();
    let mut plain = vec![];
    // Opened anew, for the descriptor's own offset.
    File::open(format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&out)))
        .unwrap()
        .read_to_end(&mut plain)
        .unwrap();
    assert_eq!(plain.len(), usize::try_from(salvaged.len).unwrap());
    (salvaged, plain)
}

/// Checks that all of `plain` was read but the records `missing`, which are zeros.
#[track_caller]
fn assert_missing(bytes: &[u8], plain: &[u8], missing: &[usize]) {
    let (salvaged, got) = salvaged(bytes);
    let mut expected = plain.to_vec();
    for record in missing {
        let end = (record * 4096 + 4096).min(expected.len());
        expected[record * 4096..end].fill(0);
    }
    assert!(got == expected, "{salvaged:?}");
    assert_eq!(salvaged.missing == 0, missing.is_empty(), "{salvaged:?}");
}

fn file() -> (Vec<u8>, Vec<u8>) {
    let plain = noise(LEN);
    let file = sealed(&plain, Holes::Forbidden);
    (file, plain)
}

#[test]
fn a_whole_file_is_complete() {
    let (file, plain) = file();
    assert_missing(&file, &plain, &[]);
    assert!(salvaged(&file).0.is_complete());
    assert_missing(&[], &[], &[]);
    assert!(salvaged(&[]).0.is_complete());
}

#[test]
fn bad_records_are_missing_and_no_others() {
    let (mut file, plain) = file();
    for record in [0, 7, 8, 19] {
        file[HEADER_LEN + record * SEALED_LEN + 1000] ^= 4;
    }
    assert_missing(&file, &plain, &[0, 7, 8, 19]);
    let (salvaged, _) = salvaged(&file);
    assert_eq!(salvaged.missing, 3);
    assert!(salvaged.map.contains("\n0x00007000  0x00002000  -\n"), "{}", salvaged.map);
    let at = file.len() - 1;
    file[at] ^= 1;
    assert_missing(&file, &plain, &[0, 7, 8, 19, 20]);
}

#[test]
fn a_damaged_header_needs_only_its_salt() {
    let (whole, plain) = file();
    for at in (0..8).chain(32..48) {
        let mut file = whole.clone();
        file[at] ^= 1;
        assert_missing(&file, &plain, &[]);
    }
    let mut file = whole;
    file[..8].fill(0);
    file[32..48].fill(0);
    assert_missing(&file, &plain, &[]);
    // Without the salt there is no key.
    file[20] ^= 1;
    let (salvaged, _) = salvaged(&file);
    assert_eq!((salvaged.bytes, salvaged.missing), (0, 1));
}

#[test]
fn records_are_found_wherever_they_are() {
    let (seed, mut rng) = random();
    let (file, plain) = file();
    for _ in 0..60 {
        // Not in the last record, without which nobody knows where the file ends.
        let at = rng.random_range(0..=HEADER_LEN + RECORDS * SEALED_LEN);
        let mut garbage = vec![0; rng.random_range(1..9000)];
        rng.fill_bytes(&mut garbage);
        let longer = [&file[..at], &garbage, &file[at..]].concat();
        let hit = at.checked_sub(HEADER_LEN);
        let cut = hit.filter(|hit| hit % SEALED_LEN > 0).map(|hit| hit / SEALED_LEN);
        let context = format!("PLAINVIEW_TEST_SEED={seed}: {} bytes at {at}", garbage.len());
        if hit.is_some() || at == 0 {
            let missing: Vec<_> = cut.into_iter().collect();
            println!("{context}");
            assert_missing(&longer, &plain, &missing);
        }
        let gone = rng.random_range(1..SEALED_LEN);
        let from = HEADER_LEN + rng.random_range(0..RECORDS - 2) * SEALED_LEN + 100;
        let shorter = [&file[..from], &file[from + gone..]].concat();
        println!("{context}, {gone} bytes less at {from}");
        let first = (from - HEADER_LEN) / SEALED_LEN;
        let last = (from + gone - 1 - HEADER_LEN) / SEALED_LEN;
        assert_missing(&shorter, &plain, &(first..=last).collect::<Vec<_>>());
    }
}

#[test]
fn holes_are_holes() {
    let mut plain = noise(LEN);
    plain[4096..5 * 4096].fill(0);
    let mut file = sealed(&plain, Holes::Allowed);
    file[HEADER_LEN + SEALED_LEN..HEADER_LEN + 5 * SEALED_LEN].fill(0);
    assert_missing(&file, &plain, &[]);
    // Without the header nobody can say that zeros are meant.
    file[40] ^= 1;
    assert_missing(&file, &plain, &[1, 2, 3, 4]);
}

#[test]
fn garbage_gives_nothing_and_no_panic() {
    let (seed, mut rng) = random();
    for len in [1, 47, 48, 49, 103, 104, 105, 5000, 3_000_000] {
        let mut garbage = vec![0; len];
        rng.fill_bytes(&mut garbage);
        for bytes in [&garbage, &vec![0; len], &vec![1; len]] {
            assert_eq!(salvaged(bytes).0.bytes, 0, "PLAINVIEW_TEST_SEED={seed}");
        }
    }
}
