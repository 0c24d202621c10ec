//! The parts by themselves.

use super::scene::random;
use crate::check::bad::Bad;
use crate::check::map::{Ranges, text};
use crate::check::place::Place;
use crate::check::records::Why;
use crate::check::{escaped, unescaped};
use crate::record::Reason;
use rand::{Rng, RngExt};
use rustix::io::Errno;

const TAG: Why = Why::Damage(Reason::Tag);
const HOLE: Why = Why::Damage(Reason::Hole);

fn runs(bad: &Bad) -> Vec<(u64, u64)> {
    bad.told().0.map(|(first, run)| (first, run.end)).collect()
}

#[test]
fn bad_records_side_by_side_are_one_run_in_whatever_order_they_come() {
    let mut bad = Bad::default();
    for first in [5, 1, 3, 4, 9, 2] {
        bad.insert(first, first + 1, TAG);
    }
    assert_eq!(runs(&bad), [(1, 6), (9, 10)]);
    bad.insert(6, 9, HOLE);
    assert_eq!(runs(&bad), [(1, 10)]);
    assert!(bad.told().0.all(|(_, run)| run.mixed));
    assert_eq!((bad.first(), bad.is_unreadable()), (Some(1), false));
}

#[test]
fn what_cannot_be_read_is_told_apart() {
    let mut bad = Bad::default();
    bad.insert(1, 2, TAG);
    bad.insert(2, 3, Why::Unreadable(Errno::IO));
    assert_eq!(runs(&bad), [(1, 2), (2, 3)]);
    assert!(bad.is_unreadable());
}

#[test]
fn of_many_runs_some_are_told_and_the_others_counted() {
    let mut bad = Bad::default();
    for record in 0..1000 {
        bad.insert(record * 2, record * 2 + 1, TAG);
    }
    let told: u64 = runs(&bad).iter().map(|(first, end)| end - first).sum();
    assert_eq!(told + bad.told().1, 1000);
    assert_eq!(told, 100);
}

#[test]
fn ranges_are_those_of_a_bitmap() {
    let (seed, mut rng) = random();
    for _ in 0..200 {
        let (mut ranges, mut bitmap) = (Ranges::default(), [false; 100]);
        for _ in 0..rng.random_range(0..15) {
            let from = rng.random_range(0..100_usize);
            let to = rng.random_range(from..=100);
            bitmap[from..to].fill(true);
            ranges.insert(u64::try_from(from).unwrap()..u64::try_from(to).unwrap());
        }
        let mut again = vec![];
        let pieces = ranges.pieces(100);
        for (range, is_there) in &pieces {
            assert!(!range.is_empty());
            again.extend(std::iter::repeat_n(*is_there, usize::try_from(range.end - range.start).unwrap()));
            assert_eq!(ranges.holds(range), *is_there, "PLAINVIEW_TEST_SEED={seed}");
        }
        assert_eq!(again, bitmap, "PLAINVIEW_TEST_SEED={seed}");
        assert!(
            pieces.windows(2).all(|pair| pair[0].1 != pair[1].1),
            "PLAINVIEW_TEST_SEED={seed}: {pieces:?}"
        );
    }
}

#[test]
fn the_map_is_one_of_ddrescue() {
    let map = text(&[(0..4096, true), (4096..0x1_0000_0000, false)]);
    let lines: Vec<_> = map.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(
        lines,
        [
            "0x00000000     +               1",
            "0x00000000  0x00001000  +",
            "0x00001000  0xFFFFF000  -"
        ]
    );
}

#[test]
fn paths_are_escaped_so_that_they_can_be_found_again() {
    let (seed, mut rng) = random();
    assert_eq!(
        escaped("caf\u{e9}/\u{9b}\n\\\x1b[".as_bytes()),
        "caf\u{e9}/\\xc2\\x9b\\x0a\\\\\\x1b["
    );
    for _ in 0..500 {
        let mut bytes = vec![0; rng.random_range(0..40)];
        rng.fill_bytes(&mut bytes);
        let text = escaped(&bytes);
        assert!(!text.contains(char::is_control), "PLAINVIEW_TEST_SEED={seed}: {text:?}");
        assert_eq!(unescaped(text.as_bytes()), Some(bytes), "PLAINVIEW_TEST_SEED={seed}");
    }
    for no in [&b"\\"[..], b"\\x4", b"\\xzz", b"\\n"] {
        assert_eq!(unescaped(no), None);
    }
}

#[test]
fn a_very_deep_place_needs_no_stack() {
    let mut place = Place::new(None, c"name", None);
    for _ in 0..300_000 {
        place = Place::new(Some(&place), c"name", None);
    }
    assert_eq!(place.stored_path().len(), 300_001 * 5 - 1);
    assert_eq!(place.plain_path(), Err(b"?".to_vec()));
    drop(place);
}
