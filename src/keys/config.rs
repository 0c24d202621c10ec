//! `plainview.toml`: made, read, unlocked.
//!
//! Keeps true: a password that is wrong and a file that is not genuine are told apart, and no master key leaves a file whose seal does not fit.
//! Reference: `docs/format.md`, section "plainview.toml".

use super::slot::{NewSlot, Opener, Slot, VAULT_ID_LEN};
use super::text::{self, Head, TAG_LEN};
use super::{ConfigKey, MasterKey, SlotKey, store};
use crate::password::{KdfCost, NoMemory, Password};
use crate::secret::leaving_no_trace;
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
    /// What was given opens no slot, though there are slots of its kind: the kind, in words.
    #[error("wrong {0}")]
    Wrong(&'static str),
    /// No slot is one that such a thing opens: its kind, in words.
    #[error("no slot is opened by a {0}")]
    NoSuchKind(&'static str),
    /// No slot has this number.
    #[error("there is no slot {0}")]
    NoSuchSlot(u32),
    /// It is the last slot that this version can open.
    #[error("it is the last one")]
    LastSlot,
    /// There is no room for more.
    #[error("there is no room for it: there can be 64 slots, in a file of 64 KiB")]
    Full,
    /// The slot is not any more what it was when it was read.
    #[error("somebody else changed the slot meanwhile")]
    Changed,
    /// Somebody else has the file locked for long.
    #[error("another program has plainview.toml locked")]
    Locked,
    /// It was changed, but may not be so after a power cut.
    #[error("it was changed, but the directory could not be synced, so that this may not survive a power cut: {0}")]
    NotDurable(Errno),
    /// The slot key could not be computed.
    #[error("{0}")]
    NoMemory(#[from] NoMemory),
    /// What the operating system says.
    #[error("{0}")]
    Os(#[from] Errno),
}

/// What somebody has to open a vault with. It is tried on all slots of its kind.
#[derive(Clone, Copy)]
pub enum Unlocker<'a> {
    /// A password.
    Password(&'a Password),
    /// The slot key that a keyfile gives.
    Keyfile(&'a SlotKey),
    /// The slot key that a recovery key gives.
    Recovery(&'a SlotKey),
}

impl<'a> From<&'a Password> for Unlocker<'a> {
    fn from(password: &'a Password) -> Self {
        Self::Password(password)
    }
}

impl Unlocker<'_> {
    /// What it is, in words.
    pub fn words(&self) -> &'static str {
        match self {
            Self::Password(_) => "password",
            Self::Keyfile(_) => "keyfile",
            Self::Recovery(_) => "recovery key",
        }
    }
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
        Self::create_with(root, names, &[NewSlot::password(String::new(), password, cost)?])
    }

    /// As [`create`](Self::create), with these slots, of which there must be some.
    ///
    /// # Errors
    /// As there.
    pub fn create_with(root: BorrowedFd<'_>, names: Names, slots: &[NewSlot]) -> Result<MasterKey, ConfigError> {
        let mut vault = [0; VAULT_ID_LEN];
        rand::rng().fill_bytes(&mut vault);
        let master = MasterKey::random();
        let slots = (1..).zip(slots).map(|(id, slot)| slot.wrapping(id, &vault, &master)).collect();
        let config = Self::sealed(Head { vault, names, slots }, &master);
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

    /// The master key, from the first slot that `with`, such as a password, opens. From here on the configuration is known to be genuine.
    ///
    /// # Errors
    /// [`ConfigError::Wrong`], [`ConfigError::NoSuchKind`], [`ConfigError::NoMemory`]; [`ConfigError::Damaged`] when a slot opens and the seal does not fit.
    pub fn unlock<'a>(&self, with: impl Into<Unlocker<'a>>) -> Result<MasterKey, ConfigError> {
        self.unlock_slot(with.into()).map(|(master, _)| master)
    }

    /// As [`unlock`](Self::unlock), with the slot.
    ///
    /// # Errors
    /// As there.
    pub fn unlock_slot(&self, with: Unlocker<'_>) -> Result<(MasterKey, &Slot), ConfigError> {
        leaving_no_trace(|| self.try_slots(with))
    }

    fn try_slots(&self, with: Unlocker<'_>) -> Result<(MasterKey, &Slot), ConfigError> {
        let mut nothing_fits = ConfigError::NoSuchKind(with.words());
        for slot in self.slots() {
            match self.try_slot(slot, with) {
                None => {}
                Some(Ok(Some(master))) => return Ok((master, slot)),
                // What the memory did not suffice for might have been the one: then this is not to be called a wrong password.
                Some(Ok(None)) if matches!(nothing_fits, ConfigError::NoMemory(_)) => {}
                Some(Ok(None)) => nothing_fits = ConfigError::Wrong(with.words()),
                Some(Err(error @ ConfigError::NoMemory(_))) => nothing_fits = error,
                Some(Err(error)) => return Err(error),
            }
        }
        Err(nothing_fits)
    }

    /// The master key, if `with` opens `slot`; `None` when that is of another kind.
    fn try_slot(&self, slot: &Slot, with: Unlocker<'_>) -> Option<Result<Option<MasterKey>, ConfigError>> {
        match (slot.opener(), with) {
            (Opener::Password { cost, salt }, Unlocker::Password(password)) => {
                let key = SlotKey::from_password(password, salt, *cost);
                Some(key.map_err(ConfigError::from).and_then(|key| self.open(slot, &key)))
            }
            (Opener::Keyfile, Unlocker::Keyfile(key)) | (Opener::Recovery, Unlocker::Recovery(key)) => Some(self.open(slot, key)),
            (Opener::Password { .. } | Opener::Keyfile | Opener::Recovery | Opener::Other { .. }, _) => None,
        }
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
    ///
    /// # Errors
    /// [`ConfigError::Newer`], [`ConfigError::Damaged`].
    pub fn parse(file: &[u8]) -> Result<Self, ConfigError> {
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
        let Some(master) = slot.unwrap(key, self.vault()) else {
            return Ok(None);
        };
        self.check_seal(&master)?;
        Ok(Some(master))
    }

    /// Checks that it was written by who had `master`.
    ///
    /// # Errors
    /// [`ConfigError::Damaged`].
    pub(super) fn check_seal(&self, master: &MasterKey) -> Result<(), ConfigError> {
        // In constant time: a blake3::Hash compares so.
        if seal(master, &self.sealed) == blake3::Hash::from_bytes(self.tag) {
            Ok(())
        } else {
            Err(ConfigError::Damaged(
                "its seal does not fit: it was changed by someone who does not have the password".to_owned(),
            ))
        }
    }
}

/// `keyed BLAKE3(config key; every byte before the line [seal])`.
fn seal(master: &MasterKey, sealed: &[u8]) -> blake3::Hash {
    blake3::keyed_hash(ConfigKey::derive(master).expose(), sealed)
}
