//! Recovery keys: their text, and what is said of one that was mistyped.

use super::super::*;
use rand::RngExt;

/// The bytes 0x20 to 0x33, as `scripts/vectors.py` writes them down.
const EXAMPLE: &str = "40GJ4-48S49-4MK2P-EA193-58NJY-RB9E8-5WR3K-2CHKA";

fn text(key: &RecoveryKey) -> String {
    key.text().as_str().to_owned()
}

fn error(text: &str) -> RecoveryError {
    RecoveryKey::parse(text.as_bytes()).map(drop).unwrap_err()
}

fn parses_as(text: &str, key: &RecoveryKey) -> bool {
    RecoveryKey::parse(text.as_bytes()).unwrap().slot_key().expose() == key.slot_key().expose()
}

#[test]
fn what_is_written_down_is_read_again() {
    for _ in 0..1000 {
        let key = RecoveryKey::random();
        let written = text(&key);
        assert_eq!((written.len(), written.split('-').count()), (47, 8), "{written}");
        assert!(parses_as(&written, &key), "{written}");
    }
    assert_ne!(text(&RecoveryKey::random()), text(&RecoveryKey::random()));
}

#[test]
fn entry_forgives() {
    for _ in 0..200 {
        let key = RecoveryKey::random();
        let written = text(&key);
        let joined = written.replace('-', "");
        let pairs: Vec<_> = joined.as_bytes().chunks(2).map(|pair| str::from_utf8(pair).unwrap()).collect();
        for typed in [
            written.to_lowercase(),
            written.replace('-', " "),
            written.replace('-', " - \t"),
            joined.to_lowercase(),
            pairs.join(" "),
            format!("  {written}-\r"),
            written.replace('0', "O").replace('1', "l").replace('V', "u"),
            written.replace('0', "o").replace('1', "I"),
        ] {
            assert!(parses_as(&typed, &key), "{typed}");
        }
    }
}

/// Every other character in every place, and every two neighbours in each other's.
#[test]
fn every_slip_of_one_character_is_told_by_its_group() {
    let written = text(&RecoveryKey::random());
    for (at, was) in written.char_indices().filter(|(_, char)| *char != '-') {
        let group = at / 6 + 1;
        for typed in "0123456789ABCDEFGHJKMNPQRSTVWXYZ".chars().filter(|typed| *typed != was) {
            let mut slip = written.clone();
            slip.replace_range(at..=at, &typed.to_string());
            assert_eq!(error(&slip), RecoveryError::Mistyped(vec![group]), "{written}: {slip}");
        }
        for other in (at + 1..at / 6 * 6 + 5).filter(|other| written.as_bytes()[*other] != written.as_bytes()[at]) {
            let mut bytes = written.clone().into_bytes();
            bytes.swap(at, other);
            let swapped = String::from_utf8(bytes).unwrap();
            assert_eq!(error(&swapped), RecoveryError::Mistyped(vec![group]), "{written}: {swapped}");
        }
    }
}

#[test]
fn groups_in_each_others_place_are_told() {
    let written = text(&RecoveryKey::random());
    let groups: Vec<&str> = written.split('-').collect();
    for (one, other) in [(0, 1), (2, 7), (3, 4)] {
        let mut swapped = groups.clone();
        swapped.swap(one, other);
        assert_eq!(error(&swapped.join("-")), RecoveryError::Mistyped(vec![one + 1, other + 1]));
    }
}

#[test]
fn what_is_missing_or_foreign_is_told() {
    let table = [
        (EXAMPLE.replace("4MK2P", "4MK2"), "group 3 has 4 characters instead of 5"),
        (EXAMPLE.replace("4MK2P", "4MK22P"), "group 3 has 6 characters instead of 5"),
        (
            EXAMPLE.replace("4MK2P", "4MK2*"),
            "group 3 has a character that is in no recovery key",
        ),
        (
            EXAMPLE.replace("4MK2P", "4MK2\u{e4}").replace('-', ""),
            "group 3 has a character that is in no recovery key",
        ),
        (
            EXAMPLE.replace("4MK2P-", ""),
            "it has 35 characters instead of 40; the first group that does not fit is group 3",
        ),
        (
            EXAMPLE.replace('-', "")[..38].to_owned(),
            "it has 38 characters instead of 40; the first group that does not fit is group 8",
        ),
        (
            EXAMPLE.replace('-', "") + "00",
            "it has 42 characters instead of 40; the first group that does not fit is group 8",
        ),
        (
            String::new(),
            "it has 0 characters instead of 40; the first group that does not fit is group 8",
        ),
        (EXAMPLE.replace("4MK2P", "4MK3P"), "group 3 is mistyped, or not in its place"),
        (
            EXAMPLE
                .replace("4MK2P", "4MK3P")
                .replace("2CHKA", "2CHKB")
                .replace("48S49", "49S49"),
            "groups 2, 3 and 8 are mistyped, or not in their place",
        ),
    ];
    for (typed, sentence) in table {
        assert_eq!(error(&typed).to_string(), sentence, "{typed}");
    }
    assert!(RecoveryKey::parse(EXAMPLE.as_bytes()).is_ok());
}

/// Nothing that is typed makes it fail otherwise.
#[test]
fn any_bytes_are_a_key_or_an_error() {
    let mut rng = rand::rng();
    for _ in 0..20_000 {
        let len = rng.random_range(0..100);
        let bytes: Vec<u8> = (0..len).map(|_| rng.random()).collect();
        let _ = RecoveryKey::parse(&bytes);
        let letters: Vec<u8> = bytes
            .iter()
            .map(|byte| b"0123456789ABCDEFGHJKMNPQRSTVWXYZ- "[usize::from(*byte) % 34])
            .collect();
        let _ = RecoveryKey::parse(&letters);
    }
}
