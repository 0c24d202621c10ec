//! What programs do in a directory: at random, for as long as it goes, or one step after the other.

use super::model::{Model, PAGE};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::path::Path;

/// Whether a change is followed by fsync(2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Synced {
    Yes,
    No,
}

/// What is done at a time. Paths are relative to the directory.
#[derive(Clone, Debug)]
pub(super) enum Op {
    /// Opens or makes a file and writes to it, whole pages but for the last, of which it is `tail` bytes, and that only at the end of the file.
    Save {
        path: String,
        first: u64,
        pages: u64,
        tail: u64,
        sync: Synced,
    },
    /// Cuts a file, or makes it longer, to a border of pages.
    Cut {
        path: String,
        len: u64,
        sync: Synced,
    },
    /// Makes pages of a file a hole.
    Punch {
        path: String,
        first: u64,
        pages: u64,
        sync: Synced,
    },
    Mkdir(String),
    Rename(String, String),
    Unlink(String),
    Rmdir(String),
    Symlink(String),
    Link(String, String),
}

impl Op {
    /// Whether contents are synced; `None` where it is not about contents.
    pub(super) fn synced(&self) -> Option<Synced> {
        match self {
            Self::Save { sync, .. } | Self::Cut { sync, .. } | Self::Punch { sync, .. } => Some(*sync),
            Self::Mkdir(_) | Self::Rename(..) | Self::Unlink(_) | Self::Rmdir(_) | Self::Symlink(_) | Self::Link(..) => None,
        }
    }

    /// The file and the pages of it that are written.
    pub(super) fn pages(&self) -> (&str, std::ops::Range<u64>) {
        match self {
            Self::Save { path, first, pages, .. } | Self::Punch { path, first, pages, .. } => (path, *first..first + pages),
            Self::Cut { path, len, .. } => (path, len / PAGE..u64::MAX),
            Self::Mkdir(path)
            | Self::Rename(path, _)
            | Self::Unlink(path)
            | Self::Rmdir(path)
            | Self::Symlink(path)
            | Self::Link(path, _) => (path, 0..0),
        }
    }

    /// The byte behind the last one that a save writes.
    pub(super) fn end(&self) -> u64 {
        match self {
            Self::Save { first, pages, tail, .. } => (first + pages - 1) * PAGE + tail,
            Self::Cut { len, .. } => *len,
            Self::Punch { .. }
            | Self::Mkdir(_)
            | Self::Rename(..)
            | Self::Unlink(_)
            | Self::Rmdir(_)
            | Self::Symlink(_)
            | Self::Link(..) => 0,
        }
    }
}

/// Writes these pages, of the last one only `tail` bytes.
pub(super) fn save(path: &str, pages: std::ops::Range<u64>, tail: u64, sync: Synced) -> Op {
    Op::Save {
        path: path.to_owned(),
        first: pages.start,
        pages: pages.end - pages.start,
        tail,
        sync,
    }
}

/// A name that takes a file of its own.
pub(super) fn long(letter: char) -> String {
    letter.to_string().repeat(250)
}

/// One step after the other: each kind of change, on new files and old ones. With a journal of 4 MiB, some of it fills that.
pub(super) fn steps() -> Vec<Op> {
    let cut = |path: &str, pages: u64, sync| Op::Cut {
        path: path.to_owned(),
        len: pages * PAGE,
        sync,
    };
    let rename = |from: &str, to: &str| Op::Rename(from.to_owned(), to.to_owned());
    let (yes, no) = (Synced::Yes, Synced::No);
    vec![
        save("a", 0..6, 100, yes),
        save("b", 0..3, PAGE, yes),
        save("c", 0..64, PAGE, yes),
        Op::Mkdir("d".to_owned()),
        save("d/f", 0..2, 7, yes),
        save(&long('x'), 0..1, PAGE, yes),
        Op::Mkdir(long('y')),
        save("a", 2..3, PAGE, yes),
        save("a", 3..5, PAGE, no),
        save("a", 5..8, PAGE, yes),
        save("c", 64..104, PAGE, yes),
        save("c", 104..140, 9, no),
        save("c", 10..90, PAGE, yes),
        cut("b", 1, yes),
        cut("b", 40, yes),
        cut("a", 0, yes),
        save("a", 0..3, 9, yes),
        cut("c", 20, no),
        save("c", 20..70, PAGE, yes),
        save("t", 0..4, 3, yes),
        rename("t", "a"),
        rename("d", "e"),
        rename(&long('x'), &long('z')),
        rename(&long('y'), &format!("e/{}", long('y'))),
        Op::Link("b".to_owned(), "b2".to_owned()),
        Op::Symlink("s".to_owned()),
        Op::Punch {
            path: "c".to_owned(),
            first: 20,
            pages: 20,
            sync: yes,
        },
        save("big", 0..500, PAGE, yes),
        save("big", 0..500, PAGE, no),
        save("big", 0..500, PAGE, yes),
        save("big", 0..100, PAGE, yes),
        Op::Unlink("b2".to_owned()),
        Op::Unlink(long('z')),
        Op::Rmdir(format!("e/{}", long('y'))),
        save("n", 0..40, 1, no),
    ]
}

/// How many files and directories one thread has at most.
const ENTRIES: usize = 12;

/// Works in the directory `root` until something fails or it is to stop. What it does comes from `seed`.
pub(super) fn work(root: &Path, model: &mut Model, seed: u64, is_stopped: impl Fn() -> bool) {
    let mut rng = StdRng::seed_from_u64(seed);
    while !is_stopped() {
        for op in next(&mut rng, model) {
            if model.run(root, &op).is_err() {
                return;
            }
        }
    }
}

fn name(rng: &mut StdRng) -> String {
    let letter = char::from(b'a' + rng.random_range(0..8));
    if rng.random_bool(0.2) { long(letter) } else { letter.to_string() }
}

/// What is done next.
fn next(rng: &mut StdRng, model: &Model) -> Vec<Op> {
    let (files, dirs) = (model.files(), model.dirs());
    let dir = match rng.random_range(0..=dirs.len()) {
        0 => String::new(),
        number => format!("{}/", dirs[number - 1]),
    };
    let path = format!("{dir}{}", name(rng));
    let sync = if rng.random_bool(0.6) { Synced::Yes } else { Synced::No };
    let is_full = files.len() + dirs.len() >= ENTRIES;
    let some = if files.is_empty() {
        None
    } else {
        Some(files[rng.random_range(0..files.len())].clone())
    };
    match (rng.random_range(0..20), some) {
        (0..2, _) if !is_full && !model.has(&path) && !dir.contains('/') => vec![Op::Mkdir(path)],
        (2, _) if !dirs.is_empty() && !model.has(&path) => {
            let from = dirs[rng.random_range(0..dirs.len())].clone();
            // Only beside itself: not into itself.
            let beside = from.rsplit_once('/').map_or(String::new(), |(parent, _)| format!("{parent}/"));
            let to = format!("{beside}{}", name(rng));
            if model.has(&to) { vec![] } else { vec![Op::Rename(from, to)] }
        }
        (3, Some((from, _))) if !model.has(&path) => vec![Op::Rename(from, path)],
        (4, Some((path, _))) if is_full => vec![Op::Unlink(path)],
        (5, _) if is_full => {
            let inside = |dir: &String| {
                files
                    .iter()
                    .map(|(path, _)| path)
                    .chain(&dirs)
                    .any(|path| path.starts_with(&format!("{dir}/")))
            };
            dirs.iter()
                .find(|dir| !inside(dir))
                .map(|dir| Op::Rmdir(dir.clone()))
                .into_iter()
                .collect()
        }
        (6..8, Some((to, _))) if !to.ends_with('t') => {
            let from = format!("{dir}t");
            let begin = if model.has(&from) { vec![Op::Unlink(from.clone())] } else { vec![] };
            let pages = rng.random_range(1..20);
            let tail = rng.random_range(1..=PAGE);
            let saved = [save(&from, 0..pages, tail, Synced::Yes), Op::Rename(from, to)];
            begin.into_iter().chain(saved).collect()
        }
        (8, Some((path, len))) if len > 0 => {
            let (whole, shorter) = (len.is_multiple_of(PAGE), rng.random_range(0..=len / PAGE));
            let pages = if whole && rng.random_bool(0.3) {
                shorter + rng.random_range(0..50)
            } else {
                shorter
            };
            let len = pages * PAGE;
            vec![Op::Cut { path, len, sync }]
        }
        (9, Some((path, len))) if len > 3 * PAGE => {
            let first = rng.random_range(0..len / PAGE - 1);
            let pages = rng.random_range(1..=len / PAGE - 1 - first);
            vec![Op::Punch { path, first, pages, sync }]
        }
        (10..13, Some((path, len))) => {
            let first = len / PAGE;
            let most = if len > 2 << 20 || rng.random_bool(0.8) { 4 } else { 80 };
            let pages = rng.random_range(1..=most);
            // Not shorter than what is there of the last page.
            let tail = if pages == 1 { PAGE } else { rng.random_range(1..=PAGE) };
            vec![save(&path, first..first + pages, tail, sync)]
        }
        (13..20, Some((path, len))) if len >= PAGE => {
            let first = rng.random_range(0..len / PAGE);
            let most = if rng.random_bool(0.9) { 3 } else { 300 };
            let pages = rng.random_range(1..=most.min(len / PAGE - first));
            vec![save(&path, first..first + pages, PAGE, sync)]
        }
        _ if !is_full && !model.has(&path) => {
            let pages = rng.random_range(1..10);
            vec![save(&path, 0..pages, rng.random_range(1..=PAGE), sync)]
        }
        _ => vec![],
    }
}
