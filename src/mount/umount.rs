//! `umount`: ending a mount from outside, whose daemon may be busy or long dead.

use super::{Error, detach, lock, point, table};
use std::path::Path;
use std::time::Duration;

/// How long to wait for the daemon to write out what it has.
const PATIENCE: Duration = Duration::from_secs(60);

/// Ends the mount on `path`. When this returns, everything that was written to it is durable.
///
/// The mount itself is not asked for anything, so that this also works when its daemon is dead.
///
/// # Errors
/// That there is no such mount, that it is in use, or that it is gone, but the daemon not done.
pub fn umount(path: &Path) -> Result<(), Error> {
    let point = point::canonical(path).map_err(|_| Error::NotMounted(path.to_owned()))?;
    let mounts = table::read().map_err(Error::NoTable)?;
    let ours = table::at(&mounts, &point).filter(|mount| mount.is_ours());
    let vault = ours
        .map(|mount| mount.source.clone())
        .ok_or_else(|| Error::NotMounted(point.clone()))?;
    detach::unmount(&point, detach::How::IfIdle).map_err(|refused| match refused {
        detach::Refused::Busy => Error::Busy(point.clone()),
        detach::Refused::Other(why) => Error::CannotUnmount(point.clone(), why),
    })?;
    // Another mount that shares the lock is read-only, and so was this one.
    match lock::mounted_on(&table::read().map_err(Error::NoTable)?, &vault) {
        Some(_) => Ok(()),
        None => lock::wait_until_free(&vault, PATIENCE).map_err(|why| Error::NotDurable { point, why }),
    }
}
