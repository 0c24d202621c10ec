//! Several who use a file at the same time, and a checkpoint.

use super::runtime::{HEADER, Scene};
use super::sim::At;
use crate::journal::overlay::length;
use crate::sys::disk::{Backing, Disk, Durability, Moment};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// Long enough for what must happen.
pub(super) const LONG: Duration = Duration::from_secs(20);
/// Long enough for what must not happen to happen, mostly.
pub(super) const SHORT: Duration = Duration::from_millis(200);

/// Does it at the same time; the receiver hears of the end.
pub(super) fn beside<T: Send + 'static>(action: impl FnOnce() -> T + Send + 'static) -> (JoinHandle<T>, Receiver<()>) {
    let (ended, end) = channel();
    let thread = std::thread::spawn(move || {
        let result = action();
        let _ = ended.send(());
        result
    });
    (thread, end)
}

#[test]
fn a_checkpoint_does_not_keep_up_those_who_read_even_when_somebody_syncs() {
    let scene = Scene::new(&[1; 100]);
    scene.write(10, &[2]).unwrap();
    let syncing = scene.file.start_sync(&scene.sim, Durability::All).unwrap();
    let (told, tell) = channel();
    let (file, sim, journal) = (Arc::clone(&scene.file), scene.sim.clone(), Arc::clone(&scene.journal));
    scene.world.at_next(At::Write, scene.sim.ino, move || {
        let (finishing, end) = beside(|| syncing.finish());
        let _ = end.recv_timeout(SHORT);
        let (reading, end) = beside(move || {
            let mut byte = [0];
            file.over(&sim).read_at(&mut byte, length(HEADER) + 10).unwrap();
            let len = journal.file(file.id, || 0).unwrap().len();
            (byte, len)
        });
        let in_time = end.recv_timeout(LONG).is_ok();
        told.send((in_time, reading, finishing)).unwrap();
    });
    scene.journal.checkpoint().unwrap();
    let (in_time, reading, finishing) = tell.recv_timeout(LONG).unwrap();
    assert!(in_time);
    assert_eq!(reading.join().unwrap(), ([2], length(HEADER) + 100));
    finishing.join().unwrap().unwrap();
}

#[test]
fn times_that_are_set_during_a_checkpoint_hold() {
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
    scene.journal.checkpoint().unwrap();
    tell.recv_timeout(LONG).unwrap().join().unwrap().unwrap();
    assert_eq!(scene.sim.stat().unwrap().modified, wanted);
}

#[test]
fn who_changes_a_committed_file_waits_for_a_checkpoint() {
    let scene = Arc::new(Scene::new(&[1; 100]));
    scene.write(10, &[2]).unwrap();
    let (told, tell) = channel();
    let writer = Arc::clone(&scene);
    scene.world.at_next(At::Write, scene.sim.ino, move || {
        let (writing, end) = beside(move || writer.write(10, &[3]));
        let was_early = end.recv_timeout(SHORT).is_ok();
        told.send((writing, was_early)).unwrap();
    });
    scene.journal.checkpoint().unwrap();
    let (writing, was_early) = tell.recv_timeout(LONG).unwrap();
    writing.join().unwrap().unwrap();
    assert!(!was_early);
    assert_eq!(scene.bytes()[10], 3);
    scene.journal.checkpoint().unwrap();
    assert_eq!(scene.on_disk()[10], 3);
}

#[test]
fn what_is_appended_while_the_journal_is_synced_is_synced_next() {
    let scene = Arc::new(Scene::new(&[1; 100]));
    scene.write(10, &[2]).unwrap();
    let (told, tell) = channel();
    let writer = Arc::clone(&scene);
    scene.world.at_next(At::Sync, scene.world.journal().ino, move || {
        writer.write(20, &[3]).unwrap();
        told.send(()).unwrap();
    });
    scene.sync().unwrap();
    tell.recv_timeout(LONG).unwrap();
    assert_eq!(scene.after_power_cut()[10], 2);
    scene.sync().unwrap();
    assert_eq!(scene.after_power_cut()[20], 3);
}
