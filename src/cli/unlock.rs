//! What opens a vault, and where that comes from: the arguments that every command that opens one has.

use super::PasswordArgs;
use super::advice::advised;
use super::exit::{Code, Failure, escaped};
use crate::keys::keyfile::KeyfileError;
use crate::keys::{Config, ConfigError, MasterKey, RecoveryKey, Slot, SlotKey, Unlocker, keyfile};
use crate::password::{self, Asking, Password, Source};
use clap::Args;
use std::fs::File;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

/// How often a recovery key may be mistyped at the terminal.
const TRIES: u32 = 3;

/// What opens the vault, and where that comes from; without these, a password from the terminal or one line of standard input.
#[derive(Debug, Args)]
pub struct UnlockArgs {
    /// Where the password comes from.
    #[command(flatten)]
    pub password: PasswordArgs,
    /// Open the vault with this file, and not with a password
    #[arg(long, value_name = "F", conflicts_with_all = ["passfile", "extpass"])]
    pub keyfile: Option<PathBuf>,
    /// Open the vault with a recovery key, which comes from where a password would
    #[arg(long, conflicts_with = "keyfile")]
    pub recovery: bool,
}

/// What somebody has to open a vault with.
pub(super) enum Held {
    Password(Password),
    Keyfile(SlotKey),
    Recovery(SlotKey),
}

impl Held {
    fn unlocker(&self) -> Unlocker<'_> {
        match self {
            Self::Password(password) => Unlocker::Password(password),
            Self::Keyfile(key) => Unlocker::Keyfile(key),
            Self::Recovery(key) => Unlocker::Recovery(key),
        }
    }
}

impl UnlockArgs {
    /// Whether it says that a password is to be asked for.
    pub(super) fn is_password(&self) -> bool {
        self.keyfile.is_none() && !self.recovery
    }

    /// Gets what opens the vault `vault`, and the master key with it from `config`.
    ///
    /// # Errors
    /// That none came from there, or that it does not open the vault; with what to do.
    pub fn unlock(&self, config: &Config, vault: &Path, asking: Asking) -> Result<MasterKey, Failure> {
        self.unlock_slot(config, vault, asking).map(|(master, ..)| master)
    }

    /// As [`unlock`](Self::unlock), with what was given, and the slot that it opened.
    pub(super) fn unlock_slot<'a>(&self, config: &'a Config, vault: &Path, asking: Asking) -> Result<(MasterKey, &'a Slot, Held), Failure> {
        let held = self.ask(vault, asking)?;
        let (master, slot) = config.unlock_slot(held.unlocker()).map_err(|error| self.refused(vault, &error))?;
        log::debug!(
            "slot {}, which a {} opens, opens {}",
            slot.id(),
            held.unlocker().words(),
            escaped(&vault.display().to_string())
        );
        Ok((master, slot, held))
    }

    fn refused(&self, vault: &Path, error: &ConfigError) -> Failure {
        match (&self.keyfile, error) {
            (Some(file), ConfigError::Wrong(_)) => Failure::new(
                Code::WrongPassword,
                format!(
                    "{} is not a keyfile of {}, or not any more what it was; use a copy of it, or what else opens the vault (`plainview key list`)",
                    file.display(),
                    vault.display()
                ),
            ),
            (Some(_) | None, _) => Failure::config(vault, error),
        }
    }

    fn ask(&self, vault: &Path, asking: Asking) -> Result<Held, Failure> {
        match &self.keyfile {
            Some(file) => read_keyfile(file, 1).map(Held::Keyfile),
            None if self.recovery => self.ask_recovery(vault).map(|key| Held::Recovery(key.slot_key())),
            None => self.line(vault, asking).map(Held::Password),
        }
    }

    /// The line that is the password, or the recovery key.
    fn line(&self, vault: &Path, asking: Asking) -> Result<Password, Failure> {
        let path = vault.canonicalize().unwrap_or_else(|_| vault.to_owned());
        let source = match self.password.source() {
            Source::Standard => Source::Named {
                name: path.file_name().unwrap_or_default(),
                path: &path,
            },
            given @ (Source::Named { .. } | Source::File(_) | Source::Program(_)) => given,
        };
        password::get(&source, asking).map_err(Failure::password)
    }

    /// Asks again where a person mistyped it, who cannot see what it was.
    fn ask_recovery(&self, vault: &Path) -> Result<RecoveryKey, Failure> {
        let is_typed = matches!(self.password.source(), Source::Standard) && std::io::stdin().is_terminal();
        let mut tries = if is_typed { TRIES } else { 1 };
        loop {
            let line = self.line(vault, Asking::Recovery)?;
            tries -= 1;
            let failure = match RecoveryKey::parse(line.expose()) {
                Ok(key) => return Ok(key),
                Err(error) => Failure::new(Code::WrongPassword, format!("this is not a recovery key: {error}")),
            };
            if tries == 0 {
                return Err(failure);
            }
            failure.report();
        }
    }
}

/// The slot key that the file `path` of at least `least` bytes gives.
pub(super) fn read_keyfile(path: &Path, least: u64) -> Result<SlotKey, Failure> {
    let key = File::open(path)
        .map_err(KeyfileError::from)
        .and_then(|mut file| keyfile::read(&mut file, least));
    key.map_err(|error| {
        let why = match error {
            KeyfileError::Io(error) => advised(error),
            error @ (KeyfileError::TooShort(_) | KeyfileError::TooLarge) if least > 1 => {
                format!("{error}; give one of {least} bytes to 1 GiB, or have one made with --generate")
            }
            error @ (KeyfileError::TooShort(_) | KeyfileError::TooLarge) => format!("{error}; give the file that the slot was made from"),
        };
        Failure::other(format!("no key from the keyfile {}: {why}", path.display()))
    })
}
