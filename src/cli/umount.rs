//! `plainview umount`.

use super::UmountArgs;
use super::exit::Failure;

/// Runs the command.
pub(super) fn run(args: &UmountArgs) -> Result<(), Failure> {
    Err(Failure::other(format!(
        "cannot unmount {}: not implemented",
        args.mountpoint.display()
    )))
}
