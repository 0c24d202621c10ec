//! The whole key schedule: which key becomes which other key, and how. Nothing else in the program derives a key. And `plainview.toml`, which keeps the
//! master key wrapped ([`Config`]).
//!
//! ```text
//! password --Argon2id(salt, cost)--> slot key --AES-256-SIV unwrap--> master key
//! keyfile, recovery key --BLAKE3 derive_key(context)--> slot key
//! master key --BLAKE3 derive_key(context)--> content, names, directories, symlinks, xattrs, journal, config keys
//! content key + file salt --keyed BLAKE3 (XOF)--> a file's encryption, record MAC and header MAC keys
//! ```
//!
//! One type per key, so that no key can be used as another. Knows the configuration of a vault; does not know its files and names, or where a password
//! comes from.
//! Reference: `docs/format.md`, section "Keys"; BLAKE3 is <https://github.com/BLAKE3-team/BLAKE3-specs>.

mod change;
mod config;
pub mod keyfile;
mod recovery;
mod slot;
mod store;
#[cfg(test)]
pub(crate) mod tests;
mod text;

pub use change::Change;
pub use config::{Config, ConfigError, FORMAT, Names, Unlocker};
pub use recovery::{RecoveryError, RecoveryKey};
pub use slot::{Field, LABEL_MAX, NewSlot, Opener, Slot, VAULT_ID_LEN};

use crate::password::{self, KdfCost, NoMemory, PASSWORD_SALT_LEN, Password};
use crate::secret::{Secret, leaving_no_trace};

/// What opens one slot: it wraps the master key there.
pub struct SlotKey(Secret<64>);

impl SlotKey {
    /// `Argon2id(password, salt, cost)`. Takes as long and as much memory as `cost` says.
    ///
    /// # Errors
    /// That the memory cannot be had.
    pub fn from_password(password: &Password, salt: &[u8; PASSWORD_SALT_LEN], cost: KdfCost) -> Result<Self, NoMemory> {
        password::stretch(password, salt, cost).map(Self)
    }

    /// The key's bytes.
    pub fn expose(&self) -> &[u8; 64] {
        self.0.expose()
    }
}

/// The key that every other one comes from: 32 random bytes made by `init`, stored only wrapped by a slot key.
pub struct MasterKey(Secret<32>);

impl MasterKey {
    /// A new vault's master key.
    pub fn random() -> Self {
        Self(Secret::random())
    }

    /// The key whose bytes `secret` holds, as a slot unwrapped them.
    pub fn new(secret: Secret<32>) -> Self {
        Self(secret)
    }

    /// The bytes, for wrapping them in a slot.
    pub fn expose(&self) -> &[u8; 32] {
        self.0.expose()
    }

    /// `BLAKE3 derive_key(context, master key)`, as many bytes as the key has.
    fn derive<const N: usize>(&self, context: &str) -> Secret<N> {
        leaving_no_trace(|| {
            let mut hasher = blake3::Hasher::new_derive_key(context);
            hasher.update(self.expose());
            Secret::fill_with(|key| hasher.finalize_xof().fill(key))
        })
    }
}

macro_rules! derived_key {
    ($(#[$doc:meta])* $name:ident, $len:literal, $context:literal) => {
        $(#[$doc])*
        pub struct $name(Secret<$len>);

        impl $name {
            #[doc = concat!("`BLAKE3 derive_key(\"", $context, "\", master key)`.")]
            pub fn derive(master: &MasterKey) -> Self {
                Self(master.derive($context))
            }

            /// The key's bytes.
            pub fn expose(&self) -> &[u8; $len] {
                self.0.expose()
            }
        }
    };
}

derived_key!(
    /// Derives each file's own keys from its salt.
    ContentKey, 32, "plainview v1 content");
derived_key!(
    /// AES-256-SIV key of entry names.
    NamesKey, 64, "plainview v1 names");
derived_key!(
    /// Keyed BLAKE3 key of directory ids and of the short form of long names.
    DirectoriesKey, 32, "plainview v1 directories");
derived_key!(
    /// AES-256-SIV key of symlink targets.
    SymlinksKey, 64, "plainview v1 symlinks");
derived_key!(
    /// AES-256-SIV key of extended attributes, names and values.
    XattrsKey, 64, "plainview v1 xattrs");
derived_key!(
    /// Keyed BLAKE3 key of the journal's records.
    JournalKey, 32, "plainview v1 journal");
derived_key!(
    /// Keyed BLAKE3 key of the seal on `plainview.toml`.
    ConfigKey, 32, "plainview v1 config");

/// Length in bytes of the salt in a file's header.
pub const SALT_LEN: usize = 24;

/// The keys of one file's contents, from the content key and the file's salt.
pub struct FileKeys(Secret<96>);

impl FileKeys {
    /// `keyed BLAKE3(content key; salt)`, 96 bytes of its extendable output, cut in three.
    ///
    /// The salt is fresh whenever a file is created or truncated to nothing, so no two files share a key and a record moved from one file to another
    /// fails its tag.
    pub fn derive(content: &ContentKey, salt: &[u8; SALT_LEN]) -> Self {
        let mut hasher = blake3::Hasher::new_keyed(content.expose());
        hasher.update(salt);
        Self(Secret::fill_with(|keys| {
            hasher.finalize_xof().fill(keys);
        }))
    }

    fn part(&self, index: usize) -> &[u8; 32] {
        let (parts, _) = self.0.expose().as_chunks::<32>();
        &parts[index]
    }

    /// Bytes 0..32: the AES-256 key of the records.
    pub fn encryption(&self) -> &[u8; 32] {
        self.part(0)
    }

    /// Bytes 32..64: the keyed BLAKE3 key of the records' tags.
    pub fn record_mac(&self) -> &[u8; 32] {
        self.part(1)
    }

    /// Bytes 64..96: the keyed BLAKE3 key of the header's tag.
    pub fn header_mac(&self) -> &[u8; 32] {
        self.part(2)
    }
}
