//! Each call of the operating system that a daemon makes fails once, in each step of a piece of work: with ENOSPC, EDQUOT and EIO.
//!
//! What must hold each time: who works hears of it where it matters, and nothing that was synced is lost or unreadable, neither in this mount nor after a
//! kill nor after an unmount; when the disk works again, so does the vault.

use super::leftovers;
use super::model::{Model, PAGE};
use super::strace::{Fault, Log, Strace, When, strace_or_skip};
use super::work::{Op, steps};
use crate::differential::{seed, variable};
use crate::harness::{Mounted, Options, Vault, wait_for};
use crate::people::{run_unmount, start};
use crate::places::mount_at;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rustix::process::{Signal, kill_process};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long each test goes on when nobody says how many faults.
const TIME: Duration = Duration::from_secs(12);
/// The type that statfs(2) tells for a FUSE mount.
const FUSE_SUPER_MAGIC: i64 = 0x6573_5546;
/// How many steps leave much in the journal.
const PREPARED: usize = 15;
/// The smallest journal, which is full soon.
const ARGS: [&str; 2] = ["--journal-size", "4MiB"];
/// What takes space, and fails where there is none, or no right to any.
const TAKING: [&str; 13] = [
    "write",
    "pwrite64",
    "ftruncate",
    "fallocate",
    "openat",
    "renameat",
    "renameat2",
    "mkdirat",
    "linkat",
    "symlinkat",
    "fsync",
    "fdatasync",
    "syncfs",
];
/// What makes a file durable.
const SYNCS: [&str; 3] = ["fsync", "fdatasync", "syncfs"];
/// What else asks the vault's disk for something. The kernel's requests come by `read` and go by `writev`, which are left alone.
const OTHERS: [&str; 16] = [
    "open",
    "unlinkat",
    "pread64",
    "fstat",
    "newfstatat",
    "statx",
    "utimensat",
    "fchmod",
    "getdents64",
    "lseek",
    "fcntl",
    "readlinkat",
    "getxattr",
    "lgetxattr",
    "fgetxattr",
    "umount2",
];

/// A fault, and the step in which it comes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Plan {
    step: usize,
    fault: Fault,
}

/// The faults that make sense where a thread makes so many calls of each kind.
fn faults(most: &BTreeMap<String, usize>) -> Vec<Fault> {
    let mut faults = vec![];
    for (call, count) in most {
        let takes = TAKING.contains(&call.as_str());
        if !takes && !OTHERS.contains(&call.as_str()) {
            continue;
        }
        let errnos: &[&'static str] = if takes { &["EIO", "ENOSPC", "EDQUOT"] } else { &["EIO"] };
        for errno in errnos {
            let fault = |when| Fault {
                call: call.clone(),
                errno,
                when,
            };
            faults.extend((1..=*count).map(When::Nth).map(fault));
            faults.push(fault(When::Always));
        }
    }
    faults
}

/// What happens after a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    GoOn,
    Kill,
    Unmount,
}

/// A vault, and one after the other directories in it.
struct Bench<'v> {
    vault: &'v Vault,
    mounted: Option<Mounted<'v>>,
    model: Model,
    dir: PathBuf,
    what: String,
    log: PathBuf,
    rounds: usize,
    injected: usize,
    reported: usize,
    /// Whether a sync has failed in this mount.
    sync_failed: bool,
}

impl<'v> Bench<'v> {
    fn new(vault: &'v Vault) -> Self {
        Self {
            vault,
            mounted: Some(vault.mount(&ARGS)),
            model: Model::new(),
            dir: vault.point().join("0"),
            what: String::new(),
            log: vault.scratch().path().join("strace"),
            rounds: 0,
            injected: 0,
            reported: 0,
            sync_failed: false,
        }
    }

    fn mounted(&self) -> &Mounted<'v> {
        self.mounted.as_ref().unwrap()
    }

    fn begin(&mut self, what: String) {
        self.rounds += 1;
        self.dir = self.vault.point().join(self.rounds.to_string());
        self.model = Model::new();
        self.what = what;
        fs::create_dir(&self.dir).unwrap();
    }

    fn end(&mut self) {
        let removed = fs::remove_dir_all(&self.dir);
        self.must(removed.map_err(|error| format!("cannot be removed: {error}")));
    }

    #[track_caller]
    fn must<T>(&self, result: Result<T, String>) -> T {
        result.unwrap_or_else(|why| {
            let log = self.mounted.as_ref().map_or(String::new(), Mounted::log);
            panic!("{}: {why}\n{log}", self.what)
        })
    }

    /// Does `op`, which has to go well. That something failed that was not synced is told by the first sync after it; that a file could not be synced by each one until the
    /// next mount.
    fn step(&mut self, op: &Op) {
        let is_doubtful = self.model.is_doubtful(op);
        let mut done = self.model.run(&self.dir, op);
        if done.is_err() && is_doubtful {
            self.model.resolve(&self.dir);
            done = self.model.run(&self.dir, op);
        }
        if done.is_err() && self.sync_failed {
            self.then(Then::Kill);
            done = self.model.run(&self.dir, op);
        }
        self.must(done.map_err(|error| format!("{}: {error}", short(op))));
    }

    /// Does `op` with a fault; whether it failed.
    fn faulty_step(&mut self, op: &Op, fault: &Fault) -> bool {
        let strace = Strace::attach(self.mounted().pid(), Some(fault), &self.log);
        let result = self.model.run(&self.dir, op);
        let is_write = ["write", "pwrite64", "ftruncate", "fallocate", "fsync", "fdatasync", "syncfs"].contains(&fault.call.as_str());
        if fault.when == When::Always && is_write && self.model.is_sure() {
            // While nothing can be written, everything can be read.
            self.must(self.model.check(&self.dir));
        }
        let injected = strace.detach().injected();
        self.injected += injected.min(1);
        self.sync_failed |= injected > 0 && SYNCS.contains(&fault.call.as_str());
        self.reported += usize::from(result.is_err());
        if injected > 0 {
            self.model.doubt(op);
        } else if let Err(error) = &result {
            self.must::<()>(Err(format!("{}: {error} although nothing was injected", short(op))));
        }
        // For a second, the kernel believes that what failed was not done.
        if result.is_err() {
            self.mounted().forget_all();
        }
        self.model.resolve(&self.dir);
        self.must(self.model.check(&self.dir));
        result.is_err()
    }

    /// Kills or unmounts; the next mount has everything.
    fn then(&mut self, then: Then) {
        let Some(mounted) = self.mounted.take_if(|_| then != Then::GoOn) else {
            return;
        };
        self.check_for_panics(&mounted.log());
        if then == Then::Kill {
            mounted.kill();
        } else {
            run_unmount(self.vault.plainview(self.vault.owner(), &["umount"]).arg(self.vault.point())).ok();
            let (status, log) = mounted.end();
            self.check_for_panics(&log);
            self.must(if status.success() {
                Ok(())
            } else {
                Err(format!("the daemon ended with {status}\n{log}"))
            });
            assert_eq!(leftovers(self.vault), [""; 0], "{}\n{log}", self.what);
        }
        self.remount();
    }

    fn remount(&mut self) {
        self.mounted = Some(self.vault.mount(&ARGS));
        self.sync_failed = false;
        let kept = self.model.check_and_keep(&self.dir);
        self.must(kept.map_err(|why| format!("after the next mount: {why}")));
        let log = self.mounted().log();
        let loud = |line: &&str| ["WARN", "ERROR"].iter().any(|word| line.contains(word)) && !line.contains("cut to what of it");
        let loud: Vec<_> = log.lines().filter(loud).collect();
        self.must(if loud.is_empty() {
            Ok(())
        } else {
            Err(format!("the next mount complains: {loud:?}"))
        });
    }

    /// Most of the faults that were tried came, and some were heard of: otherwise nothing was tested.
    fn assert_met(&self, tried: usize) {
        let (injected, reported) = (self.injected, self.reported);
        assert!(
            injected * 2 > tried && reported > 0,
            "of {tried} faults {injected} were injected, {reported} reported"
        );
    }

    fn check_for_panics(&self, log: &str) {
        assert!(!log.contains("panicked"), "{}\n{log}", self.what);
    }
}

/// An operation, for messages.
fn short(op: &Op) -> String {
    let text = format!("{op:?}");
    text.replace(&super::work::long('x'), "xx..")
        .replace(&super::work::long('y'), "yy..")
        .replace(&super::work::long('z'), "zz..")
}

/// Every fault of every step, found out by doing it once without.
fn plans(vault: &Vault) -> Vec<Plan> {
    let mut plans = vec![];
    // Twice, since the first time in a mount the journal is begun.
    for _ in 0..2 {
        let mut bench = Bench::new(vault);
        bench.begin("without faults".to_owned());
        for (step, op) in steps().iter().enumerate() {
            let strace = Strace::attach(bench.mounted().pid(), None, &bench.log);
            bench.step(op);
            let most = strace.detach().most();
            plans.extend(faults(&most).into_iter().map(|fault| Plan { step, fault }));
        }
        bench.end();
        bench.mounted.take().unwrap().unmount();
    }
    plans.sort();
    plans.dedup();
    plans
}

/// Which of `all` are done: as many as are asked for, in any order; without that, as many as there is time for.
fn sample<T>(all: &mut [T], rng: &mut StdRng) -> impl FnMut(usize) -> bool + use<T> {
    all.shuffle(rng);
    let most = variable("PLAINVIEW_TEST_ROUNDS").map_or(all.len(), |rounds: usize| rounds.min(all.len()));
    let (begin, is_timed) = (Instant::now(), variable::<usize>("PLAINVIEW_TEST_ROUNDS").is_none());
    move |done| done < most && (!is_timed || begin.elapsed() < TIME)
}

#[test]
fn every_call_may_fail_at_work() {
    if !strace_or_skip() {
        return;
    }
    let seed = seed();
    println!("PLAINVIEW_TEST_SEED={seed}");
    let mut rng = StdRng::seed_from_u64(seed);
    let vault = Vault::new(Options::default());
    let mut plans = plans(&vault);
    let mut goes_on = sample(&mut plans, &mut rng);
    let mut bench = Bench::new(&vault);
    for (done, plan) in plans.iter().enumerate() {
        if !goes_on(done) {
            break;
        }
        let then = [Then::GoOn, Then::Kill, Then::Unmount][rng.random_range(0..3)];
        one_fault(&mut bench, plan, then, &format!("PLAINVIEW_TEST_SEED={seed}"));
    }
    println!(
        "{} plans of {}: {} injected, {} reported",
        bench.rounds,
        plans.len(),
        bench.injected,
        bench.reported
    );
    bench.assert_met(bench.rounds);
    bench.begin("at the end".to_owned());
    bench.then(Then::Unmount);
}

fn one_fault(bench: &mut Bench<'_>, plan: &Plan, then: Then, seed: &str) {
    let steps = steps();
    bench.begin(format!("{seed}: {:?} in {}, then {then:?}", plan.fault, short(&steps[plan.step])));
    for (number, op) in steps.iter().enumerate() {
        if number == plan.step {
            let failed = bench.faulty_step(op, &plan.fault);
            bench.then(then);
            if !failed || bench.model.was_done(op) {
                continue;
            }
        }
        bench.step(op);
    }
    bench.must(bench.model.check(&bench.dir));
    bench.end();
}

/// The time of modification cannot be set: then nothing was changed.
#[test]
fn regression_a_change_fails_before_it_is_made() {
    if !strace_or_skip() {
        return;
    }
    let vault = Vault::new(Options::default());
    let mut bench = Bench::new(&vault);
    bench.begin("utimensat".to_owned());
    let fault = Fault {
        call: "utimensat".to_owned(),
        errno: "EIO",
        when: When::Always,
    };
    for op in steps() {
        bench.step(&op);
        // What comes late from the kernel's cache sets no time by way of the journal. A cut to the length that a file has changes nothing.
        if let Op::Cut { path, len, sync } = &op {
            let other = Op::Cut {
                path: path.clone(),
                len: len + 3 * PAGE,
                sync: *sync,
            };
            bench.faulty_step(&other, &fault);
            bench.step(&other);
            bench.faulty_step(&op, &fault);
            bench.step(&op);
        }
    }
    assert!(
        bench.injected > 5 && bench.reported > 5,
        "{} injected, {} reported",
        bench.injected,
        bench.reported
    );
    bench.end();
    bench.begin("at the end".to_owned());
    bench.then(Then::Unmount);
}

/// Something cannot be looked at in recovery: then no file is taken for one that is not there any more.
#[test]
fn regression_recovery_that_misses_a_file_is_done_again() {
    at_an_end(
        |bench| {
            let all = kill_and_find(bench);
            all.into_iter()
                .filter(|fault| ["statx", "getdents64"].contains(&fault.call.as_str()))
                .collect()
        },
        kill_and_mount,
    );
}

/// Leaves something in the journal, over files, and in a new file.
fn leave_something(bench: &mut Bench<'_>) {
    let steps = steps();
    steps[..PREPARED].iter().for_each(|op| bench.step(op));
    bench.step(&steps[steps.len() - 1]);
}

/// Unmounts, with a fault or without; returns what the daemon did.
fn unmount(bench: &mut Bench<'_>, fault: Option<&Fault>) -> Log {
    let mounted = bench.mounted.take().unwrap();
    let strace = Strace::attach(mounted.pid(), fault, &bench.log);
    run_unmount(bench.vault.plainview(bench.vault.owner(), &["umount"]).arg(bench.vault.point())).ok();
    let (status, log) = mounted.end();
    let traced = strace.detach();
    bench.check_for_panics(&log);
    if status.success() {
        let left = leftovers(bench.vault);
        assert!(
            !left.iter().any(|name| name == "plainview.journal"),
            "{}: {left:?}\n{log}",
            bench.what
        );
    } else {
        let is_said = log.contains("is not known to be on disk") || fault.is_some_and(|fault| fault.call == "write");
        assert!(
            fault.is_some() && is_said,
            "{}: the daemon ended with {status} and this log:\n{log}",
            bench.what
        );
        bench.reported += 1;
    }
    traced
}

#[test]
fn every_call_may_fail_at_the_unmount() {
    let find = |bench: &mut Bench<'_>| {
        leave_something(bench);
        faults(&unmount(bench, None).most())
    };
    at_an_end(find, |bench, fault| {
        leave_something(bench);
        unmount(bench, Some(fault)).injected()
    });
}

/// Mounts while calls fail, or do not. It may work or not, but it must say why not.
fn mount(bench: &mut Bench<'_>, fault: Option<&Fault>) -> Log {
    let vault = bench.vault;
    let _ = fs::remove_file(&bench.log);
    let mount = vault.mount_command(vault.owner(), &[&["-f"], &ARGS[..]].concat());
    let said = vault.scratch().path().join("said");
    let file = fs::File::create(&said).unwrap();
    let mut strace = start(
        Strace::around(&mount, fault, &bench.log)
            .stdout(file.try_clone().unwrap())
            .stderr(file),
    )
    .unwrap();
    let mut ended = None;
    wait_for("a mount or its refusal", || {
        ended = strace.try_wait().unwrap();
        ended.is_some() || answers(vault.point())
    });
    if ended.is_none() {
        kill_process(Log::read(&bench.log).process(), Signal::KILL).unwrap();
        strace.wait().unwrap();
    }
    let said = fs::read_to_string(said).unwrap();
    bench.check_for_panics(&said);
    if let Some(status) = ended {
        let is_said = !said.is_empty() || fault.is_some_and(|fault| ["write", "openat"].contains(&fault.call.as_str()));
        assert!(
            fault.is_some() && !status.success() && is_said,
            "{}: the mount ended with {status}: {said}",
            bench.what
        );
        bench.reported += 1;
    }
    Log::read(&bench.log)
}

/// Whether a living mount is at `point`.
fn answers(point: &Path) -> bool {
    mount_at(point).is_some() && rustix::fs::statfs(point).is_ok_and(|stat| stat.f_type == FUSE_SUPER_MAGIC)
}

#[test]
fn every_call_may_fail_at_the_mount_after_a_kill() {
    at_an_end(kill_and_find, kill_and_mount);
}

fn kill(bench: &mut Bench<'_>) {
    leave_something(bench);
    bench.mounted.take().unwrap().kill();
}

fn kill_and_find(bench: &mut Bench<'_>) -> Vec<Fault> {
    kill(bench);
    faults(&mount(bench, None).most())
}

fn kill_and_mount(bench: &mut Bench<'_>, fault: &Fault) -> usize {
    kill(bench);
    mount(bench, Some(fault)).injected()
}

/// Tries all faults that `find` finds with `try_one`, which unmounts or kills; the next mount has everything.
fn at_an_end(find: impl Fn(&mut Bench<'_>) -> Vec<Fault>, try_one: impl Fn(&mut Bench<'_>, &Fault) -> usize) {
    if !strace_or_skip() {
        return;
    }
    let seed = seed();
    println!("PLAINVIEW_TEST_SEED={seed}");
    let vault = Vault::new(Options::default());
    let mut bench = Bench::new(&vault);
    bench.begin("without faults".to_owned());
    let mut faults = find(&mut bench);
    bench.remount();
    bench.end();
    let mut goes_on = sample(&mut faults, &mut StdRng::seed_from_u64(seed));
    for (done, fault) in faults.iter().enumerate() {
        if !goes_on(done) {
            break;
        }
        bench.begin(format!("PLAINVIEW_TEST_SEED={seed}: {fault:?}"));
        bench.injected += try_one(&mut bench, fault).min(1);
        bench.remount();
        bench.end();
    }
    println!(
        "{} faults of {}: {} injected, {} reported",
        bench.rounds - 1,
        faults.len(),
        bench.injected,
        bench.reported
    );
    bench.assert_met(bench.rounds - 1);
    bench.begin("at the end".to_owned());
    bench.then(Then::Unmount);
}
