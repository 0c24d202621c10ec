//! `plainview check`.

use super::check_lines::{DoneLine, FindingLine, SummaryLine, summed_up, told};
use super::exit::{Code, Failure};
use super::journal::recovered;
use super::mount::failure;
use super::progress::{Progress, shows_progress};
use super::voice::Voice;
use super::{CheckArgs, UnlockArgs, open_vault, print};
use crate::check::{self, Depth, Done, Event, Finding, Mode, Summary, Vault};
use crate::journal::{self, Access, Damage};
use crate::keys::Config;
use crate::mount::Lock;
use crate::password::Asking;
use crate::sys::limits;
use crate::view;
use parking_lot::Mutex;
use serde::Serialize;
use std::ops::ControlFlow;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

/// Runs the command.
pub(super) fn run(args: &CheckArgs, voice: Voice) -> Result<(), Failure> {
    limits::raise_descriptors();
    let access = if args.repair && !args.dry_run {
        Access::ReadWrite
    } else {
        Access::ReadOnly
    };
    let out = Out {
        json: args.json,
        failure: Mutex::default(),
    };
    let opened = match Opened::open(&args.vault, &args.unlock, access) {
        Err(failure) if failure.code() == Code::Damaged => return Err(without_keys(failure, out, voice)),
        opened => opened?,
    };
    let depth = if args.fast { Depth::Fast } else { Depth::Full };
    let checked = look(&opened, depth, &out).map_err(|errno| match errno {
        rustix::io::Errno::STALE => Failure::other(format!("{} was changed while it was checked", args.vault.display())),
        errno => Failure::other(format!("cannot check {}: {errno}", args.vault.display())),
    })?;
    let summary = checked.summary;
    let undone = if args.repair {
        repair(&opened.vault, checked, access, &out)
    } else {
        0
    };
    // Programs want the last line: without it the output is not whole.
    if args.json || !voice.is_quiet() {
        out.summary(&summary);
    }
    out.failure.into_inner().map_or(Ok(()), Err)?;
    verdict(args, &summary, undone)
}

/// Tells that `plainview.toml` is damaged: the only finding then. It is no finding to be repaired: only a copy helps.
fn without_keys(failure: Failure, out: Out, voice: Voice) -> Failure {
    out.finding(&Finding::config());
    if out.json || !voice.is_quiet() {
        out.summary(&Summary {
            damage: 1,
            ..Summary::default()
        });
    }
    out.failure.into_inner().unwrap_or(failure.with_code(Code::DamageFound))
}

/// A vault that nobody can change, or mount, as long as this is there.
pub(super) struct Opened {
    pub(super) vault: Vault,
    root: OwnedFd,
    _lock: Lock,
}

impl Opened {
    /// Takes the lock, asks for the password, and recovers from the journal: in the vault or, read-only, in memory.
    pub(super) fn open(path: &Path, unlock: &UnlockArgs, access: Access) -> Result<Self, Failure> {
        let real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let root = open_vault(&real)?;
        let config = Config::read(root.as_fd()).map_err(|error| Failure::config(path, &error))?;
        let sharing = match access {
            Access::ReadWrite => view::Access::ReadWrite,
            Access::ReadOnly => view::Access::ReadOnly,
        };
        let lock = Lock::take(root.as_fd(), &real, sharing).map_err(|error| failure(&error))?;
        let master = unlock.unlock(&config, path, Asking::Existing)?;
        let (journal, report) = recovered(path, root.as_fd(), &master, access, journal::SIZE)?;
        if access == Access::ReadWrite {
            journal
                .close()
                .map_err(|errno| super::journal::failure(path, access, &errno.into()))?;
        }
        // One that was put aside is none of the vault any more.
        let damage = report
            .filter(|report| report.aside.is_none())
            .map_or(Damage::None, |report| report.damage);
        let unusable = |error| Failure::other(format!("cannot use {}: {error}", path.display()));
        let vault = Vault::new(root.try_clone().map_err(unusable)?, &master, config.names(), journal, damage);
        Ok(Self { vault, root, _lock: lock })
    }
}

/// Checks, tells what is found, and shows how far it has come.
fn look(opened: &Opened, depth: Depth, out: &Out) -> rustix::io::Result<check::Checked> {
    let progress = Progress::new("checking", 0);
    let (done, is_over) = (AtomicU64::new(0), AtomicBool::new(false));
    let count = |bytes| {
        progress.set_total(bytes);
        match is_over.load(Ordering::Relaxed) {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    };
    thread::scope(|scope| {
        // Counted only for who sees it.
        if shows_progress() {
            scope.spawn(|| check::census(opened.root.as_fd(), &mut |bytes| count(bytes)));
        }
        let checked = opened.vault.check(depth, &|event| match event {
            Event::Finding(finding) => progress.aside(|| out.finding(finding)),
            Event::Done(bytes) => progress.set(done.fetch_add(bytes, Ordering::Relaxed) + bytes),
        });
        is_over.store(true, Ordering::Relaxed);
        checked
    })
}

/// Repairs, or tells what would be done; returns how many things could not be done.
fn repair(vault: &Vault, checked: check::Checked, access: Access, out: &Out) -> u64 {
    let mode = match access {
        Access::ReadWrite => Mode::Act,
        Access::ReadOnly => Mode::DryRun,
    };
    let mut undone = 0;
    vault.repair(checked, mode, &mut |done| {
        undone += u64::from(done.failed.is_some());
        out.done(done, mode);
    });
    undone
}

/// The last word.
fn verdict(args: &CheckArgs, summary: &Summary, undone: u64) -> Result<(), Failure> {
    let vault = args.vault.display();
    let what = match summary.damage + summary.unreadable {
        0 if undone == 0 => return Ok(()),
        0 => {
            return Err(Failure::other(format!(
                "{vault} has no damage, but not everything could be tidied up"
            )));
        }
        1 => "one finding of damage".to_owned(),
        count => format!("{count} findings of damage"),
    };
    let repaired = match (args.repair && !args.dry_run, undone == 0 && summary.unreadable == 0) {
        (false, _) => "",
        (true, true) => ", all of it repaired or moved to plainview.lost+found",
        (true, false) => ", not all of which could be repaired",
    };
    Err(Failure::new(Code::DamageFound, format!("{what} in {vault}{repaired}")))
}

/// Where lines go.
struct Out {
    json: bool,
    /// Why standard output did not take one.
    failure: Mutex<Option<Failure>>,
}

impl Out {
    fn finding(&self, finding: &Finding) {
        self.line(|| format!("{finding}\n"), || FindingLine::of(finding));
    }

    fn done(&self, done: &Done, mode: Mode) {
        self.line(|| told(done, mode), || DoneLine::of(done, mode));
    }

    fn summary(&self, summary: &Summary) {
        self.line(|| summed_up(summary), || SummaryLine::of(summary));
    }

    fn line<T: Serialize>(&self, text: impl FnOnce() -> String, json: impl FnOnce() -> T) {
        let line = match self.json {
            false => Ok(text()),
            true => serde_json::to_string(&json()).map(|line| line + "\n"),
        };
        let printed = line
            .map_err(|error| Failure::other(format!("cannot write JSON: {error}")))
            .and_then(|line| print(&line));
        if let Err(failure) = printed {
            self.failure.lock().get_or_insert(failure);
        }
    }
}
