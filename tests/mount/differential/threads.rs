//! Eight threads, each in a directory of its own beside its own plain one.

use super::generate::Actor;
use super::names::Taste;
use super::run::{Difference, Runner};
use super::{ACLS, COMPARE, make_tree, operations, seed, shared};
use crate::harness::{Key, Options, Vault};
use crate::people::Who;
use std::panic::resume_unwind;

/// How many threads work at once.
pub(super) const THREADS: u64 = 8;

fn work(runner: &mut Runner, operations: u64) -> Result<(), Difference> {
    for _ in 0..operations.div_ceil(COMPARE) {
        runner.run(COMPARE.min(operations))?;
        runner.compare()?;
    }
    runner.open_all_directories()?;
    runner.compare()
}

/// Each thread in a directory of its own.
fn apart(options: Options, taste: Taste, by_default: u64) {
    let owner = options.owner;
    let vault = Vault::new(options);
    let plain = vault.scratch().dir("plain", owner);
    let mounted = vault.mount(ACLS);
    let (seed, operations) = (seed(), operations(by_default));
    let mut runners: Vec<_> = mounted.enter(|point| {
        let runner = |thread: u64| {
            let trees = [plain.join(thread.to_string()), point.join(thread.to_string())];
            let [plain, tested] = trees.map(|tree| make_tree(&tree));
            // Each thread has its own seed, which its failure prints; with that as the seed, it is the first thread's.
            Runner::new(&plain, &tested, seed.wrapping_add(thread), taste, Actor::Same).unwrap()
        };
        (0..THREADS).map(runner).collect()
    });
    mounted.enter(|_| {
        std::thread::scope(|scope| {
            let threads: Vec<_> = runners
                .iter_mut()
                .map(|runner| scope.spawn(|| work(runner, operations / THREADS).unwrap()))
                .collect();
            threads
                .into_iter()
                .for_each(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)));
        });
    });
    mounted.forget_all();
    mounted.enter(|_| runners.iter_mut().try_for_each(Runner::compare)).unwrap();
    drop(runners);
    mounted.unmount();
}

/// All threads in one directory.
fn together(options: Options, taste: Taste) {
    let vault = Vault::new(options);
    let mounted = vault.mount(ACLS);
    mounted.enter(|point| shared::all(&make_tree(point), taste));
    mounted.unmount();
}

#[test]
fn threads_do_not_disturb_each_other() {
    for owner in Who::both() {
        apart(Options::of(owner), Taste::AnyName, 20_000);
    }
}

#[test]
fn threads_do_not_disturb_each_other_in_a_recipe_folder() {
    apart(Options::recipe(Who::me(), Key::Password), Taste::Recipe, 8_000);
}

#[test]
fn threads_that_meet_see_one_filesystem() {
    for owner in Who::both() {
        together(Options::of(owner), Taste::AnyName);
    }
}

#[test]
fn threads_that_meet_in_a_recipe_folder_see_one_filesystem() {
    together(Options::recipe(Who::me(), Key::Password), Taste::Recipe);
}
