//! Single cases of reading, writing and resizing.

use super::*;
use rustix::io::Errno;

#[test]
fn lengths_that_no_file_has_are_refused() {
    let disk = disk_of(b"x");
    let mut file = reopened(&disk);
    let max = crate::record::MAX_PLAIN_LEN;
    for result in [
        file.write(&disk, max, b"y"),
        file.write(&disk, u64::MAX, b"y"),
        file.set_length(&disk, max + 1),
        file.take_space(&disk, max, 1),
    ] {
        assert_eq!(result.unwrap_err().errno(), Errno::FBIG);
    }
    assert_eq!(whole(&file, &disk).unwrap(), b"x");
    // The longest file of all.
    file.set_length(&disk, max).unwrap();
    file.write(&disk, max - 1, b"z").unwrap();
    let mut buf = Vec::new();
    reopened(&disk).read(&disk, max - 2, 9, &mut buf).unwrap();
    assert_eq!(buf, b"\0z");
}

#[test]
fn nothing_is_read_beyond_the_end_and_nothing_written_by_no_bytes() {
    let disk = disk_of(b"abc");
    let mut file = reopened(&disk);
    let mut buf = vec![1, 2, 3];
    for (offset, len) in [(3, 1), (4, 1), (u64::MAX, usize::MAX), (1, 0)] {
        file.read(&disk, offset, len, &mut buf).unwrap();
        assert_eq!(buf, b"");
    }
    file.read(&disk, 1, usize::MAX, &mut buf).unwrap();
    assert_eq!(buf, b"bc");
    file.write(&disk, 1 << 30, b"").unwrap();
    file.make_zero(&disk, 3, u64::MAX).unwrap();
    assert_eq!(whole(&file, &disk).unwrap(), b"abc");
    assert_eq!(disk.len(), cipher_len(3));
}

#[test]
fn an_emptied_file_gets_fresh_keys() {
    let disk = disk_of(b"abc");
    let salt = disk.bytes()[8..32].to_vec();
    let mut file = reopened(&disk);
    file.set_length(&disk, 0).unwrap();
    assert_eq!(disk.len(), 0);
    file.write(&disk, 0, b"abc").unwrap();
    assert_ne!(disk.bytes()[8..32], salt);
    assert_eq!(whole(&reopened(&disk), &disk).unwrap(), b"abc");
}

#[test]
fn a_file_that_another_program_replaced_in_place_is_read_with_its_new_keys() {
    let (disk, other) = (disk_of(&[1; 9000]), disk_of(&[2; 9000]));
    let mut file = reopened(&disk);
    assert_eq!(whole(&file, &disk).unwrap(), [1; 9000]);
    disk.write_at(&other.bytes(), 0).unwrap();
    assert_eq!(whole(&file, &disk).unwrap(), [2; 9000]);
    // But not while bytes of the file that it was are kept: they would get into it.
    file.write(&disk, 9000, b"!").unwrap();
    disk.write_at(&disk_of(&[3; 9001]).bytes(), 0).unwrap();
    assert_eq!(whole(&file, &disk).unwrap_err().errno(), Errno::IO);
}

#[test]
fn the_kinds_of_length_at_open() {
    let at = |len| VaultFile::of_length(content_key(), len);
    assert_eq!(at(0).length(), 0);
    assert_eq!(at(48 + 56 + 7).length(), 7);
    assert_eq!(at(48 + 4152).length(), 4097);
    assert_eq!(at(47).length(), 1);
    assert_eq!(at(cipher_len(10_000)).length(), 10_000);
}
