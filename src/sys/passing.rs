//! Modes that a file has on disk for a moment only, because we need it so: who asks then is told the file's own mode.
//!
//! An answer about a file is believed by the kernel for a second or more, so a mode that was there for a microsecond would let an `open` through, or deny one, long after it was
//! put back. A moment is therefore remembered for a while after it has passed: an answer may be made of what was read during it, which is told by the time of the last change.

use super::disk::{FileId, Moment};
use parking_lot::Mutex;
use rustix::fs::Stat;
use rustix::io::Result;
use std::collections::HashMap;
use std::os::fd::BorrowedFd;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// For how long after a moment an answer may still be made of what was read in it.
const AFTERWARDS: Duration = Duration::from_secs(2);

/// Why a file has another mode for a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// It is needed with these bits more.
    Wider(u32),
    /// Who writes to it takes set-user-id and set-group-id away, unless that may do more than most.
    Written,
}

/// Set-user-id and set-group-id.
pub(super) const SETID: u32 = 0o6000;

impl Why {
    /// The bits that may be others on disk than the file's own.
    fn bits(self) -> u32 {
        match self {
            Self::Wider(more) => more,
            Self::Written => SETID,
        }
    }
}

/// One moment of one file.
struct Passing {
    id: u64,
    why: Why,
    /// The file's own mode, as it was set last.
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
    last_id: u64,
    /// When those were last dropped whose time was over.
    swept: Instant,
}

static MOMENTS: LazyLock<Mutex<Moments>> = LazyLock::new(|| {
    Mutex::new(Moments {
        of: HashMap::new(),
        last_id: 0,
        swept: Instant::now(),
    })
});
/// Of how many files there are any, so that nobody locks who need not: nearly always none.
static FILES: AtomicUsize = AtomicUsize::new(0);

/// A moment that lasts until this is dropped.
pub(super) struct Lasting<'a> {
    file: FileId,
    id: u64,
    fd: BorrowedFd<'a>,
}

/// The open file may have another mode on disk until what this returns is dropped. To be called before the change, and while nobody sets the mode.
///
/// # Errors
/// As fstat(2).
pub(super) fn begin(fd: BorrowedFd<'_>, why: Why) -> Result<Lasting<'_>> {
    let stat = rustix::fs::fstat(fd)?;
    let file = FileId::of(&stat);
    let mut id = 0;
    MOMENTS.lock().change(|moments| {
        moments.last_id += 1;
        id = moments.last_id;
        let of_file = moments.of.entry(file).or_default();
        let lasting = of_file.iter().find(|moment| moment.over.is_none());
        let own = lasting.map_or(stat.st_mode & 0o7777, |moment| moment.own);
        of_file.push(Passing { id, why, own, over: None });
    });
    Ok(Lasting { file, id, fd })
}

impl Lasting<'_> {
    /// Whether no other one of the file lasts.
    pub(super) fn is_alone(&self) -> bool {
        let moments = MOMENTS.lock();
        let of_file = moments.of.get(&self.file);
        of_file.is_none_or(|of_file| of_file.iter().filter(|moment| moment.over.is_none()).count() <= 1)
    }

    /// The file's own mode, as it was set last.
    pub(super) fn own(&self) -> Option<u32> {
        let moments = MOMENTS.lock();
        let of_file = moments.of.get(&self.file)?;
        of_file.iter().find(|moment| moment.id == self.id).map(|moment| moment.own)
    }
}

impl Drop for Lasting<'_> {
    fn drop(&mut self) {
        // Where the time of change has ticks, that it was looked at gives the next change a later one.
        let left = self.own().and_then(|_| rustix::fs::fstat(self.fd).ok());
        MOMENTS.lock().change(|moments| {
            let Some(of_file) = moments.of.get_mut(&self.file) else { return };
            let Some(at) = of_file.iter().position(|moment| moment.id == self.id) else {
                return;
            };
            let mut ended = of_file.remove(at);
            if let Some(left) = left.filter(|_| ended.differs()) {
                ended.over = Some(Over {
                    changed: Moment::changed(&left),
                    until: Instant::now() + AFTERWARDS,
                });
                // Of many that are alike, the last one says it all.
                of_file.retain(|other| other.over.is_none() || (other.why, other.own) != (ended.why, ended.own));
                of_file.insert(0, ended);
            }
            if of_file.is_empty() {
                moments.of.remove(&self.file);
            }
        });
    }
}

impl Passing {
    /// Whether another mode than its own may have been seen.
    fn differs(&self) -> bool {
        match self.why {
            Why::Wider(more) => self.own & more != more,
            Why::Written => self.own & SETID != 0,
        }
    }
}

/// The mode of the open file was set to `mode` (12 bits), which is its own from now on. To be called before anybody else sets it.
pub(super) fn settle(fd: BorrowedFd<'_>, mode: u32) {
    if FILES.load(Ordering::SeqCst) == 0 {
        return;
    }
    let Ok(stat) = rustix::fs::fstat(fd) else { return };
    MOMENTS.lock().change(|moments| {
        let Some(of_file) = moments.of.get_mut(&FileId::of(&stat)) else {
            return;
        };
        for moment in &mut *of_file {
            moment.own = mode;
        }
        of_file.retain(|moment| moment.over.is_none() || moment.differs());
    });
}

/// The file of which `stat` is was just made: what is remembered is of one that had its number. The clock does not always tell them apart, since it has ticks.
pub(super) fn forget(stat: &Stat) {
    if FILES.load(Ordering::SeqCst) == 0 {
        return;
    }
    MOMENTS.lock().change(|moments| {
        moments.of.remove(&FileId::of(stat));
    });
}

/// The file's own mode (12 bits), where `stat` may have been read in a moment when another was on disk.
pub(super) fn own_mode(stat: &Stat) -> u32 {
    if FILES.load(Ordering::SeqCst) == 0 {
        return stat.st_mode & 0o7777;
    }
    MOMENTS.lock().own(stat)
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
        let changed = Moment::changed(stat);
        let of_file = self.of.get(&FileId::of(stat)).into_iter().flatten();
        let seen = of_file.filter(|moment| moment.over.as_ref().is_none_or(|over| changed <= over.changed));
        seen.fold(stat.st_mode & 0o7777, |mode, moment| {
            mode & !moment.why.bits() | moment.own & moment.why.bits()
        })
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
        let lasting = begin(fd, Why::Wider(0o200)).unwrap();
        set(0o600);
        let meanwhile = fstat(fd).unwrap();
        assert_eq!(shown(), 0o400);
        let inner = begin(fd, Why::Wider(0o100)).unwrap();
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
        // Of an answer that was made before, the kernel knows that it is old.
        assert_eq!(shown(), 0o640);
    }

    #[test]
    fn a_new_file_is_not_the_one_that_had_its_number() {
        let old = tempfile::tempfile().unwrap();
        fchmod(&old, Mode::from_raw_mode(0o6600)).unwrap();
        drop(begin(old.as_fd(), Why::Written).unwrap());
        // As a new one of that number, made within the same tick.
        let mut new = fstat(&old).unwrap();
        new.st_mode = new.st_mode & !0o7777 | 0o640;
        assert_eq!(own_mode(&new), 0o6640);
        forget(&new);
        assert_eq!(own_mode(&new), 0o640);
    }

    #[test]
    fn moments_need_not_be_nested_and_a_mode_that_is_set_meanwhile_counts() {
        let file = tempfile::tempfile().unwrap();
        let fd = file.as_fd();
        let disk = |mode: u32| fchmod(fd, Mode::from_raw_mode(mode)).unwrap();
        let shown = || own_mode(&fstat(fd).unwrap());
        disk(0o755);
        let first = begin(fd, Why::Written).unwrap();
        descriptor::chmod(fd, Mode::from_raw_mode(0o2755)).unwrap();
        let second = begin(fd, Why::Written).unwrap();
        disk(0o755);
        assert_eq!((first.own(), second.own(), shown()), (Some(0o2755), Some(0o2755), 0o2755));
        // Both kinds at once.
        let wider = begin(fd, Why::Wider(0o20)).unwrap();
        disk(0o775);
        assert_eq!((wider.own(), shown()), (Some(0o2755), 0o2755));
        disk(0o755);
        drop(wider);
        drop(first);
        assert_eq!((second.own(), shown()), (Some(0o2755), 0o2755));
        descriptor::chmod(fd, Mode::from_raw_mode(0o644)).unwrap();
        assert_eq!((second.own(), shown()), (Some(0o644), 0o644));
        drop(second);
        // What never differed needs not be remembered.
        let file = tempfile::tempfile().unwrap();
        drop(begin(file.as_fd(), Why::Written).unwrap());
        assert!(!MOMENTS.lock().of.contains_key(&FileId::of(&fstat(&file).unwrap())));
    }
}
