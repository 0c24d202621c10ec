//! What a daemon tells of its mount, and how it is asked: an attribute of the mount's root ([`STATUS`]), whose value is JSON.

use super::idle::Idle;
use super::serve::Kind;
use crate::fuse::{self, STATUS, Tally};
use crate::view::View;
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use std::io::{self, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The largest attribute that Linux knows.
const ATTRIBUTE_MAX: usize = 65536;
/// The largest number of an error that Linux knows (MAX_ERRNO).
const ERRNO_MAX: i32 = 4095;
/// What is read of an answer at most, with what stands before it.
const LONGEST: u64 = 65536 + 16;

/// What a daemon tells. The names are those of the JSON, where more may come to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// The daemon's process id, as it sees itself.
    pub pid: u32,
    /// `vault` or `recipe`.
    pub kind: String,
    /// When it was mounted, in seconds since 1970.
    pub since: u64,
    /// See [`fuse::Totals`].
    pub requests: u64,
    /// Bytes that were read.
    pub read_bytes: u64,
    /// Bytes that were written.
    pub written_bytes: u64,
    /// How full the journal is, where there is one.
    pub journal: Option<JournalTold>,
    /// When it goes by itself, where it does.
    pub idle: Option<IdleTold>,
    /// The damage that was met since it was mounted.
    pub damage: DamageTold,
}

/// How full a journal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalTold {
    /// Bytes of entries; nothing when that could not be told at the moment.
    pub used: Option<u64>,
    /// How many bytes they may become.
    pub size: u64,
}

/// When a mount goes by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdleTold {
    /// After how many seconds without use.
    pub limit: u64,
    /// How many of them are left.
    pub left: u64,
}

/// How much damage was met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DamageTold {
    /// In so many files.
    pub files: u64,
    /// So many different things in them.
    pub findings: u64,
}

/// What the daemon of a mount of `kind` tells, which begins now.
pub(super) fn of(kind: Kind, view: Arc<View>, tally: Arc<Tally>, idle: Option<Arc<Idle>>) -> fuse::Told {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let counted = Arc::clone(&tally);
    let answer = move || {
        let (totals, damage) = (counted.totals(), view.damage_seen());
        let told = Told {
            pid: std::process::id(),
            kind: kind.word().to_owned(),
            since,
            requests: totals.requests,
            read_bytes: totals.read,
            written_bytes: totals.written,
            journal: view.journal_fill().map(|fill| JournalTold {
                used: fill.used,
                size: fill.size,
            }),
            idle: idle.as_ref().map(|idle| IdleTold {
                limit: idle.limit().as_secs(),
                left: idle.left().as_secs(),
            }),
            damage: DamageTold {
                files: damage.files,
                findings: damage.findings,
            },
        };
        // Numbers and words: that cannot fail.
        serde_json::to_vec(&told).unwrap_or_default()
    };
    fuse::Told {
        tally,
        owner: rustix::process::geteuid().as_raw(),
        answer: Box::new(answer),
    }
}

/// Why nothing was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Untold {
    /// There is no daemon any more.
    Dead,
    /// There was no answer in time.
    Late,
    /// It is not for this user.
    Denied,
    /// What else the operating system, or the answer, says.
    Other(String),
}

impl Untold {
    fn by(errno: Errno) -> Self {
        match errno {
            Errno::NOTCONN | Errno::CONNABORTED => Self::Dead,
            Errno::ACCESS | Errno::PERM => Self::Denied,
            errno => Self::Other(errno.to_string()),
        }
    }
}

/// Asks the daemons of the mounts on `points`, all at once; their answers, in that order. None is waited for longer than `patience`. `mark` is the argument by which this program
/// knows that it is to do no more than [`pass_on`] what the daemon of a mount says.
///
/// A process of its own asks each: who waits for an answer that a daemon owes cannot always be killed, and would keep this one from ending.
pub(super) fn ask(points: &[&Path], mark: &str, patience: Duration) -> Vec<Result<Told, Untold>> {
    let (send, answers) = mpsc::channel();
    let mut children: Vec<_> = points.iter().map(|point| start(point, mark)).collect();
    for (index, child) in children.iter_mut().enumerate() {
        let (send, pipe) = (send.clone(), child.as_mut().ok().and_then(|child| child.stdout.take()));
        thread::spawn(move || {
            let mut text = Vec::new();
            let read = pipe.map(|pipe| pipe.take(LONGEST).read_to_end(&mut text));
            // Nobody waits any more.
            let _ = send.send((index, read.is_some().then_some(text)));
        });
    }
    drop(send);
    let mut told = vec![Err(Untold::Late); points.len()];
    let end = Instant::now() + patience;
    while let Ok((index, text)) = answers.recv_timeout(end.saturating_duration_since(Instant::now())) {
        if let (Some(place), Some(text)) = (told.get_mut(index), text) {
            *place = understood(&text);
        }
    }
    for (child, answer) in children.into_iter().zip(&mut told) {
        match (child, &answer) {
            (Err(error), _) => *answer = Err(Untold::Other(error.to_string())),
            // It is not waited for.
            (Ok(mut child), Err(Untold::Late)) => drop(child.kill()),
            (Ok(mut child), _) => drop(child.wait()),
        }
    }
    told
}

fn start(point: &Path, mark: &str) -> io::Result<Child> {
    // It must hold nothing open of ours that somebody waits for the end of.
    Command::new("/proc/self/exe")
        .args(["status", mark, "--"])
        .arg(point)
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
}

/// What the child has passed on: a line with 0 or the number of an error, and the answer.
fn understood(text: &[u8]) -> Result<Told, Untold> {
    let end = text.iter().position(|byte| *byte == b'\n').unwrap_or(text.len());
    let (number, answer) = text.split_at(end);
    let number = std::str::from_utf8(number).ok().and_then(|number| number.parse().ok());
    match number {
        Some(0) => serde_json::from_slice(answer).map_err(|error| Untold::Other(error.to_string())),
        Some(number @ 1..=ERRNO_MAX) => Err(Untold::by(Errno::from_raw_os_error(number))),
        Some(_) | None => Err(Untold::Other("it could not be asked".to_owned())),
    }
}

/// Asks the daemon of the mount on `point`, however long that takes, and prints what it says for the process that has started this one.
pub fn pass_on(point: &Path) {
    let mut answer = vec![0; ATTRIBUTE_MAX];
    let text = match rustix::fs::getxattr(point, STATUS, answer.as_mut_slice()) {
        Ok(len) => [&b"0\n"[..], &answer[..len]].concat(),
        Err(errno) => format!("{}\n", errno.raw_os_error()).into_bytes(),
    };
    // If nobody is there any more, nobody misses it.
    let _ = io::stdout().write_all(&text).and_then(|()| io::stdout().flush());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_passed_on_is_understood() {
        let of = |errno: Errno| understood(format!("{}\n", errno.raw_os_error()).as_bytes());
        assert_eq!(of(Errno::NOTCONN), Err(Untold::Dead));
        assert_eq!(of(Errno::ACCESS), Err(Untold::Denied));
        assert_eq!(of(Errno::OPNOTSUPP), Err(Untold::Other(Errno::OPNOTSUPP.to_string())));
        for text in ["", "\n", "x\n{}", "0\n", "0\n{}", "-1\n", "4096\n"] {
            assert!(matches!(understood(text.as_bytes()), Err(Untold::Other(_))), "{text:?}");
        }
    }

    #[test]
    fn more_may_come_to_be_told() {
        let text = r#"{"pid": 1, "kind": "vault", "since": 2, "requests": 3, "read_bytes": 4, "written_bytes": 5, "journal": {"used": null, "size": 6}, "idle": null,
            "damage": {"files": 7, "findings": 8, "more": 9}, "another": []}"#;
        let told = understood(format!("0\n{text}").as_bytes()).unwrap();
        assert_eq!((told.pid, told.damage.findings, told.idle), (1, 8, None));
        assert_eq!(told.journal, Some(JournalTold { used: None, size: 6 }));
    }
}
