//! Files that are changed by way of the journal, one call after the other: bytes as they are, without records.

use super::mounted::Mounted;
use super::sim::{Fault, SimFile, World};
use crate::journal::overlay::{index, length};
use crate::journal::{JournaledFile, Mtime, SIZE_MIN};
use crate::keys::MasterKey;
use crate::secret::Secret;
use crate::sys::block::{Block, CAPACITY};
use crate::sys::disk::{Backing, Disk, Durability, read_full_at, write_all_at};
use rustix::io::{Errno, Result};
use std::sync::Arc;

pub(super) fn master() -> MasterKey {
    MasterKey::new(Secret::fill_with(|key| key.fill(3)))
}

/// Bytes that stand for the header of a vault's file, which tells which file it is. All offsets and lengths are of what comes behind.
pub(super) const HEADER: usize = 48;

/// A file, the disk it is on, and the journal over it.
pub(super) struct Scene {
    pub(super) world: World,
    pub(super) journal: Mounted,
    pub(super) sim: SimFile,
    pub(super) file: Arc<JournaledFile>,
}

impl Scene {
    /// A file that holds `bytes`, which were durable before the journal was begun.
    pub(super) fn new(bytes: &[u8]) -> Self {
        let world = World::default();
        let sim = world.create();
        write_all_at(&sim, &[&[7; HEADER], bytes].concat(), 0).unwrap();
        sim.sync(Durability::All).unwrap();
        Self::mount(world, sim.ino)
    }

    pub(super) fn mount(world: World, ino: u64) -> Self {
        let (journal, _) = world.mount(&master(), SIZE_MIN).unwrap();
        Self::of(world, journal, ino)
    }

    pub(super) fn of(world: World, journal: Mounted, ino: u64) -> Self {
        let sim = world.file(ino);
        let stat = sim.stat().unwrap();
        let file = journal.file(stat.id, || stat.len).unwrap();
        Self { world, journal, sim, file }
    }

    pub(super) fn write(&self, offset: usize, bytes: &[u8]) -> Result<()> {
        let (len, offset) = (length(bytes.len()), length(HEADER + offset));
        let operation = self.file.begin(&self.sim, Mtime::Now, len, offset + len)?;
        write_all_at(operation.disk(), bytes, offset)
    }

    /// As [`write`](Self::write), of bytes whose memory the journal keeps.
    pub(super) fn write_block(&self, offset: usize, bytes: &[u8]) {
        let (len, offset) = (length(bytes.len()), length(HEADER + offset));
        let operation = self.file.begin(&self.sim, Mtime::Now, len, offset + len).unwrap();
        let mut block = Block::of(bytes.len());
        block.bytes_mut().copy_from_slice(bytes);
        assert_eq!(operation.disk().keep_block(&mut block, offset), Ok(true));
        assert!(block.bytes().is_empty());
    }

    /// As the kernel's cache does, which has set the time of modification itself.
    pub(super) fn write_late(&self, offset: usize, bytes: &[u8]) -> Result<()> {
        let (len, offset) = (length(bytes.len()), length(HEADER + offset));
        let operation = self.file.begin(&self.sim, Mtime::Kept, len, offset + len)?;
        write_all_at(operation.disk(), bytes, offset)?;
        operation.finish()
    }

    pub(super) fn resize(&self, len: u64) -> Result<()> {
        let len = length(HEADER) + len;
        self.file.begin(&self.sim, Mtime::Now, 0, len)?.disk().set_len(len)
    }

    pub(super) fn sync(&self) -> Result<()> {
        self.file.start_sync(&self.sim, Durability::Data)?.finish()
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0; index(self.file.len())];
        let got = read_full_at(&self.file.over(&self.sim), &mut bytes, 0).unwrap();
        assert_eq!(got, bytes.len());
        bytes.split_off(HEADER)
    }

    /// What is in the file itself.
    pub(super) fn on_disk(&self) -> Vec<u8> {
        self.world.bytes(self.sim.ino).split_off(HEADER)
    }

    pub(super) fn punch(&self, offset: u64, len: u64) -> Result<()> {
        self.file
            .begin(&self.sim, Mtime::Now, 0, self.file.len())?
            .disk()
            .punch(length(HEADER) + offset, len)
    }

    /// What a power cut leaves that takes all that it may.
    pub(super) fn after_power_cut(&self) -> Vec<u8> {
        Self::mount(self.world.crashed(&mut |_| 0), self.sim.ino).bytes()
    }

    /// What a power cut leaves when everything gets to disk that was written.
    fn after_kill(&self) -> Vec<u8> {
        Self::mount(self.world.crashed(&mut |count| count - 1), self.sim.ino).bytes()
    }
}

/// More than is appended by way of the journal.
pub(super) const MUCH: usize = 100_000;

#[test]
fn of_two_syncs_the_one_that_was_begun_last_counts() {
    let scene = Scene::new(&[1; 100]);
    scene.write(0, &[2]).unwrap();
    scene.write(100, &[3; MUCH]).unwrap();
    let first = scene.file.start_sync(&scene.sim, Durability::Data).unwrap();
    scene.write(100 + MUCH, &[4; 50]).unwrap();
    let second = scene.file.start_sync(&scene.sim, Durability::Data).unwrap();
    second.finish().unwrap();
    first.finish().unwrap();
    assert!(scene.after_power_cut() == scene.bytes());
}

#[test]
fn what_keeps_its_memory_is_journaled_as_what_is_copied() {
    const MIB: usize = 1 << 20;
    let scene = Scene::new(&vec![1; 2 * MIB]);
    let mut plain = vec![1; 2 * MIB];
    let mut both = |offset: usize, bytes: &[u8], is_block| {
        plain[offset..offset + bytes.len()].copy_from_slice(bytes);
        match is_block {
            true => scene.write_block(offset, bytes),
            false => scene.write(offset, bytes).unwrap(),
        }
        assert!(scene.bytes() == plain);
    };
    // Twice, the second time in memory that was used before. Blocks as the kernel's longest requests become, longer, and shorter ones; before, behind and in between what is copied.
    for turn in 1..3 {
        let fill = |number: u8| move |len: usize| vec![turn * 100 + number; len];
        both(5, &fill(0)(100), false);
        both(0, &fill(1)(MIB + MIB / 64), true);
        both(MIB / 2, &fill(2)(100), false);
        both(MIB / 4, &fill(3)(50_000), true);
        scene.sync().unwrap();
        assert!(scene.after_power_cut() == scene.bytes());
        both(7, &fill(4)(CAPACITY), true);
        both(0, &fill(5)(10), false);
        both(MIB, &fill(6)(70_000), false);
        both(MIB + 1, &fill(7)(70_000), true);
        assert!(scene.after_kill() != scene.bytes());
        scene.sync().unwrap();
        assert!(scene.after_kill() == scene.bytes() && scene.after_power_cut() == scene.bytes());
        scene.journal.checkpoint().unwrap();
        assert!(scene.on_disk() == scene.bytes());
    }
}

#[test]
fn what_is_new_or_goes_on_in_place_keeps_no_memory() {
    let scene = Scene::new(&[1; 100]);
    let refuses = |file: &Arc<JournaledFile>, sim: &SimFile, offset: usize| {
        let (offset, len) = (length(HEADER + offset), length(2 * MUCH));
        let operation = file.begin(sim, Mtime::Now, len, offset + len).unwrap();
        let mut block = Block::of(2 * MUCH);
        assert_eq!(operation.disk().keep_block(&mut block, offset), Ok(false));
        assert_eq!(block.bytes().len(), 2 * MUCH);
    };
    // Appended so much that the journal says that it goes on in the file itself.
    scene.write(100, &[3; MUCH]).unwrap();
    refuses(&scene.file, &scene.sim, 100 + MUCH);
    refuses(&scene.file, &scene.sim, 50);
    let sim = scene.world.create();
    let stat = sim.stat().unwrap();
    let file = scene.journal.new_file(stat.id, stat.born.unwrap()).unwrap();
    refuses(&file, &sim, 0);
}

/// Like a log that is begun anew, and each of its lines synced: that costs one sync of the journal each. What is written in one go, on the other hand, goes into the file.
#[test]
fn what_is_appended_behind_a_cut_and_synced_stays_in_the_journal() {
    for cut in [0_usize, 50] {
        let scene = Scene::new(&[1; 3 * MUCH]);
        let is_in_place = || scene.file.state.read().in_place;
        scene.resize(length(cut)).unwrap();
        scene.sync().unwrap();
        for (offset, byte) in (cut..).step_by(1000).zip(0..100) {
            scene.write(offset, &[byte; 1000]).unwrap();
            scene.sync().unwrap();
        }
        assert!(!is_in_place() && scene.after_power_cut() == scene.bytes());
        scene.resize(length(cut)).unwrap();
        scene.write(cut, &[7; MUCH]).unwrap();
        assert!(is_in_place());
        scene.sync().unwrap();
        assert!(scene.after_power_cut() == scene.bytes());
        // Not synced in between.
        scene.journal.checkpoint().unwrap();
        scene.resize(length(cut)).unwrap();
        for offset in (cut..cut + 2 * MUCH).step_by(1000) {
            scene.write(offset, &[8; 1000]).unwrap();
        }
        assert!(is_in_place());
        scene.sync().unwrap();
        assert!(scene.after_power_cut() == scene.bytes());
    }
}

#[test]
fn a_change_that_fails_has_changed_nothing() {
    let mut failed = 0;
    for after in 0..20 {
        for errno in [Errno::IO, Errno::NOSPC] {
            let scene = Scene::new(&[1; 100]);
            let lasting = true;
            scene.world.arm(Fault { after, errno, lasting });
            let (written, cut) = (scene.write(10, &[2; 10]), scene.resize(50));
            scene.world.disarm();
            let mut expected = vec![1; 100];
            if written.is_ok() {
                expected[10..20].fill(2);
            }
            expected.truncate(if cut.is_ok() { 50 } else { 100 });
            failed += usize::from(written.is_err()) + usize::from(cut.is_err());
            assert!(scene.bytes() == expected, "after {after} calls: {written:?}, {cut:?}");
        }
    }
    assert!(failed > 4, "{failed}");
}

#[test]
fn a_sync_that_failed_in_the_background_is_told_to_who_syncs_later() {
    let mut told = 0;
    for after in 0..30 {
        let scene = Scene::new(&[1; 100]);
        scene.write(100, &[2; MUCH]).unwrap();
        let lasting = false;
        scene.world.arm(Fault {
            after,
            errno: Errno::IO,
            lasting,
        });
        let checkpoint = scene.journal.checkpoint();
        scene.world.disarm();
        assert_eq!(checkpoint.is_err(), scene.world.struck());
        scene.journal.checkpoint().unwrap();
        match scene.sync() {
            Ok(()) => assert!(scene.after_power_cut() == scene.bytes(), "after {after} calls"),
            Err(errno) => {
                told += 1;
                assert_eq!(errno, Errno::IO);
                assert_eq!(scene.sync(), Err(Errno::IO));
            }
        }
    }
    assert!(told > 0);
}

#[test]
fn every_call_of_a_checkpoint_may_fail_and_nothing_that_was_synced_is_lost() {
    for after in 0..40 {
        for (lasting, in_background) in [(false, false), (false, true), (true, false), (true, true)] {
            let case = format!("after {after} calls, for good: {lasting}, in background: {in_background}");
            checkpoint_that_fails(after, lasting, in_background, &case);
        }
    }
}

fn checkpoint_that_fails(after: usize, lasting: bool, in_background: bool, case: &str) {
    let scene = Scene::new(&[1; 5000]);
    scene.write(10, &[2; 600]).unwrap();
    scene.write(5000, &[3; 600]).unwrap();
    scene.resize(5300).unwrap();
    scene.resize(5400).unwrap();
    scene.sync().unwrap();
    let synced = scene.bytes();
    let assert_synced = |synced: &[u8]| {
        assert!(scene.after_power_cut() == synced && scene.after_kill() == synced, "{case}");
    };
    let errno = Errno::IO;
    scene.world.arm(Fault { after, errno, lasting });
    let _ = match in_background {
        true => scene.journal.write_back(0).and_then(|_| scene.journal.checkpoint()),
        false => scene.journal.checkpoint(),
    };
    assert!(scene.bytes() == synced, "{case}");
    assert_synced(&synced);
    scene.world.disarm();
    scene.write(1, &[4; 3]).unwrap();
    scene.sync().unwrap();
    let synced = scene.bytes();
    assert_synced(&synced);
    scene.journal.checkpoint().unwrap();
    assert!(scene.on_disk() == synced, "{case}");
    assert_synced(&synced);
    scene.journal.close().unwrap();
    assert!(!scene.world.has_journal() && scene.world.is_synced());
}

#[test]
fn what_a_checkpoint_that_failed_has_written_does_not_come_back() {
    for after in 0..15 {
        let scene = Scene::new(&[1; 5000]);
        scene.write(5000, &[3; 600]).unwrap();
        let (errno, lasting) = (Errno::NOSPC, false);
        scene.world.arm(Fault { after, errno, lasting });
        let _ = scene.journal.checkpoint();
        scene.world.disarm();
        scene.resize(5000).unwrap();
        scene.resize(6000).unwrap();
        let mut expected = vec![1; 5000];
        expected.resize(6000, 0);
        assert!(scene.bytes() == expected);
        scene.journal.checkpoint().unwrap();
        assert!(scene.on_disk() == expected, "after {after} calls");
    }
}

#[test]
fn when_the_journal_may_be_void_nothing_is_written_that_counts_on_it() {
    for after in 0..20 {
        let scene = Scene::new(&[1; 100]);
        let mut states = vec![scene.bytes()];
        scene.write(0, &[2]).unwrap();
        states.push(scene.bytes());
        scene.write(100, &[3; MUCH]).unwrap();
        states.push(scene.bytes());
        let (errno, lasting) = (Errno::IO, false);
        scene.world.arm(Fault { after, errno, lasting });
        let _ = scene.journal.checkpoint();
        scene.world.disarm();
        scene.write(1, &[4]).unwrap();
        states.push(scene.bytes());
        scene.write(100 + MUCH, &[5; 10]).unwrap();
        states.push(scene.bytes());
        scene.sim.sync(Durability::Data).unwrap();
        if !scene.journal.has_lost(scene.file.id) {
            assert!(states.contains(&scene.after_kill()), "after {after} calls");
        }
    }
}

#[test]
fn closing_makes_new_files_durable_and_leaves_no_journal() {
    let scene = Scene::new(&[1; 100]);
    let sim = scene.world.create();
    let stat = sim.stat().unwrap();
    let file = scene.journal.new_file(stat.id, stat.changed).unwrap();
    let operation = file.begin(&sim, Mtime::Now, 3, 3).unwrap();
    write_all_at(operation.disk(), b"abc", 0).unwrap();
    drop(operation);
    assert!(!scene.world.is_synced());
    scene.journal.close().unwrap();
    assert!(!scene.world.has_journal() && scene.world.is_synced());
    assert_eq!(scene.world.bytes(sim.ino), b"abc");
}

#[test]
fn a_checkpoint_leaves_the_time_of_modification() {
    let scene = Scene::new(&[1; 100]);
    scene.write(10, &[2]).unwrap();
    let modified = scene.sim.stat().unwrap().modified;
    scene.journal.checkpoint().unwrap();
    assert!(scene.on_disk()[10] == 2);
    assert_eq!(scene.sim.stat().unwrap().modified, modified);
}

#[test]
fn space_in_the_journal_is_promised_once_only() {
    let scene = Scene::new(&[1; 100]);
    let other = scene.world.create();
    let stat = other.stat().unwrap();
    let file = scene.journal.file(stat.id, || stat.len).unwrap();
    let operations = [
        file.begin(&other, Mtime::Now, 150 << 10, 0).unwrap(),
        scene.file.begin(&scene.sim, Mtime::Now, 150 << 10, 0).unwrap(),
    ];
    assert!(scene.world.journal().stat().unwrap().len > 300 << 10);
    drop(operations);
    let before = scene.world.journal().stat().unwrap().len;
    for _ in 0..10 {
        scene.write(0, &[2; 1000]).unwrap();
    }
    assert_eq!(scene.world.journal().stat().unwrap().len, before);
}

#[test]
fn a_stream_of_appends_to_a_new_file_never_touches_the_journal() {
    const PIECES: u64 = 128;
    let scene = Scene::new(&[1; 100]);
    let sim = scene.world.create();
    let stat = sim.stat().unwrap();
    let file = scene.journal.new_file(stat.id, stat.changed).unwrap();
    let journal = scene.world.journal().ino;
    let append = |count: u64| {
        let mut piece = vec![0; MUCH];
        for number in 0..count {
            let (offset, len) = (file.len(), length(MUCH));
            piece.fill(u8::try_from(number).unwrap());
            let operation = file.begin(&sim, Mtime::Now, len, offset + len).unwrap();
            write_all_at(operation.disk(), &piece, offset).unwrap();
            drop(operation);
            scene.journal.write_out();
        }
    };
    let before = scene.world.bytes(journal);
    // 12 MiB, three times as much as the journal holds at most.
    let writes = scene.world.writes_to(journal, || append(PIECES));
    assert_eq!(writes, 0);
    assert!(scene.world.bytes(journal) == before);
    assert_eq!(file.len(), PIECES * length(MUCH));
    // As the journal's thread does after a while: the stretch that follows begins with an intent, and the rest of it is appended without.
    scene.journal.sync_news().unwrap();
    let first = scene.world.writes_to(journal, || append(1));
    let rest = scene.world.writes_to(journal, || append(PIECES));
    assert!(first > 0 && rest == 0, "{first} writes, then {rest}");
}
