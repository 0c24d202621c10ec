//! A file beside a model of it: random operations on both, and what must hold between them.

use super::*;
use crate::record::RecordNo;
use rand::RngExt;
use rand::rngs::StdRng;

/// One operation on a file.
#[derive(Clone, Debug)]
pub(super) enum Op {
    Write { offset: u64, len: usize, fill: u8 },
    Read { offset: u64, len: usize },
    Resize(u64),
    Zero { offset: u64, len: u64 },
    Allocate { offset: u64, len: u64 },
    Seek { offset: u64, to: SeekTo },
    Sync(Durability),
    Reopen,
}

/// A file's length in tests: a dozen records at most, most of the time.
const LONG: u64 = 12 * R;

/// An offset near a record border, near the end of the file, or anywhere.
fn offset(rng: &mut StdRng, len: u64) -> u64 {
    let anchor = match rng.random_range(0..10) {
        0..4 => rng.random_range(0..=LONG / R) * R,
        4..7 => len,
        7 => 0,
        _ => rng.random_range(0..LONG),
    };
    (anchor + rng.random_range(0..4)).saturating_sub(rng.random_range(0..4))
}

/// A length: a few bytes, some whole records, or any.
fn length(rng: &mut StdRng) -> u64 {
    match rng.random_range(0..10) {
        0..4 => rng.random_range(0..40),
        4..7 => (rng.random_range(0..4) * R + rng.random_range(0..3)).saturating_sub(rng.random_range(0..3)),
        _ => rng.random_range(0..3 * R),
    }
}

impl Op {
    /// A random operation on a file of `len` bytes.
    pub(super) fn random(rng: &mut StdRng, len: u64) -> Self {
        let offset = offset(rng, len);
        let size = length(rng);
        match rng.random_range(0..100) {
            0..35 => Self::Write {
                offset,
                len: usize::try_from(size).unwrap(),
                fill: rng.random(),
            },
            35..62 => Self::Read {
                offset,
                len: usize::try_from(size).unwrap(),
            },
            62..63 => Self::Resize(0),
            63..74 => Self::Resize(offset),
            74..82 => Self::Zero { offset, len: size },
            82..84 => Self::Allocate { offset, len: size },
            84..90 => Self::Seek {
                offset,
                to: if rng.random() { SeekTo::Data } else { SeekTo::Hole },
            },
            90..93 => Self::Sync(if rng.random() { Durability::Data } else { Durability::All }),
            _ => Self::Reopen,
        }
    }

    /// What a file of these contents holds after it.
    pub(super) fn apply(&self, model: &mut Vec<u8>) {
        match self {
            Self::Write { len: 0, .. } => (),
            Self::Write { offset, len, fill } => {
                let offset = usize::try_from(*offset).unwrap();
                model.resize(model.len().max(offset + len), 0);
                model[offset..offset + len].copy_from_slice(&self.data(*len, *fill));
            }
            Self::Resize(len) => model.resize(usize::try_from(*len).unwrap(), 0),
            Self::Zero { offset, len } => {
                let [from, to] = [*offset, offset + len].map(|at| usize::try_from(at).unwrap().min(model.len()));
                model[from..to].fill(0);
            }
            Self::Read { .. } | Self::Allocate { .. } | Self::Seek { .. } | Self::Sync(_) | Self::Reopen => (),
        }
    }

    fn data(&self, len: usize, fill: u8) -> Vec<u8> {
        pattern(len).into_iter().map(|byte| byte ^ fill).collect()
    }

    /// Does it, unless it only looks.
    pub(super) fn perform(&self, file: &mut VaultFile, disk: &dyn Disk) -> Result<()> {
        match self {
            Self::Write { offset, len, fill } => file.write(disk, *offset, &self.data(*len, *fill)),
            Self::Resize(len) => file.set_length(disk, *len),
            Self::Zero { offset, len } => file.make_zero(disk, *offset, *len),
            Self::Allocate { offset, len } => file.take_space(disk, *offset, *len),
            Self::Sync(what) => file.sync_to(disk, *what),
            Self::Read { .. } | Self::Seek { .. } | Self::Reopen => Ok(()),
        }
    }
}

/// The holes of a file of `len` bytes.
fn holes(disk: &dyn Disk, len: u64) -> Vec<RecordNo> {
    let is_hole = |record: &RecordNo| {
        let mut sealed = vec![1; SEALED_LEN];
        read::read_full(disk, &mut sealed, record.cipher_offset()).unwrap();
        sealed.iter().all(|byte| *byte == 0)
    };
    (0..len / R).map(RecordNo::new).filter(is_hole).collect()
}

/// A file, the disk it is on, and what it should hold.
pub(super) struct Bench<'a> {
    pub(super) disk: &'a dyn Disk,
    pub(super) file: VaultFile,
    pub(super) model: Vec<u8>,
}

impl<'a> Bench<'a> {
    pub(super) fn new(disk: &'a dyn Disk) -> Self {
        Self {
            disk,
            file: VaultFile::of_length(content_key(), 0),
            model: Vec::new(),
        }
    }

    /// Does `op` on both and compares. `disk_len` says how long the file on disk is.
    pub(super) fn step(&mut self, op: &Op, disk_len: impl Fn() -> u64) {
        op.perform(&mut self.file, self.disk)
            .unwrap_or_else(|error| panic!("{op:?}: {error}"));
        op.apply(&mut self.model);
        let len = bytes(self.model.len());
        match op {
            Op::Read { offset, len } => self.compare(*offset, *len),
            Op::Seek { offset, to } => self.check_seek(*offset, *to),
            Op::Reopen => {
                self.file = VaultFile::of_length(content_key(), disk_len());
                self.check();
            }
            Op::Write { .. } | Op::Zero { .. } | Op::Allocate { .. } | Op::Resize(_) | Op::Sync(_) => (),
        }
        assert_eq!(self.file.length(), len, "{op:?}");
        assert_eq!(disk_len(), cipher_len(len), "{op:?}");
    }

    /// Whole records are sealed ahead, `between` is done, and then they are written.
    pub(super) fn step_late(&mut self, rng: &mut StdRng, between: &Op, disk_len: impl Fn() -> u64) {
        let (offset, records) = (rng.random_range(0..LONG / R) * R, rng.random_range(1..4));
        let (len, fill) = (records * RECORD_LEN, rng.random());
        let late = Op::Write { offset, len, fill };
        let data = late.data(len, fill);
        let ahead = SealsAhead::of(&self.file).seal(offset, &data);
        self.step(between, &disk_len);
        self.file.write_sealed(self.disk, offset, &data, ahead.as_ref()).unwrap();
        late.apply(&mut self.model);
        self.compare(offset, len);
        assert_eq!(disk_len(), cipher_len(bytes(self.model.len())), "{late:?} after {between:?}");
    }

    /// Compares everything.
    pub(super) fn check(&self) {
        assert!(whole(&self.file, self.disk).unwrap() == self.model);
        if let Some(known) = &self.file.known_holes {
            assert!(!known.ranges.is_empty());
            for hole in holes(self.disk, self.file.length()) {
                assert!(known.ranges.iter().any(|range| range.contains(&hole)), "{hole:?} is not known");
            }
        }
    }

    fn compare(&self, offset: u64, len: usize) {
        let mut buf = vec![0xee; len / 2];
        self.file.read(self.disk, offset, len, &mut buf).unwrap();
        let [from, to] = [offset, offset + bytes(len)].map(|at| usize::try_from(at).unwrap().min(self.model.len()));
        assert!(buf == self.model[from..to], "{len} bytes at {offset}");
    }

    /// What is skipped on the way to data are zeros; a hole begins with zeros, and at a record border unless there at once.
    fn check_seek(&self, offset: u64, to: SeekTo) {
        let len = bytes(self.model.len());
        let found = self.file.find(self.disk, offset, to).map_err(|error| error.errno());
        let at = |offset: u64| usize::try_from(offset).unwrap();
        match (to, found) {
            (_, Err(errno)) => {
                assert_eq!(errno, rustix::io::Errno::NXIO);
                assert!(offset >= len || (to == SeekTo::Data && self.model[at(offset)..].iter().all(|byte| *byte == 0)));
            }
            (SeekTo::Data, Ok(found)) => {
                assert!(found >= offset && found < len && (found == offset || found % R == 0));
                assert!(self.model[at(offset)..at(found)].iter().all(|byte| *byte == 0));
            }
            (SeekTo::Hole, Ok(found)) => {
                assert!(found >= offset && (found == offset || found == len || found % R == 0));
                let end = len.min((found / R + 1) * R);
                assert!(self.model[at(found)..at(end)].iter().all(|byte| *byte == 0));
                assert!(found == len || end - end % R == end);
            }
        }
    }
}
