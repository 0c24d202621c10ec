//! One regular file: header, records, length, attributes. A large one is looked at by several threads, each of which takes parts of it.

use super::attributes;
use super::bad::Bad;
use super::finding::{Finding, Severity, Span, What};
use super::records::{Opener, Records, Room, Seen, Shape, Why, read_header};
use super::sink::{Action, Names, Sink};
use super::{Depth, torn};
use crate::journal::JournaledFile;
use crate::keys::ContentKey;
use crate::name::NameCipher;
use crate::record::{Reason, RecordNo};
use crate::sys::disk::{Descriptor, Disk};
use parking_lot::Mutex;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

/// Full records in a part: 32 MiB.
const PART: u64 = 8192;

/// What all files of a vault need.
pub(super) struct Keys {
    pub(super) content: ContentKey,
    pub(super) names: NameCipher,
}

/// A file that is being looked at.
pub(super) struct Subject {
    disk: Descriptor,
    /// What the journal lays over it.
    journaled: Option<Arc<JournaledFile>>,
    len: u64,
    names: Names,
    opener: OnceLock<Result<Opener, Why>>,
    /// Leaf lock.
    bad: Mutex<Bad>,
    /// Parts that are not done yet.
    left: AtomicU64,
}

/// A part of a file.
pub(super) struct Part {
    file: Arc<Subject>,
    number: u64,
}

impl Subject {
    /// A file that is open as `disk` and `len` bytes long.
    pub(super) fn new(disk: Descriptor, len: u64, journaled: Option<Arc<JournaledFile>>, names: Names) -> Self {
        Self {
            disk,
            journaled,
            len,
            names,
            opener: OnceLock::new(),
            bad: Mutex::default(),
            left: AtomicU64::new(0),
        }
    }

    /// The parts to be looked at, at least one.
    pub(super) fn parts(self, depth: Depth) -> impl Iterator<Item = Part> {
        let count = match depth {
            Depth::Full if self.len > 0 => Shape::of(self.len).full.div_ceil(PART).max(1),
            Depth::Full | Depth::Fast => 1,
        };
        self.left.store(count, Ordering::Relaxed);
        let file = Arc::new(self);
        (0..count).map(move |number| Part {
            file: Arc::clone(&file),
            number,
        })
    }

    /// Shows `look` the file as it is with what the journal lays over it.
    fn look<T>(&self, look: impl FnOnce(&dyn Disk) -> T) -> T {
        match &self.journaled {
            Some(journaled) => look(&journaled.over(&self.disk)),
            None => look(&self.disk),
        }
    }
}

impl Part {
    /// Looks at it.
    pub(super) fn check(&self, keys: &Keys, depth: Depth, room: &mut Room, sink: &Sink<'_>) {
        let file = &*self.file;
        if self.number == 0 && depth == Depth::Full {
            attributes::check(file.disk.0.as_fd(), &file.names, &keys.names, sink);
        }
        let done = match file.len {
            0 => 0,
            _ => file.look(|disk| self.check_records(disk, keys, depth, room)),
        };
        sink.bytes.fetch_add(done, Ordering::Relaxed);
        if file.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.finish(sink);
        }
        sink.done(if depth == Depth::Fast { file.len } else { done });
    }

    /// Returns how many bytes of the file belong to this part.
    fn check_records(&self, disk: &dyn Disk, keys: &Keys, depth: Depth, room: &mut Room) -> u64 {
        let file = &*self.file;
        let shape = Shape::of(file.len);
        let (first, end) = match depth {
            Depth::Full => (self.number * PART, ((self.number + 1) * PART).min(shape.full)),
            Depth::Fast => (shape.full, shape.full),
        };
        let is_last = end == shape.full;
        let from = if self.number == 0 && depth == Depth::Full {
            0
        } else {
            offset(first)
        };
        let upto = if is_last { file.len } else { offset(end) };
        if let Ok(opener) = file.opener.get_or_init(|| open(disk, file.len, &keys.content)) {
            let records = Records { disk, opener };
            records.full(first..end, room, &mut |at, seen| match seen {
                Seen::Good(_) | Seen::Holes(_) => {}
                Seen::Bad(count, why) => file.bad.lock().insert(at, at + count, why),
            });
            if is_last && let Err(why) = check_last(&records, shape) {
                file.bad.lock().insert(shape.full, shape.full + 1, why);
            }
        }
        upto.saturating_sub(from)
    }

    /// All parts were looked at.
    fn finish(&self, sink: &Sink<'_>) {
        let file = &*self.file;
        if let Some(Err(why)) = file.opener.get() {
            let mut finding = file.finding(What::Header, *why);
            finding.bytes = Some((0, file.len.min(offset(0))));
            return file.tell(&finding, why.is_unreadable(), || Action::Move, sink);
        }
        let bad = file.bad.lock();
        let (runs, more) = bad.told();
        for (first, run) in runs {
            let mut finding = file.finding(What::Record, run.why);
            if run.mixed {
                finding.reason.push_str(", and other damage");
            }
            finding.records = Some(Span {
                first,
                count: run.end - first,
            });
            let from = offset(first).min(file.len);
            finding.bytes = Some((from, offset(run.end).min(file.len) - from));
            sink.tell(&finding);
        }
        if more > 0 {
            let reason = format!("{more} more records of this file are damaged");
            sink.tell(&Finding {
                reason,
                ..file.finding(What::Record, Why::Damage(Reason::Tag))
            });
        }
        if let Some(first) = bad.first().filter(|_| !bad.is_unreadable()) {
            let repair = || file.look(|disk| file.repair(disk, first));
            sink.plan(&file.names, repair(), "records of the file are damaged".to_owned());
        }
    }
}

impl Subject {
    fn finding(&self, what: What, why: Why) -> Finding {
        let severity = match why {
            Why::Damage(_) => Severity::Damage,
            Why::Unreadable(_) => Severity::Unreadable,
        };
        Finding::at(self.names.lock().first().map(|place| &**place), severity, what, why.words())
    }

    fn tell(&self, finding: &Finding, is_unreadable: bool, action: impl FnOnce() -> Action, sink: &Sink<'_>) {
        match is_unreadable {
            true => sink.tell(finding),
            false => sink.find(&self.names, finding, action()),
        }
    }

    /// What is to be done about a file whose first bad record is `first`.
    fn repair(&self, disk: &dyn Disk, first: u64) -> Action {
        let Some(Ok(opener)) = self.opener.get() else { return Action::Move };
        match torn::cut(disk, self.len, first, opener) {
            Ok(Some(cut)) => Action::Cut {
                keep: cut.keep,
                end: cut.end,
            },
            Ok(None) | Err(_) => Action::Move,
        }
    }
}

fn open(disk: &dyn Disk, len: u64, content: &ContentKey) -> Result<Opener, Why> {
    let header = read_header(disk).map_err(Why::Unreadable)?;
    if len < offset(0) {
        return Err(Why::Damage(Reason::Short));
    }
    Opener::of_header(&header, content).map_err(|damage| Why::Damage(damage.reason))
}

fn check_last(records: &Records<'_>, shape: Shape) -> Result<(), Why> {
    match shape.last {
        Some(plain) => records.last(RecordNo::new(shape.full), plain).map(|_| ()),
        None => Err(Why::Damage(Reason::Length)),
    }
}

/// Where a record begins in the file on disk.
fn offset(record: u64) -> u64 {
    RecordNo::new(record).cipher_offset()
}
