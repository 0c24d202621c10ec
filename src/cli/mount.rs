//! `plainview mount`.

use super::MountArgs;
use super::exit::Failure;

/// Runs the command.
pub(super) fn run(args: &MountArgs) -> Result<(), Failure> {
    Err(Failure::other(format!("cannot mount {}: not implemented", args.vault.display())))
}
