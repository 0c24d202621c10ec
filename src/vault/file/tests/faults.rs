//! A disk that runs full or fails, at each call in turn and after any number of bytes.

use super::bench::Op;
use super::*;
use rand::RngExt;
use rand::rngs::StdRng;

/// How many bytes of a failing write come to disk: few, about a record, or more.
fn torn(rng: &mut StdRng) -> usize {
    let records = rng.random_range(0..4) * 4152;
    match rng.random_range(0..6) {
        0 => 0,
        1 => rng.random_range(1..60),
        2 => records,
        3 => records + rng.random_range(0..60),
        4 => (records + 4152).saturating_sub(rng.random_range(0..60)),
        _ => records + rng.random_range(0..4152),
    }
}

/// An operation that changes the file.
fn change(rng: &mut StdRng, len: u64) -> Op {
    loop {
        match Op::random(rng, len) {
            op @ (Op::Write { .. } | Op::Resize(_) | Op::Zero { .. } | Op::Allocate { .. }) => return op,
            Op::Read { .. } | Op::Seek { .. } | Op::Sync(_) | Op::Reopen => (),
        }
    }
}

/// Every byte is the old one, or the one that the failed operation was to put there; the length is the old one.
fn check_between(op: &Op, before: &[u8], after: &[u8], now: &[u8]) {
    assert_eq!(now.len(), before.len(), "{op:?}");
    let changed = matches!(op, Op::Write { .. } | Op::Zero { .. });
    for (at, byte) in now.iter().enumerate() {
        assert!(*byte == before[at] || (changed && *byte == after[at]), "byte {at} after {op:?}");
    }
}

/// What was seen, so that the test cannot pass by never failing.
#[derive(Default)]
struct Seen {
    survived: usize,
    failed: usize,
    pending: usize,
}

/// Does `op` on a copy of `disk` that fails as told. Returns whether it came to that.
fn strike(disk: &MemDisk, warm: bool, op: &Op, before: &[u8], fault: Fault, seen: &mut Seen) -> bool {
    let disk = disk.clone();
    let mut file = reopened(&disk);
    if warm {
        file.open_tail(&disk).unwrap();
    }
    let mut after = before.to_vec();
    op.apply(&mut after);
    disk.arm(fault);
    let result = op.perform(&mut file, &disk);
    if !disk.struck() {
        result.unwrap();
        return false;
    }
    let now = whole(&file, &disk).unwrap_or_else(|error| panic!("{error} after {op:?} with {fault:?}"));
    match result {
        Ok(()) => {
            seen.survived += 1;
            assert!(now == after, "{op:?} with {fault:?}");
        }
        Err(_) => {
            seen.failed += 1;
            check_between(op, before, &after, &now);
        }
    }
    match file.pending.is_empty() {
        true => assert!(whole(&reopened(&disk), &disk).unwrap() == now, "{op:?} with {fault:?}"),
        false => {
            seen.pending += 1;
            let retried = file.sync_to(&disk, Durability::Data);
            assert_eq!(retried.is_ok(), file.pending.is_empty());
        }
    }
    disk.disarm();
    file.sync_to(&disk, Durability::Data).unwrap();
    assert!(whole(&file, &disk).unwrap() == now, "{op:?} with {fault:?}");
    assert_eq!(disk.len(), cipher_len(file.length()), "{op:?} with {fault:?}");
    assert!(whole(&reopened(&disk), &disk).unwrap() == now, "{op:?} with {fault:?}");
    // And it goes on as if nothing had happened.
    file.write(&disk, file.length(), b"more").unwrap();
    assert!(whole(&reopened(&disk), &disk).unwrap() == [&now, &b"more"[..]].concat());
    true
}

#[test]
fn what_could_be_read_before_a_failure_can_be_read_after() {
    let seed = Seed::take();
    let mut rng = seed.rng();
    let mut seen = Seen::default();
    for _ in 0..1500 {
        let disk = MemDisk::default();
        let mut bench = Bench::new(&disk);
        for _ in 0..rng.random_range(0..12) {
            let op = Op::random(&mut rng, bytes(bench.model.len()));
            bench.step(&op, || disk.len());
        }
        let op = change(&mut rng, bytes(bench.model.len()));
        for then in [Then::Works, Then::Full, Then::NoWrites, Then::Dead] {
            let warm = rng.random();
            let mut fault = |after| Fault {
                after,
                torn: torn(&mut rng),
                then,
            };
            let struck = (0..).take_while(|after| strike(&disk, warm, &op, &bench.model, fault(*after), &mut seen));
            assert!(struck.count() < 10, "{op:?}");
        }
    }
    assert!(seen.survived > 100 && seen.failed > 1000 && seen.pending > 100);
}

#[test]
fn a_torn_hole_is_a_hole_again_when_the_disk_is_full() {
    let disk = MemDisk::default();
    let mut file = reopened(&disk);
    file.set_length(&disk, 100 * R).unwrap();
    let blocks = disk.blocks();
    for torn in [1, 100, 4151, 4152, 5000, 9000] {
        disk.arm(Fault {
            after: 0,
            torn,
            then: Then::Full,
        });
        assert!(file.write(&disk, 20 * R, &pattern(5 * 4096)).is_err());
        assert!(file.pending.is_empty());
        disk.disarm();
        assert_eq!(whole(&reopened(&disk), &disk).unwrap().len(), 100 * 4096);
        file.make_zero(&disk, 20 * R, 5 * R).unwrap();
        // The blocks at the borders of the range are shared with its neighbours.
        assert!(disk.blocks() <= blocks + 2);
    }
}

#[test]
fn what_is_pending_is_read_and_written_later() {
    let disk = disk_of(&[1; 3 * 4096]);
    let mut file = reopened(&disk);
    disk.arm(Fault {
        after: 0,
        torn: 5000,
        then: Then::NoWrites,
    });
    assert!(file.write(&disk, 0, &[2; 2 * 4096]).is_err());
    let now = [[2; 2 * 4096].as_slice(), &[1; 4096]].concat();
    assert_eq!(whole(&file, &disk).unwrap(), now);
    assert!(whole(&reopened(&disk), &disk).is_err());
    // Nothing else is written before it.
    assert!(file.write(&disk, 2 * R, b"x").is_err());
    assert!(file.sync_to(&disk, Durability::All).is_err());
    disk.disarm();
    file.sync_to(&disk, Durability::All).unwrap();
    assert_eq!(whole(&reopened(&disk), &disk).unwrap(), now);
}
