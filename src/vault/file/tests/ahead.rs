//! Writes that were sealed before their turn.

use super::*;
use crate::record::RecordNo;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;

const TWO: usize = 2 * RECORD_LEN;

/// A file of three records and a bit, opened, and its disk.
fn file() -> (MemDisk, VaultFile) {
    let disk = disk_of(&pattern(3 * RECORD_LEN + 100));
    let file = reopened(&disk);
    file.unlock(&disk).unwrap();
    (disk, file)
}

/// What was written is there, and in a state of its own as well.
fn assert_holds(file: &VaultFile, disk: &MemDisk, plain: &[u8]) {
    assert!(whole(file, disk).unwrap() == plain);
    assert!(whole(&reopened(disk), disk).unwrap() == plain);
}

#[test]
fn what_was_sealed_ahead_is_what_comes_to_disk() {
    let (disk, mut file) = file();
    let data = [7; TWO];
    let ahead = SealsAhead::of(&file).seal(R, &data).unwrap();
    let sealed = ahead.sealed();
    // The header changes meanwhile, and the keys do not.
    file.make_zero(&disk, 0, R).unwrap();
    file.write_sealed(&disk, R, &data, Some(&ahead)).unwrap();
    let at = usize::try_from(RecordNo::new(1).cipher_offset()).unwrap();
    assert!(disk.bytes()[at..at + sealed.len()] == sealed);
    let mut plain = pattern(3 * RECORD_LEN + 100);
    plain[..RECORD_LEN].fill(0);
    plain[RECORD_LEN..3 * RECORD_LEN].copy_from_slice(&data);
    assert_holds(&file, &disk, &plain);
}

/// Behind the last record, which holds no byte then; or so far behind that there are holes in between.
#[test]
fn what_was_sealed_ahead_may_make_the_file_longer() {
    for (records, at) in [(3, 3), (3, 5), (1, 1), (3, 2)] {
        let mut plain = pattern(records * RECORD_LEN);
        let disk = disk_of(&plain);
        let mut file = reopened(&disk);
        file.unlock(&disk).unwrap();
        let (offset, data) = (at * R, [7; TWO]);
        let ahead = SealsAhead::of(&file).seal(offset, &data).unwrap();
        let sealed = ahead.sealed();
        disk.counts();
        file.write_sealed(&disk, offset, &data, Some(&ahead)).unwrap();
        let begin = usize::try_from(RecordNo::new(at).cipher_offset()).unwrap();
        assert!(disk.bytes()[begin..begin + sealed.len()] == sealed);
        if at == u64::try_from(records).unwrap() {
            assert_eq!(disk.counts().writes, 1);
        }
        let begin = usize::try_from(offset).unwrap();
        plain.resize(begin, 0);
        plain.extend_from_slice(&data);
        assert_holds(&file, &disk, &plain);
    }
}

/// A file that does not end with a whole record, or that was cut meanwhile: its last record is merged with what comes, so all of it is sealed again.
#[test]
fn what_was_sealed_ahead_for_another_end_is_sealed_again() {
    for len in [3 * RECORD_LEN + 100, 10, 0] {
        let (disk, mut file) = file();
        let data = [7; TWO];
        let ahead = SealsAhead::of(&file).seal(3 * R, &data).unwrap();
        file.set_length(&disk, u64::try_from(len).unwrap()).unwrap();
        file.write_sealed(&disk, 3 * R, &data, Some(&ahead)).unwrap();
        let mut plain = pattern(3 * RECORD_LEN + 100);
        plain.truncate(len.min(3 * RECORD_LEN));
        plain.resize(3 * RECORD_LEN, 0);
        plain.extend_from_slice(&data);
        assert_holds(&file, &disk, &plain);
    }
}

#[test]
fn only_whole_records_are_sealed_ahead_and_only_with_keys_that_are_known() {
    let (disk, file) = file();
    let sealer = SealsAhead::of(&file);
    for (offset, len, fits) in [
        (0, RECORD_LEN, true),
        (R, TWO, true),
        (0, 0, false),
        (1, RECORD_LEN, false),
        (R, RECORD_LEN - 1, false),
        (R, RECORD_LEN + 1, false),
    ] {
        assert_eq!(sealer.seal(offset, &vec![1; len]).is_some(), fits, "{len} bytes at {offset}");
    }
    let unknown = reopened(&disk);
    assert!(SealsAhead::of(&unknown).seal(0, &[1; RECORD_LEN]).is_none());
    whole(&unknown, &disk).unwrap();
    assert!(SealsAhead::of(&unknown).seal(0, &[1; RECORD_LEN]).is_some());
}

#[test]
fn what_was_sealed_with_the_keys_of_an_earlier_file_is_sealed_again() {
    let (disk, mut file) = file();
    let data = [7; TWO];
    let ahead = SealsAhead::of(&file).seal(0, &data).unwrap();
    file.set_length(&disk, 0).unwrap();
    file.write(&disk, 0, &pattern(3 * RECORD_LEN)).unwrap();
    file.write_sealed(&disk, 0, &data, Some(&ahead)).unwrap();
    let mut plain = pattern(3 * RECORD_LEN);
    plain[..TWO].copy_from_slice(&data);
    assert_holds(&file, &disk, &plain);
}

#[test]
fn what_was_sealed_for_other_records_is_sealed_again() {
    for len in [TWO + RECORD_LEN, RECORD_LEN + 1, 0] {
        let (disk, mut file) = file();
        let data = [7; TWO];
        let ahead = SealsAhead::of(&file).seal(0, &data).unwrap();
        // Cut meanwhile, perhaps: then it makes the file longer.
        let len = u64::try_from(len).unwrap();
        file.set_length(&disk, len).unwrap();
        file.write_sealed(&disk, R, &data, Some(&ahead)).unwrap();
        let mut plain = pattern(TWO + RECORD_LEN);
        plain.truncate(usize::try_from(len).unwrap());
        plain.resize(TWO + RECORD_LEN, 0);
        plain[RECORD_LEN..].copy_from_slice(&data);
        assert_holds(&file, &disk, &plain);
    }
}

#[test]
fn what_was_sealed_ahead_is_written_once() {
    let (disk, mut file) = file();
    let data = [7; RECORD_LEN];
    let ahead = SealsAhead::of(&file).seal(R, &data).unwrap();
    let at = usize::try_from(RecordNo::new(1).cipher_offset()).unwrap();
    let sealed = ahead.sealed();
    let mut written = || {
        file.write_sealed(&disk, R, &data, Some(&ahead)).unwrap();
        disk.bytes()[at..at + sealed.len()].to_vec()
    };
    assert!(written() == sealed);
    assert!(written() != sealed);
    let mut plain = pattern(3 * RECORD_LEN + 100);
    plain[RECORD_LEN..2 * RECORD_LEN].fill(7);
    assert_holds(&file, &disk, &plain);
}

#[test]
fn what_the_view_has_sealed_ahead_is_what_comes_to_disk() {
    let file = model::temporary();
    let mut contents = VaultFile::of_length(content_key(), 0);
    let fd = file.as_fd();
    contents.write_at(fd, 0, &pattern(TWO)).unwrap();
    let data = [7; RECORD_LEN];
    let late = Late::sealed(R, &data, &*contents.sealer().unwrap());
    let sealed = late.ahead::<crate::vault::file::ahead::Ahead>().unwrap().sealed();
    contents.write_late(fd, &late).unwrap();
    let mut on_disk = vec![0; sealed.len()];
    file.read_exact_at(&mut on_disk, RecordNo::new(1).cipher_offset()).unwrap();
    assert!(on_disk == sealed);
}
