//! Random histories of a committed file without records, with changes as large as those that go into the file itself, and syncs that end late and in any order.

use super::runtime::Scene;
use super::sim::Fault;
use crate::journal::Syncing;
use crate::journal::overlay::length;
use crate::sys::disk::{Backing, Durability};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rustix::io::Errno;

struct History {
    scene: Scene,
    /// What the file was at the last commit, and after each operation since.
    since: Vec<Vec<u8>>,
    /// How many states before those a commit has made void.
    before: usize,
    /// Syncs that were begun, and how many states there were then.
    syncing: Vec<(Syncing, usize)>,
    done: Vec<String>,
}

impl History {
    fn now(&self) -> Vec<u8> {
        self.since.last().unwrap().clone()
    }

    fn committed(&mut self, states: usize) {
        let more = states.saturating_sub(self.before + 1);
        self.since.drain(..more);
        self.before += more;
    }

    fn step(&mut self, rng: &mut StdRng) {
        let mut now = self.now();
        let at = rng.random_range(0..=now.len() + 50);
        let len = if rng.random_range(0..3) == 0 {
            rng.random_range(1..120_000)
        } else {
            rng.random_range(1..2000)
        };
        match rng.random_range(0..13) {
            0..5 => {
                let at = if rng.random() { now.len() } else { at };
                self.done.push(format!("write {len} at {at}"));
                let fill: u8 = rng.random();
                self.scene.write(at, &vec![fill; len]).unwrap();
                now.resize(now.len().max(at + len), 0);
                now[at..at + len].fill(fill);
                self.since.push(now);
            }
            5 | 6 => {
                let to = if rng.random_range(0..4) == 0 { 0 } else { at };
                self.done.push(format!("resize {to}"));
                self.scene.resize(length(to)).unwrap();
                now.resize(to, 0);
                self.since.push(now);
            }
            7 => {
                let (from, to) = (at.min(now.len()), (at + len).min(now.len()));
                self.done.push(format!("punch {from}..{to}"));
                self.scene.punch(length(from), length(to - from)).unwrap();
                now[from..to].fill(0);
                self.since.push(now);
            }
            8 | 12 => {
                let how = rng.random_range(0..3);
                self.done.push(format!("checkpoint, of kind {how}"));
                if rng.random() {
                    let after = rng.random_range(0..12);
                    self.done.push(format!("... fails after {after}"));
                    self.scene.world.arm(Fault {
                        after,
                        errno: Errno::NOSPC,
                        lasting: false,
                    });
                }
                let journal = &self.scene.journal;
                let done = match how {
                    0 => journal.checkpoint(),
                    1 => journal.write_back(0).and_then(|_| journal.checkpoint()),
                    _ => journal.write_back(0).map(drop),
                };
                self.done.push(format!("... {done:?}, lost: {}", self.is_lost()));
                if done.is_ok() && how < 2 {
                    self.committed(self.before + self.since.len());
                }
                self.scene.world.disarm();
            }
            9 => {
                self.done.push("begin a sync".to_owned());
                let syncing = self.scene.file.start_sync(&self.scene.sim, Durability::Data).unwrap();
                self.syncing.push((syncing, self.before + self.since.len()));
            }
            _ if self.syncing.is_empty() => {}
            _ => {
                let (syncing, states) = self.syncing.swap_remove(rng.random_range(0..self.syncing.len()));
                self.done.push("end a sync".to_owned());
                if syncing.finish().is_ok() {
                    self.committed(states);
                } else {
                    assert!(self.is_lost());
                }
            }
        }
        if rng.random_range(0..3) == 0 {
            self.scene.journal.write_out();
        }
        assert!(self.scene.bytes() == self.now());
    }

    fn is_lost(&self) -> bool {
        self.scene.journal.has_lost(self.scene.sim.stat().unwrap().id)
    }

    /// Cuts the power, and goes on with what is left.
    fn crash(&mut self, rng: &mut StdRng) {
        self.syncing.clear();
        self.done.push("crash".to_owned());
        self.scene = Scene::mount(self.scene.world.crashed_randomly(rng), self.scene.sim.ino);
        let left = self.scene.bytes();
        assert!(
            self.since.contains(&left),
            "{} bytes, which it never was since its last commit",
            left.len()
        );
        self.since = vec![left];
        self.before = 0;
    }
}

impl Drop for History {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.done.join("\n"));
        }
    }
}

#[test]
fn a_file_is_what_it_was_at_one_moment_since_its_last_commit() {
    let seed: u64 = std::env::var("PLAINVIEW_TEST_SEED").map_or_else(|_| rand::rng().random(), |seed| seed.parse().unwrap());
    println!("PLAINVIEW_TEST_SEED={seed}");
    let mut rng = StdRng::seed_from_u64(seed);
    for _ in 0..200 {
        let bytes = vec![1; rng.random_range(0..5000)];
        let mut history = History {
            scene: Scene::new(&bytes),
            since: vec![bytes],
            before: 0,
            syncing: Vec::new(),
            done: Vec::new(),
        };
        for _ in 0..3 {
            for _ in 0..rng.random_range(0..25) {
                history.step(&mut rng);
            }
            if history.is_lost() {
                break;
            }
            history.crash(&mut rng);
        }
    }
}
