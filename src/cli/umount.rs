//! `plainview umount`.

use super::UmountArgs;
use super::exit::Failure;
use crate::mount;

/// Runs the command.
pub(super) fn run(args: &UmountArgs) -> Result<(), Failure> {
    mount::umount(&args.mountpoint).map_err(|error| super::mount::failure(&error))?;
    log::debug!("{} is unmounted, and everything is on disk", args.mountpoint.display());
    Ok(())
}
