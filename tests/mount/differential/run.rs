//! Performs the same operations on both sides and stops at the first difference.

use super::attrs::{Clock, Perm};
use super::generate::{Actor, Generator};
use super::names::Taste;
use super::op::{AtOp, Op, Place, SlotOp, Sparse, TwoOp, brief as text};
use super::side::{Outcome, Seen, Side};
use super::tree::{Tree, bytes_differ};
use super::user::act_as;
use super::values::Abilities;
use crate::people::Who;
use rustix::fs::{self, AtFlags, Mode};
use rustix::io::{self, Errno};
use std::collections::VecDeque;
use std::path::{Path, PathBuf};

/// The number of entries from which on operations that remove many are preferred.
const MANY: usize = 250;

/// What differs, and how it came to be.
pub(super) struct Difference(String);

impl std::fmt::Debug for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// The plain directory, the one under test, and what comes next.
pub(super) struct Runner {
    paths: [PathBuf; 2],
    /// The plain side, then the one under test; `None` while nothing may be open there.
    sides: Option<[Side; 2]>,
    clock: Clock,
    seed: u64,
    generator: Generator,
    done: u64,
    recent: VecDeque<String>,
    /// How many operations a report shows.
    shown: usize,
    actor: Actor,
}

impl Runner {
    /// A run over the directories `plain` and `tested`, which are to be equal.
    pub(super) fn new(plain: &Path, tested: &Path, seed: u64, taste: Taste, actor: Actor) -> io::Result<Self> {
        let clock = Clock::start();
        let mut runner = Self {
            paths: [plain.to_owned(), tested.to_owned()],
            sides: None,
            clock,
            seed,
            generator: Generator::new(seed, clock, taste, Abilities::of(plain)?, actor),
            done: 0,
            recent: VecDeque::new(),
            shown: super::shown(),
            actor,
        };
        runner.attach()?;
        Ok(runner)
    }

    /// Opens both directories (again).
    pub(super) fn attach(&mut self) -> io::Result<()> {
        let [plain, tested] = &self.paths;
        self.sides = Some([Side::open(plain, self.clock)?, Side::open(tested, self.clock)?]);
        Ok(())
    }

    /// Closes everything that is open in either directory.
    pub(super) fn detach(&mut self) {
        self.sides = None;
    }

    fn difference(&self, what: &str) -> Difference {
        let recent: Vec<&str> = self.recent.iter().map(String::as_str).collect();
        Difference(format!(
            "after {} operations with PLAINVIEW_TEST_SEED={}, {what}\nthe last operations:\n  {}\n",
            self.done,
            self.seed,
            recent.join("\n  ")
        ))
    }

    /// Performs `count` operations, comparing what each shows.
    pub(super) fn run(&mut self, count: u64) -> Result<(), Difference> {
        self.open_root()?;
        let result = (0..count).try_for_each(|_| {
            let sides = self.sides.as_ref().ok_or_else(|| self.difference("nothing is open"))?;
            let op = self.generator.next(&sides[0]);
            self.step(&op)?;
            // What is looked at refreshes what is remembered of it.
            if self.generator.now_and_then() { self.look(&op) } else { Ok(()) }
        });
        // Whoever performed the last operation: what follows is root's again.
        if self.actor == Actor::Changing {
            act_as(Who::Root).map_err(|errno| self.difference(&format!("cannot become root again: {errno}")))?;
            self.generator.is(Who::Root);
        }
        result
    }

    /// Performs these operations, comparing what each shows.
    pub(super) fn follow(&mut self, ops: &[Op]) -> Result<(), Difference> {
        ops.iter().try_for_each(|op| self.step(op))
    }

    /// Makes both roots accessible: their own modes may have been changed, so that nothing could be reached any more.
    fn open_root(&self) -> Result<(), Difference> {
        for side in self.sides.iter().flatten() {
            fs::fchmod(side.root(), Mode::from_raw_mode(0o777)).map_err(|errno| self.difference(&format!("chmod of the root: {errno}")))?;
        }
        Ok(())
    }

    fn step(&mut self, op: &Op) -> Result<(), Difference> {
        self.done += 1;
        if let Op::Become(who) = op {
            act_as(*who).map_err(|errno| self.difference(&format!("cannot become {who:?}: {errno}")))?;
        }
        let Some([plain, tested]) = self.sides.as_mut() else {
            return Err(self.difference("nothing is open"));
        };
        let (expected, got) = (plain.perform(op), tested.perform(op));
        if self.recent.len() == self.shown {
            self.recent.pop_front();
        }
        self.recent.push_back(format!("{}: {op:?} = {}", self.done, brief(&expected)));
        let Some([plain, _]) = self.sides.as_ref() else {
            return Ok(());
        };
        match disagree(op, plain, &expected, &got) {
            Some(what) => Err(self.difference(&format!("{op:?} differs: {what}"))),
            None => Ok(()),
        }
    }

    /// Compares what `op` may have changed.
    fn look(&self, op: &Op) -> Result<(), Difference> {
        for (what, expected, got) in self.sides.iter().flat_map(|[plain, tested]| watch(op, plain, tested)) {
            if expected != got {
                let (expected, got) = (brief(&expected), brief(&got));
                return Err(self.difference(&format!("after {op:?}, {what} differs: expected {expected}, got {got}")));
            }
        }
        Ok(())
    }

    /// Compares both trees and all open descriptors.
    pub(super) fn compare(&mut self) -> Result<(), Difference> {
        self.open_root()?;
        let Some([plain, tested]) = self.sides.as_ref() else {
            return Err(self.difference("nothing is open"));
        };
        for slot in plain.used() {
            let (expected, got) = (plain.slot_attrs(slot), tested.slot_attrs(slot));
            if expected != got {
                return Err(self.difference(&format!("slot {slot} differs: expected {}, got {}", brief(&expected), brief(&got))));
            }
        }
        let expected = Tree::read(plain).map_err(|errno| self.difference(&format!("cannot read the plain tree: {errno}")))?;
        let got = Tree::read(tested).map_err(|errno| self.difference(&format!("cannot read the tree under test: {errno}")))?;
        let differences = expected.differences(&got);
        if !differences.is_empty() {
            return Err(self.difference(&format!("the trees differ:\n  {}", differences.join("\n  "))));
        }
        self.generator.prune(if expected.len() > MANY {
            expected.directories()
        } else {
            Vec::new()
        });
        Ok(())
    }

    /// Makes every directory accessible again, so that all can be compared and removed.
    pub(super) fn open_all_directories(&mut self) -> Result<(), Difference> {
        let mut before = 0;
        loop {
            let Some([plain, _]) = self.sides.as_ref() else {
                return Err(self.difference("nothing is open"));
            };
            let directories = Tree::read(plain)
                .map_err(|errno| self.difference(&format!("cannot read the plain tree: {errno}")))?
                .directories();
            for at in &directories {
                self.step(&Op::At(at.clone(), AtOp::Chmod { mode: Perm(0o755) }))?;
            }
            if directories.len() == before {
                return Ok(());
            }
            before = directories.len();
        }
    }
}

/// The attributes of what the operation may have changed: its paths, what these follow, the directories that hold them, its descriptor.
fn watch(op: &Op, plain: &Side, tested: &Side) -> Vec<(String, Outcome, Outcome)> {
    let mut seen = Vec::new();
    let mut look = |at: &Place, flags| seen.push((format!("{at:?}"), plain.attrs(at, flags), tested.attrs(at, flags)));
    for at in op.places() {
        look(at, AtFlags::SYMLINK_NOFOLLOW);
        look(at, AtFlags::empty());
        look(&at.parent(), AtFlags::empty());
    }
    if let Some(slot) = op.slot() {
        seen.push((format!("slot {slot}"), plain.slot_attrs(slot), tested.slot_attrs(slot)));
    }
    seen
}

/// What is wrong with `got`, if anything is.
fn disagree(op: &Op, plain: &Side, expected: &Outcome, got: &Outcome) -> Option<String> {
    if let (Op::Slot(slot, SlotOp::SeekSparse { offset, to }), Ok(Seen::Sparse(expected)), Ok(Seen::Sparse(got))) = (op, expected, got) {
        return sparse_disagrees(plain, *slot, (*offset, *to), *expected, *got);
    }
    if expected == got || (is_replacement(op) && [expected, got].into_iter().all(says_not_empty)) {
        return None;
    }
    if let (Ok(Seen::Bytes(expected)), Ok(Seen::Bytes(got))) = (expected, got) {
        return Some(bytes_differ(expected, got));
    }
    Some(format!("expected {}, got {}", brief(expected), brief(got)))
}

/// Whether it may rename over what is there.
fn is_replacement(op: &Op) -> bool {
    matches!(op, Op::Two(_, _, TwoOp::Rename(flags)) if flags.is_empty())
}

/// What POSIX allows for a rename over a directory that is not empty: XFS says the first, others the second, and we whatever is below or the second.
fn says_not_empty(outcome: &Outcome) -> bool {
    matches!(outcome, Err(Errno::EXIST | Errno::NOTEMPTY))
}

/// SEEK_DATA and SEEK_HOLE may differ in what they call a hole, but not about where the file ends, and never may data be in a hole.
fn sparse_disagrees(
    plain: &Side,
    slot: usize,
    (offset, to): (u64, Sparse),
    expected: io::Result<u64>,
    got: io::Result<u64>,
) -> Option<String> {
    let answers = format!("expected something like {expected:?}, got {got:?}");
    let file = plain.slot(slot).ok()?;
    let size = u64::try_from(fs::fstat(file).ok()?.st_size).ok()?;
    if offset >= size {
        return (expected != got).then_some(answers);
    }
    // What the answer says is a hole: all that was skipped to get at data, or at least the first byte of the hole that was found.
    let hole = match (to, got) {
        (_, Ok(found)) if found < offset || found > size => return Some(format!("{answers}, outside of the file's {size} bytes")),
        (Sparse::Data, Ok(found)) => offset..found,
        (Sparse::Data, Err(Errno::NXIO)) => offset..size,
        (Sparse::Hole, Ok(found)) => found..size.min(found + 1),
        (Sparse::Data | Sparse::Hole, Err(_)) => return Some(answers),
    };
    let mut bytes = vec![0; usize::try_from(hole.end - hole.start).ok()?];
    let read = io::pread(file, bytes.as_mut_slice(), hole.start).ok()?; // a descriptor that may not read cannot tell
    let data = bytes[..read].iter().position(|byte| *byte != 0)?;
    Some(format!("{answers}, but there is data {data} bytes after {}", hole.start))
}

/// An outcome, in a line.
fn brief(outcome: &Outcome) -> String {
    match outcome {
        Ok(Seen::Bytes(bytes)) => format!("{} bytes, {}", bytes.len(), &blake3::hash(bytes).to_hex()[..8]),
        Ok(Seen::Names(names)) => {
            let names: Vec<_> = names.iter().map(|(name, kind)| format!("{} {kind:?}", text(name))).collect();
            format!("{} names: {names:?}", names.len())
        }
        Ok(Seen::List(names)) => format!("{:?}", names.iter().map(|name| text(name)).collect::<Vec<_>>()),
        Ok(seen) => format!("{seen:?}"),
        Err(errno) => errno.to_string(),
    }
}
