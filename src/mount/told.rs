//! What a daemon tells of its mount, and how it is asked: an attribute of the mount's root ([`STATUS`]), whose value is JSON.

use super::idle::Idle;
use super::serve::Kind;
use crate::fuse::{self, STATUS, Tally};
use crate::view::View;
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The longest answer that there is: the largest attribute that Linux knows.
const LONGEST: usize = 65536;

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

/// Asks the daemons of the mounts on `points`, all at once; their answers, in that order. None is waited for longer than `patience`.
pub(super) fn ask(points: &[&Path], patience: Duration) -> Vec<Result<Told, Untold>> {
    let (send, answers) = mpsc::channel();
    for (index, point) in points.iter().enumerate() {
        let (send, point) = (send.clone(), point.to_path_buf());
        // One that gets no answer ends with the process.
        thread::spawn(move || send.send((index, ask_one(&point))));
    }
    drop(send);
    let mut told = vec![Err(Untold::Late); points.len()];
    let end = std::time::Instant::now() + patience;
    while let Ok((index, answer)) = answers.recv_timeout(end.saturating_duration_since(std::time::Instant::now())) {
        if let Some(place) = told.get_mut(index) {
            *place = answer;
        }
    }
    told
}

fn ask_one(point: &Path) -> Result<Told, Untold> {
    let mut answer = vec![0; LONGEST];
    match rustix::fs::getxattr(point, STATUS, answer.as_mut_slice()) {
        Ok(len) => serde_json::from_slice(&answer[..len]).map_err(|error| Untold::Other(error.to_string())),
        Err(Errno::NOTCONN | Errno::CONNABORTED) => Err(Untold::Dead),
        Err(Errno::ACCESS | Errno::PERM) => Err(Untold::Denied),
        Err(errno) => Err(Untold::Other(errno.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_tell_is_told_so() {
        let directory = std::env::temp_dir();
        let answers = ask(&[&directory, Path::new("/nonexistent")], Duration::from_secs(10));
        assert!(answers.iter().all(|answer| matches!(answer, Err(Untold::Other(_)))), "{answers:?}");
    }

    #[test]
    fn more_may_come_to_be_told() {
        let text = r#"{"pid": 1, "kind": "vault", "since": 2, "requests": 3, "read_bytes": 4, "written_bytes": 5, "journal": {"used": null, "size": 6}, "idle": null,
            "damage": {"files": 7, "findings": 8, "more": 9}, "another": []}"#;
        let told: Told = serde_json::from_str(text).unwrap();
        assert_eq!((told.pid, told.damage.findings, told.idle), (1, 8, None));
        assert_eq!(told.journal, Some(JournalTold { used: None, size: 6 }));
    }
}
