//! Where everything that is found goes: to who watches, into the count, and, for a repair, into the plan.

use super::finding::{Finding, Severity};
use super::place::Place;
use super::{Event, Summary, Watch};
use crate::name::DirId;
use parking_lot::Mutex;
use std::ffi::CString;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// All names of an entry: more than one only where a file has several. None is the root.
pub(super) type Names = Arc<Mutex<Vec<Arc<Place>>>>;

/// What is to be done about a finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// The entry goes to lost+found, with its name file if it has one.
    Move,
    /// The file keeps its first `keep` bytes, and `end` comes behind them.
    Cut { keep: u64, end: Vec<u8> },
    /// The entry is removed: nothing in it could be missed.
    Remove,
    /// The directory gets this id.
    Rewrite(DirId),
    /// The extended attribute goes.
    Drop(CString),
}

/// What is to be done, where, and why.
pub(super) struct Plan {
    pub(super) names: Names,
    pub(super) action: Action,
    pub(super) why: String,
}

/// See the module.
pub(super) struct Sink<'a> {
    watch: Watch<'a>,
    pub(super) files: AtomicU64,
    pub(super) directories: AtomicU64,
    pub(super) symlinks: AtomicU64,
    pub(super) others: AtomicU64,
    pub(super) bytes: AtomicU64,
    /// By severity, in its order.
    findings: [AtomicU64; 4],
    plans: Mutex<Vec<Plan>>,
}

impl<'a> Sink<'a> {
    pub(super) fn new(watch: Watch<'a>) -> Self {
        Self {
            watch,
            files: AtomicU64::new(0),
            directories: AtomicU64::new(0),
            symlinks: AtomicU64::new(0),
            others: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            findings: Default::default(),
            plans: Mutex::default(),
        }
    }

    /// Tells of a finding.
    pub(super) fn tell(&self, finding: &Finding) {
        self.of(finding.severity).fetch_add(1, Ordering::Relaxed);
        (self.watch)(Event::Finding(finding));
    }

    /// Tells of a finding, and what is to be done about it.
    pub(super) fn find(&self, names: &Names, finding: &Finding, action: Action) {
        self.tell(finding);
        self.plan(names, action, finding.reason.clone());
    }

    /// Something is to be done.
    pub(super) fn plan(&self, names: &Names, action: Action, why: String) {
        let names = Arc::clone(names);
        self.plans.lock().push(Plan { names, action, why });
    }

    /// So many bytes of files are done with.
    pub(super) fn done(&self, bytes: u64) {
        (self.watch)(Event::Done(bytes));
    }

    fn of(&self, severity: Severity) -> &AtomicU64 {
        let [damage, unreadable, leftover, foreign] = &self.findings;
        match severity {
            Severity::Damage => damage,
            Severity::Unreadable => unreadable,
            Severity::Leftover => leftover,
            Severity::Foreign => foreign,
        }
    }

    /// What there was, and what is to be done.
    pub(super) fn finish(self) -> (Summary, Vec<Plan>) {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let summary = Summary {
            files: count(&self.files),
            directories: count(&self.directories),
            symlinks: count(&self.symlinks),
            others: count(&self.others),
            bytes: count(&self.bytes),
            damage: count(self.of(Severity::Damage)),
            unreadable: count(self.of(Severity::Unreadable)),
            leftovers: count(self.of(Severity::Leftover)),
            foreign: count(self.of(Severity::Foreign)),
        };
        (summary, self.plans.into_inner())
    }
}

/// The names of an entry that has this one.
pub(super) fn named(place: Option<&Arc<Place>>) -> Names {
    Arc::new(Mutex::new(place.cloned().into_iter().collect()))
}
