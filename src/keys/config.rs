//! `plainview.toml`: made, read, unlocked.
//!
//! Keeps true: a password that is wrong and a file that is not genuine are told apart, and no master key leaves a file whose seal does not fit.
//! Reference: `docs/format.md`, section "plainview.toml".

use super::slot::{Opener, Slot, VAULT_ID_LEN};
use super::text::{self, Head, TAG_LEN};
use super::{ConfigKey, MasterKey, SlotKey, store};
use crate::password::{KdfCost, NoMemory, PASSWORD_SALT_LEN, Password};
use rand::Rng;
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
    NoMemory(#[from] NoMemory),
    /// What the operating system says.
    #[error("{0}")]
    Os(#[from] Errno),
}

/// A vault's configuration, read but not unlocked: nothing in it is known to be genuine before [`unlock`](Self::unlock).
pub struct Config {
    head: Head,
    /// The bytes that `head` was read from, which the seal covers.
    sealed: Vec<u8>,
    tag: [u8; TAG_LEN],
}

impl Config {
    /// Writes the `plainview.toml` of a new vault into the directory `root`: a fresh master key, in one slot that `password` opens.
    ///
    /// # Errors
    /// [`ConfigError::Exists`], [`ConfigError::NoMemory`], or what the operating system says; nothing of it is left then.
    pub fn create(root: BorrowedFd<'_>, names: Names, password: &Password, cost: KdfCost) -> Result<MasterKey, ConfigError> {
        let (config, master) = Self::fresh(names, password, cost)?;
        store::write_new(root, &config.to_bytes())?;
        Ok(master)
    }

    /// Reads the `plainview.toml` of the directory `root`.
    ///
    /// # Errors
    /// [`ConfigError::NotAVault`], [`ConfigError::Newer`], [`ConfigError::Damaged`], or what the operating system says.
    pub fn read(root: BorrowedFd<'_>) -> Result<Self, ConfigError> {
        Self::parse(&store::read(root)?)
    }

    /// The master key, from the first slot that `password` opens. From here on the configuration is known to be genuine.
    ///
    /// # Errors
    /// [`ConfigError::WrongPassword`], [`ConfigError::NoPasswordSlot`], [`ConfigError::NoMemory`]; [`ConfigError::Damaged`] when a slot opens and the seal does not fit.
    pub fn unlock(&self, password: &Password) -> Result<MasterKey, ConfigError> {
        let mut nothing_fits = ConfigError::NoPasswordSlot;
        for slot in self.slots() {
            let Opener::Password { cost, salt } = slot.opener() else { continue };
            match SlotKey::from_password(password, salt, *cost) {
                Ok(key) => match self.open(slot, &key)? {
                    Some(master) => return Ok(master),
                    // What the memory did not suffice for might have been the one: then this is not to be called a wrong password.
                    None if matches!(nothing_fits, ConfigError::NoMemory(_)) => {}
                    None => nothing_fits = ConfigError::WrongPassword,
                },
                Err(error) => nothing_fits = error.into(),
            }
        }
        Err(nothing_fits)
    }

    /// The vault's id.
    pub fn vault(&self) -> &[u8; VAULT_ID_LEN] {
        &self.head.vault
    }

    /// Whether its names are encrypted.
    pub fn names(&self) -> Names {
        self.head.names
    }

    /// Its slots, in the order in which they stand there; at least one.
    pub fn slots(&self) -> &[Slot] {
        &self.head.slots
    }

    fn fresh(names: Names, password: &Password, cost: KdfCost) -> Result<(Self, MasterKey), ConfigError> {
        let (mut vault, mut salt) = ([0; VAULT_ID_LEN], [0; PASSWORD_SALT_LEN]);
        rand::rng().fill_bytes(&mut vault);
        rand::rng().fill_bytes(&mut salt);
        let master = MasterKey::random();
        let key = SlotKey::from_password(password, &salt, cost)?;
        let wrapped = Slot::wrap(&key, &vault, &master);
        let slot = Slot {
            id: 1,
            label: String::new(),
            opener: Opener::Password { cost, salt },
            wrapped,
        };
        Ok((
            Self::sealed(
                Head {
                    vault,
                    names,
                    slots: vec![slot],
                },
                &master,
            ),
            master,
        ))
    }

    /// `head` with its seal.
    pub(super) fn sealed(head: Head, master: &MasterKey) -> Self {
        let sealed = text::write_head(&head).into_bytes();
        let tag = seal(master, &sealed);
        Self {
            head,
            sealed,
            tag: *tag.as_bytes(),
        }
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        text::join(&self.sealed, &self.tag)
    }

    /// As [`read`](Self::read), of the file's bytes.
    pub(crate) fn parse(file: &[u8]) -> Result<Self, ConfigError> {
        text::check_format(file)?;
        store::check_size(file)?;
        let (sealed, tag) = text::split(file)?;
        Ok(Self {
            head: text::read_head(sealed)?,
            sealed: sealed.to_vec(),
            tag,
        })
    }

    /// The master key that `key` opens in `slot`, with the seal checked; `None` when it does not open it.
    pub(super) fn open(&self, slot: &Slot, key: &SlotKey) -> Result<Option<MasterKey>, ConfigError> {
        match slot.unwrap(key, self.vault()) {
            // In constant time: a blake3::Hash compares so.
            Some(master) if seal(&master, &self.sealed) != blake3::Hash::from_bytes(self.tag) => Err(ConfigError::Damaged(
                "its seal does not fit: it was changed by someone who does not have the password".to_owned(),
            )),
            master => Ok(master),
        }
    }
}

/// `keyed BLAKE3(config key; every byte before the line [seal])`.
fn seal(master: &MasterKey, sealed: &[u8]) -> blake3::Hash {
    blake3::keyed_hash(ConfigKey::derive(master).expose(), sealed)
}
