//! The mounts that there are, what their daemons tell of them, and who uses them.
//!
//! Knows of a mount what the kernel's table says; so a dead daemon, or one that does not answer, keeps nobody waiting, and nothing can be out of date.

use super::table::{self, Mount};
use super::told::{self, Told, Untold};
use super::{Error, Holders, holders, lock, point};
use rustix::fs::{Mode, OFlags};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long to wait for the daemons.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is known of a mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Where it is.
    pub point: PathBuf,
    /// What is shown there.
    pub vault: PathBuf,
    /// Whether nothing can be changed there.
    pub read_only: bool,
    /// Whether others than its owner may enter it.
    pub allows_others: bool,
    /// The user that its daemon runs as.
    pub uid: Option<u32>,
    /// What its daemon says, or why it does not.
    pub state: State,
    /// Who uses it.
    pub holders: Holders,
}

/// How it is with a daemon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// It answers.
    Running(Told),
    /// It is gone; only the mount is left.
    Dead,
    /// It does not answer.
    Silent,
    /// It tells this user nothing.
    Denied,
    /// Something else is mounted over it.
    Covered,
    /// Why else it cannot be asked.
    Unknown(String),
}

/// All mounts, or those on the path `named`, or of the vault that is there. `mark` is the argument of `plainview status` that makes it [`pass_on`](super::pass_on) what a daemon says.
///
/// # Errors
/// That there is none where one is named.
pub fn statuses(named: Option<&Path>, mark: &str) -> Result<Vec<Status>, Error> {
    let all = table::read().map_err(Error::NoTable)?;
    let named = named.map(|path| (path, point::canonical(path).unwrap_or_else(|_| path.to_owned())));
    let is_meant = |mount: &Mount| match &named {
        Some((_, path)) => mount.point == *path || mount.source == *path,
        None => true,
    };
    let found = filesystems(&all).filter(|mount| is_meant(mount)).collect::<Vec<_>>();
    match named {
        Some((path, _)) if found.is_empty() => Err(Error::NothingMounted {
            path: path.to_owned(),
            holder: holder(path),
        }),
        Some(_) | None => Ok(of(&found, &all, mark)),
    }
}

/// Each of our filesystems once, where all of it is shown.
fn filesystems(all: &[Mount]) -> impl Iterator<Item = &Mount> {
    let is_first = |index: usize, mount: &Mount| !all[..index].iter().any(|other| other.is_whole && other.device == mount.device);
    all.iter()
        .enumerate()
        .filter(move |(index, mount)| mount.is_ours() && mount.is_whole && is_first(*index, mount))
        .map(|(_, mount)| mount)
}

/// Who has the vault, which is not mounted.
fn holder(vault: &Path) -> Option<u32> {
    let root = rustix::fs::open(vault, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).ok()?;
    lock::held_by(root.as_fd())
}

fn of(mounts: &[&Mount], all: &[Mount], mark: &str) -> Vec<Status> {
    let is_seen = |mount: &Mount| table::at(all, &mount.point).is_some_and(|seen| seen.id == mount.id);
    let seen: Vec<_> = mounts
        .iter()
        .filter(|mount| is_seen(mount))
        .map(|mount| mount.point.as_path())
        .collect();
    let mut answers = told::ask(&seen, mark, PATIENCE).into_iter();
    let holders = holders::of(mounts, all);
    let status = |(mount, holders): (&&Mount, Holders)| Status {
        point: mount.point.clone(),
        vault: mount.source.clone(),
        read_only: mount.read_only,
        allows_others: mount.allows_others(),
        uid: mount.uid(),
        state: match is_seen(mount).then(|| answers.next()).flatten() {
            Some(Ok(told)) => State::Running(told),
            Some(Err(Untold::Dead)) => State::Dead,
            Some(Err(Untold::Late)) => State::Silent,
            Some(Err(Untold::Denied)) => State::Denied,
            Some(Err(Untold::Other(why))) => State::Unknown(why),
            None => State::Covered,
        },
        holders,
    };
    mounts.iter().zip(holders).map(status).collect()
}
