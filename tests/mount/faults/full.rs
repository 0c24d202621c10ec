//! A disk that is full to the last byte, with a journal on it and without: who writes hears of it, what was synced reads, also after a kill, and removing
//! files gets it going again.

use super::leftovers;
use super::model::{Model, PAGE};
use super::work::{Op, Synced, long, save};
use crate::harness::{Mounted, Options, Vault, errno};
use crate::people::{root_or_skip, run_unmount};
use crate::places::SmallFilesystem;
use rustix::io::Errno;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;

/// The smallest journal.
const ARGS: [&str; 2] = ["--journal-size", "4MiB"];

/// A vault on a small disk.
struct Full<'v> {
    vault: &'v Vault,
    mounted: Option<Mounted<'v>>,
    model: Model,
    filler: PathBuf,
    /// Numbers the rounds.
    round: usize,
    refused: usize,
}

/// What is expected of the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Room {
    Enough,
    Short,
}

impl<'v> Full<'v> {
    fn new(vault: &'v Vault, small: &SmallFilesystem) -> Self {
        let mut full = Self {
            vault,
            mounted: None,
            model: Model::new(),
            filler: small.path().join("filler"),
            round: 0,
            refused: 0,
        };
        full.mount(&[]);
        let files = [("a", 20), ("b", 3), ("c", 64), ("x", 800)];
        files
            .iter()
            .for_each(|(name, pages)| full.step(&save(name, 0..*pages, PAGE, Synced::Yes), Room::Enough));
        full.unmount(Room::Enough);
        full
    }

    /// Mounts; everything is what it may be, and has to stay so.
    fn mount(&mut self, args: &[&str]) {
        self.mount_so(&[&ARGS[..], args].concat());
    }

    fn mount_so(&mut self, args: &[&str]) {
        let mounted = self.vault.mount(args);
        if let Err(what) = self.model.check_and_keep(mounted.path()) {
            panic!("round {}: {what}\n{}", self.round, mounted.log());
        }
        self.mounted = Some(mounted);
    }

    fn kill(&mut self) {
        let mounted = self.mounted.take().unwrap();
        assert!(!mounted.log().contains("panicked"), "{}", mounted.log());
        mounted.kill();
    }

    /// Unmounts. No journal is left, or the daemon says that not everything could be written.
    fn unmount(&mut self, room: Room) {
        run_unmount(self.vault.plainview(self.vault.owner(), &["umount"]).arg(self.vault.point())).ok();
        let (status, log) = self.mounted.take().unwrap().end();
        match status.success() {
            true => assert_eq!(leftovers(self.vault), [""; 0], "{log}"),
            false => assert!(room == Room::Short && log.contains("is not known to be on disk"), "{status}\n{log}"),
        }
    }

    fn step(&mut self, op: &Op, room: Room) {
        let result = self.model.run(self.vault.point(), op);
        self.model.resolve(self.vault.point());
        let refused = errno(result);
        let log = || self.mounted.as_ref().unwrap().log();
        assert!(
            refused.is_none() || (room == Room::Short && refused == Some(Errno::NOSPC)),
            "round {}: {op:?}: {refused:?}\n{}",
            self.round,
            log()
        );
        self.refused += usize::from(refused.is_some());
        if let Err(what) = self.model.check(self.vault.point()) {
            panic!("round {}: after {op:?}, which said {refused:?}: {what}\n{}", self.round, log());
        }
    }

    /// Something of everything.
    fn work(&mut self, room: Room) {
        self.round += 1;
        let yes = Synced::Yes;
        let name = |name: &str| format!("{name}{}", self.round);
        let cut = |path: &str, pages: u64| Op::Cut {
            path: path.to_owned(),
            len: pages * PAGE,
            sync: yes,
        };
        let len = |path: &str| self.model.files().iter().find(|(there, _)| there == path).unwrap().1 / PAGE;
        let (appended, long) = (len("b"), format!("{}{}", self.round, &long('l')[10..]));
        let ops = [
            save("a", 2..3, PAGE, yes),
            save("a", 0..20, PAGE, yes),
            save("b", appended..appended + 1, PAGE, yes),
            save("c", 5..9, PAGE, Synced::No),
            cut("c", 10),
            cut("c", 60),
            save("c", 0..64, PAGE, yes),
            Op::Punch {
                path: "c".to_owned(),
                first: 30,
                pages: 9,
                sync: yes,
            },
            save(&name("new"), 0..3, 5, yes),
            save(&long, 0..1, PAGE, yes),
            Op::Mkdir(name("dir")),
            Op::Rename(name("dir"), name("renamed")),
            Op::Rename(name("new"), "a2".to_owned()),
            save("c", 64..90, PAGE, yes),
        ];
        for op in &ops {
            if !matches!(op, Op::Rename(from, _) if !self.model.has(from)) {
                self.step(op, room);
            }
        }
    }

    /// Fills the disk to the last byte, from outside.
    fn fill(&self) {
        let mut filler = OpenOptions::new().append(true).create(true).open(&self.filler).unwrap();
        for size in [1 << 20, 1 << 12, 1] {
            let bytes = vec![1; size];
            while filler
                .write_all(&bytes)
                .and_then(|()| if size > 1 { filler.sync_data() } else { Ok(()) })
                .is_ok()
            {}
        }
        let _ = filler.sync_all();
    }

    /// Takes so many bytes from what fills the disk.
    fn make_room(&self, bytes: u64) {
        let filler = OpenOptions::new().write(true).open(&self.filler).unwrap();
        let len = filler.metadata().unwrap().len();
        filler.set_len(len.saturating_sub(bytes)).unwrap();
        filler.sync_all().unwrap();
    }
}

fn a_full_disk(small: &SmallFilesystem) {
    let vault = Vault::new(Options {
        base: Some(small.path().to_owned()),
        ..Options::default()
    });
    let mut full = Full::new(&vault, small);
    // Full before the first change, so that there is not even room for a journal.
    full.fill();
    full.mount(&[]);
    full.work(Room::Short);
    full.kill();
    full.mount(&[]);
    full.work(Room::Short);
    full.unmount(Room::Short);
    assert!(full.refused > 0, "the disk was not full");
    // Full when a journal is there.
    full.make_room(2 << 20);
    full.mount(&[]);
    full.work(Room::Enough);
    full.fill();
    full.work(Room::Short);
    full.work(Room::Short);
    full.kill();
    full.mount(&["--ro"]);
    full.kill();
    full.mount(&[]);
    full.work(Room::Short);
    full.unmount(Room::Short);
    full.mount(&[]);
    full.work(Room::Short);
    // Something is removed.
    full.step(&Op::Unlink("x".to_owned()), Room::Enough);
    full.work(Room::Enough);
    full.unmount(Room::Enough);
    full.mount(&[]);
    full.unmount(Room::Enough);
}

/// 1 MiB is overwritten where there is room for that in the journal, but not for as much as the journal likes to have.
fn little_room_is_enough(small: &SmallFilesystem) {
    let vault = Vault::new(Options {
        base: Some(small.path().to_owned()),
        ..Options::default()
    });
    let mut full = Full::new(&vault, small);
    full.fill();
    full.make_room(1536 << 10);
    full.mount_so(&["--journal-size", "64MiB"]);
    full.step(&save("x", 0..256, PAGE, Synced::Yes), Room::Enough);
    full.step(&save("x", 256..512, PAGE, Synced::Yes), Room::Enough);
    full.unmount(Room::Enough);
}

#[test]
fn regression_little_room_on_tmpfs_is_enough() {
    if root_or_skip() {
        little_room_is_enough(&SmallFilesystem::tmpfs(16));
    }
}

#[test]
fn regression_little_room_on_ext4_is_enough() {
    if root_or_skip() {
        little_room_is_enough(&SmallFilesystem::ext4(24));
    }
}

#[test]
fn a_full_tmpfs_with_a_journal() {
    if root_or_skip() {
        a_full_disk(&SmallFilesystem::tmpfs(16));
    }
}

#[test]
fn a_full_ext4_with_a_journal() {
    if root_or_skip() {
        a_full_disk(&SmallFilesystem::ext4(24));
    }
}
