//! Files that are mostly holes.

use super::model::temporary;
use super::*;
use rustix::io::Errno;
use std::os::fd::AsFd;

const TIB: u64 = 1 << 40;

/// Data and holes of the whole file, as copying programs see them: where each piece of data begins and ends.
fn data(file: &VaultFile, disk: &dyn Disk) -> Vec<(u64, u64)> {
    let (mut pieces, mut at) = (Vec::new(), 0);
    loop {
        match file.find(disk, at, SeekTo::Data) {
            Ok(begin) => {
                let end = file.find(disk, begin, SeekTo::Hole).unwrap();
                assert!(begin < end);
                pieces.push((begin, end));
                at = end;
            }
            Err(error) => {
                assert_eq!(error.errno(), Errno::NXIO);
                return pieces;
            }
        }
    }
}

fn read(file: &VaultFile, disk: &dyn Disk, offset: u64, len: usize) -> Vec<u8> {
    let mut buf = Vec::new();
    file.read(disk, offset, len, &mut buf).unwrap();
    buf
}

fn grow_and_write_in_the_middle(disk: &dyn Disk) -> VaultFile {
    let mut file = VaultFile::of_length(content_key(), 0);
    file.write(disk, 0, b"begin").unwrap();
    file.set_length(disk, TIB + 9).unwrap();
    file.write(disk, TIB / 2 + 100, b"middle").unwrap();
    assert_eq!(file.length(), TIB + 9);
    assert_eq!(read(&file, disk, 0, 7), b"begin\0\0");
    assert_eq!(read(&file, disk, TIB / 2 + 99, 8), b"\0middle\0");
    assert_eq!(read(&file, disk, TIB, 100), [0; 9]);
    assert!(read(&file, disk, TIB / 4, 1 << 20) == vec![0; 1 << 20]);
    file
}

#[test]
fn a_file_of_a_tebibyte_takes_no_space() {
    let disk = MemDisk::default();
    let mut file = grow_and_write_in_the_middle(&disk);
    assert!(disk.blocks() <= 8);
    assert_eq!(read(&reopened(&disk), &disk, TIB / 2 + 100, 6), b"middle");
    let pieces = data(&file, &disk);
    // Each piece has a record more on both sides at most, for blocks and records do not share borders.
    assert_eq!(pieces.len(), 3);
    assert!(pieces.iter().all(|(begin, end)| begin % R == 0 && end - begin <= 3 * R));
    for offset in [0, TIB / 2 + 100, TIB + 8] {
        assert!(pieces.iter().any(|(begin, end)| (*begin..*end).contains(&offset)));
    }
    file.make_zero(&disk, 1, TIB).unwrap();
    assert_eq!(read(&file, &disk, 0, 2), b"b\0");
    assert_eq!(data(&file, &disk).len(), 2);
    file.set_length(&disk, 5).unwrap();
    assert_eq!(whole(&reopened(&disk), &disk).unwrap(), b"b\0\0\0\0");
}

#[test]
fn a_real_file_of_a_tebibyte_takes_no_space() {
    let real = temporary();
    let file = grow_and_write_in_the_middle(&real.as_fd());
    let stat = rustix::fs::fstat(&real).unwrap();
    assert!(stat.st_blocks < 200, "{} blocks", stat.st_blocks);
    let opened = VaultFile::open(content_key(), real.as_fd(), &stat).unwrap();
    assert_eq!(opened.length(), TIB + 9);
    let pieces = data(&file, &real.as_fd());
    assert!(pieces.len() == 3 && pieces.iter().all(|(begin, end)| end - begin <= 1 << 20));
    assert_eq!(read(&opened, &real.as_fd(), TIB / 2 + 100, 6), b"middle");
}

#[test]
fn a_file_without_holes_is_all_data() {
    let disk = disk_of(&[0; 3 * 4096]);
    let file = reopened(&disk);
    assert_eq!(data(&file, &disk), [(0, 3 * R)]);
    assert_eq!(file.find(&disk, 3 * R, SeekTo::Hole).unwrap_err().errno(), Errno::NXIO);
    assert_eq!(file.find(&disk, 3 * R - 1, SeekTo::Hole).unwrap(), 3 * R);
}

#[test]
fn zeroing_gives_back_space_and_keeps_holes() {
    let disk = disk_of(&pattern(100 * 4096));
    let mut file = reopened(&disk);
    file.make_zero(&disk, 10 * R - 1, 80 * R + 2).unwrap();
    assert!(disk.blocks() <= 24);
    let blocks = disk.blocks();
    // What is zero already is not written.
    file.make_zero(&disk, 20 * R + 1, 10).unwrap();
    file.make_zero(&disk, 20 * R + 1, R).unwrap();
    assert_eq!(disk.blocks(), blocks);
    file.take_space(&disk, 20 * R, 10 * R).unwrap();
    assert!(disk.blocks() >= blocks + 9);
    let mut expected = pattern(100 * 4096);
    expected[10 * 4096 - 1..90 * 4096 + 1].fill(0);
    assert!(whole(&reopened(&disk), &disk).unwrap() == expected);
}

#[test]
fn pending_records_are_data() {
    let disk = MemDisk::default();
    let mut file = reopened(&disk);
    file.set_length(&disk, 100 * R).unwrap();
    let mut sealed = vec![0; 4152];
    let run = run::Run::touched(50 * R, 51 * R, 100 * R);
    file.unlock(&disk).unwrap().seal(run, &[5; 4096], &mut sealed);
    file.pending.insert(run.first, &sealed);
    assert_eq!(read(&file, &disk, 50 * R, 4096), [5; 4096]);
    assert!(data(&file, &disk).contains(&(50 * R, 51 * R)));
    assert_eq!(file.find(&disk, 50 * R + 1, SeekTo::Data).unwrap(), 50 * R + 1);
    assert_eq!(file.find(&disk, 40 * R + 1, SeekTo::Hole).unwrap(), 40 * R + 1);
}
