//! A file called plainview.journal that we did not write, or not here, or not so: no panic, no long wait, much memory or loss.

use super::real::{Place, assert_files, left, master};
use crate::journal::format::{BEFORE, ENTRIES_AT, Entry, Mark, payload_len};
use crate::journal::header::Header;
use crate::journal::overlay::index;
use crate::journal::recover::Error;
use crate::journal::{Access, Damage, Journal, SIZE};
use crate::keys::JournalKey;
use crate::sys::disk::Moment;
use std::fs::{self, File};
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

#[test]
fn what_is_no_regular_file_is_refused() {
    for access in [Access::ReadWrite, Access::ReadOnly] {
        let place = Place::new();
        fs::create_dir(place.journal()).unwrap();
        assert_eq!(place.try_mount(access).err(), Some(Error::NotAFile));
        fs::remove_dir(place.journal()).unwrap();
        rustix::fs::symlinkat("elsewhere", rustix::fs::CWD, place.journal()).unwrap();
        assert_eq!(place.try_mount(access).err(), Some(Error::NotAFile));
        fs::remove_file(place.journal()).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, place.journal(), rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        assert_eq!(place.try_mount(access).err(), Some(Error::NotAFile));
    }
}

/// Mounts a vault with this journal, of which nothing can be read: it is kept as it is, and the vault is used on.
fn assert_unreadable(place: &Place) {
    let before = File::open(place.journal()).unwrap();
    let begun = Instant::now();
    let read_only = place.try_mount(Access::ReadOnly).unwrap();
    assert_eq!((read_only.report().damage, place.kept().len()), (Damage::Unreadable, 0));
    let mounted = place.mount();
    assert_eq!(mounted.report().damage, Damage::Unreadable);
    assert!(begun.elapsed() < Duration::from_secs(20));
    let aside = mounted.report().aside.clone().unwrap();
    let kept = File::open(place.path(&aside)).unwrap();
    assert!(rustix::fs::fstat(kept).unwrap().st_ino == rustix::fs::fstat(before).unwrap().st_ino);
    assert!(!place.journal().exists());
    place.put("file", b"old contents");
    mounted.write(place, "file", 0, b"new");
    mounted.sync(place, "file");
    drop(mounted);
    assert!(place.read(&place.mount(), "file") == b"new contents");
}

#[test]
fn a_journal_that_cannot_be_read_is_kept() {
    let contents: [&[u8]; 5] = [b"", b"PLVJ", &[0; 20_000], &[0xff; 20_000], b"PLVJ\x01\0\0\0"];
    for bytes in contents {
        let place = Place::new();
        place.put("plainview.journal", bytes);
        assert_unreadable(&place);
    }
    let place = Place::new();
    File::create(place.journal()).unwrap().set_len(100 << 30).unwrap();
    assert_unreadable(&place);
}

#[test]
fn another_vaults_journal_changes_nothing() {
    let (place, files) = left();
    let (other, _) = left();
    let (_, report) = Journal::open(other.root().as_fd(), &master(4), Access::ReadWrite, SIZE, &|_| ()).unwrap();
    assert_eq!(report.unwrap().damage, Damage::Unreadable);
    let original = fs::read(place.journal()).unwrap();
    let elsewhere = Place::new();
    elsewhere.put("plainview.journal", &original);
    elsewhere.put("one", b"something else");
    let mounted = elsewhere.mount();
    // It is of a vault with the same keys, but nothing is there that it knows.
    assert_eq!((mounted.report().files, mounted.report().gone), (0, files.len()));
    assert!(elsewhere.read(&mounted, "one") == b"something else");
    assert_eq!(fs::read(elsewhere.path(&elsewhere.kept()[0])).unwrap(), original);
}

#[test]
fn a_journal_with_a_hundred_gigabytes_of_nothing_behind_it_is_read_at_once() {
    let (place, files) = left();
    File::options()
        .write(true)
        .open(place.journal())
        .unwrap()
        .set_len(100 << 30)
        .unwrap();
    let begun = Instant::now();
    let mounted = place.mount();
    assert!(begun.elapsed() < Duration::from_secs(20));
    assert_eq!(mounted.report().damage, Damage::None);
    assert_files(&place, &mounted, &files);
}

#[test]
fn entries_that_somebody_made_up_end_the_journal_and_do_not_take_for_ever() {
    let (place, files) = left();
    // Or a little behind it, for the last tag may end with zeros.
    let end = {
        let bytes = fs::read(place.journal()).unwrap();
        u64::try_from(bytes.iter().rposition(|byte| *byte != 0).unwrap() + 16).unwrap()
    };
    let journal = File::options().write(true).open(place.journal()).unwrap();
    // Heads of the longest entries there can be, each within the one before, that count on what is missing.
    let mut head = Vec::new();
    for word in [1_u32 << 24, 2] {
        head.extend(word.to_le_bytes());
    }
    for word in [1, u64::MAX, end + 1] {
        head.extend(word.to_le_bytes());
    }
    let heads = head.repeat(1 << 20);
    journal.write_all_at(&heads, end + 1).unwrap();
    journal.set_len(200 << 20).unwrap();
    let begun = Instant::now();
    let mounted = place.mount();
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
    assert_eq!(mounted.report().damage, Damage::Missing);
    assert_files(&place, &mounted, &files);
}

/// The bytes at which entries begin in a whole journal, and where the last one ends.
fn borders(journal: &[u8], key: &JournalKey) -> Vec<usize> {
    let slots = journal[..index(ENTRIES_AT)].chunks(4096);
    let header = slots.filter_map(|slot| Header::open(slot, key)).max_by_key(|header| header.turn);
    let epoch = header.unwrap().epoch;
    let (mut at, mut chain, mut borders) = (index(ENTRIES_AT), epoch, Vec::new());
    loop {
        borders.push(at);
        let Some(head) = journal[at..].first_chunk() else { return borders };
        let Some(len) = payload_len(head) else { return borders };
        let Some((tagged, rest)) = journal[at..].split_at_checked(32 + len) else {
            return borders;
        };
        if Entry::open(tagged, rest.first_chunk().unwrap(), key, &epoch, &mut chain).is_none() {
            return borders;
        }
        at += tagged.len() + 16;
    }
}

#[test]
fn damage_before_what_was_synced_later_is_told_and_loses_nothing_before_it() {
    let (place, files) = left();
    let whole = fs::read(place.journal()).unwrap();
    let borders = borders(&whole, &JournalKey::derive(&master(3)));
    // For each file its identity, a write and a commit are durable; of the last, a further write is not written at all.
    assert_eq!(borders.len(), 4 * files.len());
    let end = *borders.last().unwrap();
    for (number, at) in borders.iter().copied().enumerate() {
        for at in (at..(at + 70).min(end)).step_by(3) {
            let copy = place.copied();
            let mut bytes = whole.clone();
            bytes[at] ^= 0x10;
            fs::write(copy.journal(), &bytes).unwrap();
            let mounted = copy.mount();
            let report = mounted.report();
            let entry = borders.iter().rposition(|border| *border <= at).unwrap();
            // Each file's entries are four, its first commit the third.
            let whole_files = (entry + 1) / 4;
            assert_files(&copy, &mounted, &files[..whole_files]);
            assert_eq!(report.files, whole_files, "byte {at} of entry {number}");
            let is_told = report.damage == Damage::Missing;
            assert_eq!(is_told, whole_files < files.len() - 1, "byte {at} of entry {entry}");
            assert_eq!(copy.kept().len(), usize::from(is_told || report.gone > 0));
            for kept in copy.kept() {
                assert!(fs::read(copy.path(&kept)).unwrap() == bytes);
            }
        }
    }
}

#[test]
fn a_header_that_was_lost_is_told_if_it_was_the_one_in_force() {
    let place = Place::new();
    place.put("file", b"old contents");
    let mounted = place.begin();
    mounted.write(&place, "file", 0, b"new");
    mounted.journal.checkpoint().unwrap();
    mounted.write(&place, "file", 0, b"now");
    mounted.sync(&place, "file");
    drop(mounted);
    let whole = fs::read(place.journal()).unwrap();
    let key = JournalKey::derive(&master(3));
    let turn = |slot: usize| Header::open(&whole[slot * 4096..], &key).unwrap().turn;
    for slot in [0, 1] {
        let is_in_force = turn(slot) > turn(1 - slot);
        for fill in [0, 1, 255] {
            let mut bytes = whole.clone();
            bytes[slot * 4096..][..100].fill(fill);
            fs::write(place.journal(), &bytes).unwrap();
            let read_only = place.try_mount(Access::ReadOnly).unwrap();
            let shown = place.read(&read_only, "file");
            match is_in_force {
                true => assert_eq!((read_only.report().damage, &shown[..]), (Damage::Missing, &b"new contents"[..])),
                false => assert_eq!((read_only.report().damage, &shown[..]), (Damage::None, &b"now contents"[..])),
            }
        }
    }
}

#[test]
fn entries_about_bytes_that_no_file_has_are_none() {
    let key = JournalKey::derive(&master(3));
    let mark = Mark {
        epoch: [7; 16],
        durable: 0,
    };
    let opens = |entry: &Entry<'_>| {
        let (mut bytes, mut chain) = (vec![0; BEFORE], mark.epoch);
        entry.seal(&key, mark, &mut chain, &mut bytes);
        let (tagged, tag) = bytes[BEFORE..].split_last_chunk().unwrap();
        Entry::open(tagged, tag, &key, &mark.epoch, &mut mark.epoch.clone()).is_some()
    };
    let most = u64::try_from(i64::MAX).unwrap();
    let (file, modified) = (1, Moment::default());
    for (offset, is_good) in [(most - 3, true), (most - 2, false), (u64::MAX, false), (u64::MAX - 2, false)] {
        assert_eq!(
            opens(&Entry::Write {
                file,
                offset,
                bytes: b"abc"
            }),
            is_good
        );
        assert_eq!(opens(&Entry::Zero { file, offset, len: 3 }), is_good);
        assert_eq!(
            opens(&Entry::Zero {
                file,
                offset: 3,
                len: offset
            }),
            is_good
        );
    }
    for (len, is_good) in [(0, true), (most, true), (most + 1, false), (u64::MAX, false)] {
        assert_eq!(opens(&Entry::Length { file, len }), is_good);
        assert_eq!(
            opens(&Entry::Commit {
                file,
                len,
                upto: 0,
                modified
            }),
            is_good
        );
        assert_eq!(opens(&Entry::Intent { file, base: len }), is_good);
    }
}
