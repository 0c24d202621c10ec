//! What of a new file is good.

use super::real::master;
use crate::journal::overlay::index;
use crate::journal::tests::sim::{SimFile, World};
use crate::journal::verify::{Care, Repair, repair};
use crate::keys::{ContentKey, FileKeys, SALT_LEN};
use crate::record::{End, HEADER_LEN, Header, Holes, OVERHEAD, RECORD_LEN, RecordCipher, RecordNo, SEALED_LEN};
use crate::sys::disk::{Backing, Disk};
use std::fs::File;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

/// The bytes of a file whose salt is `salt` many times, with so many full records and a last one of `rest` bytes, all of them `fill`.
pub(super) fn sealed(salt: u8, full: usize, rest: usize, fill: u8) -> Vec<u8> {
    sealed_with(salt, full, rest, fill, Holes::Forbidden)
}

fn sealed_with(salt: u8, full: usize, rest: usize, fill: u8, holes: Holes) -> Vec<u8> {
    let header = Header {
        salt: [salt; SALT_LEN],
        holes,
    };
    let keys = FileKeys::derive(&content(), &header.salt);
    let mut bytes = header.seal(&keys).to_vec();
    let plain = vec![fill; full * RECORD_LEN + rest];
    let mut records = vec![0; full * SEALED_LEN + rest + OVERHEAD];
    RecordCipher::new(&keys).seal(RecordNo::new(0), &plain, End::Last, &mut rand::rng(), &mut records);
    bytes.extend(records);
    bytes
}

fn content() -> ContentKey {
    ContentKey::derive(&master(3))
}

fn file_of(bytes: &[u8]) -> SimFile {
    let file = World::default().create();
    file.write_at(bytes, 0).unwrap();
    file
}

fn repair_of(bytes: &[u8], care: Care) -> Option<Repair> {
    repair(&file_of(bytes), bytes.len().try_into().unwrap(), &content(), care).unwrap()
}

/// How many full records a file has after its repair, having checked that all of it is good then.
fn records_after(bytes: &[u8], care: Care) -> usize {
    let bytes = match repair_of(bytes, care) {
        None => bytes.to_vec(),
        Some(repair) => [&bytes[..index(repair.keep)], &repair.end].concat(),
    };
    assert_eq!(repair_of(&bytes, Care::Thorough), None, "a second attempt finds nothing to do");
    bytes.len().saturating_sub(HEADER_LEN) / SEALED_LEN
}

#[test]
fn a_good_file_is_left_alone() {
    for (full, rest) in [(0, 1), (0, 4095), (1, 0), (3, 100), (300, 0), (513, 4095)] {
        for care in [Care::Thorough, Care::EndOnly] {
            assert_eq!(repair_of(&sealed(1, full, rest, 7), care), None);
        }
    }
}

#[test]
fn a_file_that_was_cut_anywhere_keeps_the_records_before() {
    let bytes = sealed(1, 5, 100, 7);
    for len in HEADER_LEN..bytes.len() {
        for care in [Care::Thorough, Care::EndOnly] {
            assert_eq!(records_after(&bytes[..len], care), (len - HEADER_LEN) / SEALED_LEN, "{len}");
        }
    }
}

#[test]
fn a_new_file_is_cut_where_it_is_bad() {
    let good = sealed(1, 5, 100, 7);
    for record in 0..6 {
        let mut bytes = good.clone();
        bytes[HEADER_LEN + record * SEALED_LEN + 60] ^= 1;
        assert_eq!(records_after(&bytes, Care::Thorough), record);
    }
    let mut headless = good.clone();
    headless[..HEADER_LEN].fill(0);
    assert_eq!(repair_of(&headless, Care::Thorough).unwrap().len(), 0);
    headless[3] = 1;
    assert_eq!(
        repair_of(&headless, Care::Thorough),
        None,
        "what is not ours, or damaged, is not for us to cut"
    );
}

#[test]
fn where_every_file_seems_new_damage_is_not_cut() {
    let good = sealed(1, 5, 100, 7);
    for record in 0..5 {
        let mut bytes = good.clone();
        bytes[HEADER_LEN + record * SEALED_LEN + 60] ^= 1;
        assert_eq!(repair_of(&bytes, Care::EndOnly), None);
        bytes.truncate(HEADER_LEN + 5 * SEALED_LEN + 3);
        let is_behind_good = record == 4;
        assert_eq!(repair_of(&bytes, Care::EndOnly).is_some(), is_behind_good, "{record}");
    }
    let mut headless = good;
    headless[..HEADER_LEN].fill(0);
    assert_eq!(repair_of(&headless, Care::EndOnly), None);
}

#[test]
fn an_old_last_record_ends_the_file_again() {
    let mut bytes = sealed(1, 1, 100, 7);
    bytes.resize(HEADER_LEN + 4 * SEALED_LEN, 0);
    let repair = repair_of(&bytes, Care::Thorough).unwrap();
    assert_eq!(
        (index(repair.keep), repair.end.len()),
        (HEADER_LEN + SEALED_LEN + 100 + OVERHEAD, 0)
    );
}

#[test]
fn holes_take_no_time_however_long() {
    let file = tempfile::tempfile().unwrap();
    let disk = file.as_fd();
    for (holes, expected) in [(Holes::Allowed, 1_u64 << 40), (Holes::Forbidden, 2)] {
        let bytes = sealed_with(1, 2, 0, 7, holes);
        file.set_len(0).unwrap();
        disk.write_at(&bytes, 0).unwrap();
        let len = RecordNo::new(1 << 40).cipher_offset();
        grow(&file, len);
        for care in [Care::Thorough, Care::EndOnly] {
            let begun = Instant::now();
            let repair = repair(&disk, disk.stat().unwrap().len, &content(), care).unwrap().unwrap();
            assert!(begun.elapsed() < Duration::from_secs(20), "{holes:?} {care:?}");
            assert!(repair.len() <= RecordNo::new(expected + 1).cipher_offset());
        }
    }
}

/// As long as the filesystem lets it become, at most `len`.
fn grow(file: &File, len: u64) {
    let mut len = len;
    while file.set_len(len).is_err() {
        len /= 2;
    }
    assert!(len > 1 << 40);
}
