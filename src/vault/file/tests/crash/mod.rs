//! Power cuts: files of a vault over the journal, on a disk that loses or mixes what was not synced.

mod gaps;
mod oracle;
mod run;
mod short;

use super::bench::Op;
use super::*;
use crate::journal::tests::mounted::Mounted;
use crate::journal::tests::sim::{Fault, SimFile, World};
use crate::journal::{Damage, Journal};
use crate::sys::disk::Backing;
use oracle::Oracle;
use rand::RngExt;
use rand::rngs::StdRng;
use run::{Run, SIZE};
use rustix::io::Errno;
use std::time::Instant;

pub(super) fn master() -> MasterKey {
    MasterKey::new(Secret::fill_with(|key| key.fill(3)))
}

#[test]
fn what_was_synced_outlasts_power_cuts_and_everything_can_be_read() {
    let seed = Seed::take();
    let mut rng = seed.rng();
    let (begin, mut cuts) = (Instant::now(), 0);
    for _ in 0..histories() {
        let mut run = Run::new(&mut rng);
        for _ in 0..4 {
            for _ in 0..run.rng.random_range(0..40) {
                run.step();
            }
            run.crash();
            cuts += 1;
        }
        run.journal.close().unwrap();
        assert!(!run.world.has_journal() && run.world.is_synced());
        let (journal, _) = run.world.mount(&master(), SIZE).unwrap();
        for file in &run.files {
            assert!(Oracle::open(&run.world, &journal, file.sim.ino).now == file.now);
        }
    }
    let (count, seconds) = (histories(), begin.elapsed().as_secs_f64());
    println!(
        "{count} histories and {cuts} power cuts in {seconds:.1} s: {:.0} and {:.0} in a second",
        count as f64 / seconds,
        f64::from(cuts) / seconds
    );
}

#[test]
fn calls_that_fail_lose_nothing_that_was_synced() {
    let seed = Seed::take();
    let mut rng = seed.rng();
    let mut struck = 0;
    for _ in 0..histories() {
        let mut run = Run::new(&mut rng);
        for _ in 0..run.rng.random_range(0..20) {
            run.step();
        }
        run.faulty = true;
        let fault = Fault {
            after: run.rng.random_range(0..30),
            errno: if run.rng.random() { Errno::NOSPC } else { Errno::IO },
            lasting: run.rng.random(),
        };
        run.history.push(format!("{fault:?}"));
        run.world.arm(fault);
        for _ in 0..run.rng.random_range(0..20) {
            run.step();
        }
        struck += usize::from(run.world.struck());
        if run.rng.random() {
            run.world.disarm();
            run.faulty = false;
            // What a failure left is put right first.
            for file in &mut run.files {
                let synced = file.perform(&Op::Sync(Durability::Data));
                assert_eq!(
                    synced.is_err(),
                    file.is_lost(&run.journal),
                    "a sync that failed is not forgotten: {synced:?}"
                );
            }
            run.files.retain(|file| !file.is_lost(&run.journal));
            for _ in 0..run.rng.random_range(0..20) {
                run.step();
            }
        }
        run.files.iter().for_each(Oracle::check_now);
        run.world.disarm();
        run.crash();
    }
    assert!(struck > 300, "{struck}");
}

/// A disk with a small file that was committed as `a` and then as `b`, neither of which is in the file itself but the first.
fn small_world() -> (World, u64) {
    let world = World::default();
    let (journal, _) = world.mount(&master(), SIZE).unwrap();
    let mut file = Oracle::create(&world, &journal);
    let write = |fill| Op::Write { offset: 0, len: 10, fill };
    file.perform(&write(1)).unwrap();
    file.perform(&Op::Sync(Durability::Data)).unwrap();
    file.perform(&write(2)).unwrap();
    file.perform(&Op::Sync(Durability::Data)).unwrap();
    file.perform(&Op::Resize(3)).unwrap();
    file.perform(&Op::Sync(Durability::Data)).unwrap();
    (world, file.sim.ino)
}

/// What the file of a small world holds after a mount.
fn after_mount(world: &World, ino: u64) -> (Vec<u8>, Damage) {
    let (journal, report) = world.mount(&master(), SIZE).unwrap();
    (Oracle::open(world, &journal, ino).now, report.unwrap().damage)
}

#[test]
fn a_journal_whose_bytes_are_flipped_or_cut_gives_an_earlier_commit() {
    let (world, ino) = small_world();
    let data = |fill: u8| pattern(10).into_iter().map(|byte| byte ^ fill).collect::<Vec<_>>();
    let states = [data(1), data(2), data(2)[..3].to_vec()];
    let all = world.bytes(world.journal().ino);
    let end = all.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    let mut seen = [0; 3];
    // What was committed before something else was synced is told if it is lost, unless the journal seems not to have been written so far.
    let mut check = |damage: &dyn Fn(&World), is_told: bool| {
        let world = world.crashed(&mut |count| count - 1);
        damage(&world);
        let (left, damage) = after_mount(&world, ino);
        let state = states.iter().position(|state| *state == left).expect("one of its commits");
        assert_eq!(damage == Damage::Missing, is_told && state == 0);
        seen[state] += 1;
    };
    check(&|_| (), true);
    // Of the slots, only what the headers take matters.
    for at in (0..200).chain(4096..4300).chain(8192..end) {
        for bit in 0..8 {
            check(
                &|world| {
                    let flipped = all[at] ^ (1 << bit);
                    world.journal().write_at(&[flipped], bytes(at)).map(drop).unwrap();
                },
                true,
            );
        }
    }
    for len in 8192..=end {
        check(&|world| world.journal().set_len(bytes(len)).unwrap(), false);
    }
    for len in 0..8192 {
        let world = world.crashed(&mut |count| count - 1);
        world.journal().set_len(bytes(len)).unwrap();
        let (left, damage) = after_mount(&world, ino);
        assert!(
            left == states[0] && damage != Damage::None,
            "{len}: {} {damage:?}",
            left == states[0]
        );
    }
    assert!(seen.iter().all(|count| *count > 0), "{seen:?}");
}

#[test]
fn every_way_in_which_a_power_cut_can_leave_a_small_history() {
    let master = master();
    let ops = [
        Op::Write {
            offset: 0,
            len: 20,
            fill: 1,
        },
        Op::Sync(Durability::Data),
        Op::Write {
            offset: 5,
            len: 5,
            fill: 2,
        },
        Op::Write {
            offset: 20,
            len: 2000,
            fill: 3,
        },
        Op::Resize(7),
        Op::Sync(Durability::Data),
        Op::Resize(0),
        Op::Write {
            offset: 0,
            len: 3,
            fill: 4,
        },
    ];
    let mut histories = 0;
    for count in 1..=ops.len() {
        for (checkpoint, is_whole) in (0..=count).flat_map(|at| [(at, true), (at, false)]) {
            let world = World::default();
            let (journal, _) = world.mount(&master, SIZE).unwrap();
            let mut file = Oracle::create(&world, &journal);
            for (at, op) in ops[..count].iter().enumerate() {
                file.perform(op).unwrap();
                journal.write_out();
                if at == checkpoint && is_whole {
                    journal.checkpoint().unwrap();
                    journal.sync_news().unwrap();
                    file.committed();
                } else if at == checkpoint {
                    journal.write_back(0).unwrap();
                }
            }
            let choices = world.choices();
            let total: usize = choices.iter().product();
            assert!(total < 100_000, "{choices:?}");
            for number in 0..total {
                let mut rest = number;
                let crashed = world.crashed(&mut |count| {
                    let choice = rest % count;
                    rest /= count;
                    choice
                });
                histories += 1;
                if crashed.exists(file.sim.ino) {
                    let (journal, _) = crashed.mount(&master, SIZE).unwrap();
                    let left = Oracle::open(&crashed, &journal, file.sim.ino);
                    assert!(
                        file.allows(&left.now),
                        "{count} operations, checkpoint ({is_whole}) after {checkpoint}, choice {number}"
                    );
                } else {
                    assert!(file.since.is_none());
                }
            }
        }
    }
    assert!(histories > 500, "{histories}");
}

/// How many random histories: `PLAINVIEW_TEST_HISTORIES`, or as many as take some seconds.
fn histories() -> usize {
    let asked = std::env::var("PLAINVIEW_TEST_HISTORIES");
    asked.map_or(1500, |count| count.parse().expect("PLAINVIEW_TEST_HISTORIES is a number"))
}
