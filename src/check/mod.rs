//! Looks at everything in a vault without mounting it: what is damaged, what can be put right, and what of a damaged file can still be read. `docs/check.md`.
//!
//! Works on the vault's directories and files as they are on disk, below the view: an entry that cannot be shown is a finding here, and the next one is looked at. Knows
//! keys, names, records, and what the journal lays over files; does not know who asks or how it is told. Keeps true: a check writes nothing; what has no finding
//! can be read in a mount, and what can be read has none; a repair deletes nothing but half-made temporary files, lists what it is about to do before it does it, and can be killed at
//! any point and run again.
//!
//! One thread lists (`scan`, down a `trail`, with a `look` at each entry), the others look at files (`file`, over `records`); what they find goes to the `sink`. `repair` does what was planned
//! there, with `lost` as the place for what cannot be put right. `salvage` reads what is left of one file, by `search` where records are not where they should be.

mod attributes;
mod bad;
mod census;
mod directory_id;
mod file;
mod finding;
mod look;
mod lost;
mod map;
mod place;
mod records;
mod repair;
mod resolve;
mod salvage;
mod scan;
mod search;
mod sink;
#[cfg(test)]
mod tests;
mod torn;
mod trail;

pub use census::census;
pub use finding::{Finding, Severity, Span, What, escaped, unescaped};
pub use repair::{Deed, Done, Mode};
pub use salvage::{Salvaged, salvage};

use crate::journal::{Damage, Journal};
use crate::keys::{ContentKey, MasterKey, Names};
use crate::name::NameCipher;
use file::{Keys, Part};
use parking_lot::Mutex;
use records::Room;
use rustix::io::{Errno, Result};
use sink::{Plan, Sink};
use std::num::NonZero;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

/// How many files, or parts of files, may wait to be looked at: each has a descriptor.
const WAITING: usize = 64;

/// How much of the files is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// All records, and extended attributes.
    Full,
    /// Headers, lengths and last records only.
    Fast,
}

/// What is told while a check goes on, by several threads.
#[derive(Debug)]
pub enum Event<'a> {
    /// Something is not as it should be.
    Finding(&'a Finding),
    /// So many more bytes of files, as they are on disk, are done with.
    Done(u64),
}

/// Who is told.
pub type Watch<'a> = &'a (dyn Fn(Event<'_>) + Sync);

/// What there was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Regular files, each counted once however many names it has.
    pub files: u64,
    /// Directories, without the root.
    pub directories: u64,
    /// Symlinks.
    pub symlinks: u64,
    /// FIFOs, sockets and devices.
    pub others: u64,
    /// Bytes of files that were looked at, as they are on disk.
    pub bytes: u64,
    /// Findings that are damage.
    pub damage: u64,
    /// Findings that something cannot be read.
    pub unreadable: u64,
    /// Findings of leftovers.
    pub leftovers: u64,
    /// Findings of foreign files.
    pub foreign: u64,
}

/// A vault that is not mounted, and whose lock the caller holds.
pub struct Vault {
    root: OwnedFd,
    names: Names,
    keys: Keys,
    journal: Arc<Journal>,
    damage: Damage,
}

/// What came of a check.
pub struct Checked {
    /// What there was.
    pub summary: Summary,
    plans: Vec<Plan>,
}

impl Vault {
    /// The vault whose root directory is `root`, over its recovered journal, in which there is still this damage.
    pub fn new(root: OwnedFd, master: &MasterKey, names: Names, journal: Arc<Journal>, damage: Damage) -> Self {
        Self {
            root,
            names,
            keys: Keys {
                content: ContentKey::derive(master),
                names: NameCipher::new(master),
            },
            journal,
            damage,
        }
    }

    /// Looks at everything.
    ///
    /// # Errors
    /// That the vault's root cannot be listed, or that the vault was changed meanwhile (ESTALE). All else is a finding.
    pub fn check(&self, depth: Depth, watch: Watch<'_>) -> Result<Checked> {
        let sink = Sink::new(watch);
        let (send, receive) = sync_channel(WAITING);
        let receive = Mutex::new(receive);
        let workers = thread::available_parallelism().map_or(1, NonZero::get);
        thread::scope(|scope| {
            let work = || self.work(&receive, depth, &sink);
            let workers: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
            let scanned = scan::Scan::new(self, depth, &sink, send).and_then(scan::Scan::run);
            // All of them, so that none is left when the scope ends.
            let died = workers
                .into_iter()
                .map(|worker| worker.join().is_err())
                .fold(false, |died, this| died | this);
            if died { Err(Errno::IO) } else { scanned }
        })?;
        let (summary, plans) = sink.finish();
        Ok(Checked { summary, plans })
    }

    fn work(&self, receive: &Mutex<Receiver<Part>>, depth: Depth, sink: &Sink<'_>) {
        let mut room = Room::default();
        loop {
            let next = receive.lock().recv();
            let Ok(part) = next else { return };
            part.check(&self.keys, depth, &mut room, sink);
        }
    }

    /// Puts right what can be, and moves what cannot to `plainview.lost+found`; or tells what would be done. The journal must have been closed before the check.
    /// Each thing that was done is durable when `done` is told of it.
    pub fn repair(&self, checked: Checked, mode: Mode, done: &mut dyn FnMut(&Done)) {
        repair::repair(self.root.as_fd(), checked.plans, mode, &self.keys.names, done);
    }
}
