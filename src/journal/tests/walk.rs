//! Recovery of real directories: every file is found, in a copy too, and nothing else is touched.

use super::real::{Place, assert_files, bytes, change, left, left_with, master, set_modified};
use super::verify::sealed;
use crate::journal::home::{Home, Root};
use crate::journal::recover::{Error, Recovery};
use crate::journal::{Access, Damage, Journal, SIZE};
use crate::keys::{ContentKey, JournalKey};
use rustix::fs::OFlags;
use rustix::io::Errno;
use std::fs;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

#[test]
fn files_are_found_wherever_they_are() {
    let (place, files) = left();
    // None of these is one.
    place.put("plainview.tmp.x", b"half");
    rustix::fs::symlinkat("one", rustix::fs::CWD, place.path("link")).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, place.path("fifo"), rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    let mounted = place.mount();
    let report = mounted.report();
    assert_eq!((report.files, report.gone, report.damage), (files.len(), 0, Damage::None));
    assert!(report.cut.iter().all(|path| path != &PathBuf::from("one")) && report.left.is_empty() && report.aside.is_none());
    assert_files(&place, &mounted, &files);
    for (name, expected) in &files {
        assert!(fs::read(place.path(name)).unwrap() == *expected, "{name} on disk");
    }
    mounted.journal.close().unwrap();
    assert!(!place.journal().exists() && place.kept().is_empty());
}

#[test]
fn one_file_with_two_names_is_recovered_once() {
    let (place, files) = left();
    fs::hard_link(place.path("one"), place.path("deep/again")).unwrap();
    let mounted = place.mount();
    assert_eq!(mounted.report().files, files.len());
    assert_files(&place, &mounted, &files);
}

#[test]
fn files_that_were_removed_are_no_harm() {
    let (place, files) = left();
    fs::remove_file(place.path("one")).unwrap();
    let mounted = place.mount();
    assert_eq!((mounted.report().files, mounted.report().gone), (files.len() - 1, 1));
    assert!(mounted.report().aside.is_none());
    assert_files(&place, &mounted, &files[1..]);
}

#[test]
fn read_only_recovery_shows_the_same_and_changes_nothing() {
    let (place, files) = left();
    let state = || {
        let mut state = Vec::new();
        let mut dirs = vec![place.path("")];
        while let Some(dir) = dirs.pop() {
            for entry in fs::read_dir(dir).unwrap() {
                let path = entry.unwrap().path();
                let stat = fs::symlink_metadata(&path).unwrap();
                state.push((path.clone(), stat.mtime_nsec(), stat.ctime_nsec(), stat.len(), stat.mode()));
                if stat.is_dir() {
                    dirs.push(path);
                }
            }
        }
        state.sort();
        state
    };
    let before = state();
    for _ in 0..2 {
        let mounted = place.try_mount(Access::ReadOnly).unwrap();
        assert_eq!(mounted.report().files, files.len());
        assert_files(&place, &mounted, &files);
        mounted.journal.close().unwrap();
    }
    assert_eq!(state(), before);
    assert_files(&place, &place.mount(), &files);
}

#[test]
fn a_copy_is_recovered_by_what_is_in_the_files() {
    let (place, files) = left();
    let copy = place.copied();
    let mounted = copy.mount();
    let report = mounted.report();
    assert!(report.is_copy && report.left.is_empty() && report.aside.is_none(), "{report:?}");
    assert_eq!((report.files, report.gone), (files.len(), 0));
    assert_files(&copy, &mounted, &files);
    // The original has not changed.
    assert_files(&place, &place.mount(), &files);
}

#[test]
fn in_a_copy_the_journal_is_laid_over_one_file_of_those_with_the_same_salt() {
    let (place, _) = left();
    let copy = place.copied();
    for n in 0..300 {
        fs::copy(copy.path("one"), copy.path(&format!("one of {n}"))).unwrap();
    }
    let mounted = copy.mount();
    let mut expected = bytes(1);
    change(1000, 77, 3000)(&mut expected);
    let names = (0..300).map(|n| format!("one of {n}")).chain(["one".to_owned()]);
    let recovered = names.filter(|name| copy.read(&mounted, name) == expected).count();
    assert_eq!((recovered, mounted.report().left.len()), (1, 300));
    assert_eq!(copy.kept().len(), 1);
}

/// A vault in which a file that can be read was changed in the journal, and the file then and before.
fn readable() -> (Place, Vec<u8>, Vec<u8>) {
    let place = Place::new();
    let (before, after) = (sealed(9, 3, 100, b'a'), sealed(9, 3, 100, b'b'));
    place.put("file", &before);
    let mounted = place.begin();
    mounted.write(&place, "file", 0, &after);
    mounted.sync(&place, "file");
    (place, before, after)
}

#[test]
fn in_a_copy_a_file_that_was_changed_later_stays_as_it_is() {
    let (place, before, after) = readable();
    let newer = sealed(9, 3, 100, b'c');
    for (later, contents, is_left) in [
        (0, &before, false),
        (20, &before, false),
        (600, &newer, true),
        (600, &newer[..9000].to_vec(), false),
    ] {
        let copy = place.copied();
        fs::write(copy.path("file"), contents).unwrap();
        set_modified(&copy.path("file"), Duration::from_secs(later));
        let mounted = copy.mount();
        let expected = if is_left { contents } else { &after };
        assert!(copy.read(&mounted, "file") == *expected, "{later}");
        assert_eq!(
            (mounted.report().left.len(), copy.kept().len()),
            (usize::from(is_left), usize::from(is_left))
        );
    }
}

#[test]
fn in_the_same_place_a_file_with_a_later_time_is_recovered() {
    let (place, _, after) = readable();
    set_modified(&place.path("file"), Duration::from_secs(600));
    let mounted = place.mount();
    assert!(place.read(&mounted, "file") == after);
}

#[test]
fn a_file_that_has_another_header_now_stays_as_it_is() {
    for contents in [sealed(10, 3, 100, b'c'), Vec::new(), vec![0; 5000]] {
        let (place, ..) = readable();
        fs::write(place.path("file"), &contents).unwrap();
        let mounted = place.mount();
        assert_eq!(mounted.report().left, [PathBuf::from("file")]);
        assert!(place.read(&mounted, "file") == contents);
        assert_eq!((place.kept().len(), mounted.report().aside.iter().count()), (1, 1));
        mounted.journal.close().unwrap();
        assert!(!place.journal().exists() && place.mount().report.is_none());
    }
}

#[test]
fn an_empty_file_that_was_written_to_is_recovered() {
    let place = Place::new();
    place.put("file", b"");
    let mounted = place.begin();
    mounted.write(&place, "file", 0, &bytes(5));
    mounted.sync(&place, "file");
    assert!(fs::read(place.path("file")).unwrap().is_empty());
    drop(mounted);
    let mounted = place.mount();
    assert!(mounted.report().left.is_empty() && place.read(&mounted, "file") == bytes(5));
}

#[test]
fn a_new_file_keeps_what_is_good_of_it_and_others_stay_as_they_are() {
    let (place, files) = left();
    let good = sealed(9, 3, 100, b'a');
    let torn = [&good[..9000], &[0; 5000]].concat();
    place.put("new/torn", &torn);
    place.put("new/good", &good);
    // One that something else made there, which has no header of ours.
    place.put("new/foreign", &[7; 5000]);
    let cut = [PathBuf::from("new/torn")];
    let read_only = place.try_mount(Access::ReadOnly).unwrap();
    assert_eq!(read_only.report().cut, cut);
    let shown = place.read(&read_only, "new/torn");
    assert!(shown.len() < torn.len() && shown[..48 + 2 * 4152] == good[..48 + 2 * 4152]);
    assert!(fs::read(place.path("new/torn")).unwrap() == torn);
    let mounted = place.mount();
    assert_eq!(mounted.report().cut, cut);
    assert_eq!(fs::read(place.path("new/torn")).unwrap().len(), shown.len());
    assert!(fs::read(place.path("new/good")).unwrap() == good && fs::read(place.path("new/foreign")).unwrap() == [7; 5000]);
    assert_files(&place, &mounted, &files);
}

#[test]
fn a_new_file_that_was_not_committed_before_it_was_appended_to_keeps_what_is_good_of_it() {
    let place = Place::new();
    place.put("old", &bytes(1));
    let mounted = place.begin();
    mounted.write(&place, "old", 0, &bytes(1));
    let good = sealed(9, 3, 100, b'a');
    place.put("new", &good);
    let end = u64::try_from(good.len()).unwrap();
    mounted.write(&place, "new", end, &[7; 100_000]);
    drop(mounted);
    assert!(fs::read(place.path("new")).unwrap().len() > 100_000, "so much is appended in place");
    // Nothing of the file was ever synced.
    let mut torn = fs::read(place.path("new")).unwrap();
    torn[5000..6000].fill(0);
    fs::write(place.path("new"), &torn).unwrap();
    let mounted = place.mount();
    assert_eq!(mounted.report().cut, [PathBuf::from("new")]);
    let left = fs::read(place.path("new")).unwrap();
    assert!(left.len() < 5000 && left[..48 + 4152] == good[..48 + 4152]);
}

#[test]
fn in_a_copy_damage_in_the_middle_of_a_file_is_left_as_it_is() {
    let (place, _) = left();
    let mut damaged = sealed(9, 3, 100, b'a');
    damaged[5000] ^= 1;
    place.put("damaged", &damaged);
    let copy = place.copied();
    assert!(copy.mount().report().cut.is_empty());
    assert!(fs::read(copy.path("damaged")).unwrap() == damaged);
}

#[test]
fn the_journal_is_not_thrown_away_while_not_everything_was_searched() {
    let (place, files) = left();
    let away = tempfile::TempDir::new().unwrap();
    fs::rename(place.path("deep"), away.path().join("deep")).unwrap();
    let home = Box::new(Root::new(place.root().as_fd(), OFlags::RDWR).unwrap());
    let disk = home.open().unwrap().unwrap();
    let journal = Journal::new(home, Arc::new(JournalKey::derive(&master(3))), Access::ReadWrite, SIZE).unwrap();
    let before = fs::read(place.journal()).unwrap();
    let recovery = Recovery::begin(&journal, disk, ContentKey::derive(&master(3)), &|_| ()).unwrap();
    recovery.miss(PathBuf::from("deep"), Errno::IO, None);
    let (gone, path, errno) = (files.len(), PathBuf::from("deep"), Errno::IO);
    assert_eq!(recovery.finish(), Err(Error::NotSearched { gone, path, errno }));
    assert!(fs::read(place.journal()).unwrap() == before);
    fs::rename(away.path().join("deep"), place.path("deep")).unwrap();
    assert_files(&place, &place.mount(), &files);
}

#[test]
fn many_files_are_looked_through_in_seconds() {
    // Meant for 200,000.
    let count = std::env::var("PLAINVIEW_TEST_FILES").map_or(5000, |count| count.parse().unwrap());
    let (place, files) = left_with(|place| {
        for n in 0..count {
            if n % 1000 == 0 {
                fs::create_dir(place.path(&n.to_string())).unwrap();
            }
            fs::write(place.path(&format!("{}/{n}", n - n % 1000)), b"").unwrap();
        }
    });
    let begun = std::time::Instant::now();
    let seen = AtomicU64::new(0);
    let watch = |progress: crate::journal::Progress| {
        if let crate::journal::Progress::Looking { files, .. } = progress {
            seen.fetch_max(files, Ordering::Relaxed);
        }
    };
    let (journal, report) = Journal::open(place.root().as_fd(), &master(3), Access::ReadWrite, SIZE, &watch).unwrap();
    eprintln!("{count} files: {:?}", begun.elapsed());
    assert!(begun.elapsed() < Duration::from_secs(20));
    assert_eq!(seen.into_inner(), count + u64::try_from(files.len()).unwrap());
    assert_eq!(report.unwrap().files, files.len());
    journal.close().unwrap();
}
