//! A vault that is left more than once: what recovery leaves is gone on with, or left again.

use super::runtime::{Scene, master};
use super::sim::{Fault, World};
use crate::journal::{Damage, SIZE_MIN};
use rand::SeedableRng;
use rand::rngs::StdRng;
use rustix::io::Errno;

fn all_kept(world: &World) -> World {
    world.crashed(&mut |count| count - 1)
}

#[test]
fn what_was_not_committed_before_recovery_never_will_be() {
    let scene = Scene::new(&[1; 100]);
    scene.write(0, &[2; 10]).unwrap();
    scene.sync().unwrap();
    scene.write(20, &[3; 10]).unwrap();
    scene.journal.write_out();
    let mut expected = [1; 100];
    expected[..10].fill(2);
    expected[40..50].fill(4);
    let (mut pending, mut synced) = (0, 0);
    for after in 0..40 {
        let world = all_kept(&scene.world);
        world.arm(Fault {
            after,
            errno: Errno::NOSPC,
            lasting: false,
        });
        let mounted = world.mount(&master(), SIZE_MIN);
        world.disarm();
        let Ok((journal, report)) = mounted else { continue };
        pending += usize::from(report.unwrap().pending.is_some());
        // The checkpoint failed, so that the same journal is gone on with.
        let scene = Scene::of(world, journal, scene.sim.ino);
        scene.write(40, &[4; 10]).unwrap();
        if scene.sync().is_err() {
            // It was a sync of the file that failed: that is told until the next mount.
            assert!(scene.journal.has_lost(scene.file.id));
            continue;
        }
        synced += 1;
        assert!(scene.bytes() == expected && scene.after_power_cut() == expected, "{after}");
    }
    assert!(pending > 3 && synced > 3, "{pending}, {synced}");
}

#[test]
fn a_kill_and_then_a_power_cut_are_no_damage() {
    let mut recovered = 0;
    for seed in 0..400 {
        let mut rng = StdRng::seed_from_u64(seed);
        let scene = Scene::new(&[1; 5000]);
        scene.write(0, &[2; 1000]).unwrap();
        scene.sync().unwrap();
        for at in 1..4 {
            scene.write(at * 1000, &[3; 1000]).unwrap();
        }
        scene.journal.write_out();
        let world = scene.world.clone();
        drop(scene);
        // What was written is there, but not durable, when the next mount begins; and then the power fails.
        world.arm(Fault {
            after: usize::try_from(seed % 20).unwrap(),
            errno: Errno::IO,
            lasting: true,
        });
        let _ = world.mount(&master(), SIZE_MIN);
        world.disarm();
        let world = world.crashed_randomly(&mut rng);
        if let (_, Some(report)) = world.mount(&master(), SIZE_MIN).unwrap() {
            recovered += 1;
            assert_eq!((report.damage, report.aside), (Damage::None, None), "{seed}");
        }
    }
    assert!(recovered > 100, "{recovered}");
}
