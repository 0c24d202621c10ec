use super::*;
use std::collections::HashSet;

/// Splits a sealed run into its records and checks each against the reference.
fn assert_is_reference(keys: &FileKeys, first: u64, plain: &[u8], end: End, sealed: &[u8]) {
    let last = match end {
        End::Inner => None,
        End::Last => Some(&plain[plain.len() / RECORD_LEN * RECORD_LEN..]),
    };
    let records: Vec<&[u8]> = plain.chunks_exact(RECORD_LEN).chain(last).collect();
    assert_eq!(records.len(), sealed.chunks(SEALED_LEN).len());
    for ((number, plain), sealed) in (first..).zip(records).zip(sealed.chunks(SEALED_LEN)) {
        let iv = sealed[IV_AT..CT_AT].try_into().unwrap();
        let mut padded = plain.to_vec();
        padded.resize(plain.len().next_multiple_of(16), 0);
        let word = number << 16 | u64::try_from(plain.len()).unwrap();
        assert!(sealed == reference_record(keys, word, iv, &padded, plain.len()), "record {number}");
    }
}

#[test]
fn runs_of_every_count_are_as_documented_and_open() {
    let mut rng = seeded();
    for records in 0..=70 {
        let plain = random_bytes(&mut rng, records * RECORD_LEN);
        let sealed = seal(&cipher(), 1000, &plain, End::Inner);
        assert_is_reference(&file_keys(1), 1000, &plain, End::Inner, &sealed);
        assert!(open(&cipher(), 1000, &sealed, End::Inner, Holes::Forbidden).unwrap() == plain);
    }
}

#[test]
fn runs_of_every_count_and_last_record_are_as_documented_and_open() {
    let mut rng = seeded();
    for records in (0..=18).chain([31, 32, 33, 63, 64, 65]) {
        for last in [0, 1, 15, 16, 17, 1024, 4079, 4080, 4081, 4095] {
            let plain = random_bytes(&mut rng, records * RECORD_LEN + last);
            let sealed = seal(&cipher(), 0, &plain, End::Last);
            assert_is_reference(&file_keys(1), 0, &plain, End::Last, &sealed);
            assert!(open(&cipher(), 0, &sealed, End::Last, Holes::Allowed).unwrap() == plain);
        }
    }
}

#[test]
fn lengths_around_the_borders_open() {
    let mut rng = seeded();
    for len in LENGTHS {
        let plain = random_bytes(&mut rng, len);
        let sealed = seal(&cipher(), 5, &plain, End::Last);
        assert_is_reference(&file_keys(1), 5, &plain, End::Last, &sealed);
        assert!(open(&cipher(), 5, &sealed, End::Last, Holes::Forbidden).unwrap() == plain);
    }
}

#[test]
fn part_of_a_run_opens_by_itself() {
    let plain = random_bytes(&mut seeded(), 40 * RECORD_LEN + 100);
    let sealed = seal(&cipher(), 0, &plain, End::Last);
    for from in 0..=40 {
        let (sealed, plain) = (&sealed[from * SEALED_LEN..], &plain[from * RECORD_LEN..]);
        let first = u64::try_from(from).unwrap();
        assert!(open(&cipher(), first, sealed, End::Last, Holes::Forbidden).unwrap() == plain);
        let inner = &sealed[..(40 - from) * SEALED_LEN];
        assert!(open(&cipher(), first, inner, End::Inner, Holes::Forbidden).unwrap() == plain[..(40 - from) * RECORD_LEN]);
    }
}

#[test]
fn the_last_record_number_there_can_be() {
    let sealed = seal(&cipher(), MAX_RECORDS - 1, b"end", End::Last);
    assert_is_reference(&file_keys(1), MAX_RECORDS - 1, b"end", End::Last, &sealed);
    assert_eq!(
        open(&cipher(), MAX_RECORDS - 1, &sealed, End::Last, Holes::Forbidden).unwrap(),
        b"end"
    );
    for first in [MAX_RECORDS, u64::MAX] {
        assert_eq!(
            open(&cipher(), first, &sealed, End::Last, Holes::Forbidden),
            Err(damaged(first, Reason::Length))
        );
    }
}

#[test]
#[should_panic(expected = "a file's length is bounded")]
fn a_record_number_that_has_no_word_is_not_sealed() {
    seal(&cipher(), MAX_RECORDS, b"end", End::Last);
}

#[test]
#[should_panic(expected = "the length of out is that of plain sealed")]
fn sealing_wants_room_for_all() {
    cipher().seal(RecordNo::new(0), &[0; 100], End::Last, &mut rand::rng(), &mut [0; 155]);
}

#[test]
#[should_panic(expected = "the length of out is that of sealed opened")]
fn opening_wants_room_for_all() {
    let sealed = seal(&cipher(), 0, &[0; 100], End::Last);
    let _ = cipher().open(RecordNo::new(0), &sealed, End::Last, Holes::Forbidden, &mut [0; 99]);
}

#[test]
fn every_record_has_an_iv_of_its_own() {
    let plain = vec![0; 100 * RECORD_LEN];
    let mut ivs = HashSet::new();
    for _ in 0..10 {
        let sealed = seal(&cipher(), 0, &plain, End::Last);
        ivs.extend(sealed.chunks(SEALED_LEN).map(|record| record[IV_AT..CT_AT].to_vec()));
    }
    assert_eq!(ivs.len(), 1010);
}
