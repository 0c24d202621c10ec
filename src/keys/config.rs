//! `plainview.toml`.

use super::MasterKey;
use super::slot::Slot;
use crate::password::{KdfCost, KdfError, Password};
use rustix::io::Errno;
use std::os::fd::BorrowedFd;

/// The newest vault format that this program knows.
pub const FORMAT: u32 = 1;

/// Whether names and symlink targets are encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Names {
    /// They are.
    Encrypted,
    /// They are in the clear.
    Plain,
}

/// Why there is no configuration, or no master key from it.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// There is no `plainview.toml`.
    #[error("there is no plainview.toml")]
    NotAVault,
    /// There is one already.
    #[error("there is a plainview.toml already")]
    Exists,
    /// It is not as it was written: what is wrong.
    #[error("{0}")]
    Damaged(String),
    /// Its format, which is newer than [`FORMAT`].
    #[error("format {0}")]
    Newer(u32),
    /// The password opens no slot.
    #[error("wrong password")]
    WrongPassword,
    /// No slot is one that a password opens.
    #[error("no slot is opened by a password")]
    NoPasswordSlot,
    /// The slot key could not be computed.
    #[error("{0}")]
    Kdf(#[from] KdfError),
    /// What the operating system says.
    #[error("{0}")]
    Os(#[from] Errno),
}

/// A vault's configuration, read but not unlocked: nothing in it is known to be genuine before [`unlock`](Self::unlock).
pub struct Config {
    vault: [u8; 16],
    names: Names,
    slots: Vec<Slot>,
}

impl Config {
    /// Writes the `plainview.toml` of a new vault into the directory `root`.
    ///
    /// # Errors
    /// [`ConfigError::Exists`], [`ConfigError::Kdf`], or what the operating system says; nothing of it is left then.
    pub fn create(_root: BorrowedFd<'_>, _names: Names, _password: &Password, _cost: KdfCost) -> Result<MasterKey, ConfigError> {
        Err(ConfigError::NotAVault)
    }

    /// Reads the `plainview.toml` of the directory `root`.
    ///
    /// # Errors
    /// [`ConfigError::NotAVault`], [`ConfigError::Newer`], [`ConfigError::Damaged`], or what the operating system says.
    pub fn read(_root: BorrowedFd<'_>) -> Result<Self, ConfigError> {
        Err(ConfigError::NotAVault)
    }

    /// The master key, from the first slot that `password` opens. From here on the configuration is known to be genuine.
    ///
    /// # Errors
    /// [`ConfigError::WrongPassword`], [`ConfigError::NoPasswordSlot`], [`ConfigError::Kdf`]; [`ConfigError::Damaged`] when a slot opens and the seal does not fit.
    pub fn unlock(&self, _password: &Password) -> Result<MasterKey, ConfigError> {
        Err(ConfigError::WrongPassword)
    }

    /// The vault's id.
    pub fn vault(&self) -> &[u8; 16] {
        &self.vault
    }

    /// Whether its names are encrypted.
    pub fn names(&self) -> Names {
        self.names
    }

    /// Its slots, in the order in which they stand there.
    pub fn slots(&self) -> &[Slot] {
        &self.slots
    }
}
