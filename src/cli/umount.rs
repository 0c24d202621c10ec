//! `plainview umount`.

use super::exit::{Failure, escaped};
use super::{UmountArgs, print};
use crate::mount::{self, Unmounted, WhenBusy};

/// Runs the command.
pub(super) fn run(args: &UmountArgs) -> Result<(), Failure> {
    let when_busy = if args.lazy { WhenBusy::Detach } else { WhenBusy::Refuse };
    match mount::umount(&args.mountpoint, when_busy).map_err(|error| super::mount::failure(&error))? {
        Unmounted::Ended => {
            log::debug!("{} is unmounted, and everything is on disk", args.mountpoint.display());
            Ok(())
        }
        Unmounted::OutOfSight(holders) => print(&escaped(&format!(
            "{} is out of sight, and in use{holders}\nWhen the last of these is done, everything is written to disk and it ends; until then the vault is in use.\n",
            args.mountpoint.display()
        ))),
    }
}
