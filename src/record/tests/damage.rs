//! What must not open, and what is said about it.

use super::*;

const HOLE: [u8; SEALED_LEN] = [0; SEALED_LEN];

/// Opens a run that begins at record 0 and ends the file.
fn open_file(sealed: &[u8], holes: Holes) -> Result<Vec<u8>, Damage> {
    open(&cipher(), 0, sealed, End::Last, holes)
}

#[test]
fn every_flipped_bit_is_seen() {
    let plain = random_bytes(&mut seeded(), 2 * RECORD_LEN + 21);
    let mut sealed = seal(&cipher(), 0, &plain, End::Last);
    for byte in 0..sealed.len() {
        let record = u64::try_from(byte / SEALED_LEN).unwrap();
        for bit in 0..8 {
            sealed[byte] ^= 1 << bit;
            assert_eq!(
                open_file(&sealed, Holes::Allowed),
                Err(damaged(record, Reason::Tag)),
                "byte {byte}, bit {bit}"
            );
            sealed[byte] ^= 1 << bit;
        }
    }
    assert!(open_file(&sealed, Holes::Allowed).unwrap() == plain);
}

#[test]
fn a_flipped_byte_in_a_long_run_is_seen() {
    let plain = random_bytes(&mut seeded(), 37 * RECORD_LEN + 9);
    let mut sealed = seal(&cipher(), 0, &plain, End::Last);
    for byte in (0..sealed.len()).step_by(211) {
        sealed[byte] ^= 0x80;
        let record = u64::try_from(byte / SEALED_LEN).unwrap();
        assert_eq!(
            open_file(&sealed, Holes::Forbidden),
            Err(damaged(record, Reason::Tag)),
            "byte {byte}"
        );
        sealed[byte] ^= 0x80;
    }
}

#[test]
fn every_cut_is_seen() {
    let plain = random_bytes(&mut seeded(), 2 * RECORD_LEN + 33);
    let sealed = seal(&cipher(), 0, &plain, End::Last);
    for len in 0..sealed.len() {
        let found = open_file(&sealed[..len], Holes::Allowed).unwrap_err();
        let record = u64::try_from(len / SEALED_LEN).unwrap();
        let reason = if len % SEALED_LEN < OVERHEAD { Reason::Short } else { Reason::Tag };
        assert_eq!(found, damaged(record, reason), "cut to {len}");
    }
    for len in 1..SEALED_LEN {
        let found = open(&cipher(), 0, &sealed[..len], End::Inner, Holes::Allowed);
        assert_eq!(found, Err(damaged(0, Reason::Short)), "cut to {len}");
    }
}

#[test]
fn a_record_in_another_place_is_seen() {
    let plain = random_bytes(&mut seeded(), 20 * RECORD_LEN + 5);
    let sealed = seal(&cipher(), 0, &plain, End::Last);
    for (one, two) in [(0, 1), (0, 19), (3, 17), (18, 19)] {
        let mut swapped = sealed.clone();
        let (before, after) = swapped.split_at_mut(two * SEALED_LEN);
        before[one * SEALED_LEN..][..SEALED_LEN].swap_with_slice(&mut after[..SEALED_LEN]);
        let first = u64::try_from(one).unwrap();
        assert_eq!(open_file(&swapped, Holes::Allowed), Err(damaged(first, Reason::Word)));
    }
    assert_eq!(
        open(&cipher(), 1, &sealed, End::Last, Holes::Allowed),
        Err(damaged(1, Reason::Word))
    );
}

#[test]
fn an_old_last_record_in_the_middle_is_recognised() {
    let plain = random_bytes(&mut seeded(), 3 * RECORD_LEN);
    let mut sealed = seal(&cipher(), 0, &plain, End::Last);
    let old = seal(&cipher(), 1, b"the file ended here once", End::Last);
    sealed[SEALED_LEN..][..old.len()].copy_from_slice(&old);
    assert_eq!(open_file(&sealed, Holes::Allowed), Err(damaged(1, Reason::Word)));
}

#[test]
fn another_files_record_is_seen() {
    let plain = random_bytes(&mut seeded(), RECORD_LEN + 5);
    let sealed = seal(&RecordCipher::new(&file_keys(2)), 0, &plain, End::Last);
    assert_eq!(open_file(&sealed, Holes::Allowed), Err(damaged(0, Reason::Tag)));
    let mut mixed = seal(&cipher(), 0, &plain, End::Last);
    mixed[SEALED_LEN..].copy_from_slice(&sealed[SEALED_LEN..]);
    assert_eq!(open_file(&mixed, Holes::Allowed), Err(damaged(1, Reason::Tag)));
}

#[test]
fn the_first_bad_record_is_named() {
    let sealed = seal(&cipher(), 0, &vec![1; 40 * RECORD_LEN], End::Last);
    for first in [0, 7, 15, 16, 39] {
        let mut bad = sealed.clone();
        for record in [first, 40] {
            bad[record * SEALED_LEN + IV_AT] ^= 1;
        }
        let first = u64::try_from(first).unwrap();
        assert_eq!(open_file(&bad, Holes::Allowed), Err(damaged(first, Reason::Tag)));
    }
}

#[test]
fn a_hole_is_zeros_where_it_may_be_and_damage_elsewhere() {
    let plain = vec![1; 20 * RECORD_LEN + 5];
    for hole in 0..20 {
        let mut sealed = seal(&cipher(), 0, &plain, End::Last);
        sealed[hole * SEALED_LEN..][..SEALED_LEN].fill(0);
        let mut expected = plain.clone();
        expected[hole * RECORD_LEN..][..RECORD_LEN].fill(0);
        assert!(open_file(&sealed, Holes::Allowed).unwrap() == expected);
        let record = u64::try_from(hole).unwrap();
        assert_eq!(open_file(&sealed, Holes::Forbidden), Err(damaged(record, Reason::Hole)));
    }
}

#[test]
fn nothing_but_holes() {
    for records in [1, 15, 16, 17, 40] {
        let sealed = HOLE.repeat(records);
        let zeros = vec![0; records * RECORD_LEN];
        assert!(open(&cipher(), 3, &sealed, End::Inner, Holes::Allowed).unwrap() == zeros);
        let found = open(&cipher(), 3, &sealed, End::Inner, Holes::Forbidden);
        assert_eq!(found, Err(damaged(3, Reason::Hole)));
        // A file whose end was zeroed has no last record.
        assert_eq!(
            open_file(&sealed, Holes::Allowed),
            Err(damaged(u64::try_from(records).unwrap(), Reason::Short))
        );
    }
}

#[test]
fn an_almost_empty_record_is_no_hole() {
    for byte in (0..SEALED_LEN).step_by(13).chain([SEALED_LEN - 1]) {
        let mut sealed = HOLE;
        sealed[byte] = 1;
        let found = open(&cipher(), 0, &sealed, End::Inner, Holes::Allowed);
        assert_eq!(found, Err(damaged(0, Reason::Tag)), "byte {byte}");
    }
}

#[test]
fn the_last_record_is_never_a_hole() {
    let full = seal(&cipher(), 0, &vec![1; RECORD_LEN], End::Inner);
    for len in [OVERHEAD, OVERHEAD + 1, SEALED_LEN - 1] {
        let sealed = [&full[..], &HOLE[..len]].concat();
        assert_eq!(open_file(&sealed, Holes::Allowed), Err(damaged(1, Reason::Tag)));
    }
}

#[test]
fn padding_other_than_zeros_is_damage_though_the_tag_is_right() {
    let (keys, iv) = (file_keys(1), [5; BLOCK_LEN]);
    for plain in [1, 15, 17, 4081] {
        let mut padded = vec![0; usize::next_multiple_of(plain, 16)];
        let word = u64::try_from(plain).unwrap();
        let sealed = reference_record(&keys, word, iv, &padded, plain);
        assert!(open_file(&sealed, Holes::Forbidden).unwrap() == padded[..plain]);
        for byte in plain..padded.len() {
            padded[byte] = 1;
            let sealed = reference_record(&keys, word, iv, &padded, plain);
            assert_eq!(open_file(&sealed, Holes::Forbidden), Err(damaged(0, Reason::Padding)));
            padded[byte] = 0;
        }
    }
}

#[test]
fn no_bytes_at_all_are_too_much_for_it() {
    let mut rng = seeded();
    for _ in 0..3000 {
        let len = rng.random_range(0..20_000) >> rng.random_range(0..12);
        let mut bytes = random_bytes(&mut rng, len);
        if rng.random() {
            // A word that could be genuine leads further in.
            let word = (rng.next_u64() % 3) << 16 | rng.random_range(0..5000);
            let at = rng.random_range(0..3) * SEALED_LEN;
            if let Some(place) = bytes.get_mut(at..at + 8) {
                place.copy_from_slice(&word.to_le_bytes());
            }
        }
        let first = rng.next_u64() >> rng.random_range(0..64);
        for end in [End::Inner, End::Last] {
            for holes in [Holes::Forbidden, Holes::Allowed] {
                let opened = open(&cipher(), first, &bytes, end, holes);
                assert_eq!(opened.is_ok(), bytes.is_empty() && end == End::Inner);
            }
        }
        if let Some(header) = bytes.first_chunk() {
            assert!(Header::open(header, &content_key()).is_err());
        }
    }
}
