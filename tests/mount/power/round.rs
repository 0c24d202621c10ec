//! One disk, its load, and its power cuts.

use super::findings::{Findings, Harm, Tally};
use super::history::Promise;
use super::load::{Load, Windows};
use super::subject::{Kind, Room, Running, Subject, folder};
use crate::cuts::{Cut, Disk};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::fs::File;
use std::path::Path;
use std::time::Duration;

/// How the load ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// It is unmounted, with a cut meanwhile and one after it.
    Unmount,
    /// The daemon is killed under load, with a cut while it is mounted again; what is there then is checked, too.
    Kill,
}

/// What is to be done.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) kind: Kind,
    pub(super) seed: u64,
    pub(super) cuts: u32,
    pub(super) room: Room,
    /// How long the load has been on before the first cut.
    pub(super) warm_up: Duration,
    pub(super) ending: Ending,
}

/// A cut, and what it came in between.
struct Outage<'d> {
    cut: Cut<'d>,
    windows: Windows,
    when: &'static str,
}

/// A moment that nothing in the program under test has chosen.
fn let_some_time_pass(rng: &mut StdRng, milliseconds: u64) {
    std::thread::sleep(Duration::from_micros(rng.random_range(0..milliseconds * 1000)));
}

fn outage<'d>(disk: &'d Disk, load: &Load, when: &'static str) -> Outage<'d> {
    let done = load.done();
    let cut = disk.cut();
    let begun = load.begun();
    let windows = Windows {
        done,
        begun,
        promise: Promise::Synced,
    };
    Outage { cut, windows, when }
}

/// Does what `plan` says on an empty disk.
pub(super) fn run(plan: &Plan, disk: &Disk) -> Tally {
    let mut rng = StdRng::seed_from_u64(plan.seed);
    let (subject, load) = (Subject::make(plan.kind, plan.room, disk.path()), Load::new(plan.seed));
    let mut tally = Tally::default();
    let mut running = subject.start(disk.path());
    running.wait().unwrap();
    load.prepare(running.path()).unwrap();
    // What was there for a while is durable everywhere. Where it is not, nothing else would be seen.
    rustix::fs::syncfs(File::open(disk.path()).unwrap()).unwrap();
    let point = running.path().to_owned();
    let mut outages = vec![];
    load.run(&point, || {
        std::thread::sleep(plan.warm_up);
        // The endings have a cut or two of their own, and a mount of a copy one now and then.
        for _ in 0..(plan.cuts.saturating_sub(4)).max(1) {
            let_some_time_pass(&mut rng, 400);
            outages.push(outage(disk, &load, "under load"));
        }
        if plan.ending == Ending::Kill && plan.kind != Kind::Ext4 {
            running.kill();
        }
    });
    println!("{}: {load}", plan.kind.name());
    match plan.ending {
        Ending::Unmount => end_by_unmount(disk, &load, &mut running, &mut rng, &mut outages),
        Ending::Kill if plan.kind == Kind::Ext4 => {}
        Ending::Kill => {
            drop(running);
            tally.add(&end_by_kill(disk, &subject, &load, &mut rng, &mut outages));
        }
    }
    for (number, outage) in outages.into_iter().enumerate() {
        let again = (number % 4 == 1).then_some(&mut rng);
        verify(plan, &subject, &load, outage, again, &mut tally);
    }
    tally
}

fn end_by_unmount<'d>(disk: &'d Disk, load: &Load, running: &mut Running<'_>, rng: &mut StdRng, outages: &mut Vec<Outage<'d>>) {
    assert_eq!(load.failures(), Vec::<String>::new(), "the load failed\n{}", running.log());
    let kind = running.kind();
    std::thread::scope(|scope| {
        let stopping = scope.spawn(|| running.stop());
        let_some_time_pass(rng, 60);
        outages.push(outage(disk, load, "while it was unmounted"));
        stopping.join().unwrap().unwrap();
    });
    let mut last = outage(disk, load, "when it was unmounted");
    if kind == Kind::Plainview {
        last.windows.promise = Promise::Everything;
    }
    outages.push(last);
}

/// Also checks what was there when the daemon was killed.
fn end_by_kill<'d>(disk: &'d Disk, subject: &Subject, load: &Load, rng: &mut StdRng, outages: &mut Vec<Outage<'d>>) -> Tally {
    let mut running = subject.start(disk.path());
    let_some_time_pass(rng, 80);
    let mut last = outage(disk, load, "while it was mounted after a kill");
    let mut findings = Findings::default();
    match running.wait() {
        Ok(()) => load.check(running.path(), &last.windows, &mut findings),
        Err(why) => findings.add(Harm::CannotMount, why),
    }
    // The check has written: a database makes good what was not finished.
    last.windows.begun = load.begun();
    outages.push(last);
    if let Err(why) = running.stop() {
        findings.add(Harm::Conduct, why);
    }
    let mut tally = Tally::default();
    report(subject.kind, "killed, not cut", &findings);
    tally.found(&findings);
    tally
}

fn report(kind: Kind, when: &str, findings: &Findings) {
    if !findings.is_empty() {
        println!("{}: damage, {when}:\n{findings}", kind.name());
    }
}

/// Switches it on again, mounts it, and checks everything; also what another cut leaves during that, where there is a chance to give it its moment.
fn verify(plan: &Plan, subject: &Subject, load: &Load, outage: Outage<'_>, again: Option<&mut StdRng>, tally: &mut Tally) {
    let mut findings = Findings::default();
    let disk = outage.cut.mount();
    check_unmounted(subject, disk.path(), &mut findings);
    let mut running = subject.start(disk.path());
    let second = again.map(|rng| {
        let_some_time_pass(rng, 200);
        outage.cut.cut()
    });
    match running.wait() {
        Ok(()) => load.check(running.path(), &outage.windows, &mut findings),
        Err(why) => findings.add(Harm::CannotMount, why),
    }
    if let Err(why) = running.stop() {
        findings.add(Harm::Conduct, why);
    }
    let recovered = outage.windows.promise == Promise::Synced;
    if subject.kind == Kind::Plainview {
        check_conduct(&running.log(), recovered, disk.path(), &mut findings);
    }
    drop(running);
    if subject.kind == Kind::Plainview && findings.is_empty() {
        check_second_mount(subject, load, &outage.windows, disk.path(), &mut findings);
    }
    drop(disk);
    report(plan.kind, outage.when, &findings);
    tally.count(&findings);
    if let Some(cut) = second {
        let outage = Outage {
            cut,
            windows: outage.windows,
            when: "cut again while it was mounted",
        };
        verify(plan, subject, load, outage, None, tally);
    }
}

/// Without a mount nothing is damaged, either: what the journal says is taken into account.
fn check_unmounted(subject: &Subject, disk: &Path, findings: &mut Findings) {
    if subject.kind == Kind::Plainview
        && let Err(why) = subject.check(disk)
    {
        findings.add(Harm::Unreadable, why);
    }
}

/// Says nothing loud, says in two lines what it did, and leaves nothing.
fn check_conduct(log: &str, recovered: bool, disk: &Path, findings: &mut Findings) {
    let loud = |line: &&str| ["WARN", "ERROR", "panicked"].iter().any(|word| line.contains(word));
    // A file that was never synced may have been cut: what was is looked at elsewhere.
    for line in log
        .lines()
        .filter(loud)
        .filter(|line| !line.contains("cut to what of it had been written"))
    {
        findings.add(Harm::Conduct, line);
    }
    let said = ["was not unmounted", "replayed "].map(|part| log.contains(part));
    let told = said == [true, true];
    if said[0] != said[1] || (told && !recovered) {
        findings.add(Harm::Conduct, format!("it says of the recovery: {log}"));
    }
    if folder(disk).join("plainview.journal").exists() {
        findings.add(Harm::Conduct, "the journal was left");
    }
}

/// Mounted once more, there is nothing to be done, and the files are the same on disk.
fn check_second_mount(subject: &Subject, load: &Load, windows: &Windows, disk: &Path, findings: &mut Findings) {
    let mut running = subject.start(disk);
    match running.wait() {
        Ok(()) => load.check(running.path(), windows, findings),
        Err(why) => findings.add(Harm::CannotMount, why),
    }
    if let Err(why) = running.stop() {
        findings.add(Harm::Conduct, why);
    }
    check_conduct(&running.log(), false, disk, findings);
    check_unmounted(subject, disk, findings);
}
