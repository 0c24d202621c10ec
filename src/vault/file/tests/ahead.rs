//! Writes that were sealed before their turn.

use super::*;
use crate::record::{Position, RecordNo};
use crate::vault::file::ahead::Ahead;
use rustix::io::Errno;
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

/// `data`, sealed ahead for `offset`, and what was sealed. It is all that is kept.
fn sealed(file: &VaultFile, offset: u64, data: &[u8]) -> (Late<'static>, Vec<u8>) {
    let late = Late::sealed(offset, data, &SealsAhead::of(file)).detach();
    let sealed = late.ahead::<Ahead>().unwrap().sealed();
    assert!(late.data().unwrap() == data);
    (late, sealed)
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
    let (late, sealed) = sealed(&file, R, &data);
    // The header changes meanwhile, and the keys do not.
    file.make_zero(&disk, 0, R).unwrap();
    file.write_sealed(&disk, &late).unwrap();
    let at = usize::try_from(RecordNo::new(1).cipher_offset()).unwrap();
    assert!(disk.bytes()[at..at + sealed.len()] == sealed);
    let mut plain = pattern(3 * RECORD_LEN + 100);
    plain[..RECORD_LEN].fill(0);
    plain[RECORD_LEN..3 * RECORD_LEN].copy_from_slice(&data);
    assert_holds(&file, &disk, &plain);
}

/// From the last record on, which holds no byte then, or a few that are replaced.
#[test]
fn what_was_sealed_ahead_may_make_the_file_longer() {
    for len in [RECORD_LEN, 3 * RECORD_LEN, 3 * RECORD_LEN + 1, 4 * RECORD_LEN - 1] {
        let disk = disk_of(&pattern(len));
        let mut file = reopened(&disk);
        file.unlock(&disk).unwrap();
        let (last, data) = (len / RECORD_LEN * RECORD_LEN, [7; TWO]);
        let offset = u64::try_from(last).unwrap();
        let (late, sealed) = sealed(&file, offset, &data);
        disk.counts();
        file.write_sealed(&disk, &late).unwrap();
        assert_eq!(disk.counts().writes, 1);
        let begin = usize::try_from(Position::of(offset).record.cipher_offset()).unwrap();
        assert!(disk.bytes()[begin..begin + sealed.len()] == sealed);
        let mut plain = pattern(len);
        plain.truncate(last);
        plain.extend_from_slice(&data);
        assert_holds(&file, &disk, &plain);
        file.write(&disk, offset + 2 * R, b"more").unwrap();
        plain.extend_from_slice(b"more");
        assert_holds(&file, &disk, &plain);
    }
}

/// In a file that is shorter or longer than it has to be for that, or was cut meanwhile, all of it is sealed again.
#[test]
fn what_was_sealed_ahead_for_another_end_is_sealed_again() {
    for at in [2, 3, 4, 5] {
        for len in [4 * RECORD_LEN + 100, 3 * RECORD_LEN + 100, 3 * RECORD_LEN, 10, 0] {
            let (disk, mut file) = file();
            let data = [7; TWO];
            let (late, _) = sealed(&file, at * R, &data);
            file.set_length(&disk, u64::try_from(len).unwrap()).unwrap();
            file.write_sealed(&disk, &late).unwrap();
            let mut plain = pattern(3 * RECORD_LEN + 100);
            plain.resize(plain.len().max(len), 0);
            plain.truncate(len);
            let begin = usize::try_from(at * R).unwrap();
            plain.resize(plain.len().max(begin + TWO), 0);
            plain[begin..begin + TWO].copy_from_slice(&data);
            assert_holds(&file, &disk, &plain);
        }
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
    let (late, _) = sealed(&file, 0, &data);
    file.set_length(&disk, 0).unwrap();
    file.write(&disk, 0, &pattern(3 * RECORD_LEN)).unwrap();
    file.write_sealed(&disk, &late).unwrap();
    let mut plain = pattern(3 * RECORD_LEN);
    plain[..TWO].copy_from_slice(&data);
    assert_holds(&file, &disk, &plain);
}

/// Which shows only when its last record is opened.
#[test]
fn what_was_sealed_with_the_keys_of_a_file_that_another_program_overwrote_is_sealed_again() {
    for (at, len) in [(3 * R, 3 * RECORD_LEN), (3 * R, 3 * RECORD_LEN + 5)] {
        let disk = disk_of(&vec![1; len]);
        let mut file = reopened(&disk);
        file.unlock(&disk).unwrap();
        let data = [7; TWO];
        let (late, _) = sealed(&file, at, &data);
        disk.write_at(&disk_of(&vec![2; len]).bytes(), 0).unwrap();
        let mut plain = vec![2; len];
        let begin = usize::try_from(at).unwrap();
        plain.resize(len.max(begin + TWO), 0);
        plain[begin..begin + TWO].copy_from_slice(&data);
        file.write_sealed(&disk, &late).unwrap();
        assert_holds(&file, &disk, &plain);
    }
}

/// Whoever keeps the plaintext beside it may write it again, sealed anew. Where nobody does, it can be had as long as it was not written.
#[test]
fn what_was_sealed_ahead_is_written_once() {
    let (disk, mut file) = file();
    let data = [7; RECORD_LEN];
    let late = Late::sealed(R, &data, &SealsAhead::of(&file));
    let sealed = late.ahead::<Ahead>().unwrap().sealed();
    let at = usize::try_from(RecordNo::new(1).cipher_offset()).unwrap();
    let mut written = || {
        file.write_sealed(&disk, &late).unwrap();
        disk.bytes()[at..at + sealed.len()].to_vec()
    };
    assert!(written() == sealed);
    assert!(written() != sealed);
    let mut plain = pattern(3 * RECORD_LEN + 100);
    plain[RECORD_LEN..2 * RECORD_LEN].fill(7);
    assert_holds(&file, &disk, &plain);
    assert_eq!(late.detach().data().unwrap_err().errno(), Errno::IO);
}

#[test]
fn what_the_view_has_sealed_ahead_is_what_comes_to_disk() {
    let file = model::temporary();
    let mut contents = VaultFile::of_length(content_key(), 0);
    let fd = file.as_fd();
    contents.write_at(fd, 0, &pattern(TWO)).unwrap();
    let data = [7; RECORD_LEN];
    let late = Late::sealed(R, &data, &*contents.sealer().unwrap());
    let sealed = late.ahead::<Ahead>().unwrap().sealed();
    contents.write_late(fd, &late).unwrap();
    let mut on_disk = vec![0; sealed.len()];
    file.read_exact_at(&mut on_disk, RecordNo::new(1).cipher_offset()).unwrap();
    assert!(on_disk == sealed);
}
