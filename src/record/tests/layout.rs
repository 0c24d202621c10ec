use super::*;

/// Lengths on disk of all files up to a few records, by adding up what is in them.
fn model() -> Vec<u64> {
    let mut lengths = vec![0];
    for plain in 1..=3 * RECORD_LEN + 2 {
        let full: usize = vec![SEALED_LEN; plain / RECORD_LEN].iter().sum();
        let tag = if plain % 16 == 0 { 32 } else { 16 + plain % 16 };
        let last = 8 + 16 + (plain % RECORD_LEN).div_ceil(16) * 16 + tag;
        lengths.push(u64::try_from(48 + full + last).unwrap());
    }
    lengths
}

#[test]
fn lengths_are_those_of_the_model() {
    for (plain, cipher) in (0..).zip(model()) {
        assert_eq!(cipher_len(plain), cipher, "of {plain} bytes");
    }
}

#[test]
fn every_length_on_disk_is_that_of_one_file_or_of_none() {
    let model = model();
    for cipher in 0..=*model.last().unwrap() {
        let whole = model.iter().position(|len| *len == cipher);
        let full = (1..).take_while(|records| 48 + 4152 * records <= cipher).count();
        let expected = match whole {
            Some(plain) => Size::Whole(u64::try_from(plain).unwrap()),
            None => Size::Cut(4096 * u64::try_from(full).unwrap() + 1),
        };
        assert_eq!(size_on_disk(cipher), expected, "of {cipher} bytes on disk");
    }
}

#[test]
fn sizes_at_the_upper_end() {
    let longest = cipher_len(MAX_PLAIN_LEN);
    assert!(i64::try_from(longest).is_ok());
    assert_eq!(Position::of(MAX_PLAIN_LEN).record.get(), MAX_RECORDS - 1);
    assert_eq!(size_on_disk(longest), Size::Whole(MAX_PLAIN_LEN));
    assert_eq!(size_on_disk(longest + 1), Size::Cut(MAX_PLAIN_LEN + 2));
    assert_eq!(size_on_disk(longest + 57), Size::Cut(MAX_PLAIN_LEN + 2));
    assert_eq!(size_on_disk(u64::MAX), Size::Cut(MAX_PLAIN_LEN + 2));
    assert!(cipher_len(MAX_PLAIN_LEN + 1) > longest);
    assert_eq!(cipher_len(u64::MAX), u64::MAX);
    assert_eq!(RecordNo::new(u64::MAX).cipher_offset(), u64::MAX);
    assert_eq!(RecordNo::new(u64::MAX).plain_offset(), u64::MAX);
    assert_eq!(RecordNo::new(u64::MAX).plus(1), RecordNo::new(u64::MAX));
}

#[test]
fn any_length_at_all() {
    let mut rng = seeded();
    for _ in 0..100_000 {
        let cipher = rng.next_u64() >> rng.random_range(0..64);
        if let Size::Whole(plain) = size_on_disk(cipher) {
            assert_eq!(cipher_len(plain), cipher);
        }
        let plain = rng.random_range(0..=MAX_PLAIN_LEN) >> rng.random_range(0..60);
        assert_eq!(size_on_disk(cipher_len(plain)), Size::Whole(plain));
    }
}

#[test]
fn positions_and_offsets() {
    for (offset, record, within) in [
        (0, 0, 0),
        (1, 0, 1),
        (4095, 0, 4095),
        (4096, 1, 0),
        (4097, 1, 1),
        (8191, 1, 4095),
        (1 << 40, 1 << 28, 0),
    ] {
        let position = Position::of(offset);
        assert_eq!((position.record.get(), position.within), (record, within));
        assert_eq!(position.record.plain_offset() + u64::try_from(within).unwrap(), offset);
    }
    assert_eq!(RecordNo::new(0).cipher_offset(), 48);
    assert_eq!(RecordNo::new(1).cipher_offset(), 4200);
    assert_eq!(RecordNo::new(10).cipher_offset(), 48 + 41520);
}

#[test]
fn runs_have_the_lengths_of_their_records() {
    let last: Vec<usize> = (0..3 * RECORD_LEN).map(|plain| sealed_len(plain, End::Last)).collect();
    for (plain, sealed) in last.iter().enumerate() {
        assert_eq!(
            cipher_len(u64::try_from(plain + RECORD_LEN).unwrap()),
            u64::try_from(48 + 4152 + sealed).unwrap()
        );
    }
    for sealed in 0..*last.last().unwrap() {
        assert_eq!(
            opened_len(sealed, End::Last),
            last.iter().position(|len| *len == sealed),
            "of {sealed} bytes"
        );
        let inner = (sealed % 4152 == 0).then_some(sealed / 4152 * 4096);
        assert_eq!(opened_len(sealed, End::Inner), inner, "of {sealed} bytes");
        assert_eq!(inner.map(|plain| sealed_len(plain, End::Inner)), inner.map(|_| sealed));
    }
}
