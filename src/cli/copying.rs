//! What export and import have in common: going on until a signal comes, showing how far it has come, and telling what was done.

use super::check_lines::Text;
use super::exit::{Code, Failure, escaped, warn};
use super::progress::{Counter, Progress, shows_progress};
use super::voice::Voice;
use super::{CopyArgs, print};
use crate::transfer::{self, End, Event, Policy, Problem, Summary, Top};
use serde::Serialize;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;
use std::io;
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The words for what is being done.
#[derive(Clone, Copy)]
pub(super) struct Words {
    /// While it is.
    pub(super) doing: &'static str,
    /// When it was.
    pub(super) done: &'static str,
    /// What to do about a source that is damaged.
    pub(super) hint: &'static str,
    /// The code where something was left out for damage.
    pub(super) damage: Code,
}

/// How it ended.
pub(super) struct Ended {
    pub(super) summary: Summary,
    pub(super) end: End,
}

/// Copies, tells what is wrong as it goes on, and shows how far it has come. A first signal stops it, a second one kills.
pub(super) fn copy(tops: Vec<Top<'_>>, policy: Policy, words: Words, args: &CopyArgs, voice: Voice) -> Result<Ended, Failure> {
    let stop = stop_on_signals().map_err(|error| Failure::other(format!("cannot wait for signals: {error}")))?;
    let going_on = || match stop.load(Ordering::Relaxed) {
        false => ControlFlow::Continue(()),
        true => ControlFlow::Break(()),
    };
    let shows = shows_progress();
    // Counted only for who sees it.
    let total = match shows {
        true => total(&tops, &going_on),
        false => 0,
    };
    let progress = shows.then(|| Progress::new(words.doing, total));
    // Each byte is told twice.
    let mut halves = 0;
    let (summary, end) = transfer::transfer(tops, policy, &mut |event| {
        let aside = |say: &mut dyn FnMut()| match &progress {
            Some(progress) => progress.aside(say),
            None => say(),
        };
        match event {
            Event::Change => {}
            Event::Done(path) if voice == Voice::Verbose => aside(&mut || log::debug!("{} {}", words.done, shown(path))),
            Event::Done(_) => {}
            Event::Bytes(bytes) => {
                halves += bytes;
                if let Some(progress) = &progress {
                    progress.set((halves / 2).min(total));
                }
            }
            Event::Without(path, attribute) => aside(&mut || tell_without(path, attribute, args)),
            Event::Problem(path, problem) => aside(&mut || tell_problem(path, problem, words, args)),
        }
        going_on()
    });
    drop(progress);
    tell_summary(&summary, words, args, voice)?;
    Ok(Ended { summary, end })
}

/// How many bytes there are. In a large tree it takes long to find out, so this is shown, too.
fn total(tops: &[Top<'_>], going_on: &dyn Fn() -> ControlFlow<()>) -> u64 {
    let counter = Counter::new("counting");
    let (mut entries, mut bytes) = (0, 0);
    for top in tops {
        let census = transfer::census(top, &mut |census| {
            counter.set(entries + census.entries);
            going_on()
        });
        entries += census.entries;
        bytes += census.bytes;
    }
    bytes
}

fn stop_on_signals() -> io::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        flag::register_conditional_default(signal, Arc::clone(&stop))?;
        flag::register(signal, Arc::clone(&stop))?;
    }
    Ok(stop)
}

fn shown(path: &Path) -> String {
    escaped(&path.to_string_lossy())
}

fn tell_without(path: &Path, attribute: &[u8], args: &CopyArgs) {
    let attribute = String::from_utf8_lossy(attribute);
    if args.json {
        let reason = format!("without its extended attribute {attribute}, which cannot be set there");
        return tell_line("without", path, &reason, false);
    }
    warn(&format!(
        "{}: copied without its extended attribute {attribute}, which cannot be set there",
        path.display()
    ));
}

fn tell_problem(path: &Path, problem: &Problem, words: Words, args: &CopyArgs) {
    let hint = if problem.is_damage() { words.hint } else { "" };
    if args.json {
        tell_line("problem", path, &problem.to_string(), problem.is_damage());
    }
    Failure::other(format!("{}: {problem}{hint}", path.display())).report();
}

/// A problem, or what a copy is without, for programs.
#[derive(Serialize)]
struct ProblemLine<'a> {
    r#type: &'static str,
    path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path_base64: Option<String>,
    reason: &'a str,
    damage: bool,
}

fn tell_line(kind: &'static str, path: &Path, reason: &str, damage: bool) {
    let path = Text::of(path.as_os_str().as_bytes());
    let line = ProblemLine {
        r#type: kind,
        path: path.text,
        path_base64: path.base64,
        reason,
        damage,
    };
    // If nobody takes it, the last line says so.
    let _ = print_json(&line);
}

/// What was done, for programs.
#[derive(Serialize)]
struct SummaryLine {
    r#type: &'static str,
    files: u64,
    links: u64,
    directories: u64,
    bytes: u64,
    skipped: u64,
    conflicts: u64,
    failed: u64,
    damaged: u64,
    without: u64,
}

fn tell_summary(summary: &Summary, words: Words, args: &CopyArgs, voice: Voice) -> Result<(), Failure> {
    if args.json {
        return print_json(&SummaryLine {
            r#type: "summary",
            files: summary.files,
            links: summary.links,
            directories: summary.directories,
            bytes: summary.bytes,
            skipped: summary.skipped,
            conflicts: summary.conflicts,
            failed: summary.failed,
            damaged: summary.damaged,
            without: summary.without,
        });
    }
    let count = |count: u64, one: &str, many: &str| format!("{count} {}", if count == 1 { one } else { many });
    voice.tell(&escaped(&format!(
        "{}, {}, {} {}, {} skipped, {}, {} failed\n",
        count(summary.files, "file", "files"),
        count(summary.directories, "directory", "directories"),
        count(summary.bytes, "byte", "bytes"),
        words.done,
        summary.skipped,
        count(summary.conflicts, "conflict", "conflicts"),
        summary.failed,
    )))
}

/// Prints one object on a line.
pub(super) fn print_json(line: &impl Serialize) -> Result<(), Failure> {
    let line = serde_json::to_string(line).map_err(|error| Failure::other(format!("cannot write JSON: {error}")))?;
    print(&(line + "\n"))
}

impl Ended {
    /// Whether everything was copied.
    ///
    /// # Errors
    /// That it was not, and what to do.
    pub(super) fn verdict(&self, words: Words) -> Result<(), Failure> {
        let incomplete = |why: String| Err(Failure::new(Code::Incomplete, why));
        let (summary, done) = (&self.summary, words.done);
        match &self.end {
            End::Stopped => return incomplete("stopped; run it again, and it goes on from here".to_owned()),
            End::Failed => return incomplete("ended early; when that is put right, run it again, and it goes on from here".to_owned()),
            End::Complete => {}
        }
        match (summary.damaged, summary.failed, summary.conflicts) {
            (0, 0, 0) => Ok(()),
            (0, 0, _) => incomplete(format!(
                "not everything was {done}: what is there already and differs was left alone (--force replaces it)"
            )),
            (0, _, _) => incomplete(format!(
                "not everything was {done}; when that is put right, run it again for the rest"
            )),
            _ => Err(Failure::new(
                words.damage,
                format!("not everything was {done}, since some of it is damaged; when that is put right, run it again for the rest"),
            )),
        }
    }
}
