//! `plainview init`.

use super::InitArgs;
use super::exit::Failure;

/// Runs the command.
pub(super) fn run(args: &InitArgs) -> Result<(), Failure> {
    Err(Failure::other(format!("cannot make {}: not implemented", args.vault.display())))
}

/// `--kdf-memory`: a size in KiB.
pub(super) fn parse_memory_kib(text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| "not a size".to_owned())
}

/// `--kdf-passes`.
pub(super) fn parse_passes(text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| "not a number".to_owned())
}
