//! `umount`: ending a mount from outside, whose daemon may be busy or long dead.

use super::table::{self, Mount};
use super::{Error, Holders, detach, holders, lock, point};
use std::path::Path;
use std::time::Duration;

/// How long to wait for the daemon to write out what it has.
const PATIENCE: Duration = Duration::from_secs(60);

/// What to do with a mount that is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenBusy {
    /// Leave it.
    Refuse,
    /// Take it out of sight, to end when nobody uses it any more.
    Detach,
}

/// What became of a mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unmounted {
    /// It has ended, and everything that was written to it is durable.
    Ended,
    /// It is out of sight, and these have been using it.
    OutOfSight(Holders),
}

/// Ends the mount on `path`. When it has ended, everything that was written to it is durable.
///
/// The mount itself is not asked for anything, so that this also works when its daemon is dead.
///
/// # Errors
/// That there is no such mount, that it is in use, or that it is gone, but the daemon not done.
pub fn umount(path: &Path, when_busy: WhenBusy) -> Result<Unmounted, Error> {
    let point = point::canonical(path).map_err(|_| Error::NotMounted(path.to_owned()))?;
    let mounts = table::read().map_err(Error::NoTable)?;
    let ours = table::at(&mounts, &point).filter(|mount| mount.is_ours());
    let mount = ours.ok_or_else(|| Error::NotMounted(point.clone()))?;
    match detach::unmount(&point, detach::How::IfIdle) {
        Ok(()) => {}
        Err(detach::Refused::Busy) => return busy(mount, &mounts, when_busy),
        Err(detach::Refused::Other(why)) => return Err(Error::CannotUnmount(point, why)),
    }
    // Another mount that shares the lock is read-only, and so was this one.
    match lock::mounted_on(&table::read().map_err(Error::NoTable)?, &mount.source) {
        Some(_) => {}
        None => lock::wait_until_free(&mount.source, PATIENCE).map_err(|why| Error::NotDurable { point, why })?,
    }
    Ok(Unmounted::Ended)
}

/// One that is in use.
fn busy(mount: &Mount, mounts: &[Mount], when_busy: WhenBusy) -> Result<Unmounted, Error> {
    let point = mount.point.clone();
    // Before it is out of sight: then nobody could tell who has been using it.
    let holders = holders::of(&[mount], mounts).pop().unwrap_or_default();
    match when_busy {
        WhenBusy::Refuse => Err(Error::Busy { point, holders }),
        WhenBusy::Detach => match detach::unmount(&point, detach::How::Lazily) {
            Ok(()) => Ok(Unmounted::OutOfSight(holders)),
            Err(why) => Err(Error::CannotUnmount(point, why.to_string())),
        },
    }
}
