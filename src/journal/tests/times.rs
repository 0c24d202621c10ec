//! The time of modification that is left to the journal.

use super::runtime::{MUCH, Scene, master};
use super::sim::{At, Fault};
use super::together::{LONG, SHORT, beside};
use crate::journal::SIZE_MIN;
use crate::sys::disk::{Backing, Durability, Moment};
use rustix::io::Errno;
use std::sync::Arc;
use std::sync::mpsc::channel;

const WANTED: Moment = Moment { secs: 12345, nanos: 0 };

impl Scene {
    fn leave(&self, modified: Moment) -> bool {
        self.journal.leave_modified(self.file.id, modified)
    }

    fn sync_with_times(&self) {
        self.file.start_sync(&self.sim, Durability::Modified).unwrap().finish().unwrap();
    }

    fn modified_on_disk(&self) -> Moment {
        self.sim.stat().unwrap().modified
    }

    /// After a power cut that takes all that it may, and the recovery.
    fn modified_after_power_cut(&self) -> Moment {
        let world = self.world.crashed(&mut |_| 0);
        drop(world.mount(&master(), SIZE_MIN).unwrap());
        world.file(self.sim.ino).stat().unwrap().modified
    }
}

/// What is done to a file before its time is left to the journal.
const CHANGES: [fn(&Scene); 4] = [
    |scene| scene.write_late(10, &[2]).unwrap(),
    // All of it is in the file already.
    |scene| {
        scene.write_late(10, &[2]).unwrap();
        scene.sync().unwrap();
        assert!(scene.journal.write_back(0).unwrap() > 0);
    },
    // It goes on in the file itself.
    |scene| scene.write_late(100, &[2; MUCH]).unwrap(),
    |scene| {
        scene.write_late(100, &[2; MUCH]).unwrap();
        scene.sync().unwrap();
        scene.write_late(100 + MUCH, &[3; 10]).unwrap();
    },
];

#[test]
fn a_time_that_is_left_to_the_journal_is_set_by_the_checkpoint() {
    for change in CHANGES {
        let scene = Scene::new(&[1; 100]);
        change(&scene);
        let before = scene.modified_on_disk();
        assert!(scene.leave(WANTED));
        assert_eq!(scene.modified_on_disk(), before);
        scene.sync_with_times();
        assert_eq!(scene.modified_on_disk(), before);
        assert_eq!(scene.modified_after_power_cut(), WANTED);
        scene.journal.checkpoint().unwrap();
        assert_eq!(scene.modified_on_disk(), WANTED);
        assert_eq!(scene.modified_after_power_cut(), WANTED);
    }
}

#[test]
fn a_time_that_is_left_to_the_journal_stays_when_the_file_is_written_to_late() {
    for change in CHANGES {
        for again in CHANGES {
            let scene = Scene::new(&[1; 100]);
            change(&scene);
            assert!(scene.leave(WANTED));
            again(&scene);
            scene.sync_with_times();
            assert_eq!(scene.modified_after_power_cut(), WANTED);
            scene.journal.checkpoint().unwrap();
            assert_eq!(scene.modified_on_disk(), WANTED);
        }
    }
}

#[test]
fn what_is_set_later_counts_instead() {
    let other = Moment { secs: 54321, nanos: 0 };
    for change in CHANGES {
        let scene = Scene::new(&[1; 100]);
        change(&scene);
        assert!(scene.leave(WANTED) && scene.leave(other));
        scene.sync_with_times();
        assert_eq!(scene.modified_after_power_cut(), other);
        // The other times of the file change nothing here.
        scene.journal.setting_times(scene.file.id, false, || Ok(())).unwrap();
        // Nor does what failed.
        let failed = scene.journal.setting_times(scene.file.id, true, || Err(Errno::PERM));
        assert_eq!(failed, Err(Errno::PERM));
        scene.journal.checkpoint().unwrap();
        assert_eq!(scene.modified_on_disk(), other);

        change(&scene);
        assert!(scene.leave(WANTED));
        let set = scene
            .journal
            .setting_times(scene.file.id, true, || scene.sim.set_modified(Some(other)));
        set.unwrap();
        scene.sync_with_times();
        assert_eq!(scene.modified_after_power_cut(), other);
        scene.journal.checkpoint().unwrap();
        assert_eq!(scene.modified_on_disk(), other);

        change(&scene);
        assert!(scene.leave(WANTED));
        // Not from a cache: now.
        scene.write(20, &[4]).unwrap();
        let now = scene.modified_on_disk();
        assert!(now != WANTED && now != other);
        scene.sync_with_times();
        assert_eq!(scene.modified_after_power_cut(), now);
        scene.journal.checkpoint().unwrap();
        assert_eq!(scene.modified_on_disk(), now);
    }
}

#[test]
fn without_entries_no_time_is_left_to_the_journal() {
    let scene = Scene::new(&[1; 100]);
    assert!(!scene.leave(WANTED));
    scene.write_late(10, &[2]).unwrap();
    scene.journal.checkpoint().unwrap();
    assert!(!scene.leave(WANTED));
}

/// The checkpoint may have set the time already, and is the last to do so.
#[test]
fn during_a_checkpoint_no_time_is_left_to_the_journal() {
    for change in CHANGES {
        for at in [At::Write, At::Sync] {
            let scene = Arc::new(Scene::new(&[1; 100]));
            change(&scene);
            scene.write_late(30, &[5]).unwrap();
            let (told, tell) = channel();
            let other = Arc::clone(&scene);
            scene
                .world
                .at_next(at, scene.sim.ino, move || told.send(other.leave(WANTED)).unwrap());
            scene.journal.checkpoint().unwrap();
            assert!(!tell.try_recv().unwrap());
        }
    }
}

/// The sync of the file itself may be over before the checkpoint sets the time, which is what makes it durable then.
#[test]
fn a_checkpoint_in_the_middle_of_a_sync_makes_the_time_durable() {
    for change in CHANGES {
        for (what, is_set) in [
            (Durability::Modified, false),
            (Durability::All, false),
            (Durability::Modified, true),
            (Durability::All, true),
        ] {
            let scene = Scene::new(&[1; 100]);
            change(&scene);
            assert!(scene.leave(WANTED));
            let syncing = scene.file.start_sync(&scene.sim, what).unwrap();
            // Only this is waited for when the file itself was synced.
            let gate = scene.journal.gate.write();
            let (finishing, end) = beside(move || syncing.finish());
            assert!(end.recv_timeout(SHORT).is_err());
            let wanted = if is_set { Moment { secs: 54321, nanos: 0 } } else { WANTED };
            if is_set {
                let set = scene
                    .journal
                    .setting_times(scene.file.id, true, || scene.sim.set_modified(Some(wanted)));
                set.unwrap();
            }
            scene.journal.checkpoint_locked(&gate).unwrap();
            drop(gate);
            end.recv_timeout(LONG).unwrap();
            finishing.join().unwrap().unwrap();
            assert_eq!(scene.modified_after_power_cut(), wanted);
        }
    }
}

#[test]
fn whatever_fails_a_time_that_was_left_to_the_journal_and_synced_is_not_lost() {
    for change in CHANGES {
        for lasting in [true, false] {
            for after in 0..16 {
                let scene = Scene::new(&[1; 100]);
                change(&scene);
                assert!(scene.leave(WANTED));
                scene.sync_with_times();
                let errno = Errno::IO;
                scene.world.arm(Fault { after, errno, lasting });
                let _ = scene.journal.write_back(0).and_then(|_| scene.journal.checkpoint());
                scene.world.disarm();
                assert_eq!(scene.modified_after_power_cut(), WANTED, "after {after} calls");
                // Where a sync of the file itself failed, that is said from then on, and not tried again.
                if scene.journal.checkpoint().is_ok() {
                    assert_eq!(scene.modified_on_disk(), WANTED, "after {after} calls");
                    assert_eq!(scene.modified_after_power_cut(), WANTED, "after {after} calls");
                }
            }
        }
    }
}
