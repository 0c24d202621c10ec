//! Directory ids, and the file that keeps one when its directory is renamed.

use super::{NameCipher, Undecodable};
use blake3::Hash;

/// Bytes of `plainview.dirid`: the id, and a tag of the same length.
pub const DIRID_LEN: usize = 32;

/// Bytes of an id, and of the tag beside it.
const ID_LEN: usize = 16;

/// The id of a directory: the associated data of the names in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DirId([u8; ID_LEN]);

impl DirId {
    /// The id that `bytes` are.
    pub const fn from_bytes(bytes: [u8; ID_LEN]) -> Self {
        Self(bytes)
    }
    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; ID_LEN] {
        &self.0
    }

    fn cut(hash: &Hash) -> Self {
        Self(*hash.as_bytes().first_chunk().expect("a hash has 32 bytes"))
    }
}

impl NameCipher {
    /// The id of the vault's root directory: `keyed BLAKE3(directories key; "root")`.
    pub fn root(&self) -> DirId {
        DirId::cut(&blake3::keyed_hash(self.directories.expose(), b"root"))
    }

    /// The id of the directory `encoded` in the directory `parent`, where it holds no `plainview.dirid`.
    ///
    /// `keyed BLAKE3(directories key; parent's id . encoded name)`: it needs no storage, so making a directory is one atomic call and a crash loses no id.
    pub fn child(&self, parent: DirId, encoded: &[u8]) -> DirId {
        let mut hasher = blake3::Hasher::new_keyed(self.directories.expose());
        hasher.update(&parent.0).update(encoded);
        DirId::cut(&hasher.finalize())
    }

    /// The contents of a `plainview.dirid` that holds `id`: `id . keyed BLAKE3(directories key; "dirid" . id)`.
    pub fn seal_dirid(&self, id: DirId) -> [u8; DIRID_LEN] {
        let mut bytes = *self.dirid_hash(id).as_bytes();
        bytes.copy_within(..ID_LEN, ID_LEN);
        bytes[..ID_LEN].copy_from_slice(&id.0);
        bytes
    }

    /// The id in a `plainview.dirid`.
    ///
    /// # Errors
    /// [`Undecodable`] when it has another length or its tag is wrong.
    pub fn open_dirid(&self, bytes: &[u8]) -> Result<DirId, Undecodable> {
        let bytes: &[u8; DIRID_LEN] = bytes.try_into().map_err(|_| Undecodable)?;
        let id = DirId(*bytes.first_chunk().expect("32 bytes begin with 16"));
        // Hash's equality takes the same time whatever differs; the id is no secret.
        match Hash::from_bytes(self.seal_dirid(id)) == Hash::from_bytes(*bytes) {
            true => Ok(id),
            false => Err(Undecodable),
        }
    }

    fn dirid_hash(&self, id: DirId) -> Hash {
        let mut hasher = blake3::Hasher::new_keyed(self.directories.expose());
        hasher.update(b"dirid").update(&id.0);
        hasher.finalize()
    }
}
