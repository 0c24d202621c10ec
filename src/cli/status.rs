//! `plainview status`.

use super::check_lines::Text;
use super::exit::{Failure, escaped};
use super::ls_lines::date;
use super::{StatusArgs, print};
use crate::mount::{self, DamageTold, IdleTold, JournalTold, State, Status, Told};
use crate::view::Time;
use indicatif::{HumanBytes, HumanCount, HumanDuration};
use serde::Serialize;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The argument that makes this program pass on what one daemon says.
const PASS_ON: &str = "--pass-on";

/// Runs the command.
pub(super) fn run(args: &StatusArgs) -> Result<(), Failure> {
    if let (true, Some(path)) = (args.pass_on, &args.path) {
        mount::pass_on(path);
        return Ok(());
    }
    let statuses = mount::statuses(args.path.as_deref(), PASS_ON).map_err(|error| super::mount::failure(&error))?;
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    if args.json {
        let lines: Vec<_> = statuses.iter().map(|status| Line::of(status, &users)).collect();
        let json = serde_json::to_string_pretty(&lines).map_err(|error| Failure::other(format!("cannot write JSON: {error}")))?;
        return print(&(json + "\n"));
    }
    if statuses.is_empty() {
        return print("Nothing is mounted.\n");
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let blocks: Vec<_> = statuses.iter().map(|status| block(status, &users, now)).collect();
    print(&escaped(&blocks.join("\n")))
}

/// The name of a user, by the lines of `/etc/passwd`.
fn user_name(users: &str, uid: u32) -> Option<String> {
    let uid = uid.to_string();
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == uid).then(|| name.to_owned())
    })
}

/// What is printed for people: the mount point, and a line for each thing. `now` is since 1970.
fn block(status: &Status, users: &str, now: Duration) -> String {
    let user = match status.uid.map(|uid| (user_name(users, uid), uid)) {
        Some((Some(name), _)) => name,
        Some((None, uid)) => format!("user {uid}"),
        None => "nobody that is known".to_owned(),
    };
    let told = match &status.state {
        State::Running(told) => Some(told),
        State::Dead | State::Silent | State::Denied | State::Covered | State::Unknown(_) => None,
    };
    let mut rows = vec![
        (source_word(told), status.vault.display().to_string()),
        ("user", user),
        ("daemon", daemon(status)),
        ("access", access(status)),
    ];
    rows.extend(told.into_iter().flat_map(|told| told_rows(told, now)));
    rows.push(("open files", open_files(status)));
    rows.extend(told.map(|told| ("damage", damage(told.damage))));
    let mut text = format!("{}\n", status.point.display());
    for (what, value) in rows {
        // A path could end the line, and begin another that is not ours.
        text += &format!("  {what:<10}  {}\n", value.replace('\n', "\\n"));
    }
    text
}

fn source_word(told: Option<&Told>) -> &'static str {
    match told.map(|told| told.kind.as_str()) {
        Some("recipe") => "folder",
        Some(_) | None => "vault",
    }
}

fn daemon(status: &Status) -> String {
    match &status.state {
        State::Running(told) => format!("process {}", told.pid),
        State::Dead => "is gone: plainview umount removes what is left of the mount".to_owned(),
        State::Silent => "does not answer".to_owned(),
        State::Denied => "tells more to its user and root only".to_owned(),
        State::Covered => "cannot be asked: something else is mounted over it".to_owned(),
        State::Unknown(why) => format!("tells nothing: {why}"),
    }
}

fn access(status: &Status) -> String {
    let change = if status.read_only { "read-only" } else { "read-write" };
    let others = if status.allows_others { ", for others, too" } else { "" };
    format!("{change}{others}")
}

fn told_rows(told: &Told, now: Duration) -> Vec<(&'static str, String)> {
    let since = Time {
        secs: i64::try_from(told.since).unwrap_or(i64::MAX),
        nanos: 0,
    };
    let mounted_for = Duration::from_secs(now.as_secs().saturating_sub(told.since));
    let mut rows = vec![
        ("since", format!("{} UTC, for {}", date(since), HumanDuration(mounted_for))),
        (
            "requests",
            format!(
                "{}; {} read, {} written",
                HumanCount(told.requests),
                HumanBytes(told.read_bytes),
                HumanBytes(told.written_bytes)
            ),
        ),
    ];
    rows.extend(told.journal.map(|journal| ("journal", fill(journal))));
    rows.extend(told.idle.map(|idle| ("idle", end(idle))));
    rows
}

fn fill(journal: JournalTold) -> String {
    let used = journal.used.map_or("being written".to_owned(), |used| HumanBytes(used).to_string());
    format!("{used} of {}", HumanBytes(journal.size))
}

fn end(idle: IdleTold) -> String {
    let [left, limit] = [idle.left, idle.limit].map(|seconds| HumanDuration(Duration::from_secs(seconds)));
    format!("ends in {left} if nobody uses it until then, of {limit}")
}

fn open_files(status: &Status) -> String {
    let holders = &status.holders;
    let processes = match holders.processes.len() {
        1 => "1 process".to_owned(),
        count => format!("{count} processes"),
    };
    let hidden = if holders.hidden {
        ", and perhaps others that only root can see"
    } else {
        ""
    };
    match holders.processes.is_empty() {
        true if holders.hidden => "none that can be seen; only root sees those of others".to_owned(),
        true => "none".to_owned(),
        false => format!("{}; {processes} in it{hidden}", holders.open_files()),
    }
}

fn damage(damage: DamageTold) -> String {
    let plural = |count: u64, one: &str| format!("{} {one}{}", HumanCount(count), if count == 1 { "" } else { "s" });
    match damage.files {
        0 => "none was met".to_owned(),
        files => format!(
            "{} in {}: the log says which; when it is unmounted, plainview check finds all",
            plural(damage.findings, "finding"),
            plural(files, "file")
        ),
    }
}

/// What is printed for programs. The names stay.
#[derive(Serialize)]
struct Line<'a> {
    mountpoint: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mountpoint_base64: Option<String>,
    vault: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    vault_base64: Option<String>,
    read_only: bool,
    allow_other: bool,
    uid: Option<u32>,
    user: Option<String>,
    state: &'static str,
    open_files: usize,
    processes: Vec<ProcessLine<'a>>,
    all_seen: bool,
    pid: Option<u32>,
    kind: Option<&'a str>,
    since: Option<u64>,
    requests: Option<u64>,
    read_bytes: Option<u64>,
    written_bytes: Option<u64>,
    journal: Option<JournalTold>,
    idle: Option<IdleTold>,
    damage: Option<DamageTold>,
}

#[derive(Serialize)]
struct ProcessLine<'a> {
    pid: u32,
    command: &'a str,
}

impl<'a> Line<'a> {
    fn of(status: &'a Status, users: &str) -> Self {
        let text = |path: &Path| Text::of(path.as_os_str().as_encoded_bytes());
        let (point, vault) = (text(&status.point), text(&status.vault));
        let (state, told) = match &status.state {
            State::Running(told) => ("running", Some(told)),
            State::Dead => ("dead", None),
            State::Silent => ("silent", None),
            State::Denied => ("denied", None),
            State::Covered => ("covered", None),
            State::Unknown(_) => ("unknown", None),
        };
        let processes = status.holders.processes.iter();
        Self {
            mountpoint: point.text,
            mountpoint_base64: point.base64,
            vault: vault.text,
            vault_base64: vault.base64,
            read_only: status.read_only,
            allow_other: status.allows_others,
            uid: status.uid,
            user: status.uid.and_then(|uid| user_name(users, uid)),
            state,
            open_files: status.holders.open_files(),
            processes: processes
                .map(|process| ProcessLine {
                    pid: process.pid,
                    command: &process.name,
                })
                .collect(),
            all_seen: !status.holders.hidden,
            pid: told.map(|told| told.pid),
            kind: told.map(|told| told.kind.as_str()),
            since: told.map(|told| told.since),
            requests: told.map(|told| told.requests),
            read_bytes: told.map(|told| told.read_bytes),
            written_bytes: told.map(|told| told.written_bytes),
            journal: told.and_then(|told| told.journal),
            idle: told.and_then(|told| told.idle),
            damage: told.map(|told| told.damage),
        }
    }
}
