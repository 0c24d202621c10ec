//! What lies over a file: extents of bytes, and of zeros, that are not in it yet. PURE.
//!
//! Keeps true: extents do not overlap and none is empty; what was put last is what is found.

use super::chunk::Piece;
use crate::sys::disk::SeekTo;
use std::collections::BTreeMap;

/// What an extent holds.
#[derive(Clone)]
pub(super) enum Extent {
    /// These bytes, and whether they are in the file by now, durably.
    Bytes(Piece, bool),
    /// So many zeros, which are to take no space.
    Zeros(u64),
}

impl Extent {
    /// Its length.
    pub(super) fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes, _) => length(bytes.len()),
            Self::Zeros(len) => *len,
        }
    }

    /// How many of its bytes may be other than zero.
    fn held(&self) -> u64 {
        match self {
            Self::Bytes(bytes, _) => length(bytes.len()),
            Self::Zeros(_) => 0,
        }
    }

    /// Cuts it to its first `at` bytes; returns the others.
    fn split_off(&mut self, at: u64) -> Self {
        match self {
            Self::Bytes(bytes, is_written) => Self::Bytes(bytes.split_off(at), *is_written),
            Self::Zeros(len) => {
                let rest = *len - at;
                *len = at;
                Self::Zeros(rest)
            }
        }
    }
}

/// Extents over a file.
#[derive(Clone, Default)]
pub(super) struct Overlay {
    /// By their first byte.
    extents: BTreeMap<u64, Extent>,
}

impl Overlay {
    /// Whether nothing lies over the file.
    pub(super) fn is_empty(&self) -> bool {
        self.extents.is_empty()
    }

    /// All extents, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, &Extent)> {
        self.extents.iter().map(|(at, extent)| (*at, extent))
    }

    /// The extents at `from` and behind, that which holds the byte `from` not among them unless it begins there.
    pub(super) fn iter_from(&self, from: u64) -> impl Iterator<Item = (u64, &Extent)> {
        self.extents.range(from..).map(|(at, extent)| (*at, extent))
    }

    /// Cuts an extent in two where it goes on beyond `at`.
    pub(super) fn split(&mut self, at: u64) {
        if let Some((start, extent)) = self.extents.range_mut(..at).next_back()
            && start + extent.len() > at
        {
            let rest = extent.split_off(at - start);
            self.extents.insert(at, rest);
        }
    }

    /// How many bytes lie at `from` and behind that may be other than zero.
    pub(super) fn held_from(&self, from: u64) -> u64 {
        let inside = self.covering(from).map_or(0, |(at, extent)| match extent {
            Extent::Bytes(..) => at + extent.len() - from,
            Extent::Zeros(_) => 0,
        });
        let behind = self.extents.range(from..).filter(|(at, _)| **at > from || inside == 0);
        inside + behind.map(|(_, extent)| extent.held()).sum::<u64>()
    }

    /// The extent that holds the byte `at`.
    fn covering(&self, at: u64) -> Option<(u64, &Extent)> {
        let (start, extent) = self.extents.range(..=at).next_back()?;
        (start + extent.len() > at).then_some((*start, extent))
    }

    /// Puts `bytes` at `offset`, over what is there.
    pub(super) fn write(&mut self, offset: u64, bytes: Piece) {
        self.put(offset, Extent::Bytes(bytes, false));
    }

    /// Puts zeros there.
    pub(super) fn zero(&mut self, offset: u64, len: u64) {
        self.put(offset, Extent::Zeros(len));
    }

    fn put(&mut self, offset: u64, extent: Extent) {
        let len = extent.len();
        if len == 0 {
            return;
        }
        let end = offset + len;
        self.split(offset);
        self.split(end);
        // One by one: of many extents, few are there.
        while let Some(at) = self.extents.range(offset..end).next().map(|(at, _)| *at) {
            self.extents.remove(&at);
        }
        self.extents.insert(offset, extent);
    }

    /// Takes out what lies at `from` and behind.
    pub(super) fn take_from(&mut self, from: u64) -> BTreeMap<u64, Extent> {
        self.split(from);
        self.extents.split_off(&from)
    }

    /// Lays it over `buf`, which holds the file's bytes from `offset` on.
    pub(super) fn lay_over(&self, offset: u64, buf: &mut [u8]) {
        let end = offset + length(buf.len());
        let first = self.covering(offset).map_or(offset, |(at, _)| at);
        for (at, extent) in self.extents.range(first..end) {
            let (from, to) = ((*at).max(offset), (at + extent.len()).min(end));
            let place = &mut buf[index(from - offset)..index(to - offset)];
            match extent {
                Extent::Bytes(bytes, _) => bytes.read(|bytes| place.copy_from_slice(&bytes[index(from - at)..index(to - at)])),
                Extent::Zeros(_) => place.fill(0),
            }
        }
    }

    /// How many bytes lie over the file that are not known to be in it.
    pub(super) fn waiting(&self) -> u64 {
        let waiting = self.extents.values().filter(|extent| !matches!(extent, Extent::Bytes(_, true)));
        waiting.map(Extent::held).sum()
    }

    /// Whether all that lies over the file is in it, durably.
    pub(super) fn is_written_back(&self) -> bool {
        self.extents.values().all(|extent| matches!(extent, Extent::Bytes(_, true)))
    }

    /// The bytes that lie before `end`, and where, that are not known to be in the file.
    pub(super) fn not_written_back(&self, end: u64) -> Vec<(u64, Piece)> {
        let before = self.extents.range(..end).filter(|(at, extent)| **at + extent.len() <= end);
        let bytes = before.filter_map(|(at, extent)| match extent {
            Extent::Bytes(bytes, false) => Some((*at, bytes.clone())),
            Extent::Bytes(_, true) | Extent::Zeros(_) => None,
        });
        bytes.collect()
    }

    /// Whether these very bytes are what lies at `at`.
    pub(super) fn holds(&self, at: u64, piece: &Piece) -> bool {
        matches!(self.extents.get(&at), Some(Extent::Bytes(bytes, _)) if bytes.is(piece))
    }

    /// The bytes at `at` are in the file, durably. What of them lies there no more has no part in it.
    pub(super) fn written_back(&mut self, at: u64, piece: &Piece) {
        let end = at + length(piece.len());
        for (start, extent) in self.extents.range_mut(at..end) {
            if let Extent::Bytes(bytes, is_written) = extent
                && bytes.is_of(piece, index(start - at))
            {
                *is_written = true;
            }
        }
    }

    /// What lies over the byte `at`, data or a hole, and up to where; or that nothing does, and where something begins.
    pub(super) fn kind_at(&self, at: u64) -> (Option<SeekTo>, Option<u64>) {
        match self.covering(at) {
            Some((start, extent @ Extent::Bytes(..))) => (Some(SeekTo::Data), Some(start + extent.len())),
            Some((start, extent @ Extent::Zeros(_))) => (Some(SeekTo::Hole), Some(start + extent.len())),
            None => (None, self.extents.range(at..).next().map(|(next, _)| *next)),
        }
    }
}

/// `len` as a number for arithmetic with offsets.
pub(super) fn length(len: usize) -> u64 {
    u64::try_from(len).expect("usize has at most 64 bits")
}

/// `len`, which is at most that of something in memory, as an index.
pub(super) fn index(len: u64) -> usize {
    usize::try_from(len).expect("no more than is in memory")
}
