//! Writing back while files are changed, synced and dated, and while calls fail.

use super::runtime::{MUCH, Scene, master};
use super::sim::{At, Fault};
use super::together::{LONG, SHORT, beside};
use crate::journal::SIZE_MIN;
use crate::journal::overlay::length;
use crate::sys::disk::{Backing, Durability, Moment};
use rustix::io::Errno;
use std::sync::Arc;
use std::sync::mpsc::channel;

#[test]
fn who_changes_a_committed_file_does_not_wait_while_it_is_written_back() {
    let scene = Arc::new(Scene::new(&[1; 3000]));
    scene.write(10, &[2; 50]).unwrap();
    let (told, tell) = channel();
    let writer = Arc::clone(&scene);
    scene.world.at_next(At::Write, scene.sim.ino, move || {
        let (writing, end) = beside(move || {
            writer.write_late(20, &[3]).unwrap();
            writer.write_late(2000, &[4]).unwrap();
            writer.bytes()
        });
        told.send((end.recv_timeout(LONG).is_ok(), writing)).unwrap();
    });
    scene.journal.write_back(0).unwrap();
    let (in_time, writing) = tell.recv_timeout(LONG).unwrap();
    assert!(in_time);
    let written = writing.join().unwrap();
    scene.sync().unwrap();
    assert!(scene.bytes() == written && scene.after_power_cut() == written);
    assert!(scene.on_disk()[10..60] == [2; 50] && scene.on_disk()[2000] == 1);
    let writes = scene.world.writes_to(scene.sim.ino, || scene.journal.checkpoint().unwrap());
    // What is left of the first, which was written back, is not written again.
    assert_eq!(writes, 2);
    assert!(scene.on_disk() == written && scene.after_power_cut() == written);
}

/// What was cut off, and what was then written to the file itself in its place, is not overwritten by what lay there.
#[test]
fn what_is_cut_while_it_is_written_back_does_not_come_back() {
    for (at, len) in [(100, 90_000), (2000, 90_000), (150, 200)] {
        let scene = Arc::new(Scene::new(&[1; 3000]));
        scene.write(10, &[2; 50]).unwrap();
        scene.write(1000, &[2; 1500]).unwrap();
        let (told, tell) = channel();
        let writer = Arc::clone(&scene);
        scene.world.at_next(At::Write, scene.sim.ino, move || {
            let (writing, end) = beside(move || {
                writer.resize(length(at)).unwrap();
                writer.write(at, &vec![5; len]).unwrap();
                writer.sync().unwrap();
                writer.write(at + len, &vec![6; len]).unwrap();
            });
            let _ = end.recv_timeout(SHORT);
            told.send(writing).unwrap();
        });
        scene.journal.write_back(0).unwrap();
        tell.recv_timeout(LONG).unwrap().join().unwrap();
        let mut expected = vec![1; at];
        expected[10..60].fill(2);
        if at > 1000 {
            expected[1000..at].fill(2);
        }
        expected.extend(vec![5; len]);
        let synced = expected.clone();
        expected.extend(vec![6; len]);
        assert!(scene.bytes() == expected);
        let left = scene.after_power_cut();
        assert!(left == synced || left == expected);
        scene.journal.checkpoint().unwrap();
        assert!(scene.on_disk() == expected && scene.after_power_cut() == expected);
    }
}

/// The same between two batches.
#[test]
fn what_was_cut_before_it_is_written_back_is_not_written() {
    let len = 520 << 10;
    let scene = Arc::new(Scene::new(&vec![1; 3 * len]));
    for piece in 0..3 {
        scene.write(piece * len, &vec![2; len]).unwrap();
    }
    scene.sync().unwrap();
    let (told, tell) = channel();
    let writer = Arc::clone(&scene);
    scene.world.at_next(At::Write, scene.sim.ino, move || {
        let (writing, end) = beside(move || {
            writer.resize(100).unwrap();
            writer.write(100, &vec![5; 2 * len]).unwrap();
        });
        let _ = end.recv_timeout(SHORT);
        told.send(writing).unwrap();
    });
    scene.journal.write_back(0).unwrap();
    tell.recv_timeout(LONG).unwrap().join().unwrap();
    let expected = [vec![2; 100], vec![5; 2 * len]].concat();
    assert!(scene.bytes() == expected);
    scene.journal.checkpoint().unwrap();
    assert!(scene.on_disk() == expected && scene.after_power_cut() == expected);
}

#[test]
fn writing_back_leaves_the_time_of_modification_also_when_it_fails() {
    for after in 0..12 {
        let scene = Scene::new(&[1; 100]);
        scene.write(10, &[2]).unwrap();
        scene.sync().unwrap();
        let modified = scene.sim.stat().unwrap().modified;
        scene.world.arm(Fault {
            after,
            errno: Errno::IO,
            lasting: true,
        });
        let _ = scene.journal.write_back(0);
        scene.world.disarm();
        scene.sync().unwrap();
        scene.journal.checkpoint().unwrap();
        assert_eq!(scene.sim.stat().unwrap().modified, modified, "after {after} calls");
        assert_eq!(scene.on_disk()[10], 2);
    }
}

#[test]
fn times_that_are_set_while_a_file_is_written_back_hold() {
    let scene = Scene::new(&[1; 100]);
    scene.write(10, &[2]).unwrap();
    let wanted = Moment { secs: 12345, nanos: 0 };
    let (told, tell) = channel();
    let (sim, journal) = (scene.sim.clone(), Arc::clone(&scene.journal));
    let id = scene.file.id;
    scene.world.at_next(At::Write, scene.sim.ino, move || {
        let (setting, end) = beside(move || journal.setting_times(id, true, || sim.set_modified(Some(wanted))));
        let _ = end.recv_timeout(SHORT);
        told.send(setting).unwrap();
    });
    scene.journal.write_back(0).unwrap();
    tell.recv_timeout(LONG).unwrap().join().unwrap().unwrap();
    assert_eq!(scene.sim.stat().unwrap().modified, wanted);
}

/// The operating system tells of a failed write once, perhaps somebody else: what was written back may be lost then, and is not taken for written.
#[test]
fn what_somebody_elses_sync_has_lost_is_written_back_again() {
    let len = 700 << 10;
    let scene = Arc::new(Scene::new(&vec![1; 2 * len]));
    scene.write(0, &vec![2; len]).unwrap();
    scene.write(len, &vec![3; len]).unwrap();
    scene.sync().unwrap();
    let synced = scene.bytes();
    let (world, other) = (scene.world.clone(), Arc::clone(&scene));
    // While the second of two batches is being written.
    scene.world.at_next(At::Write, scene.sim.ino, move || {
        let ino = other.sim.ino;
        world.clone().at_next(At::Write, ino, move || {
            let (errno, lasting) = (Errno::IO, false);
            world.arm(Fault { after: 0, errno, lasting });
            other.file.sync_itself(&other.sim, Durability::Data).unwrap_err();
        });
    });
    scene.journal.write_back(0).unwrap_err();
    scene.journal.checkpoint().unwrap();
    assert!(scene.on_disk() == synced && scene.after_power_cut() == synced);
}

/// A change of the file itself counts before it is done, so that a sync that ends in between covers it or fails; none may take it for covered.
#[test]
fn what_is_being_written_in_place_is_not_taken_for_durable() {
    let scene = Arc::new(Scene::new(&[1; 100]));
    scene.write(100, &[2; MUCH]).unwrap();
    scene.sync().unwrap();
    scene.write(10, &[9; 10]).unwrap();
    let before = scene.bytes();
    let (told, tell) = channel();
    let other = Arc::clone(&scene);
    scene.world.at_next(At::Write, scene.sim.ino, move || {
        let (cut, cuts) = channel();
        let inner = other.world.clone();
        // When what lies over the file is written back, if it is.
        other
            .world
            .clone()
            .at_next(At::Write, other.sim.ino, move || drop(cut.send(inner.crashed(&mut |_| 0))));
        let (back, end) = beside(move || other.journal.write_back(0));
        let _ = end.recv_timeout(SHORT);
        told.send((back, cuts)).unwrap();
    });
    scene.write(100 + MUCH, &[3; 5000]).unwrap();
    let (back, cuts) = tell.recv_timeout(LONG).unwrap();
    let _ = back.join().unwrap();
    if let Ok(crashed) = cuts.try_recv() {
        let left = Scene::mount(crashed, scene.sim.ino).bytes();
        assert!(left == before || left == scene.bytes());
    }
    scene.sync().unwrap();
    assert!(scene.after_power_cut() == scene.bytes());
}

/// A commit, which recovery takes the time of modification from, may have been made before that was set.
#[test]
fn times_that_are_synced_after_a_commit_outlast_a_power_cut() {
    let commits: [fn(&Scene); 3] = [
        |_| (),
        |scene| scene.sync().unwrap(),
        |scene| assert!(scene.journal.write_back(0).unwrap() > 0),
    ];
    for commit in commits {
        for what in [Durability::Modified, Durability::All] {
            let scene = Scene::new(&[1; 100]);
            scene.write(10, &[2]).unwrap();
            commit(&scene);
            let wanted = Moment { secs: 12345, nanos: 0 };
            scene
                .journal
                .setting_times(scene.file.id, true, || scene.sim.set_modified(Some(wanted)))
                .unwrap();
            scene.file.start_sync(&scene.sim, what).unwrap().finish().unwrap();
            let world = scene.world.crashed(&mut |count| count - 1);
            drop(world.mount(&master(), SIZE_MIN).unwrap());
            assert_eq!(world.file(scene.sim.ino).stat().unwrap().modified, wanted);
        }
    }
}

/// The operating system tells of a failed write once: here it is told to an fsync that was begun before a checkpoint.
#[test]
fn regression_what_an_earlier_fsync_has_lost_the_checkpoint_writes_again() {
    for is_written_back in [true, false] {
        let scene = Scene::new(&[1; 5000]);
        scene.write(10, &[2; 50]).unwrap();
        scene.write(3000, &[2; 50]).unwrap();
        scene.sync().unwrap();
        let synced = scene.bytes();
        let syncing = scene.file.start_sync(&scene.sim, Durability::All).unwrap();
        let (told, tell) = channel();
        let (world, ino) = (scene.world.clone(), scene.sim.ino);
        scene.world.at_next(At::Write, ino, move || {
            let inner = world.clone();
            world.at_next(At::Write, ino, move || {
                let (errno, lasting) = (Errno::IO, false);
                inner.arm(Fault { after: 0, errno, lasting });
                let (ended, end) = beside(move || syncing.finish());
                // It waits for the checkpoint when it has failed, or until then.
                let _ = end.recv_timeout(SHORT);
                inner.disarm();
                told.send(ended).unwrap();
            });
        });
        let done = match is_written_back {
            true => scene.journal.write_back(0).map(drop),
            false => scene.journal.checkpoint(),
        };
        assert_eq!(done, Err(Errno::IO));
        tell.recv_timeout(LONG).unwrap().join().unwrap().unwrap_err();
        scene.journal.checkpoint().unwrap();
        assert!(scene.on_disk() == synced && scene.after_power_cut() == synced);
    }
}
