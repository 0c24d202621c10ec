//! Holes that come and go: those that are filled leave no trace, the others stay.

use super::known::{KnownHoles, RANGES_MAX};
use super::unlocked::Unlocked;
use super::*;
use crate::error::Error;
use crate::record::{Holes, RecordNo};
use rand::RngExt;
use rand::seq::SliceRandom;
use std::collections::BTreeSet;

/// What the header on disk says.
fn flag(disk: &MemDisk) -> Holes {
    reopened(disk).unlock(disk).unwrap().holes()
}

/// Reads a file of which the record `record` was overwritten with zeros.
fn without(disk: &MemDisk, record: u64) -> Result<Vec<u8>> {
    let zeroed = disk.clone();
    zeroed.write_at(&[0; SEALED_LEN], RecordNo::new(record).cipher_offset()).unwrap();
    whole(&reopened(&zeroed), &zeroed)
}

fn is_hole_damage(result: Result<Vec<u8>>) -> bool {
    matches!(result, Err(Error::Damage(Damage { reason: Reason::Hole, .. })))
}

#[test]
fn a_file_whose_pieces_come_in_any_order_has_no_holes() {
    let seed = Seed::take();
    let mut rng = seed.rng();
    for round in 0..300 {
        let disk = if round % 2 == 0 {
            MemDisk::default()
        } else {
            MemDisk::without_holes()
        };
        let mut file = reopened(&disk);
        let plain = pattern(rng.random_range(1..60 * 4096));
        let mut pieces: Vec<_> = plain.chunks(4096 * rng.random_range(1..4)).enumerate().collect();
        let step = bytes(pieces[0].1.len());
        pieces.shuffle(&mut rng);
        let mut had_holes = false;
        for (index, piece) in pieces {
            file.write(&disk, bytes(index) * step, piece).unwrap();
            had_holes |= flag(&disk) == Holes::Allowed;
        }
        assert!(had_holes || bytes(plain.len()) <= 2 * step || plain.len() < 40 * 4096);
        assert_eq!(flag(&disk), Holes::Forbidden);
        assert!(whole(&reopened(&disk), &disk).unwrap() == plain);
        let records = bytes(plain.len()) / R;
        if records > 0 {
            assert!(is_hole_damage(without(&disk, rng.random_range(0..records))));
        }
        // It goes on, with the file as it is.
        file.write(&disk, bytes(plain.len()) + 5 * R, b"x").unwrap();
        assert_eq!(flag(&disk), Holes::Allowed);
        file.set_length(&disk, bytes(plain.len())).unwrap();
        assert!(whole(&file, &disk).unwrap() == plain && whole(&reopened(&disk), &disk).unwrap() == plain);
    }
}

#[test]
fn holes_that_were_made_stay() {
    let make: [fn(&mut VaultFile, &MemDisk); 4] = [
        |file, disk| file.make_zero(disk, 3 * R, 2 * R).unwrap(),
        |file, disk| file.make_zero(disk, 3 * R - 1, 2 * R).unwrap(),
        |file, disk| file.set_length(disk, 15 * R).unwrap(),
        |file, disk| file.write(disk, 15 * R, b"x").unwrap(),
    ];
    for make in make {
        let disk = disk_of(&pattern(10 * 4096));
        let mut file = reopened(&disk);
        make(&mut file, &disk);
        let expected = whole(&file, &disk).unwrap();
        // Whatever else is written.
        file.write(&disk, 0, &expected[..3 * 4096]).unwrap();
        file.write(&disk, 5 * R, &expected[5 * 4096..9 * 4096]).unwrap();
        file.write(&disk, bytes(expected.len()), b"more").unwrap();
        assert_eq!(flag(&disk), Holes::Allowed);
        assert!(whole(&reopened(&disk), &disk).unwrap() == [&expected, &b"more"[..]].concat());
        // Until they are filled, some with data, and some with zeros.
        file.write(&disk, 2 * R, &[1; 4 * 4096]).unwrap();
        file.write(&disk, 10 * R, &[0; 6 * 4096]).unwrap();
        assert_eq!(flag(&disk), Holes::Forbidden);
    }
}

#[test]
fn a_file_of_which_more_is_not_known_keeps_the_flag() {
    let fill = |file: &mut VaultFile, disk: &MemDisk, len: u64| file.write(disk, 0, &vec![1; usize::try_from(len).unwrap()]).unwrap();
    // Another state does not know that there is only this hole.
    let disk = disk_of(&pattern(100));
    reopened(&disk).write(&disk, 5 * R, b"x").unwrap();
    fill(&mut reopened(&disk), &disk, 6 * R);
    assert_eq!(flag(&disk), Holes::Allowed);
    // What is too much to remember is forgotten.
    for ranges in [RANGES_MAX, RANGES_MAX + 1] {
        let disk = MemDisk::default();
        let mut file = reopened(&disk);
        let each = (0..bytes(ranges)).map(|index| (2 * index + 1) * R);
        each.for_each(|offset| file.write(&disk, offset, &[2; 4096]).unwrap());
        assert_eq!(file.known_holes.is_some(), ranges == RANGES_MAX);
        fill(&mut file, &disk, bytes(2 * ranges) * R);
        assert_eq!(flag(&disk) == Holes::Forbidden, ranges == RANGES_MAX);
    }
}

#[test]
fn what_is_known_of_one_file_does_not_hold_for_another_in_its_place() {
    let (disk, other) = (disk_of(&pattern(100)), disk_of(&pattern(100)));
    let mut file = reopened(&disk);
    file.write(&disk, 5 * R, b"x").unwrap();
    let mut holed = reopened(&other);
    holed.write(&other, 3 * R, &pattern(2 * 4096)).unwrap();
    holed.write(&other, 5 * R, b"x").unwrap();
    disk.write_at(&other.bytes(), 0).unwrap();
    // Seen when it is read; a state that holds bytes of the file does not look.
    (file.tail, file.end_seen) = (None, AtomicBool::new(false));
    assert!(whole(&file, &disk).unwrap() == whole(&holed, &other).unwrap());
    file.write(&disk, R, &[1; 4 * 4096]).unwrap();
    file.write(&disk, 0, &[1; 4096]).unwrap();
    assert_eq!(flag(&disk), Holes::Allowed);
}

#[test]
fn a_disk_that_fails_while_a_gap_is_filled_loses_nothing() {
    let mut survived = 0;
    for then in [Then::Works, Then::Full, Then::NoWrites, Then::Dead] {
        for (after, torn) in (0..3).flat_map(|after| [0, 1, 20, 47, 4152, 5000].map(|torn| (after, torn))) {
            let disk = disk_of(&pattern(100));
            let mut file = reopened(&disk);
            file.write(&disk, 4 * R, b"end").unwrap();
            disk.arm(Fault { after, torn, then });
            let before = whole(&file, &disk).unwrap();
            let filled = file.write(&disk, R, &[7; 3 * 4096]);
            let now = whole(&file, &disk).unwrap();
            match filled {
                Ok(()) => assert!(now == [&before[..4096], &[7; 3 * 4096], b"end"].concat()),
                Err(_) => assert_eq!((now.len(), after), (before.len(), 0)),
            }
            survived += usize::from(filled.is_ok() && disk.struck());
            disk.disarm();
            file.sync_to(&disk, Durability::Data).unwrap();
            assert!(whole(&reopened(&disk), &disk).unwrap() == now);
            // With the next change, what is to be done is done.
            file.write(&disk, R, &[7; 3 * 4096]).unwrap();
            assert_eq!(flag(&disk), Holes::Forbidden);
            whole(&reopened(&disk), &disk).unwrap();
        }
    }
    assert!(survived > 20, "{survived}");
}

#[test]
fn ranges_are_those_of_a_set() {
    let seed = Seed::take();
    let mut rng = seed.rng();
    let header = Arc::new(Unlocked::fresh(&content_key(), Holes::Allowed));
    for _ in 0..300 {
        let (mut known, mut model) = (KnownHoles::none(Arc::clone(&header)), BTreeSet::new());
        for _ in 0..40 {
            let from = rng.random_range(0..50_u64);
            let range = from..from + rng.random_range(0..8);
            let records = RecordNo::new(range.start)..RecordNo::new(range.end);
            if rng.random() {
                known.insert(records);
                model.extend(range);
            } else {
                known.remove(records);
                model.retain(|record| !range.contains(record));
            }
            let all = known.ranges.iter().flat_map(|range| range.start.get()..range.end.get());
            assert!(all.eq(model.iter().copied()));
            assert!(known.ranges.windows(2).all(|pair| pair[0].end < pair[1].start));
            assert!(known.ranges.iter().all(|range| !range.is_empty()));
        }
    }
}
