//! Power cuts while everything is being changed at once: what had been synced is there, and everything opens and reads, without anybody's help.
//!
//! Each [`Workload`](workload::Workload) works in a directory of its own and keeps its [`History`](history::History). A cut is a copy of the disk
//! (`crate::cuts`), with what each had done before it and begun after it; the copy is switched on, mounted, and compared with that. The same can be done to
//! another program, and to the disk alone, where damage is counted: `scripts/power-cuts.sh`.
//!
//! What a filesystem may do: whatever was not synced is there or not, in pieces; a rename or a new name whose directory was not synced has happened or not.
//! That a file which was synced has its name, though its directory was not, is more than POSIX promises, but ext4 keeps it, and we do.
//!
//! What is not tested here: a disk that has a cache and loses it. What the kernel has written to this one is durable at once. `src/vault/file/tests/crash` has such a disk.

mod bytes;
mod databases;
mod files;
mod findings;
mod history;
mod load;
mod moves;
mod names;
mod repository;
mod round;
mod saves;
mod subject;
mod tests;
mod trees;
mod workload;

use crate::cuts::Disk;
use crate::differential::{seed, variable};
use crate::people::{Who, root_or_skip, run, skipped};
use findings::Tally;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use round::{Ending, Plan};
use std::time::{Duration, Instant};
use subject::{Kind, Room};

/// How many cuts there are when nobody says otherwise.
const CUTS: u32 = 20;
/// How many there are in one round.
const ROUND: u32 = 10;

/// The kinds that are asked for; this program where nobody asks.
fn kinds() -> Vec<Kind> {
    let asked = std::env::var("PLAINVIEW_TEST_KINDS").unwrap_or_else(|_| Kind::Plainview.name().to_owned());
    asked.split_whitespace().map(|name| name.parse().unwrap()).collect()
}

/// Whether `kind` can be had here.
fn is_there(kind: Kind) -> bool {
    match kind {
        Kind::Gocryptfs => run(&mut Who::Root.shell("command -v gocryptfs", &[])).code == 0,
        Kind::Plainview | Kind::NoJournal | Kind::Ext4 => true,
    }
}

/// Cuts the power again and again. What was damaged is counted.
fn rounds(kind: Kind, cuts: u32, seed: u64) -> Tally {
    let mut tally = Tally::default();
    let mut rng = StdRng::seed_from_u64(seed);
    let endings = [
        (Ending::Unmount, Room::Little),
        (Ending::Kill, Room::Ordinary),
        (Ending::Unmount, Room::Ordinary),
        (Ending::Kill, Room::Little),
    ];
    let mut endings = endings.into_iter().cycle();
    while tally.cuts < cuts {
        let (ending, room) = endings.next().unwrap();
        let plan = Plan {
            kind,
            seed: seed.wrapping_add(tally.cuts.into()),
            cuts: ROUND.min(cuts - tally.cuts),
            room,
            // So that there are cuts around the checkpoint that comes when five seconds have passed.
            warm_up: match room {
                Room::Ordinary => Duration::from_millis(rng.random_range(2500..5500)),
                Room::Little => Duration::from_secs(1),
            },
            ending,
        };
        let begin = Instant::now();
        let Some(disk) = Disk::new(200) else { break };
        tally.add(&round::run(&plan, &disk));
        println!("{}: {tally}; {plan:?}, {:.1} s", kind.name(), begin.elapsed().as_secs_f32());
    }
    println!("{}: {tally}", kind.name());
    tally
}

#[test]
fn power_cuts_lose_nothing_that_was_synced() {
    if !root_or_skip() {
        return;
    }
    let seed = seed();
    println!("PLAINVIEW_TEST_SEED={seed}");
    for kind in kinds() {
        if !is_there(kind) {
            skipped("gocryptfs is not installed");
            continue;
        }
        let tally = rounds(kind, variable("PLAINVIEW_TEST_CUTS").unwrap_or(CUTS), seed);
        let shall_be_sound = match kind {
            Kind::Plainview | Kind::Ext4 => true,
            Kind::NoJournal | Kind::Gocryptfs => false,
        };
        assert!(
            !shall_be_sound || tally.damaged == 0,
            "{}: {tally}; PLAINVIEW_TEST_SEED={seed}",
            kind.name()
        );
    }
}
