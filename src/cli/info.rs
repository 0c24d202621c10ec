//! `plainview info`.

use super::InfoArgs;
use super::exit::Failure;

/// Runs the command.
pub(super) fn run(args: &InfoArgs) -> Result<(), Failure> {
    Err(Failure::other(format!("cannot read {}: not implemented", args.vault.display())))
}
