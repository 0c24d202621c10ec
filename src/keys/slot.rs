//! A slot: the master key, wrapped by one of the keys that open the vault.

use super::{MasterKey, SlotKey};
use crate::password::{KdfCost, NoMemory, PASSWORD_SALT_LEN, Password};
use crate::secret::{Secret, leaving_no_trace};
use aes_siv::KeyInit;
use aes_siv::siv::{Aes256Siv, IV_SIZE};
use rand::Rng;
use serde::Deserialize;

/// Bytes of a vault's id.
pub const VAULT_ID_LEN: usize = 16;
/// Bytes of a wrapped master key: the synthetic IV, and the key encrypted.
pub(super) const WRAPPED_LEN: usize = IV_SIZE + 32;

/// Most bytes of a slot's label.
pub const LABEL_MAX: usize = 256;

/// One way to open a vault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    pub(super) id: u32,
    pub(super) label: String,
    pub(super) opener: Opener,
    pub(super) wrapped: [u8; WRAPPED_LEN],
}

/// What opens a slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opener {
    /// A password.
    Password {
        /// What a guess at it costs.
        cost: KdfCost,
        /// Makes equal passwords give different slot keys.
        salt: [u8; PASSWORD_SALT_LEN],
    },
    /// The contents of a file.
    Keyfile,
    /// A key that was written down.
    Recovery,
    /// Something that only a newer version knows. The slot is passed over, and kept.
    Other {
        /// The kind.
        kind: String,
        /// The fields that no other kind has: name and value.
        fields: Vec<(String, Field)>,
    },
}

/// A field of a slot of another kind.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Field {
    /// True or false.
    Flag(bool),
    /// A number.
    Number(i64),
    /// A text.
    Text(String),
}

impl Opener {
    /// What stands in `plainview.toml` as the slot's kind.
    pub fn kind(&self) -> &str {
        match self {
            Self::Password { .. } => "password",
            Self::Keyfile => "keyfile",
            Self::Recovery => "recovery",
            Self::Other { kind, .. } => kind,
        }
    }

    /// Whether this version can open such a slot.
    pub(super) fn is_known(&self) -> bool {
        match self {
            Self::Password { .. } | Self::Keyfile | Self::Recovery => true,
            Self::Other { .. } => false,
        }
    }
}

/// A slot that is to be made: all but its number, and the master key in it.
pub struct NewSlot {
    /// What its owner calls it: at most [`LABEL_MAX`] bytes.
    pub label: String,
    /// What opens it.
    pub opener: Opener,
    /// The key that comes of that.
    pub key: SlotKey,
}

impl NewSlot {
    /// One that `password` opens. Takes as long and as much memory as `cost` says.
    ///
    /// # Errors
    /// That the memory cannot be had.
    pub fn password(label: String, password: &Password, cost: KdfCost) -> Result<Self, NoMemory> {
        let mut salt = [0; PASSWORD_SALT_LEN];
        rand::rng().fill_bytes(&mut salt);
        let key = SlotKey::from_password(password, &salt, cost)?;
        let opener = Opener::Password { cost, salt };
        Ok(Self { label, opener, key })
    }

    /// The slot, with the number `id` in the vault `vault`.
    pub(super) fn wrapping(&self, id: u32, vault: &[u8; VAULT_ID_LEN], master: &MasterKey) -> Slot {
        Slot {
            id,
            label: self.label.clone(),
            opener: self.opener.clone(),
            wrapped: leaving_no_trace(|| Slot::wrap(&self.key, vault, master)),
        }
    }
}

impl Slot {
    /// Its number, unique in the vault.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// What its owner calls it. Any text; it is known to be genuine only when the vault was unlocked.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// What opens it.
    pub fn opener(&self) -> &Opener {
        &self.opener
    }

    /// `AES-256-SIV(slot key; vault's id; master key)`.
    ///
    /// Deterministic encryption is safe here: what is wrapped is random, and RFC 5297 was made for wrapping keys. The id is associated data, so a slot
    /// copied into another vault opens nothing there.
    pub(super) fn wrap(key: &SlotKey, vault: &[u8; VAULT_ID_LEN], master: &MasterKey) -> [u8; WRAPPED_LEN] {
        let mut wrapped = [0; WRAPPED_LEN];
        let (iv, body) = wrapped.split_at_mut(IV_SIZE);
        body.copy_from_slice(master.expose());
        let tag = Aes256Siv::new(key.expose().into())
            .encrypt_inout_detached([vault], body.into())
            .expect("fails only for more than 126 strings of associated data");
        iv.copy_from_slice(&tag);
        wrapped
    }

    /// The master key; `None` when `key` is not the one that wrapped it for `vault`.
    pub(super) fn unwrap(&self, key: &SlotKey, vault: &[u8; VAULT_ID_LEN]) -> Option<MasterKey> {
        let (iv, body) = self.wrapped.split_first_chunk::<IV_SIZE>()?;
        let master = Secret::try_fill_with(|master| {
            master.copy_from_slice(body);
            Aes256Siv::new(key.expose().into()).decrypt_inout_detached([vault], master.as_mut_slice().into(), iv.into())
        });
        master.ok().map(MasterKey::new)
    }
}
