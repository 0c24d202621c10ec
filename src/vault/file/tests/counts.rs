//! How many calls each operation makes: a test of speed that needs no clock.

use super::mem::Counts;
use super::*;

fn counts(reads: usize, writes: usize) -> Counts {
    Counts { reads, writes, others: 0 }
}

/// The calls that `f` makes.
fn of(disk: &MemDisk, f: impl FnOnce()) -> Counts {
    disk.counts();
    f();
    disk.counts()
}

const MIB: usize = 1 << 20;

#[test]
fn opening_a_file_reads_nothing() {
    let disk = disk_of(&pattern(100));
    assert_eq!(of(&disk, || drop(reopened(&disk))), counts(0, 0));
}

#[test]
fn a_small_file_is_read_with_one_read() {
    for len in [1, 4095, 4096, 50_000, 120 << 10] {
        let disk = disk_of(&pattern(len));
        let file = reopened(&disk);
        let mut buf = Vec::new();
        assert_eq!(of(&disk, || file.read(&disk, 0, MIB, &mut buf).unwrap()), counts(1, 0));
        assert!(buf == pattern(len));
        assert_eq!(of(&disk, || file.read(&disk, 0, MIB, &mut buf).unwrap()), counts(1, 0));
        let tail = bytes(len / 2);
        let cold = reopened(&disk);
        assert_eq!(of(&disk, || cold.read(&disk, tail, MIB, &mut buf).unwrap()), counts(1, 0));
        assert!(buf == pattern(len)[len / 2..]);
        assert_eq!(of(&disk, || file.read(&disk, bytes(len), 9, &mut buf).unwrap()), counts(0, 0));
    }
}

#[test]
fn the_middle_of_a_large_file_is_read_with_two_reads_and_then_one() {
    let disk = disk_of(&pattern(2 * MIB));
    let file = reopened(&disk);
    let mut buf = Vec::new();
    assert_eq!(of(&disk, || file.read(&disk, 1 << 20, 9999, &mut buf).unwrap()), counts(2, 0));
    assert_eq!(of(&disk, || file.read(&disk, 1 << 20, MIB, &mut buf).unwrap()), counts(1, 0));
    let file = reopened(&disk);
    assert_eq!(of(&disk, || file.read(&disk, 0, MIB, &mut buf).unwrap()), counts(1, 0));
}

#[test]
fn a_new_file_is_written_with_one_write() {
    for len in [1, 4096, 4097, MIB] {
        let disk = MemDisk::default();
        let mut file = reopened(&disk);
        assert_eq!(of(&disk, || file.write(&disk, 0, &pattern(len)).unwrap()), counts(0, 1));
        assert_eq!(of(&disk, || file.write(&disk, bytes(len), &pattern(MIB)).unwrap()), counts(0, 1));
    }
}

#[test]
fn aligned_overwrites_read_nothing() {
    let disk = disk_of(&pattern(3 * MIB));
    let mut file = reopened(&disk);
    file.unlock(&disk).unwrap();
    for offset in [0, 1 << 20, 2 << 20] {
        assert_eq!(of(&disk, || file.write(&disk, offset, &pattern(MIB)).unwrap()), counts(0, 1));
    }
}

#[test]
fn a_gap_that_is_filled_costs_two_headers() {
    let disk = disk_of(&pattern(MIB));
    let mut file = reopened(&disk);
    file.open_tail(&disk).unwrap();
    // The header, the records, and the beginning of the hole where the last record was.
    assert_eq!(of(&disk, || file.write(&disk, 2 << 20, &pattern(MIB)).unwrap()), counts(0, 3));
    assert_eq!(of(&disk, || file.write(&disk, 1 << 20, &pattern(MIB)).unwrap()), counts(0, 2));
    assert_eq!(of(&disk, || file.write(&disk, 3 << 20, &pattern(MIB)).unwrap()), counts(0, 1));
}

#[test]
fn unaligned_overwrites_read_the_records_at_both_ends() {
    let disk = disk_of(&pattern(MIB));
    let mut file = reopened(&disk);
    file.unlock(&disk).unwrap();
    assert_eq!(of(&disk, || file.write(&disk, 5, &[1; 9]).unwrap()), counts(1, 1));
    assert_eq!(of(&disk, || file.write(&disk, 5, &[1; 9999]).unwrap()), counts(2, 1));
    assert_eq!(of(&disk, || file.write(&disk, R, &[1; 9999]).unwrap()), counts(1, 1));
    assert_eq!(of(&disk, || file.write(&disk, 5, &[1; 3 * 4096 - 5]).unwrap()), counts(1, 1));
}

#[test]
fn appending_reads_the_last_record_once() {
    for len in [100, 4096, 100_000] {
        let disk = disk_of(&pattern(len));
        let mut file = reopened(&disk);
        assert_eq!(of(&disk, || file.write(&disk, bytes(len), &[7; 200]).unwrap()), counts(1, 1));
        for _ in 0..100 {
            let end = file.length();
            assert_eq!(of(&disk, || file.write(&disk, end, &[7; 200]).unwrap()), counts(0, 1));
        }
    }
    let disk = disk_of(&pattern(MIB));
    let mut file = reopened(&disk);
    assert_eq!(of(&disk, || file.write(&disk, 1 << 20, &[7; 200]).unwrap()), counts(2, 1));
}

#[test]
fn changing_the_length_takes_a_few_calls() {
    let disk = disk_of(&pattern(10_000));
    let mut file = reopened(&disk);
    assert_eq!(of(&disk, || file.set_length(&disk, 11_000).unwrap()), counts(1, 1));
    assert_eq!(of(&disk, || file.set_length(&disk, 11_000).unwrap()), counts(0, 0));
    // The header, the new last record, and the old one.
    assert_eq!(of(&disk, || file.set_length(&disk, 1 << 40).unwrap()), counts(0, 3));
    // With the holes goes the header's flag.
    let cut = Counts { others: 1, ..counts(1, 2) };
    assert_eq!(of(&disk, || file.set_length(&disk, 10_001).unwrap()), cut);
    let cut = Counts { others: 1, ..counts(1, 1) };
    assert_eq!(of(&disk, || file.set_length(&disk, 10_000).unwrap()), cut);
    assert_eq!(
        of(&disk, || file.set_length(&disk, 0).unwrap()),
        Counts { others: 1, ..counts(0, 0) }
    );
}
