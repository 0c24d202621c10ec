//! The arguments of `plainview check` and `plainview salvage`.

use super::UnlockArgs;
use clap::Args;
use std::path::PathBuf;

/// Arguments of `plainview check`.
#[derive(Debug, Args)]
#[command(after_help = "\
One line for each finding: what it is (damage, unreadable, leftover, foreign), the path in the clear, which \
records and bytes, the path in the vault, and the reason. Leftovers and foreign files are no damage. The exit \
code is 0 without damage, and 26 when damage was found, repaired or not.

Without --repair nothing is written. What was not finished when a vault was not unmounted is no damage: it \
is read as the next mount will show it. --repair does what that mount would do, and then: cuts appends that \
were not finished, writes directory ids that can be known, and moves everything else that is damaged to \
plainview.lost+found in the vault, with a copy of what it changes. Nothing but half-made temporary files is \
deleted. `plainview salvage` reads what is left of a damaged file, there too.

Examples:
  plainview check ~/Vault
  plainview check --fast --passfile /run/keys/vault ~/Vault
  plainview check --json ~/Vault | jq 'select(.severity == \"damage\")'
  plainview check --repair --dry-run ~/Vault
  plainview check --repair ~/Vault")]
pub struct CheckArgs {
    /// Look only at names, and at the header, the length and the last record of each file
    #[arg(long)]
    pub fast: bool,
    /// Print JSON, one object per line
    #[arg(long)]
    pub json: bool,
    /// Put right what can be, and move what cannot to plainview.lost+found in the vault
    #[arg(long, conflicts_with = "fast")]
    pub repair: bool,
    /// With --repair: only say what would be done
    #[arg(long, requires = "repair")]
    pub dry_run: bool,
    /// What opens the vault.
    #[command(flatten)]
    pub unlock: UnlockArgs,
    /// The vault, not mounted
    #[arg(value_name = "VAULT")]
    pub vault: PathBuf,
}

/// Arguments of `plainview salvage`.
#[derive(Debug, Args)]
#[command(after_help = "\
FILE is the path in the clear, from the root of the vault, or the path in the vault, as `plainview check` prints \
them; or else any file on disk that holds a file of this vault, such as an older copy of it.

OUT gets every byte that can be proven to be of this file, at its place, and zeros where none can. OUT.map says \
which is which: a mapfile of GNU ddrescue, which its tools read. Neither may exist. The exit code is 26 when \
something is missing. The vault is not changed.

Examples:
  plainview salvage ~/Vault Documents/thesis.odt thesis.odt
  plainview salvage ~/Vault plainview.lost+found/1/3kf...Zw saved")]
pub struct SalvageArgs {
    /// What opens the vault.
    #[command(flatten)]
    pub unlock: UnlockArgs,
    /// The vault, not mounted
    #[arg(value_name = "VAULT")]
    pub vault: PathBuf,
    /// The damaged file
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The file to make
    #[arg(value_name = "OUT")]
    pub out: PathBuf,
}
