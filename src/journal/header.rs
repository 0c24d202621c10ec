//! The header of a journal, which lies in one of two slots. PURE. `format` has its bytes.

use super::format::{Fields, SLOT_LEN, TAG_LEN, Tag, put_moment, wide};
use super::overlay::index;
use crate::keys::JournalKey;
use crate::sys::disk::Moment;

const MAGIC: [u8; 4] = *b"PLVJ";
const FORMAT: u32 = 1;
/// Bytes of a slot that its tag covers.
const TAGGED_LEN: usize = 64;

/// What a slot holds: of two that are whole, the one with the higher turn counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// Counts the headers that were written; its lowest bit says in which slot.
    pub(super) turn: u64,
    /// Where the chain of tags begins: random, another one whenever the journal is begun anew.
    pub(super) epoch: Tag,
    /// No file that was made before has contents that were neither synced nor named in the journal.
    pub(super) since: Moment,
    /// The inode number and the birth of the vault's root: when they are others, this is a copy of the vault, and inode numbers tell nothing.
    pub(super) root: (u64, Option<Moment>),
}

impl Header {
    /// All bytes of a journal without entries: this header, and in the other slot the same with the turn before, so that no slot is ever anything but a header.
    pub(super) fn file(&self, key: &JournalKey) -> Vec<u8> {
        let before = Self {
            turn: self.turn.wrapping_sub(1),
            ..*self
        };
        let mut slots = [(self.offset(), self.seal(key)), (before.offset(), before.seal(key))];
        slots.sort();
        let mut bytes = Vec::new();
        for (_, mut slot) in slots {
            slot.resize(index(SLOT_LEN), 0);
            bytes.extend_from_slice(&slot);
        }
        bytes
    }

    /// The header's bytes. The rest of the slot is zeros, or anything.
    pub(super) fn seal(&self, key: &JournalKey) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(TAGGED_LEN + TAG_LEN);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&FORMAT.to_le_bytes());
        bytes.extend_from_slice(&self.turn.to_le_bytes());
        bytes.extend_from_slice(&self.epoch);
        put_moment(&mut bytes, Some(self.since));
        bytes.extend_from_slice(&self.root.0.to_le_bytes());
        put_moment(&mut bytes, self.root.1);
        bytes.resize(TAGGED_LEN, 0);
        let tag = blake3::keyed_hash(key.expose(), &bytes);
        bytes.extend_from_slice(&tag.as_bytes()[..TAG_LEN]);
        bytes
    }

    /// The header that a slot begins with; `None` when it is torn, or another vault's.
    pub(super) fn open(slot: &[u8], key: &JournalKey) -> Option<Self> {
        let (tagged, rest) = slot.split_at_checked(TAGGED_LEN)?;
        let tag = rest.first_chunk::<TAG_LEN>()?;
        if !fits(&blake3::keyed_hash(key.expose(), tagged), tag) {
            return None;
        }
        let mut fields = Fields(tagged);
        if fields.take()? != MAGIC || u32::from_le_bytes(fields.take()?) != FORMAT {
            return None;
        }
        Some(Self {
            turn: fields.number()?,
            epoch: fields.take()?,
            since: fields.moment()?.unwrap_or_default(),
            root: (fields.number()?, fields.moment()?),
        })
    }

    /// The one that replaces it.
    pub(super) fn next(&self) -> Self {
        Self {
            turn: self.turn + 1,
            ..*self
        }
    }

    /// Where it is written.
    pub(super) fn offset(&self) -> u64 {
        (self.turn % 2) * SLOT_LEN
    }
}

fn fits(hash: &blake3::Hash, tag: &Tag) -> bool {
    let computed = *hash.as_bytes().first_chunk().expect("a hash is longer than a tag");
    blake3::Hash::from_bytes(wide(&computed)) == blake3::Hash::from_bytes(wide(tag))
}
