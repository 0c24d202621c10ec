//! Bytes on disk that are not what was written.

use super::*;
use crate::error::Error;
use rustix::io::Errno;

/// Lengths on both sides of each border.
const LENGTHS: [usize; 10] = [1, 15, 16, 17, 100, 4095, 4096, 4097, 8192, 9001];

/// Files to be tampered with: without holes of each length, and with holes at the beginning and in the middle.
fn disks() -> Vec<MemDisk> {
    let mut disks: Vec<_> = LENGTHS.iter().map(|len| disk_of(&pattern(*len))).collect();
    for len in [2 * R, 4 * R + 100] {
        let disk = MemDisk::default();
        let mut file = reopened(&disk);
        file.set_length(&disk, len).unwrap();
        file.write(&disk, R, b"between holes").unwrap();
        disks.push(disk);
    }
    disks
}

/// What reading a file of these bytes from beginning to end says.
fn read(bytes: &[u8]) -> Result<Vec<u8>> {
    let disk = MemDisk::of(bytes);
    whole(&reopened(&disk), &disk)
}

fn damage(result: Result<Vec<u8>>) -> Option<Damage> {
    match result {
        Err(Error::Damage(damage)) => Some(damage),
        Ok(_) | Err(Error::Os(_) | Error::Undecodable(_) | Error::Recipe(_) | Error::Name(_) | Error::Stale) => None,
    }
}

fn reason(bytes: &[u8]) -> Option<Reason> {
    damage(read(bytes)).map(|damage| damage.reason)
}

#[test]
fn every_flipped_byte_is_damage() {
    for disk in disks() {
        let mut bytes = disk.bytes();
        assert!(read(&bytes).is_ok());
        for at in 0..bytes.len() {
            bytes[at] ^= 1 << (at % 8);
            assert!(damage(read(&bytes)).is_some(), "byte {at} of {}", bytes.len());
            bytes[at] ^= 1 << (at % 8);
        }
    }
}

#[test]
fn every_cut_is_damage() {
    for disk in disks() {
        let bytes = disk.bytes();
        for len in 1..bytes.len() {
            assert!(damage(read(&bytes[..len])).is_some(), "{len} of {}", bytes.len());
        }
    }
}

#[test]
fn every_extension_is_damage() {
    for disk in disks() {
        let bytes = disk.bytes();
        for more in (1..120).chain(4090..4300) {
            for extension in [vec![0; more], pattern(more), bytes.iter().cycle().take(more).copied().collect()] {
                let long = [&bytes[..], &extension].concat();
                assert!(damage(read(&long)).is_some(), "{more} behind {}", bytes.len());
            }
        }
    }
}

#[test]
fn a_cut_under_an_open_file_is_damage() {
    let disk = disk_of(&pattern(9000));
    let file = reopened(&disk);
    let mut buf = Vec::new();
    for cut in [8000, 4200, 48, 7, 0] {
        disk.set_len(cut).unwrap();
        let short = damage(whole(&file, &disk).map(|_| Vec::new())).unwrap();
        assert_eq!(short.reason, Reason::Short);
        assert_eq!(file.read(&disk, 0, 4096, &mut buf).is_ok(), cut >= 4200);
    }
}

#[test]
fn records_that_change_places_are_damage() {
    let (bytes, other) = (disk_of(&pattern(3 * 4096)).bytes(), disk_of(&pattern(3 * 4096)).bytes());
    let record = |index: usize| 48 + index * 4152..48 + (index + 1) * 4152;
    let mut swapped = bytes.clone();
    swapped[record(0)].copy_from_slice(&bytes[record(1)]);
    swapped[record(1)].copy_from_slice(&bytes[record(0)]);
    assert_eq!(reason(&swapped), Some(Reason::Word));
    let mut moved = bytes.clone();
    moved[record(1)].copy_from_slice(&other[record(1)]);
    assert_eq!(reason(&moved), Some(Reason::Tag));
    let mut headed = bytes.clone();
    headed[..48].copy_from_slice(&other[..48]);
    assert_eq!(reason(&headed), Some(Reason::Tag));
    let mut ended = bytes.clone();
    ended[3 * 4152 + 48..].copy_from_slice(&other[3 * 4152 + 48..]);
    assert_eq!(reason(&ended), Some(Reason::Tag));
    let mut blank = bytes.clone();
    blank[record(2)].fill(0);
    assert_eq!(reason(&blank), Some(Reason::Hole));
}

#[test]
fn full_records_of_a_cut_file_can_be_read_and_it_can_be_emptied() {
    let disk = MemDisk::of(&disk_of(&pattern(10_000)).bytes()[..48 + 2 * 4152 + 50]);
    let mut file = reopened(&disk);
    assert_eq!(file.length(), 2 * R + 1);
    let mut buf = Vec::new();
    file.read(&disk, 0, 8192, &mut buf).unwrap();
    assert!(buf == pattern(10_000)[..8192]);
    let expected = Damage {
        place: Place::Record(crate::record::RecordNo::new(2)),
        reason: Reason::Length,
    };
    for (offset, len) in [(0, 8193), (8192, 1), (8193, 1), (u64::MAX, 1)] {
        let result = file.read(&disk, offset, len, &mut buf);
        assert_eq!(damage(result.map(|()| Vec::new())), Some(expected));
        assert!(buf.is_empty());
    }
    assert_eq!(file.find(&disk, 5, SeekTo::Data).unwrap(), 5);
    assert_eq!(file.find(&disk, 5, SeekTo::Hole).unwrap(), 2 * R + 1);
    for result in [
        file.write(&disk, 0, b"x"),
        file.set_length(&disk, 1),
        file.set_length(&disk, 1 << 20),
        file.make_zero(&disk, 0, 1),
        file.take_space(&disk, 0, 1),
    ] {
        assert_eq!(damage(result.map(|()| Vec::new())), Some(expected));
    }
    file.set_length(&disk, 0).unwrap();
    file.write(&disk, 0, b"healed").unwrap();
    assert_eq!(whole(&reopened(&disk), &disk).unwrap(), b"healed");
}

type Change<'a> = &'a dyn Fn(&mut VaultFile, &MemDisk) -> Result<()>;

/// A change of the file must not give a tampered end a good tag.
#[test]
fn a_tampered_end_is_not_replaced_by_a_good_one() {
    let good = pattern(9000);
    for kept in [4096, 4196, 8192, 8300] {
        // The file cut to `kept` bytes, and something put where its last record should be.
        let mut bytes = disk_of(&good).bytes();
        bytes.truncate(usize::try_from(cipher_len(kept)).unwrap());
        let begin = bytes.len() - 56 - usize::try_from(kept % R).unwrap();
        bytes[begin + 20] ^= 1;
        let tries: [Change<'_>; 5] = [
            &|file, disk| file.write(disk, kept, b"appended"),
            &|file, disk| file.write(disk, kept - kept % R, &[1; 5000]),
            &|file, disk| file.write(disk, 0, &pattern(usize::try_from(kept + 1).unwrap())),
            &|file, disk| file.set_length(disk, kept + 1),
            &|file, disk| file.set_length(disk, 1 << 30),
        ];
        for change in tries {
            let disk = MemDisk::of(&bytes);
            let mut file = reopened(&disk);
            assert_eq!(change(&mut file, &disk).unwrap_err().errno(), Errno::IO);
            assert_eq!(disk.bytes(), bytes);
        }
        if kept % R > 0 {
            let disk = MemDisk::of(&bytes);
            let mut file = reopened(&disk);
            let last = pattern(usize::try_from(kept % R).unwrap());
            assert!(file.write(&disk, kept - kept % R, &last).is_err());
            assert!(file.make_zero(&disk, 0, kept).is_err());
        }
    }
}
