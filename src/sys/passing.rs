//! Modes that a file has on disk for a moment only, because we need it so: who asks then is told the file's own mode.
//!
//! An answer about a file is believed by the kernel for a second or more, so a mode that was there for a microsecond would let an `open` through, or deny one, long after it was
//! put back. A moment is therefore remembered for a while after it has passed: an answer may be made of what was read during it.

use super::disk::FileId;
use parking_lot::Mutex;
use rustix::fs::Stat;
use std::collections::HashMap;
use std::os::fd::BorrowedFd;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// For how long after a moment an answer may still be made of what was read in it.
const AFTERWARDS: Duration = Duration::from_secs(2);

/// One moment of one file.
struct Passing {
    /// The mode on disk meanwhile.
    passing: u32,
    /// The file's own.
    own: u32,
    /// Until when it is remembered; nothing while it lasts.
    until: Option<Instant>,
}

/// The moments that are remembered.
struct Moments {
    of: HashMap<FileId, Vec<Passing>>,
    /// When those were last dropped whose time was over.
    swept: Instant,
}

static MOMENTS: LazyLock<Mutex<Moments>> = LazyLock::new(|| {
    Mutex::new(Moments {
        of: HashMap::new(),
        swept: Instant::now(),
    })
});
/// Of how many files there are any, so that nobody locks who need not: nearly always none.
static FILES: AtomicUsize = AtomicUsize::new(0);

/// A moment that lasts until this is dropped.
pub(super) struct Moment(FileId);

/// The file whose state is `stat` gets the mode `passing` on disk until what this returns is dropped. To be called before the change.
pub(super) fn begin(stat: &Stat, passing: u32) -> Moment {
    let file = FileId::of(stat);
    MOMENTS.lock().change(|moments| {
        let own = moments.own(file, stat.st_mode & 0o7777);
        moments.of.entry(file).or_default().push(Passing {
            passing: passing & 0o7777,
            own,
            until: None,
        });
    });
    Moment(file)
}

impl Drop for Moment {
    fn drop(&mut self) {
        let mut moments = MOMENTS.lock();
        let of_file = moments.of.get_mut(&self.0).into_iter().flatten();
        // The innermost: they are nested.
        if let Some(moment) = of_file.rev().find(|moment| moment.until.is_none()) {
            moment.until = Some(Instant::now() + AFTERWARDS);
        }
    }
}

/// The open file has been given the mode `mode`, which is its own from now on.
pub(super) fn settle(fd: BorrowedFd<'_>, mode: u32) {
    if FILES.load(Ordering::SeqCst) == 0 {
        return;
    }
    let Ok(stat) = rustix::fs::fstat(fd) else { return };
    let file = FileId::of(&stat);
    MOMENTS.lock().change(|moments| {
        for moment in moments.of.get_mut(&file).into_iter().flatten() {
            moment.own = mode;
        }
    });
}

/// The file's own mode (12 bits), where `stat` may have been read in a moment when another was on disk.
pub(super) fn own_mode(stat: &Stat) -> u32 {
    let mode = stat.st_mode & 0o7777;
    if FILES.load(Ordering::SeqCst) == 0 {
        return mode;
    }
    let mut own = mode;
    MOMENTS.lock().change(|moments| own = moments.own(FileId::of(stat), mode));
    own
}

impl Moments {
    fn change(&mut self, change: impl FnOnce(&mut Self)) {
        let now = Instant::now();
        if now.duration_since(self.swept) >= AFTERWARDS {
            self.swept = now;
            self.of.retain(|_, moments| {
                moments.retain(|moment| moment.until.is_none_or(|until| until > now));
                !moments.is_empty()
            });
        }
        change(self);
        FILES.store(self.of.len(), Ordering::SeqCst);
    }

    fn own(&self, file: FileId, mode: u32) -> u32 {
        let passing = self.of.get(&file).into_iter().flatten().rev().find(|moment| moment.passing == mode);
        passing.map_or(mode, |moment| moment.own)
    }
}
