//! The arguments of `plainview key` and `plainview passwd`, and what a guess at a password shall cost.

use super::exit::{Code, Failure};
use super::{PasswordArgs, UnlockArgs, init};
use crate::password::{KdfCost, Memory, calibrate};
use clap::{Args, Subcommand};
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// The commands of `plainview key`.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  plainview key list ~/Vault
  plainview key add --recovery ~/Vault
  plainview key remove ~/Vault 2")]
pub enum KeyCommand {
    /// List the slots: what opens the vault
    List(KeyListArgs),
    /// Add a slot: one more password, a keyfile, or a recovery key
    Add(KeyAddArgs),
    /// Remove a slot
    Remove(KeyRemoveArgs),
    /// Tell which slot a password, keyfile or recovery key opens
    Test(KeyTestArgs),
}

/// Arguments of `plainview key list`.
#[derive(Debug, Args)]
#[command(after_help = "\
No password is needed, so what is listed is what plainview.toml says; whether that is genuine is known when the \
vault is opened (`plainview key test`).

Examples:
  plainview key list ~/Vault
  plainview key list --json ~/Vault | jq '.[].kind'")]
pub struct KeyListArgs {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// The vault
    #[arg(value_name = "VAULT")]
    pub vault: PathBuf,
}

/// Arguments of `plainview key add`.
#[derive(Debug, Args)]
#[command(after_help = "\
Without --keyfile or --recovery, a password is added: the vault's password is asked for, then the new one, twice. \
Where standard input is no terminal, they are two lines of it, in that order. --passfile, --extpass, \
--unlock-keyfile and --unlock-recovery say what opens the vault now; a recovery key comes from where a password \
would.

The vault may be mounted meanwhile.

Examples:
  plainview key add --label anna ~/Vault
  plainview key add --keyfile /media/stick/vault.key --generate ~/Vault
  plainview key add --recovery ~/Vault
  plainview key add --passfile old --new-passfile new ~/Vault")]
pub struct KeyAddArgs {
    /// Add this file as a keyfile: every byte of it counts
    #[arg(long, value_name = "F", conflicts_with_all = ["recovery", "new_passfile", "new_extpass"])]
    pub keyfile: Option<PathBuf>,
    /// With --keyfile: make the file, of random bytes
    #[arg(long, requires = "keyfile")]
    pub generate: bool,
    /// Add a recovery key, which is printed this once
    #[arg(long, conflicts_with_all = ["new_passfile", "new_extpass"])]
    pub recovery: bool,
    /// What to call the slot
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub label: String,
    /// Where the new password comes from.
    #[command(flatten)]
    pub new: NewPasswordArgs,
    /// What a guess at the new password costs.
    #[command(flatten)]
    pub kdf: KdfArgs,
    /// Where the vault's password comes from.
    #[command(flatten)]
    pub password: PasswordArgs,
    /// Open the vault with this keyfile, and not with a password
    #[arg(long, value_name = "F", conflicts_with_all = ["passfile", "extpass", "unlock_recovery"])]
    pub unlock_keyfile: Option<PathBuf>,
    /// Open the vault with a recovery key
    #[arg(long)]
    pub unlock_recovery: bool,
    /// The vault
    #[arg(value_name = "VAULT")]
    pub vault: PathBuf,
}

impl KeyAddArgs {
    /// What opens the vault now.
    pub(super) fn unlock(&self) -> UnlockArgs {
        UnlockArgs {
            password: self.password.clone(),
            keyfile: self.unlock_keyfile.clone(),
            recovery: self.unlock_recovery,
        }
    }
}

/// Arguments of `plainview key remove`.
#[derive(Debug, Args)]
#[command(after_help = "\
The last slot cannot be removed. The vault may be mounted meanwhile.

Who kept a copy of the old plainview.toml and knows the old password, or has the old keyfile or recovery key, \
still opens the vault: the keys of its files stay the same.

Examples:
  plainview key remove ~/Vault 2
  plainview key remove --recovery ~/Vault 1")]
pub struct KeyRemoveArgs {
    /// What opens the vault.
    #[command(flatten)]
    pub unlock: UnlockArgs,
    /// The vault
    #[arg(value_name = "VAULT")]
    pub vault: PathBuf,
    /// The slot's number, as `plainview key list` tells it
    #[arg(value_name = "SLOT")]
    pub slot: u32,
}

/// Arguments of `plainview key test`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  plainview key test ~/Vault
  plainview key test --recovery ~/Vault
  plainview key test --keyfile /media/stick/vault.key ~/Vault")]
pub struct KeyTestArgs {
    /// What is tested.
    #[command(flatten)]
    pub unlock: UnlockArgs,
    /// The vault
    #[arg(value_name = "VAULT")]
    pub vault: PathBuf,
}

/// Arguments of `plainview passwd`.
#[derive(Debug, Args)]
#[command(after_help = "\
The old password is asked for once, the new one twice. Where standard input is no terminal, they are two lines of \
it. With --keyfile or --recovery no old password is needed. What a guess costs stays as it is, unless --kdf-time, \
--kdf-memory or --kdf-passes says otherwise. The vault may be mounted meanwhile.

Who kept a copy of the old plainview.toml and knows the old password still opens the vault: the keys of its files \
stay the same.

Examples:
  plainview passwd ~/Vault
  plainview passwd --recovery ~/Vault
  plainview passwd --kdf-time 2s ~/Vault
  plainview passwd --passfile old --new-passfile new ~/Vault")]
pub struct PasswdArgs {
    /// What opens the vault.
    #[command(flatten)]
    pub unlock: UnlockArgs,
    /// Where the new password comes from.
    #[command(flatten)]
    pub new: NewPasswordArgs,
    /// What a guess at the new password costs.
    #[command(flatten)]
    pub kdf: KdfArgs,
    /// With --keyfile or --recovery: the slot of the password to be changed, if there are several
    #[arg(long, value_name = "SLOT")]
    pub slot: Option<u32>,
    /// The vault
    #[arg(value_name = "VAULT")]
    pub vault: PathBuf,
}

/// Where a new password comes from; without these, from where any other does.
#[derive(Debug, Args)]
pub struct NewPasswordArgs {
    /// Read the new password from the first line of this file
    #[arg(long, value_name = "F", conflicts_with = "new_extpass")]
    pub new_passfile: Option<PathBuf>,
    /// Run this program, without a shell, and take the first line that it prints as the new password
    #[arg(long, value_name = "CMD")]
    pub new_extpass: Option<OsString>,
}

impl NewPasswordArgs {
    /// As arguments of a password.
    pub(super) fn source(&self) -> PasswordArgs {
        PasswordArgs {
            passfile: self.new_passfile.clone(),
            extpass: self.new_extpass.clone(),
        }
    }
}

/// What a guess at a password costs.
#[derive(Debug, Args)]
pub struct KdfArgs {
    /// Memory that a guess at the password costs: 8MiB to 4GiB [default: 256MiB]
    #[arg(long, value_name = "SIZE", value_parser = init::parse_memory_kib)]
    pub kdf_memory: Option<u32>,
    /// Passes over that memory: 1 to 1000 [default: 3]
    #[arg(long, value_name = "N", value_parser = init::parse_passes)]
    pub kdf_passes: Option<u32>,
    /// As many passes as take about so long on this machine: 100ms to 60s; with less memory, if one takes longer
    #[arg(long, value_name = "TIME", value_parser = parse_time, conflicts_with = "kdf_passes")]
    pub kdf_time: Option<Duration>,
}

impl KdfArgs {
    /// Whether anything is said.
    pub(super) fn is_given(&self) -> bool {
        self.kdf_memory.is_some() || self.kdf_passes.is_some() || self.kdf_time.is_some()
    }

    /// The cost, where `current` is what it is when nothing is said; and how long it takes, if that was measured.
    pub(super) fn cost(&self, current: KdfCost) -> Result<(KdfCost, Option<Duration>), Failure> {
        if let Some(time) = self.kdf_time {
            let most = current.memory_kib().max(KdfCost::DEFAULT.memory_kib());
            let memory = self.kdf_memory.map_or(Memory::AtMost(most), Memory::Exactly);
            let (cost, takes) = calibrate(time, memory).map_err(|error| Failure::other(format!("cannot measure the time: {error}")))?;
            return Ok((cost, Some(takes)));
        }
        let (memory_kib, passes) = (
            self.kdf_memory.unwrap_or(current.memory_kib()),
            self.kdf_passes.unwrap_or(current.passes()),
        );
        let cost = KdfCost::new(memory_kib, passes, current.lanes()).map_err(|error| Failure::new(Code::Usage, error.to_string()))?;
        Ok((cost, None))
    }
}

/// `--kdf-time`: a number and a unit, within bounds.
pub(super) fn parse_time(text: &str) -> Result<Duration, String> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len()));
    let unit = match unit {
        "ms" => 0.001,
        "s" => 1.0,
        _ => return Err("it must be a number and a unit, like 1s or 500ms".to_owned()),
    };
    let seconds = number.parse().map(|number: f64| number * unit);
    let time = seconds.ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    time.filter(|time| (Duration::from_millis(100)..=Duration::from_secs(60)).contains(time))
        .ok_or_else(|| "it must be 100ms to 60s".to_owned())
}
