//! The life of a mount, from the first request to the last byte on disk.

use super::detach::{self, How, Refused};
use super::idle::{self, Idle};
use super::{Error, MountPoint, Options, background, connect, table, told};
use crate::fuse::{Session, Tally, Terms};
use crate::view::View;
use rustix::fs::Mode;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::num::NonZero;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// Fewest threads that answer the kernel. More than there are processors, since each waits for the disk in its turn: beside four programs that do nothing but
/// fsync, eight threads answer two to four times as many lookups as two do, on two processors, and nothing else gets slower.
const MIN_THREADS: usize = 8;

/// Whether to stay with whoever started it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// Until the end.
    Foreground,
    /// Until the mount answers, see [`start_in_background`](super::start_in_background).
    Background,
}

/// What kind of folder is mounted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A vault.
    Vault,
    /// A folder of recipe files.
    Recipe,
}

impl Kind {
    /// The word for it, for programs.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Vault => "vault",
            Self::Recipe => "recipe",
        }
    }
}

/// What is mounted, and where.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    /// What the vault is.
    pub kind: Kind,
    /// The vault's path, absolute and without symlinks.
    pub vault: &'a Path,
    /// The vault's root directory.
    pub root: BorrowedFd<'a>,
    /// Where it is shown.
    pub point: &'a MountPoint,
    /// The vault's lock.
    pub lock: BorrowedFd<'a>,
}

/// Shows `view` at its place until that is unmounted, by anybody, or a signal says that it should be. Then everything is durable.
///
/// # Errors
/// Why it could not be mounted; or that not everything could be made durable at the end. In the background, where nobody hears of it, it is logged.
pub fn serve(place: Place<'_>, options: &Options, view: &Arc<View>, start: Start) -> Result<(), Error> {
    // Modes come from the kernel, which has applied the caller's mask.
    rustix::process::umask(Mode::empty());
    // From here on signals are kept, so that none ends this process between the mount and its unmounting.
    let signals = Signals::new([SIGTERM, SIGINT, SIGHUP]).map_err(Error::Session)?;
    let device = connect::connect(place, options)?;
    let mount = Mounted::find(place.point)?;
    let tally = Arc::new(Tally::default());
    let idle = options.idle.map(|limit| Arc::new(Idle::new(limit, tally.clone())));
    let told = told::of(place.kind, view.clone(), tally, idle.clone());
    let terms = Terms {
        acls: options.acls,
        lifetime: options.cache_time,
    };
    let session = Session::start(view.clone(), device, threads(), terms, told)
        .inspect_err(|_| mount.take_away())
        .map_err(Error::Session)?;
    let ending = watch(signals, start, mount.clone());
    let idle = idle.map(|idle| {
        let (mount, limit) = (mount.clone(), idle.limit());
        idle::watch(idle, move || mount.end_unused(limit))
    });
    let announced = announce(place, &mount, start).inspect_err(|_| mount.take_away());
    let ended = session.wait().map_err(Error::Session);
    drop(idle);
    mount.take_away();
    ending.close();
    let durable = make_durable(place, view);
    log::info!("unmounted {} from {}", place.vault.display(), place.point.path().display());
    announced.and(durable).and(ended).inspect_err(|error| match start {
        Start::Foreground => {}
        Start::Background => log::error!("{error}"),
    })
}

/// The last thing while the lock is held.
fn make_durable(place: Place<'_>, view: &View) -> Result<(), Error> {
    let not_durable = |why: String| Error::NotDurable {
        point: place.point.path().to_owned(),
        why,
    };
    view.sync_all().map_err(|error| not_durable(error.to_string()))?;
    rustix::fs::syncfs(place.root).map_err(|errno| not_durable(errno.to_string()))
}

fn threads() -> usize {
    thread::available_parallelism().map_or(MIN_THREADS, NonZero::get).max(MIN_THREADS)
}

/// Says that it is mounted: the kernel and the session have agreed how to talk, so from now on every question waits until one of the threads takes it.
///
/// Not asked to make sure, neither here nor anywhere in this process: a thread that waits for an answer of its own process cannot be killed once the question was
/// taken, and keeps the device open. A SIGKILL at that moment would leave a mount that hangs whoever comes near, for ever.
fn announce(place: Place<'_>, mount: &Mounted, start: Start) -> Result<(), Error> {
    connect::raise_limits(&mount.device);
    match start {
        Start::Foreground => {}
        Start::Background => background::ready().map_err(Error::Background)?,
    }
    log::info!("mounted {} on {}", place.vault.display(), place.point.path().display());
    Ok(())
}

/// Unmounts when a signal comes. A terminal that goes away is no reason to, once it has been left.
fn watch(mut signals: Signals, start: Start, mount: Mounted) -> signal_hook::iterator::Handle {
    let handle = signals.handle();
    thread::spawn(move || {
        for signal in signals.forever() {
            if signal != SIGHUP || start == Start::Foreground {
                mount.end();
            }
        }
    });
    handle
}

/// A mount of this process.
#[derive(Clone, Debug)]
struct Mounted {
    /// What tells it from every other mount.
    device: String,
    point: PathBuf,
}

impl Mounted {
    fn find(point: &MountPoint) -> Result<Self, Error> {
        let point = point.path().to_owned();
        let mounts = table::read().map_err(Error::NoTable)?;
        match table::at(&mounts, &point) {
            Some(mount) if mount.is_ours() => Ok(Self {
                device: mount.device.clone(),
                point,
            }),
            Some(_) | None => Err(Error::NotMounted(point)),
        }
    }

    /// Whether it is what one sees at its mount point: it may have been unmounted, and something else be there now.
    fn is_there(&self) -> bool {
        table::read().is_ok_and(|mounts| table::at(&mounts, &self.point).is_some_and(|mount| mount.device == self.device))
    }

    /// Unmounts it, or takes it out of sight if it is in use; then this process ends when its last user leaves.
    fn end(&self) {
        if !self.is_there() {
            log::warn!(
                "nothing to do at {}: it is unmounted and still in use, or something else is mounted over it",
                self.point.display()
            );
            return;
        }
        match detach::unmount(&self.point, How::IfIdle) {
            Ok(()) => {}
            Err(Refused::Busy) => {
                log::warn!(
                    "{} is in use: it is out of sight now, and ends when the last file in it is closed",
                    self.point.display()
                );
                self.take_away();
            }
            Err(Refused::Other(why)) => log::error!("cannot unmount {}: {why}", self.point.display()),
        }
    }

    /// Unmounts it, as nobody has used it for `idle`, unless it is in use.
    fn end_unused(&self, idle: Duration) -> Result<(), Refused> {
        if self.is_there() {
            detach::unmount(&self.point, How::IfIdle)?;
            log::info!("{} was not used for {idle:?}", self.point.display());
        }
        Ok(())
    }

    /// Takes it out of sight.
    fn take_away(&self) {
        if !self.is_there() {
            return;
        }
        if let Err(why) = detach::unmount(&self.point, How::Lazily) {
            log::error!("cannot unmount {}: {why}", self.point.display());
        }
    }
}
