//! What the entries about one file come to: its state at its last commit. PURE.

use super::format::{Entry, Identity};
use super::overlay::{Overlay, index};
use crate::keys::SALT_LEN;
use crate::sys::disk::Moment;
use std::collections::BTreeMap;

/// What a file was at its last commit.
#[derive(Clone)]
pub(super) struct FileState {
    /// What stands for it in the journal.
    pub(super) number: u64,
    pub(super) identity: Identity,
    /// All salts that its header on disk may have: writing it may have been under way.
    pub(super) salts: Vec<[u8; SALT_LEN]>,
    /// What else its header may be.
    pub(super) header: OnDisk,
    /// How many bytes of the file on disk show. What is behind them is void.
    pub(super) visible: u64,
    /// What lies over them.
    pub(super) overlay: Overlay,
    /// Its length.
    pub(super) len: u64,
    /// When it was last modified; nothing where it was not committed in this journal, but was written to.
    pub(super) committed: Option<Moment>,
}

/// What the header of a file may be on disk, if it is none that the journal knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum OnDisk {
    /// Nothing else.
    Known,
    /// It may be missing, or zeros: the file was empty, or was to be cut.
    Missing,
    /// Any: it was written to the file itself.
    Any,
}

/// An entry about a file, as it is remembered.
pub(super) enum Owned {
    File { base: u64, identity: Identity },
    Write { offset: u64, bytes: Vec<u8> },
    Zero { offset: u64, len: u64 },
    Length(u64),
    Commit { len: u64, upto: u64, modified: Moment },
    Intent { base: u64 },
    InPlace { base: u64 },
}

impl Owned {
    /// The number of the file that the entry is about, and the rest of it.
    pub(super) fn of(entry: &Entry<'_>) -> Option<(u64, Self)> {
        match *entry {
            Entry::File { file, base, identity } => Some((file, Self::File { base, identity })),
            Entry::Write { file, offset, bytes } => Some((
                file,
                Self::Write {
                    offset,
                    bytes: bytes.to_vec(),
                },
            )),
            Entry::Zero { file, offset, len } => Some((file, Self::Zero { offset, len })),
            Entry::Length { file, len } => Some((file, Self::Length(len))),
            Entry::Commit { file, len, upto, modified } => Some((file, Self::Commit { len, upto, modified })),
            Entry::Intent { file, base } => Some((file, Self::Intent { base })),
            Entry::InPlace { file, base } => Some((file, Self::InPlace { base })),
            Entry::Void => None,
        }
    }
}

/// Takes in an entry that ends at the journal's byte `end`.
pub(super) fn tell(tales: &mut BTreeMap<u64, Tale>, file: u64, entry: Owned, end: u64) {
    if let Owned::File { base, identity } = entry {
        tales.insert(file, Tale::new(file, base, identity));
    } else if let Some(tale) = tales.get_mut(&file) {
        tale.entries.push((end, entry));
    }
}

/// What was read about a file so far.
pub(super) struct Tale {
    state: FileState,
    /// Whether bytes behind what was committed are written to the file itself.
    in_place: bool,
    /// Whether there was ever an intent.
    was_intended: bool,
    /// Entries behind the state, and the bytes of the journal behind each.
    entries: Vec<(u64, Owned)>,
}

impl Tale {
    fn new(number: u64, base: u64, identity: Identity) -> Self {
        Self {
            state: FileState {
                number,
                identity,
                salts: vec![identity.salt],
                header: match identity.salt == [0; SALT_LEN] {
                    true => OnDisk::Missing,
                    false => OnDisk::Known,
                },
                visible: base,
                overlay: Overlay::default(),
                len: base,
                committed: None,
            },
            in_place: false,
            was_intended: false,
            entries: Vec::new(),
        }
    }

    /// Moves the state on to the last commit, and forgets what comes after it.
    pub(super) fn fold(&mut self) {
        let entries = std::mem::take(&mut self.entries);
        for (_, entry) in &entries {
            if let Owned::Intent { base } = entry {
                self.was_intended = true;
                if *base < SALT_END {
                    self.state.header = OnDisk::Any;
                }
            }
        }
        let commit = entries.iter().filter_map(|(_, entry)| match entry {
            Owned::Commit { len, upto, modified } => Some((*upto, *len, *modified)),
            Owned::File { .. }
            | Owned::Write { .. }
            | Owned::Zero { .. }
            | Owned::Length(_)
            | Owned::Intent { .. }
            | Owned::InPlace { .. } => None,
        });
        if let Some((upto, len, modified)) = commit.max_by_key(|(upto, ..)| *upto) {
            for (_, entry) in entries.into_iter().take_while(|(end, _)| *end <= upto) {
                self.apply(entry);
            }
            if self.in_place {
                self.state.visible = self.state.visible.max(len);
            }
            self.state.len = len;
            self.state.committed = Some(modified);
        }
        self.in_place = false;
    }

    fn apply(&mut self, entry: Owned) {
        let state = &mut self.state;
        match entry {
            // Of several commits the last one counts.
            Owned::File { .. } | Owned::Commit { .. } | Owned::Intent { .. } => {}
            Owned::Write { offset, bytes } => {
                if offset <= SALT_AT
                    && let Some(salt) = bytes.get(index(SALT_AT - offset)..).and_then(|rest| rest.first_chunk())
                {
                    state.salts.push(*salt);
                }
                state.overlay.write(offset, bytes.into());
            }
            Owned::Zero { offset, len } => state.overlay.zero(offset, len),
            Owned::Length(len) => {
                if len < SALT_END {
                    state.header = state.header.max(OnDisk::Missing);
                }
                state.overlay.take_from(len);
                // Whatever is not in the overlay was written to the file, if that had begun.
                state.visible = if self.in_place { len } else { state.visible.min(len) };
                self.in_place = false;
            }
            Owned::InPlace { base } => {
                // What lay there was written to the file, and may have been written to again.
                state.overlay.take_from(base);
                self.in_place = true;
            }
        }
    }

    /// The state, if there is something to be done about the file.
    pub(super) fn finish(mut self) -> Option<FileState> {
        self.fold();
        (self.state.committed.is_some() || self.was_intended).then_some(self.state)
    }
}

/// Where the salt lies in a file's header.
pub(super) const SALT_AT: u64 = 8;
/// And where it ends.
const SALT_END: u64 = 32;
