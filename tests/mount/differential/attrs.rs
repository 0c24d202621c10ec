//! What of `stat` both sides must agree on.

use rustix::fs::{FileType, Stat};
use std::time::{SystemTime, UNIX_EPOCH};

/// A time: one that the test set, or one that the clock did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum When {
    /// Between the test's begin and now; the two sides never do anything at the same nanosecond.
    Recent,
    /// Seconds and nanoseconds.
    At(i64, u64),
}

/// Tells the times that the clock set from those that the test set, which are never between its begin and a day later.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    begin: i64,
}

/// How far from the test's begin the times that it sets keep.
pub(super) const A_DAY: i64 = 86_400;

impl Clock {
    pub(super) fn start() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        Self {
            begin: i64::try_from(now).unwrap_or(i64::MAX) - 60,
        }
    }

    /// Seconds at the test's begin.
    pub(super) fn begin(self) -> i64 {
        self.begin
    }

    fn when(self, secs: i64, nanos: u64) -> When {
        if (self.begin..self.begin + A_DAY).contains(&secs) {
            When::Recent
        } else {
            When::At(secs, nanos)
        }
    }

    pub(super) fn modified(self, stat: &Stat) -> When {
        self.when(stat.st_mtime, stat.st_mtime_nsec)
    }

    pub(super) fn accessed(self, stat: &Stat) -> When {
        self.when(stat.st_atime, stat.st_atime_nsec)
    }
}

/// Permission bits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Perm(pub(super) u32);

impl std::fmt::Debug for Perm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:#o}", self.0)
    }
}

/// The attributes that are compared. A directory's size is its filesystem's own affair, and the time of access depends on what the kernel reads when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Attrs {
    pub(super) kind: FileType,
    pub(super) perm: Perm,
    pub(super) links: u64,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) size: Option<u64>,
    pub(super) device: u64,
    pub(super) modified: When,
}

impl Attrs {
    pub(super) fn of(stat: &Stat, clock: Clock) -> Self {
        let kind = FileType::from_raw_mode(stat.st_mode);
        Self {
            kind,
            perm: Perm(stat.st_mode & 0o7777),
            links: stat.st_nlink,
            uid: stat.st_uid,
            gid: stat.st_gid,
            size: (kind != FileType::Directory).then(|| u64::try_from(stat.st_size).unwrap_or(u64::MAX)),
            device: stat.st_rdev,
            // What passes through a fifo changes its times, but those of FUSE's fifos the kernel does not touch.
            modified: if kind == FileType::Fifo {
                When::Recent
            } else {
                clock.modified(stat)
            },
        }
    }
}
