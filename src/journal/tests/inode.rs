//! One file of the simulated disk, sector by sector.

use crate::journal::overlay::{index, length};
use crate::sys::disk::Durability;
use std::collections::{BTreeMap, BTreeSet};

/// What a disk writes whole or not at all.
pub(crate) const SECTOR: usize = 512;
type Sector = [u8; SECTOR];
/// One file on the simulated disk.
#[derive(Clone, Default)]
pub(super) struct Inode {
    pub(super) born: u64,
    pub(super) modified: u64,
    /// The time of modification that is durable.
    durable_modified: u64,
    pub(super) changed: u64,
    pub(super) len: u64,
    /// How often bytes were written to it.
    pub(super) writes: usize,
    sectors: BTreeMap<u64, Sector>,
    /// What a crash may leave of each sector and of the length: what is durable, then everything since.
    maybe: BTreeMap<u64, Vec<Sector>>,
    lens: Vec<u64>,
    /// The same of sectors whose sync has failed: the operating system takes them for written, and does not write them until they are changed again.
    stuck: BTreeMap<u64, Vec<Sector>>,
    /// Unsynced sectors that were last changed by a cut: that is metadata, which a filesystem tries again.
    cut: BTreeSet<u64>,
    /// Whether a crash leaves the file.
    pub(super) exists_durably: bool,
    /// Whether it has no name any more.
    pub(super) unlinked: bool,
}

impl Inode {
    /// A new one.
    pub(super) fn new(clock: u64) -> Self {
        Self {
            born: clock,
            modified: clock,
            durable_modified: clock,
            changed: clock,
            ..Self::default()
        }
    }

    pub(super) fn sector(&self, number: u64) -> Sector {
        self.sectors.get(&number).copied().unwrap_or([0; SECTOR])
    }

    pub(super) fn put_sector(&mut self, number: u64, sector: Sector) {
        let old = self.sector(number);
        let stuck = self.stuck.remove(&number);
        if old == sector && stuck.is_none() {
            return;
        }
        let before = stuck.unwrap_or_else(|| vec![old]);
        self.maybe.entry(number).or_insert(before).push(sector);
        self.sectors.insert(number, sector);
    }

    pub(super) fn put(&mut self, mut offset: u64, mut data: &[u8]) {
        while !data.is_empty() {
            let (number, within) = place(offset);
            let (now, later) = data.split_at(data.len().min(SECTOR - within));
            let mut sector = self.sector(number);
            sector[within..within + now.len()].copy_from_slice(now);
            self.put_sector(number, sector);
            self.cut.remove(&number);
            offset += length(now.len());
            data = later;
        }
    }

    pub(super) fn put_len(&mut self, len: u64) {
        if self.lens.is_empty() {
            self.lens.push(self.len);
        }
        self.lens.push(len);
        let (first, within) = place(len);
        let gone: Vec<u64> = self.sectors.range(first..).map(|(number, _)| *number).collect();
        for number in gone {
            let mut sector = self.sector(number);
            let from = if number == first { within } else { 0 };
            if sector[from..].iter().any(|byte| *byte != 0) {
                sector[from..].fill(0);
                self.put_sector(number, sector);
                self.cut.insert(number);
            }
        }
        self.len = len;
    }

    pub(super) fn sync(&mut self, what: Durability) {
        if what != Durability::Data {
            self.durable_modified = self.modified;
        }
        self.maybe.clear();
        self.lens.clear();
        self.cut.clear();
        self.exists_durably = true;
    }

    /// What could not be synced is not tried again.
    pub(super) fn sync_failed(&mut self) {
        let all = std::mem::take(&mut self.maybe);
        let (cut, mut written) = all.into_iter().partition(|(number, _)| self.cut.contains(number));
        self.maybe = cut;
        self.stuck.append(&mut written);
    }

    /// Whether everything is durable.
    pub(super) fn is_synced(&self) -> bool {
        self.maybe.is_empty() && self.lens.is_empty() && self.stuck.is_empty()
    }

    /// What a crash leaves, as `choose` picks among so many possibilities each time.
    pub(super) fn crash(&mut self, choose: &mut dyn FnMut(usize) -> usize) {
        self.maybe.append(&mut self.stuck);
        for (number, versions) in std::mem::take(&mut self.maybe) {
            self.sectors.insert(number, versions[choose(versions.len())]);
        }
        let lens = std::mem::take(&mut self.lens);
        if !lens.is_empty() {
            self.len = lens[choose(lens.len())];
        }
        let len = self.len;
        self.put_len(len);
        if self.modified != self.durable_modified && choose(2) == 0 {
            self.modified = self.durable_modified;
        }
        self.sync(Durability::All);
    }
}

/// The sector of an offset, and the byte in it.
pub(super) fn place(offset: u64) -> (u64, usize) {
    (offset / length(SECTOR), index(offset % length(SECTOR)))
}
