//! Modes that a file has on disk for a moment only, because we need it so: who asks then is told the file's own mode.
//!
//! An answer about a file is believed by the kernel for a second or more, so a mode that was there for a microsecond would let an `open` through, or deny one, long after it was
//! put back. A moment is therefore remembered for a while after it has passed: an answer may be made of what was read during it, which is told by the time of the last change.

use super::disk::{FileId, Moment};
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
    /// Nothing while it lasts.
    over: Option<Over>,
}

/// A moment that is over.
struct Over {
    /// When the file was changed last at its end: what was changed later is not of that moment.
    changed: Moment,
    /// Until when it is remembered.
    until: Instant,
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
pub(super) struct Lasting<'a>(FileId, BorrowedFd<'a>);

/// The open file, whose state is `stat`, gets the mode `passing` on disk until what this returns is dropped. To be called before the change.
pub(super) fn begin<'a>(fd: BorrowedFd<'a>, stat: &Stat, passing: u32) -> Lasting<'a> {
    let file = FileId::of(stat);
    MOMENTS.lock().change(|moments| {
        let own = moments.own(stat);
        moments.of.entry(file).or_default().push(Passing {
            passing: passing & 0o7777,
            own,
            over: None,
        });
    });
    Lasting(file, fd)
}

impl Drop for Lasting<'_> {
    fn drop(&mut self) {
        // Where the time of change has ticks, that it was looked at gives the next change a later one.
        let left = rustix::fs::fstat(self.1);
        MOMENTS.lock().change(|moments| {
            let of_file = moments.of.entry(self.0).or_default();
            // The innermost: they are nested.
            let Some(at) = of_file.iter().rposition(|moment| moment.over.is_none()) else {
                return;
            };
            match left {
                Ok(left) => {
                    let mut ended = of_file.remove(at);
                    ended.over = Some(Over {
                        changed: Moment::changed(&left),
                        until: Instant::now() + AFTERWARDS,
                    });
                    // Of many that are alike, the last one says it all.
                    of_file.retain(|other| other.over.is_none() || (other.passing, other.own) != (ended.passing, ended.own));
                    of_file.insert(0, ended);
                }
                Err(_) => drop(of_file.remove(at)),
            }
        });
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
    MOMENTS.lock().change(|moments| own = moments.own(stat));
    own
}

impl Moments {
    fn change(&mut self, change: impl FnOnce(&mut Self)) {
        let now = Instant::now();
        if now.duration_since(self.swept) >= AFTERWARDS {
            self.swept = now;
            self.of.retain(|_, moments| {
                moments.retain(|moment| moment.over.as_ref().is_none_or(|over| over.until > now));
                !moments.is_empty()
            });
        }
        change(self);
        FILES.store(self.of.len(), Ordering::SeqCst);
    }

    fn own(&self, stat: &Stat) -> u32 {
        let (mode, changed) = (stat.st_mode & 0o7777, Moment::changed(stat));
        let of_file = self.of.get(&FileId::of(stat)).into_iter().flatten();
        let is_of = |moment: &&Passing| moment.passing == mode && moment.over.as_ref().is_none_or(|over| changed <= over.changed);
        of_file.rev().find(is_of).map_or(mode, |moment| moment.own)
    }
}

#[cfg(test)]
mod tests {
    use super::super::descriptor;
    use super::*;
    use rustix::fs::{Mode, fchmod, fstat};
    use std::os::fd::AsFd;

    #[test]
    fn a_moment_is_told_from_a_change() {
        let file = tempfile::tempfile().unwrap();
        let fd = file.as_fd();
        let set = |mode: u32| fchmod(fd, Mode::from_raw_mode(mode)).unwrap();
        let shown = || own_mode(&fstat(fd).unwrap());
        set(0o400);
        let lasting = begin(fd, &fstat(fd).unwrap(), 0o600);
        set(0o600);
        let meanwhile = fstat(fd).unwrap();
        assert_eq!(shown(), 0o400);
        let inner = begin(fd, &meanwhile, 0o700);
        set(0o700);
        assert_eq!(shown(), 0o400);
        set(0o600);
        drop(inner);
        assert_eq!(shown(), 0o400);
        set(0o400);
        drop(lasting);
        assert_eq!((own_mode(&meanwhile), shown()), (0o400, 0o400));
        // Where the time of change has ticks.
        std::thread::sleep(Duration::from_millis(20));
        set(0o600);
        assert_eq!((own_mode(&meanwhile), shown()), (0o400, 0o600));
        descriptor::chmod(fd, Mode::from_raw_mode(0o640)).unwrap();
        assert_eq!((own_mode(&meanwhile), shown()), (0o640, 0o640));
    }
}
