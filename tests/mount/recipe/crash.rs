//! Killed or without power at any moment: every file is whole, old or new, and what was synced is there.

use super::program::Program;
use super::saves::Saves;
use super::{assert_nothing_left, folder};
use crate::cuts::Disk;
use crate::harness::{Key, Options, Vault};
use crate::people::{Who, root_or_skip};
use crate::places::detach;
use crate::tree::Tree;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::time::Duration;

/// How often the daemon is killed.
const KILLS: u32 = 10;

/// A moment that nothing in the program under test has chosen.
fn let_some_time_pass(rng: &mut StdRng) {
    std::thread::sleep(Duration::from_millis(rng.random_range(10..300)));
}

#[test]
fn a_killed_daemon_leaves_old_or_new() {
    let Some(program) = Program::or_skip() else { return };
    let (seed, vault) = (crate::differential::seed(), folder());
    let (saves, mut rng) = (Saves::new(seed), StdRng::seed_from_u64(seed));
    for _ in 0..KILLS {
        let mounted = vault.mount(&[]);
        let begun = saves.begun();
        saves.run(vault.point(), || {
            crate::harness::wait_for("all programs to save once", || {
                saves.begun().iter().zip(&begun).all(|(now, then)| *now > then + 1)
            });
            let_some_time_pass(&mut rng);
            mounted.kill();
        });
        detach(vault.point());
        program.decrypt_tree(&vault, vault.path(), |dir| saves.check(dir, &saves.synced(), &saves.begun()));
    }
    let mounted = vault.mount(&[]);
    saves.check(mounted.path(), &saves.synced(), &saves.begun());
    // A file that was just about to take another one's place can be left, but is not shown.
    assert_nothing_left(mounted.path());
    mounted.unmount();
}

#[test]
fn a_power_cut_leaves_old_or_new() {
    let Some((program, disk)) = root_or_skip().then(|| Program::or_skip().zip(Disk::new(64))).flatten() else {
        return;
    };
    let options = Options {
        base: Some(disk.path().to_owned()),
        ..Options::recipe(Who::Root, Key::Password)
    };
    let (seed, vault) = (crate::differential::seed(), Vault::new(options.clone()));
    let (saves, mut rng) = (Saves::new(seed), StdRng::seed_from_u64(seed));
    let mounted = vault.mount(&[]);
    let mut cuts = vec![];
    let mut cut = || {
        let least = saves.synced();
        cuts.push((disk.cut(), least, saves.begun()));
    };
    for program in saves.programs() {
        saves.run(mounted.path(), || {
            let_some_time_pass(&mut rng);
            cut();
        });
        // And when one of them alone has just synced, so that no other one's sync has helped it.
        saves.save(mounted.path(), program).unwrap();
        cut();
    }
    mounted.unmount();
    let synced = saves.synced();
    assert!(synced.iter().sum::<u64>() > 20, "hardly anything was saved: {synced:?}");
    println!(
        "versions when the power was cut: {:?}",
        cuts.iter().map(|(_, least, _)| least).collect::<Vec<_>>()
    );
    for (cut, least, most) in cuts {
        let again = cut.mount();
        let folder = again.path().join(vault.path().strip_prefix(disk.path()).unwrap());
        program.decrypt_tree(&vault, &folder, |dir| {
            saves.check(dir, &least, &most);
            let vault = Vault::at(
                &folder,
                &Options {
                    base: None,
                    ..options.clone()
                },
            );
            let mounted = vault.mount(&[]);
            Tree::of(dir).without_root().assert_same(&Tree::of(mounted.path()).without_root());
            mounted.unmount();
        });
    }
}
