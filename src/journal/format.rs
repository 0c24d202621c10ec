//! The bytes of `plainview.journal`: its entries; `header` has the rest. PURE. `docs/format.md`, "The journal", in code.
//!
//! ```text
//! journal = slot 0 (4096) . slot 1 (4096) . entry*
//! slot    = "PLVJ" . format u32 . turn u64 . epoch (16) . since (12) . root's inode u64 . root's birth (12) . tag (16) . zeros
//! entry   = length u32 . kind u32 . file u64 . value u64 . durable u64 . payload (length) . tag (16)
//! tag     = keyed BLAKE3(journal key; epoch . tag of the entry before . the entry's bytes before the tag), 16 bytes; before the first is the epoch
//! ```
//!
//! The tags are a chain that begins at the epoch, which is random: an entry is read only if all before it are whole, and what is left over behind the end of a
//! journal that was begun anew never fits. Each entry says up to which byte the journal was durable when it was appended: where the chain breaks before that,
//! it was no crash that broke it.

use crate::keys::{JournalKey, SALT_LEN};
use crate::sys::block::ROOM;
use crate::sys::disk::Moment;

/// Bytes that each of the two slots for the header takes: a page, so that writing one never tears the other.
pub(super) const SLOT_LEN: u64 = 4096;
/// Where the entries begin.
pub(super) const ENTRIES_AT: u64 = 2 * SLOT_LEN;
/// Bytes of an entry before its payload.
pub(super) const HEAD_LEN: usize = 32;
/// Bytes of a tag, and of an epoch.
pub(super) const TAG_LEN: usize = 16;
/// Bytes in memory before the first entry, see [`tag`].
pub(super) const BEFORE: usize = 2 * TAG_LEN;
/// Longest payload. What is longer is written as several entries.
pub(super) const PAYLOAD_MAX: usize = 1 << 24;

const MOMENT_LEN: usize = 12;

/// A link of the chain of tags.
pub(super) type Tag = [u8; TAG_LEN];

/// What is written into every entry.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark {
    /// That of the header in force.
    pub(super) epoch: Tag,
    /// The byte of the file up to which the journal is durable already.
    pub(super) durable: u64,
}

/// Which file an entry is about, as it can be found again after a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) ino: u64,
    /// Tells it from others that had, or will have, this number.
    pub(super) born: Option<Moment>,
    /// The salt that was in its header; zeros when it was empty.
    pub(super) salt: [u8; SALT_LEN],
}

/// One entry. `file` is a number that stands for a file until the journal is begun anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entry<'a> {
    /// Kind 1: the number `file` stands for this one, of which `base` bytes are committed.
    File { file: u64, base: u64, identity: Identity },
    /// Kind 2: bytes at an offset of the file on disk.
    Write { file: u64, offset: u64, bytes: &'a [u8] },
    /// Kind 3: zeros at an offset.
    Zero { file: u64, offset: u64, len: u64 },
    /// Kind 4: the file is so long.
    Length { file: u64, len: u64 },
    /// Kind 5: the file is what its entries before the journal's byte `upto` made it, `len` bytes long; and when it was last modified.
    Commit { file: u64, len: u64, upto: u64, modified: Moment },
    /// Kind 6: from `base` on, anything may be in the file itself from now on.
    Intent { file: u64, base: u64 },
    /// Kind 7: what entries before this one put at `base` and behind is in the file itself, and so is what is written there from now on.
    InPlace { file: u64, base: u64 },
    /// Kind 8: entries before that were not committed never will be, and nothing is in the file itself without one.
    Void,
}

impl<'a> Entry<'a> {
    /// The entry's bytes behind `out`, in which there are [`BEFORE`] or more. `chain` is the tag of the entry before, and becomes this one's.
    pub(super) fn seal(&self, key: &JournalKey, mark: Mark, chain: &mut Tag, out: &mut Vec<u8>) {
        let at = out.len();
        out.extend_from_slice(&self.head(mark));
        self.put_payload(out);
        *chain = tag(key, &mark.epoch, chain, out, at);
        out.extend_from_slice(chain);
    }

    /// The bytes of a write of what is in `memory` behind [`ROOM`]: around it, with [`BEFORE`] bytes before the entry. As [`seal`](Self::seal).
    pub(super) fn seal_around(file: u64, offset: u64, key: &JournalKey, mark: Mark, chain: &mut Tag, memory: &mut Vec<u8>) {
        const { assert!(ROOM == BEFORE + HEAD_LEN) };
        let bytes = &memory[ROOM..];
        let head = Entry::Write { file, offset, bytes }.head(mark);
        memory[BEFORE..ROOM].copy_from_slice(&head);
        *chain = tag(key, &mark.epoch, chain, memory, BEFORE);
        memory.extend_from_slice(chain);
    }

    fn head(&self, mark: Mark) -> [u8; HEAD_LEN] {
        let (kind, file, value): (u32, u64, u64) = match *self {
            Self::File { file, base, .. } => (1, file, base),
            Self::Write { file, offset, .. } => (2, file, offset),
            Self::Zero { file, offset, .. } => (3, file, offset),
            Self::Length { file, len } => (4, file, len),
            Self::Commit { file, len, .. } => (5, file, len),
            Self::Intent { file, base } => (6, file, base),
            Self::InPlace { file, base } => (7, file, base),
            Self::Void => (8, 0, 0),
        };
        let length = u32::try_from(self.payload_len()).expect("a payload is at most PAYLOAD_MAX");
        let mut head = [0; HEAD_LEN];
        head[..4].copy_from_slice(&length.to_le_bytes());
        head[4..8].copy_from_slice(&kind.to_le_bytes());
        head[8..16].copy_from_slice(&file.to_le_bytes());
        head[16..24].copy_from_slice(&value.to_le_bytes());
        head[24..].copy_from_slice(&mark.durable.to_le_bytes());
        head
    }

    /// How many bytes [`seal`](Self::seal) appends.
    pub(super) fn sealed_len(&self) -> usize {
        HEAD_LEN + self.payload_len() + TAG_LEN
    }

    fn payload_len(&self) -> usize {
        match self {
            Self::File { .. } => 8 + MOMENT_LEN + SALT_LEN,
            Self::Write { bytes, .. } => bytes.len(),
            Self::Zero { .. } => 8,
            Self::Commit { .. } => 8 + MOMENT_LEN,
            Self::Length { .. } | Self::Intent { .. } | Self::InPlace { .. } | Self::Void => 0,
        }
    }

    fn put_payload(&self, out: &mut Vec<u8>) {
        match self {
            Self::File { identity, .. } => {
                out.extend_from_slice(&identity.ino.to_le_bytes());
                put_moment(out, identity.born);
                out.extend_from_slice(&identity.salt);
            }
            Self::Write { bytes, .. } => out.extend_from_slice(bytes),
            Self::Zero { len, .. } => out.extend_from_slice(&len.to_le_bytes()),
            Self::Commit { upto, modified, .. } => {
                out.extend_from_slice(&upto.to_le_bytes());
                put_moment(out, Some(*modified));
            }
            Self::Length { .. } | Self::Intent { .. } | Self::InPlace { .. } | Self::Void => {}
        }
    }

    /// The entry whose bytes are `tagged . tag`, when it belongs to `epoch` and follows `chain`, which it then replaces.
    pub(super) fn open(tagged: &'a [u8], tag: &Tag, key: &JournalKey, epoch: &Tag, chain: &mut Tag) -> Option<Self> {
        if !follows(tagged, tag, key, epoch, chain) {
            return None;
        }
        let entry = Self::parse(tagged).filter(Self::is_possible)?;
        *chain = *tag;
        Some(entry)
    }

    /// Whether the entry is about bytes that a file can have. No other one was ever written.
    fn is_possible(&self) -> bool {
        let (from, len) = match self {
            Self::File { base: at, .. } | Self::Length { len: at, .. } | Self::Commit { len: at, .. } => (*at, 0),
            Self::Intent { base: at, .. } | Self::InPlace { base: at, .. } => (*at, 0),
            Self::Write { offset, bytes, .. } => (*offset, super::overlay::length(bytes.len())),
            Self::Zero { offset, len, .. } => (*offset, *len),
            Self::Void => (0, 0),
        };
        from.checked_add(len).is_some_and(|end| i64::try_from(end).is_ok())
    }

    fn parse(tagged: &'a [u8]) -> Option<Self> {
        let mut fields = Fields(tagged);
        let (_length, kind) = (fields.take::<4>()?, u32::from_le_bytes(fields.take()?));
        let (file, value, _durable) = (fields.number()?, fields.number()?, fields.number()?);
        let entry = match kind {
            1 => Self::File {
                file,
                base: value,
                identity: Identity {
                    ino: fields.number()?,
                    born: fields.moment()?,
                    salt: fields.take()?,
                },
            },
            2 => Self::Write {
                file,
                offset: value,
                bytes: std::mem::take(&mut fields.0),
            },
            3 => Self::Zero {
                file,
                offset: value,
                len: fields.number()?,
            },
            4 => Self::Length { file, len: value },
            5 => Self::Commit {
                file,
                len: value,
                upto: fields.number()?,
                modified: fields.moment()?.unwrap_or_default(),
            },
            6 => Self::Intent { file, base: value },
            7 => Self::InPlace { file, base: value },
            8 => Self::Void,
            _ => return None,
        };
        fields.0.is_empty().then_some(entry)
    }
}

/// The length of the payload of the entry that begins with `head`; `None` when no entry is that long.
pub(super) fn payload_len(head: &[u8; HEAD_LEN]) -> Option<usize> {
    let length = u32::from_le_bytes(*head.first_chunk()?);
    usize::try_from(length).ok().filter(|length| *length <= PAYLOAD_MAX)
}

/// Whether `head` may be that of an entry: the length of its payload then, and up to where the journal was durable. Cheap, for looking everywhere.
pub(super) fn plausible(head: &[u8; HEAD_LEN]) -> Option<(usize, u64)> {
    let mut fields = Fields(head);
    let (length, kind) = (payload_len(head)?, u32::from_le_bytes(fields.take::<8>()?[4..].try_into().ok()?));
    let (_file, _value, durable) = (fields.number()?, fields.number()?, fields.number()?);
    let fits = match kind {
        1 => length == 8 + MOMENT_LEN + SALT_LEN,
        2 => true,
        3 => length == 8,
        5 => length == 8 + MOMENT_LEN,
        4 | 6..=8 => length == 0,
        _ => false,
    };
    fits.then_some((length, durable))
}

/// Whether the entry `tagged . tag` belongs to `epoch` and follows the one whose tag is `chain`.
pub(super) fn follows(tagged: &[u8], tag: &Tag, key: &JournalKey, epoch: &Tag, chain: &Tag) -> bool {
    // Compares in constant time, which is not needed here, and costs nothing.
    blake3::Hash::from_bytes(wide(&link(key, epoch, chain, tagged))) == blake3::Hash::from_bytes(wide(tag))
}

/// The tag of the entry that begins at the byte `at` of `out`, of which all but the tag is there.
///
/// BLAKE3 takes half the time when it is given everything in one piece. So the epoch and the tag before are put before the entry, until that is done.
fn tag(key: &JournalKey, epoch: &Tag, chain: &Tag, out: &mut [u8], at: usize) -> Tag {
    let (_, piece) = out.split_at_mut(at - BEFORE);
    let mut before = [0; BEFORE];
    before.copy_from_slice(&piece[..BEFORE]);
    piece[..TAG_LEN].copy_from_slice(epoch);
    piece[TAG_LEN..BEFORE].copy_from_slice(chain);
    let hash = blake3::keyed_hash(key.expose(), piece);
    piece[..BEFORE].copy_from_slice(&before);
    *hash.as_bytes().first_chunk().expect("a hash is longer than a tag")
}

fn link(key: &JournalKey, epoch: &Tag, chain: &Tag, tagged: &[u8]) -> Tag {
    let mut hasher = blake3::Hasher::new_keyed(key.expose());
    hasher.update(epoch).update(chain).update(tagged);
    let mut tag = [0; TAG_LEN];
    hasher.finalize_xof().fill(&mut tag);
    tag
}

pub(super) fn wide(tag: &Tag) -> [u8; 32] {
    let mut wide = [0; 32];
    wide[..TAG_LEN].copy_from_slice(tag);
    wide
}

/// Seconds i64 . nanoseconds u32; the nanoseconds are 2^32 - 1 when the moment is not known.
pub(super) fn put_moment(out: &mut Vec<u8>, moment: Option<Moment>) {
    let Moment { secs, nanos } = moment.unwrap_or(Moment { secs: 0, nanos: u32::MAX });
    out.extend_from_slice(&secs.to_le_bytes());
    out.extend_from_slice(&nanos.to_le_bytes());
}

/// What is left to be taken apart.
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl Fields<'_> {
    pub(super) fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    pub(super) fn number(&mut self) -> Option<u64> {
        self.take().map(u64::from_le_bytes)
    }

    pub(super) fn moment(&mut self) -> Option<Option<Moment>> {
        const { assert!(MOMENT_LEN == 12) };
        let secs = i64::from_le_bytes(self.take()?);
        let nanos = u32::from_le_bytes(self.take()?);
        match nanos {
            u32::MAX => Some(None),
            0..1_000_000_000 => Some(Some(Moment { secs, nanos })),
            // No clock has that, and no file can be given it.
            _ => None,
        }
    }
}
