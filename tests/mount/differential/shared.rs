//! Eight threads in the same directory. Who comes first is open; what must be true in the end is not.

use super::names::Taste;
use super::threads::THREADS;
use rustix::fs::{CWD, Mode, OFlags, RenameFlags, open, renameat_with};
use rustix::io::Errno;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::panic::resume_unwind;
use std::path::Path;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};

/// How often each race is run.
const ROUNDS: u64 = 100;

/// Every race, each in a new directory below `dir`.
pub(super) fn all(dir: &Path, taste: Taste) {
    for (name, race) in [
        ("create", one_creates as fn(&Path)),
        ("directories", one_makes_and_one_removes_a_directory),
        ("rename", all_rename_to_one_name),
        ("keep", one_renames_to_a_free_name),
        ("link", links_are_counted),
        ("append", appends_are_whole),
        ("regions", regions_of_a_file),
        ("list", what_stays_is_listed_once),
    ] {
        if name == "link" && taste == Taste::Recipe {
            continue;
        }
        let dir = dir.join(name);
        std::fs::create_dir(&dir).unwrap();
        race(&dir);
    }
}

/// What each thread says when all do `work`, which gets the thread's number, at once. They have the caller's credentials.
fn race<T: Send>(work: impl Fn(u64) -> T + Sync) -> Vec<T> {
    let start = Barrier::new(usize::try_from(THREADS).unwrap());
    std::thread::scope(|scope| {
        let one = |thread| {
            let (start, work) = (&start, &work);
            scope.spawn(move || {
                start.wait();
                work(thread)
            })
        };
        let threads: Vec<_> = (0..THREADS).map(one).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)))
            .collect()
    })
}

/// Checks that exactly one thread succeeded and all others got `errno`; returns which one.
fn winner(answers: &[Result<(), Errno>], errno: Errno) -> usize {
    let winners: Vec<_> = (0..answers.len()).filter(|thread| answers[*thread].is_ok()).collect();
    assert_eq!(winners.len(), 1, "{answers:?}");
    assert!(
        answers.iter().all(|answer| answer.is_ok() || *answer == Err(errno)),
        "not {errno:?}: {answers:?}"
    );
    winners[0]
}

fn errno(error: &std::io::Error) -> Errno {
    Errno::from_io_error(error).unwrap()
}

fn one_creates(dir: &Path) {
    for round in 0..ROUNDS {
        let path = dir.join(format!("file {round}"));
        let answers = race(|thread| {
            let file = open(
                &path,
                OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC,
                Mode::from_raw_mode(0o600),
            )?;
            File::from(file).write_all(thread.to_string().as_bytes()).unwrap();
            Ok(())
        });
        assert_eq!(std::fs::read_to_string(&path).unwrap(), winner(&answers, Errno::EXIST).to_string());
        winner(&race(|_| std::fs::remove_file(&path).map_err(|error| errno(&error))), Errno::NOENT);
    }
}

fn one_makes_and_one_removes_a_directory(dir: &Path) {
    for round in 0..ROUNDS {
        let path = dir.join(format!("directory {round}"));
        winner(&race(|_| std::fs::create_dir(&path).map_err(|error| errno(&error))), Errno::EXIST);
        assert_eq!(std::fs::metadata(dir).unwrap().nlink(), 3);
        winner(&race(|_| std::fs::remove_dir(&path).map_err(|error| errno(&error))), Errno::NOENT);
        assert_eq!(std::fs::metadata(dir).unwrap().nlink(), 2);
    }
}

fn all_rename_to_one_name(dir: &Path) {
    let target = dir.join("target");
    for _ in 0..ROUNDS {
        let sizes = race(|thread| {
            let own = dir.join(format!("own {thread}"));
            std::fs::write(&own, vec![b'x'; usize::try_from(thread * 1000 + 1).unwrap()]).unwrap();
            std::fs::rename(&own, &target).unwrap();
            std::fs::read(&target).unwrap().len()
        });
        let end = std::fs::read(&target).unwrap();
        assert!(
            end.iter().all(|byte| *byte == b'x') && sizes.iter().chain([&end.len()]).all(|size| size % 1000 == 1),
            "{sizes:?}, {}",
            end.len()
        );
        assert_eq!(std::fs::read_dir(dir).unwrap().count(), 1);
    }
}

fn one_renames_to_a_free_name(dir: &Path) {
    for round in 0..ROUNDS {
        let target = dir.join(format!("target {round}"));
        let answers = race(|thread| {
            let own = dir.join(format!("own {thread}"));
            std::fs::write(&own, thread.to_string()).unwrap();
            renameat_with(CWD, &own, CWD, &target, RenameFlags::NOREPLACE)
        });
        assert_eq!(
            std::fs::read_to_string(&target).unwrap(),
            winner(&answers, Errno::EXIST).to_string()
        );
    }
}

fn links_are_counted(dir: &Path) {
    let origin = dir.join("origin");
    std::fs::write(&origin, "one").unwrap();
    race(|thread| {
        for round in 0..ROUNDS {
            std::fs::hard_link(&origin, dir.join(format!("link {thread} {round}"))).unwrap();
        }
    });
    let metadata = std::fs::metadata(&origin).unwrap();
    assert_eq!(metadata.nlink(), 1 + THREADS * ROUNDS);
    assert_eq!(std::fs::metadata(dir.join("link 3 5")).unwrap().ino(), metadata.ino());
    race(|thread| {
        for round in 0..ROUNDS {
            std::fs::remove_file(dir.join(format!("link {thread} {round}"))).unwrap();
        }
    });
    assert_eq!(std::fs::metadata(&origin).unwrap().nlink(), 1);
}

fn appends_are_whole(dir: &Path) {
    let path = dir.join("log");
    let line = |thread, round| format!("{thread} {round} {}\n", "=".repeat(usize::try_from(round).unwrap()));
    race(|thread| {
        let mut log = File::options().append(true).create(true).open(&path).unwrap();
        for round in 0..ROUNDS {
            log.write_all(line(thread, round).as_bytes()).unwrap();
        }
    });
    let mut lines: Vec<_> = std::fs::read_to_string(&path)
        .unwrap()
        .split_inclusive('\n')
        .map(str::to_owned)
        .collect();
    let mut expected: Vec<_> = (0..THREADS)
        .flat_map(|thread| (0..ROUNDS).map(move |round| line(thread, round)))
        .collect();
    lines.sort();
    expected.sort();
    assert!(lines == expected, "{} lines, {} expected", lines.len(), expected.len());
}

/// Regions of 1000 bytes, so that records of 4096 are shared by several threads.
fn regions_of_a_file(dir: &Path) {
    let path = dir.join("file");
    let region = |number: u64| vec![u8::try_from(number % 251).unwrap() + 1; 1000];
    race(|thread| {
        let file = File::options().write(true).create(true).truncate(false).open(&path).unwrap();
        for number in (thread..ROUNDS * THREADS).step_by(usize::try_from(THREADS).unwrap()) {
            file.write_all_at(&region(number), number * 1000).unwrap();
            if number % 64 == thread {
                file.sync_data().unwrap();
            }
        }
    });
    let expected: Vec<_> = (0..ROUNDS * THREADS).flat_map(region).collect();
    let got = std::fs::read(&path).unwrap();
    assert!(got == expected, "{}", super::tree::bytes_differ(&expected, &got));
}

fn what_stays_is_listed_once(dir: &Path) {
    let stays: BTreeSet<_> = (0..ROUNDS).map(|number| format!("stays {number}")).collect();
    stays.iter().for_each(|name| std::fs::write(dir.join(name), "").unwrap());
    let working = AtomicU64::new(THREADS - 1);
    race(|thread| {
        if thread > 0 {
            for round in 0..ROUNDS {
                let (old, new) = (
                    dir.join(format!("goes {thread} {round}")),
                    dir.join(format!("gone {thread} {round}")),
                );
                std::fs::write(&old, "").unwrap();
                std::fs::rename(&old, &new).unwrap();
                std::fs::remove_file(&new).unwrap();
            }
            working.fetch_sub(1, Ordering::Relaxed);
            return;
        }
        while working.load(Ordering::Relaxed) > 0 {
            let names = std::fs::read_dir(dir)
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap());
            let mut listed: Vec<_> = names.filter(|name| name.starts_with("stays")).collect();
            listed.sort();
            assert!(listed.iter().eq(&stays), "{listed:?}");
        }
    });
    assert_eq!(std::fs::read_dir(dir).unwrap().count(), stays.len());
}
