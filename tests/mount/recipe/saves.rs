//! Programs that save files again and again, and what may be there when they are interrupted: each file whole, in a version that is not older than the last
//! one that was synced.

use crate::people::without_new_processes;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// How a program saves.
#[derive(Clone, Copy, Debug)]
enum Manner {
    /// Empties the file, writes it and syncs it.
    Anew,
    /// Overwrites it, cuts it to the new length and syncs it.
    Over,
    /// Another file, synced and renamed over it, then the directory synced.
    ByRename,
    /// A file of another name each time, synced, then the directory synced.
    New,
    /// Empties the file, writes it and closes it, which promises nothing but that all of it is there or nothing.
    Unsynced,
}

const MANNERS: [Manner; 5] = [Manner::Anew, Manner::Over, Manner::ByRename, Manner::New, Manner::Unsynced];
/// Longest file.
const LONGEST: usize = 150_000;

/// How far a program has come. Version 0 is an empty file, or none.
#[derive(Default)]
struct Progress {
    begun: AtomicU64,
    synced: AtomicU64,
    /// Versions that could not be saved.
    failed: Mutex<Vec<u64>>,
}

/// Programs at work in one directory.
pub(super) struct Saves {
    seed: u64,
    progress: Vec<Progress>,
    stopped: AtomicBool,
}

/// For each program, a version.
pub(super) type Versions = Vec<u64>;

impl Saves {
    /// All that they write comes from `seed`.
    pub(super) fn new(seed: u64) -> Self {
        Self {
            seed,
            progress: MANNERS.iter().map(|_| Progress::default()).collect(),
            stopped: AtomicBool::new(false),
        }
    }

    /// Saves in `dir`, with a thread for each program, until `meanwhile`, which must not start a process, has returned.
    pub(super) fn run<T>(&self, dir: &Path, meanwhile: impl FnOnce() -> T) -> T {
        self.stopped.store(false, Ordering::SeqCst);
        let work = |program| {
            let mut going = true;
            while going && !self.stopped.load(Ordering::SeqCst) {
                going = self.save_once(dir, program).is_ok();
            }
        };
        without_new_processes(|| {
            std::thread::scope(|scope| {
                for program in self.programs() {
                    scope.spawn(move || work(program));
                }
                let result = meanwhile();
                self.stopped.store(true, Ordering::SeqCst);
                result
            })
        })
    }

    /// The numbers of the programs.
    pub(super) fn programs(&self) -> std::ops::Range<usize> {
        0..self.progress.len()
    }

    /// Lets one program save once.
    pub(super) fn save(&self, dir: &Path, program: usize) -> io::Result<()> {
        without_new_processes(|| self.save_once(dir, program))
    }

    fn save_once(&self, dir: &Path, program: usize) -> io::Result<()> {
        let progress = &self.progress[program];
        let version = progress.begun.fetch_add(1, Ordering::SeqCst) + 1;
        self.save_version(dir, program, version)
            .inspect_err(|_| progress.failed.lock().unwrap().push(version))?;
        if !matches!(MANNERS[program], Manner::Unsynced) {
            progress.synced.store(version, Ordering::SeqCst);
        }
        Ok(())
    }

    fn save_version(&self, dir: &Path, program: usize, version: u64) -> io::Result<()> {
        let contents = self.contents(program, version);
        let path = path(dir, program, version);
        match MANNERS[program] {
            Manner::Anew => synced(File::create(&path)?, &contents)?,
            Manner::Over => {
                let file = OpenOptions::new().write(true).create(true).truncate(false).open(&path)?;
                file.write_all_at(&contents, 0)?;
                file.set_len(u64::try_from(contents.len()).unwrap())?;
                file.sync_all()?;
            }
            Manner::ByRename => {
                synced(File::create(path.with_extension("new"))?, &contents)?;
                fs::rename(path.with_extension("new"), &path)?;
            }
            Manner::New => synced(File::create_new(&path)?, &contents)?,
            Manner::Unsynced => return File::create(&path)?.write_all(&contents),
        }
        // The name of a file that is new, or has another, is durable only with its directory.
        if version == 1 || matches!(MANNERS[program], Manner::ByRename | Manner::New) {
            File::open(dir)?.sync_all()?;
        }
        Ok(())
    }

    /// Begins with program and version, so that it can be told which one it is.
    fn contents(&self, program: usize, version: u64) -> Vec<u8> {
        let mut rng = StdRng::seed_from_u64(self.seed ^ (version << 8) ^ u64::try_from(program).unwrap());
        let mut contents = vec![0; rng.random_range(20..LONGEST)];
        rng.fill(contents.as_mut_slice());
        contents[..8].copy_from_slice(&version.to_le_bytes());
        contents
    }

    /// What must be there from now on, at least.
    pub(super) fn synced(&self) -> Versions {
        self.progress.iter().map(|one| one.synced.load(Ordering::SeqCst)).collect()
    }

    /// What can be there until now, at most.
    pub(super) fn begun(&self) -> Versions {
        self.progress.iter().map(|one| one.begun.load(Ordering::SeqCst)).collect()
    }

    /// Checks the plain files that `dir` has after an interruption that came when `least` was synced and no more than `most` begun.
    #[track_caller]
    pub(super) fn check(&self, dir: &Path, least: &Versions, most: &Versions) {
        for program in self.programs() {
            let (least, most) = (least[program], most[program]);
            let check = |path: &Path, least: u64, most: u64| {
                let version = self.version(program, &fs::read(path).unwrap_or_default());
                assert!(
                    version.is_some_and(|version| (least..=most).contains(&version)),
                    "{} ({:?}): version {version:?} and not {least} to {most}; PLAINVIEW_TEST_SEED={}",
                    path.display(),
                    MANNERS[program],
                    self.seed
                );
            };
            match MANNERS[program] {
                Manner::New => {
                    let failed = self.progress[program].failed.lock().unwrap();
                    for version in 1..=most {
                        let path = path(dir, program, version);
                        // What was not synced is there whole, as an empty file, or not at all.
                        let is_sure = version <= least && !failed.contains(&version);
                        let is_there = fs::metadata(&path).is_ok_and(|found| found.len() > 0);
                        check(&path, if is_sure || is_there { version } else { 0 }, version);
                    }
                }
                Manner::Anew | Manner::Over | Manner::ByRename | Manner::Unsynced => check(&path(dir, program, 0), least, most),
            }
        }
    }

    /// The version that `found` is; nothing when it is no version, or not all of one.
    fn version(&self, program: usize, found: &[u8]) -> Option<u64> {
        if found.is_empty() {
            return Some(0);
        }
        let version = u64::from_le_bytes(found.get(..8)?.try_into().ok()?);
        (self.contents(program, version) == found).then_some(version)
    }
}

fn path(dir: &Path, program: usize, version: u64) -> PathBuf {
    match MANNERS[program] {
        Manner::New => dir.join(format!("{program} {version}")),
        Manner::Anew | Manner::Over | Manner::ByRename | Manner::Unsynced => dir.join(program.to_string()),
    }
}

fn synced(mut file: File, contents: &[u8]) -> io::Result<()> {
    file.write_all(contents)?;
    file.sync_all()
}

#[test]
fn an_interruption_that_loses_something_is_seen() {
    let scratch = crate::places::Scratch::new(crate::people::Who::me(), None);
    let saves = Saves::new(crate::differential::seed());
    while saves.synced().iter().any(|version| *version < 3) {
        for program in saves.programs() {
            saves.save(scratch.path(), program).unwrap();
            saves.progress[program].synced.store(saves.begun()[program], Ordering::SeqCst);
        }
    }
    let (least, most) = (saves.synced(), saves.begun());
    saves.check(scratch.path(), &least, &most);
    let file = scratch.path().join("1");
    let whole = fs::read(&file).unwrap();
    let older = saves.contents(1, 2);
    let mixed = [&older[..10], &whole[10..]].concat();
    for damaged in [
        &whole[1..],
        &whole[..whole.len() - 1],
        b"",
        older.as_slice(),
        &mixed,
        &[whole.as_slice(), b" "].concat(),
    ] {
        fs::write(&file, damaged).unwrap();
        let check = || saves.check(scratch.path(), &least, &most);
        assert!(
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(check)).is_err(),
            "{} bytes",
            damaged.len()
        );
    }
}
