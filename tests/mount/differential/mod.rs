//! The same operations on the mount and on a plain directory of the same filesystem: what every call answers is compared, errno by errno, and the trees are
//! compared again and again.
//!
//! What may differ is written where it is left out: in `attrs` (sizes of directories, times of access), in `run` (where holes are, how a rename says that a
//! directory is not empty), in `values` (attributes with names that do not fit, targets near the limit), in `names` (what a recipe folder cannot hold). Everything
//! else must be equal.
//!
//! The operations come from a seed, which a failure prints: `PLAINVIEW_TEST_SEED` gives it back, `PLAINVIEW_TEST_OPS` says how many there are to be, and
//! `PLAINVIEW_TEST_SHOWN` how many of the last ones a failure lists.

mod attrs;
mod generate;
mod names;
mod on_slot;
mod on_xattr;
mod op;
mod paths;
mod regressions;
mod run;
mod selfcheck;
mod shared;
mod side;
mod threads;
mod tree;
mod user;
mod values;

use crate::harness::{Key, Names, Options, Vault};
use crate::people::{Who, root_or_skip};
use generate::Actor;
use names::Taste;
use run::Runner;
use std::fmt::Debug;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Operations between two comparisons of the trees.
const COMPARE: u64 = 500;
/// Comparisons between two times that the kernel is made to forget what it knows.
const FORGET: u64 = 2;
/// Comparisons between two restarts of the daemon.
const RESTART: u64 = 8;

/// A number from the environment.
pub(crate) fn variable<T: FromStr<Err: Debug>>(name: &str) -> Option<T> {
    std::env::var(name).ok().map(|number| number.parse().unwrap())
}

/// How many operations are to be done.
fn operations(by_default: u64) -> u64 {
    variable("PLAINVIEW_TEST_OPS").unwrap_or(by_default)
}

/// How many operations the report of a failure lists.
fn shown() -> usize {
    variable("PLAINVIEW_TEST_SHOWN").unwrap_or(20).max(1)
}

/// Where the operations come from.
pub(crate) fn seed() -> u64 {
    variable("PLAINVIEW_TEST_SEED").unwrap_or_else(rand::random)
}

/// Makes the directory that a run works in. A path with a `..` too many ends in the directories above it, so there are two of them.
fn make_tree(below: &Path) -> PathBuf {
    let tree = below.join("above").join("tree");
    std::fs::create_dir_all(&tree).unwrap();
    std::fs::set_permissions(&tree, PermissionsExt::from_mode(0o777)).unwrap();
    tree
}

/// The ACLs of the plain directory are enforced, so those of the mount have to be as well wherever there are any.
const ACLS: &[&str] = &["-o", "acl"];
/// The same, for others as well.
const ACLS_FOR_ALL: &[&str] = &["-o", "allow_other,acl"];

/// A short run as root below the directory `base`.
pub(crate) fn short_run(base: &Path) {
    let options = Options {
        base: Some(base.to_owned()),
        ..Options::of(Who::Root)
    };
    differential(options, Taste::AnyName, ACLS, Actor::Same, 3000);
}

/// Runs operations on a mount and beside it, with restarts.
fn differential(options: Options, taste: Taste, args: &[&str], actor: Actor, operations: u64) {
    let owner = options.owner;
    let vault = Vault::new(options);
    let plain = vault.scratch().dir("plain", owner);
    let mut mounted = vault.mount(args);
    let seed = seed();
    println!("PLAINVIEW_TEST_SEED={seed}"); // for a failure that is not the runner's
    let mut runner = mounted.enter(|point| Runner::new(&make_tree(&plain), &make_tree(point), seed, taste, actor).unwrap());
    let operations = self::operations(operations);
    for round in 1..=operations.div_ceil(COMPARE) {
        let count = COMPARE.min(operations - (round - 1) * COMPARE);
        mounted.enter(|_| runner.run(count).and_then(|()| runner.compare())).unwrap();
        if round % RESTART == 0 {
            runner.detach();
            mounted.unmount();
            mounted = vault.mount(args);
            mounted.enter(|_| runner.attach()).unwrap();
            mounted.enter(|_| runner.compare()).unwrap();
        } else if round % FORGET == 0 && mounted.forget_all() {
            mounted.enter(|_| runner.compare()).unwrap();
        }
    }
    mounted
        .enter(|_| runner.open_all_directories().and_then(|()| runner.compare()))
        .unwrap();
    runner.detach();
    mounted.unmount();
    mounted = vault.mount(args);
    mounted.enter(|_| runner.attach().map(|()| runner.compare())).unwrap().unwrap();
    runner.detach();
    mounted.unmount();
}

#[test]
fn a_mount_of_root_behaves_like_a_plain_directory() {
    if root_or_skip() {
        differential(Options::of(Who::Root), Taste::AnyName, ACLS, Actor::Same, 20_000);
    }
}

#[test]
fn a_mount_of_root_behaves_like_a_plain_directory_to_several_users() {
    if root_or_skip() {
        differential(Options::of(Who::Root), Taste::AnyName, ACLS_FOR_ALL, Actor::Changing, 20_000);
    }
}

/// Nothing that the kernel knows becomes wrong by what is done in the mount itself.
#[test]
fn a_mount_whose_cache_lasts_behaves_like_a_plain_directory() {
    if root_or_skip() {
        let args = ["-o", "allow_other,acl,cache_time=24h"];
        differential(Options::of(Who::Root), Taste::AnyName, &args, Actor::Changing, 20_000);
    }
    differential(
        Options::of(Who::User),
        Taste::AnyName,
        &["-o", "acl,cache_time=24h"],
        Actor::Same,
        20_000,
    );
}

#[test]
fn a_mount_of_an_ordinary_user_behaves_like_a_plain_directory() {
    differential(Options::of(Who::User), Taste::AnyName, ACLS, Actor::Same, 20_000);
}

#[test]
fn a_mount_with_plain_names_behaves_like_a_plain_directory() {
    let options = Options {
        names: Names::Plain,
        ..Options::default()
    };
    differential(options, Taste::NothingReserved, ACLS, Actor::Same, 20_000);
}

#[test]
fn a_recipe_folder_of_root_behaves_like_a_plain_directory() {
    if root_or_skip() {
        differential(Options::recipe(Who::Root, Key::Password), Taste::Recipe, ACLS, Actor::Same, 5_000);
    }
}

#[test]
fn a_recipe_folder_of_root_behaves_like_a_plain_directory_to_several_users() {
    if root_or_skip() {
        let options = Options::recipe(Who::Root, Key::Raw(16));
        differential(options, Taste::Recipe, ACLS_FOR_ALL, Actor::Changing, 5_000);
    }
}

#[test]
fn a_recipe_folder_of_an_ordinary_user_behaves_like_a_plain_directory() {
    differential(Options::recipe(Who::User, Key::Raw(24)), Taste::Recipe, ACLS, Actor::Same, 5_000);
}
