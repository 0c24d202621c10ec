//! The daemon is killed, again and again, at any instant: at work, in a checkpoint, during recovery, during the unmount. The next mount says nothing but what
//! it cut, and everything is what it may be.

use super::leftovers;
use super::model::Model;
use super::work::work;
use crate::differential::{seed, variable};
use crate::harness::{Mounted, Options, Vault};
use crate::people::{Who, root_or_skip, start};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rustix::process::Signal;
use std::fs;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long it goes on when nobody says how many times.
const TIME: Duration = Duration::from_secs(12);
/// So many kills are there at least in that time, however slow the machine is.
const KILLS_MIN: u32 = 6;
/// Directories with a thread each.
const THREADS: u64 = 3;
/// The smallest journal, which is full soon. The first warning comes of new files that recovery cut.
const ARGS: [&str; 2] = ["--journal-size", "4MiB"];
const CUT: &str = "cut to what of it had been written";

/// What is going on when it is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum During {
    Work,
    Mounting,
    Unmounting,
}

/// A vault, its directories, and what was done to it.
struct Killing<'v> {
    vault: &'v Vault,
    rng: StdRng,
    models: Vec<Model>,
    /// For the report of a failure.
    what: String,
    kills: u32,
}

impl<'v> Killing<'v> {
    fn new(vault: &'v Vault, seed: u64) -> Self {
        let mounted = vault.mount(&ARGS);
        mounted.enter(|path| (0..THREADS).for_each(|number| fs::create_dir(path.join(number.to_string())).unwrap()));
        mounted.unmount();
        Self {
            vault,
            rng: StdRng::seed_from_u64(seed),
            models: (0..THREADS).map(|_| Model::new()).collect(),
            what: format!("PLAINVIEW_TEST_SEED={seed}"),
            kills: 0,
        }
    }

    /// Mounts, looks, works, and kills.
    fn round(&mut self) {
        let mounted = self.mount_and_look();
        let during = match self.rng.random_range(0..10) {
            0..7 => During::Work,
            7..9 => During::Mounting,
            _ => During::Unmounting,
        };
        let millis = self.rng.random_range(0..120);
        self.what = format!(
            "{}, round {}: killed during {during:?} after {millis} ms",
            seed_of(&self.what),
            self.kills
        );
        match during {
            During::Work | During::Mounting => self.kill_working(&mounted, Duration::from_millis(millis)),
            During::Unmounting => self.kill_unmounting(&mounted, Duration::from_millis(millis)),
        }
        self.check_log(&mounted);
        mounted.kill();
        self.kills += 1;
        if during == During::Mounting {
            self.kill_mounting();
        }
    }

    fn mount_and_look(&mut self) -> Mounted<'v> {
        let mounted = self.vault.mount(&ARGS);
        let models = &mut self.models;
        let looked = mounted.enter(|path| {
            let mut dirs = models.iter_mut().enumerate();
            dirs.try_for_each(|(number, model)| model.check_and_keep(&path.join(number.to_string())))
        });
        if let Err(what) = looked {
            panic!("{}: {what}\n{}", self.what, mounted.log());
        }
        mounted
    }

    /// Lets a thread work in each directory until `meanwhile` has returned, and then as far as it comes without the daemon.
    fn work(&mut self, mounted: &Mounted<'_>, meanwhile: impl FnOnce() + Send) {
        let seed: u64 = self.rng.random();
        let stopped = AtomicBool::new(false);
        let models = &mut self.models;
        std::thread::scope(|scope| {
            scope.spawn(|| {
                meanwhile();
                stopped.store(true, Ordering::SeqCst);
            });
            mounted.enter(|path| {
                std::thread::scope(|scope| {
                    for (number, model) in (0..).zip(models) {
                        let (path, stopped) = (path.join(number.to_string()), &stopped);
                        scope.spawn(move || work(&path, model, seed.wrapping_add(number), || stopped.load(Ordering::SeqCst)));
                    }
                });
            });
        });
    }

    fn kill_working(&mut self, mounted: &Mounted<'_>, after: Duration) {
        self.work(mounted, || {
            sleep(after);
            mounted.signal(Signal::KILL);
        });
    }

    fn kill_unmounting(&mut self, mounted: &Mounted<'_>, after: Duration) {
        self.work(mounted, || sleep(after));
        let mut umount = self.vault.plainview(self.vault.owner(), &["umount"]);
        umount.arg(self.vault.point()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut umount = start(&mut umount).unwrap();
        sleep(Duration::from_micros(self.rng.random_range(0..30_000)));
        mounted.signal(Signal::KILL);
        umount.wait().unwrap();
    }

    /// Kills mounts that have begun a moment ago.
    fn kill_mounting(&mut self) {
        for _ in 0..self.rng.random_range(1..4) {
            let mut mount = self.vault.mount_command(self.vault.owner(), &[&["-f"], &ARGS[..]].concat());
            let mut daemon = start(mount.stdout(Stdio::null()).stderr(Stdio::null())).unwrap();
            sleep(Duration::from_micros(self.rng.random_range(0..100_000)));
            daemon.kill().unwrap();
            daemon.wait().unwrap();
            self.kills += 1;
        }
    }

    /// Nothing is worth a warning but what recovery cut.
    fn check_log(&self, mounted: &Mounted<'_>) {
        let log = mounted.log();
        let loud = |line: &&str| ["WARN", "ERROR", "panicked"].iter().any(|word| line.contains(word)) && !line.contains(CUT);
        if log.lines().any(|line| loud(&line)) {
            panic!("{}: the log is\n{log}", self.what);
        }
    }
}

fn seed_of(what: &str) -> &str {
    what.split_once(',').map_or(what, |(seed, _)| seed)
}

fn is_killed_again_and_again(who: Who) {
    let vault = Vault::new(Options::of(who));
    let seed = seed();
    println!("PLAINVIEW_TEST_SEED={seed}");
    let mut killing = Killing::new(&vault, seed);
    let begin = Instant::now();
    let kills = variable("PLAINVIEW_TEST_ROUNDS");
    while kills.map_or(begin.elapsed() < TIME, |kills| killing.kills < kills) {
        killing.round();
    }
    let mut mounted = killing.mount_and_look();
    mounted.allow_log(CUT);
    mounted.unmount();
    assert_eq!(leftovers(&vault), [""; 0]);
    println!("{} kills in {:?}", killing.kills, begin.elapsed());
    assert!(kills.is_some() || killing.kills >= KILLS_MIN, "only {} kills", killing.kills);
}

/// The kernel still knows what the root is, although nobody is there any more whom it could ask.
#[test]
fn regression_a_dead_mount_that_was_looked_at_is_replaced() {
    for who in Who::both() {
        let vault = Vault::new(Options::of(who));
        let mounted = vault.mount(&[]);
        mounted.enter(|path| fs::metadata(path).unwrap());
        mounted.kill();
        who.run(|| assert!(fs::metadata(vault.point()).is_ok(), "this test has lost its point"));
        vault.mount(&[]).unmount();
    }
}

#[test]
fn a_vault_survives_kills() {
    is_killed_again_and_again(Who::me());
}

#[test]
fn an_ordinary_users_vault_survives_kills() {
    if root_or_skip() {
        is_killed_again_and_again(Who::User);
    }
}
