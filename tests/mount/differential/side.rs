//! One of the two directories: performs operations in it and says what an application would see.

use super::attrs::{Attrs, Clock, When};
use super::op::{AtOp, Base, Op, Place, SlotOp, Times, TwoOp};
use super::{on_slot, on_xattr};
use rustix::fs::{self, AtFlags, FileType, Gid, Mode, OFlags, RawDir, SeekFrom, Stat, UTIME_OMIT, Uid};
use rustix::io::{self, Errno};
use std::ffi::OsStr;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// How many descriptors are kept open at most.
pub(super) const SLOTS: usize = 20;

/// What an operation shows to its caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    Nothing,
    Count(u64),
    Bytes(Vec<u8>),
    Names(Vec<(Vec<u8>, FileType)>),
    List(Vec<Vec<u8>>),
    Attrs(Attrs),
    /// Attributes, and the times of access and modification that were set.
    Times(Attrs, Option<When>, Option<When>),
    Same(bool),
    /// Where SEEK_DATA or SEEK_HOLE ended: compared by meaning only.
    Sparse(Result<u64, Errno>),
}

pub(super) type Outcome = Result<Seen, Errno>;

/// A directory and the descriptors open below it.
pub(super) struct Side {
    path: PathBuf,
    root: OwnedFd,
    slots: Vec<Option<OwnedFd>>,
    clock: Clock,
}

impl Side {
    pub(super) fn open(path: &Path, clock: Clock) -> io::Result<Self> {
        let root = fs::open(path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        Ok(Self {
            path: path.to_owned(),
            root,
            slots: (0..SLOTS).map(|_| None).collect(),
            clock,
        })
    }

    pub(super) fn root(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }

    pub(super) fn clock(&self) -> Clock {
        self.clock
    }

    /// The slots that hold a descriptor.
    pub(super) fn used(&self) -> Vec<usize> {
        self.slots
            .iter()
            .enumerate()
            .filter(|(_, slot)| slot.is_some())
            .map(|(index, _)| index)
            .collect()
    }

    pub(super) fn slot(&self, slot: usize) -> io::Result<BorrowedFd<'_>> {
        self.slots.get(slot).and_then(Option::as_ref).map(AsFd::as_fd).ok_or(Errno::BADF)
    }

    pub(super) fn base(&self, base: Base) -> io::Result<BorrowedFd<'_>> {
        match base {
            Base::Root => Ok(self.root()),
            Base::Slot(slot) => self.slot(slot),
        }
    }

    /// The path of something below the root, for the calls that know no descriptors.
    pub(super) fn absolute(&self, path: &[u8]) -> PathBuf {
        self.path.join(OsStr::from_bytes(path))
    }

    pub(super) fn stat(&self, at: &Place, flags: AtFlags) -> io::Result<Stat> {
        fs::statat(self.base(at.base)?, at.path.as_slice(), flags)
    }

    /// Whether there is a directory, not by way of a symlink.
    pub(super) fn is_directory(&self, at: &Place) -> bool {
        self.stat(at, AtFlags::SYMLINK_NOFOLLOW)
            .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Directory)
    }

    pub(super) fn attrs(&self, at: &Place, flags: AtFlags) -> Outcome {
        Ok(Seen::Attrs(Attrs::of(&self.stat(at, flags)?, self.clock)))
    }

    pub(super) fn slot_attrs(&self, slot: usize) -> Outcome {
        Ok(Seen::Attrs(Attrs::of(&fs::fstat(self.slot(slot)?)?, self.clock)))
    }

    /// Performs `op`.
    pub(super) fn perform(&mut self, op: &Op) -> Outcome {
        match op {
            Op::Become(_) => Ok(Seen::Nothing),
            Op::At(at, AtOp::Open { slot, flags, mode }) => {
                let flags = *flags | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
                let fd = fs::openat(self.base(at.base)?, at.path.as_slice(), flags, Mode::from_raw_mode(mode.0))?;
                let before = self.slots.get_mut(*slot).ok_or(Errno::BADF)?.replace(fd);
                before.into_iter().for_each(close);
                Ok(Seen::Nothing)
            }
            Op::Slot(slot, SlotOp::Close) => {
                close(self.slots.get_mut(*slot).and_then(Option::take).ok_or(Errno::BADF)?);
                Ok(Seen::Nothing)
            }
            Op::At(at, what) => self.at(at, what),
            Op::Two(from, to, what) => {
                let (from_base, to_base) = (self.base(from.base)?, self.base(to.base)?);
                let (from, to) = (from.path.as_slice(), to.path.as_slice());
                match what {
                    TwoOp::Rename(flags) => fs::renameat_with(from_base, from, to_base, to, *flags)?,
                    TwoOp::Link(flags) => fs::linkat(from_base, from, to_base, to, *flags)?,
                }
                Ok(Seen::Nothing)
            }
            Op::Slot(slot, what) => on_slot::perform(self, *slot, what),
            Op::Copy {
                from,
                from_offset,
                to,
                to_offset,
                len,
            } => on_slot::copy(self.slot(*from)?, *from_offset, self.slot(*to)?, *to_offset, *len),
            Op::Xattr(target, what) => on_xattr::perform(self, target, what),
            Op::NameMax => Ok(Seen::Count(fs::fstatvfs(&self.root)?.f_namemax)),
        }
    }

    fn at(&self, at: &Place, what: &AtOp) -> Outcome {
        let (base, path) = (self.base(at.base)?, at.path.as_slice());
        match what {
            AtOp::Open { .. } => {} // needs the slots: done in perform
            AtOp::Mkdir { mode } => fs::mkdirat(base, path, Mode::from_raw_mode(mode.0))?,
            AtOp::Rmdir => fs::unlinkat(base, path, AtFlags::REMOVEDIR)?,
            AtOp::Unlink => fs::unlinkat(base, path, AtFlags::empty())?,
            AtOp::Symlink { target } => fs::symlinkat(target.0.as_slice(), base, path)?,
            AtOp::Readlink => return Ok(Seen::Bytes(fs::readlinkat(base, path, Vec::new())?.into_bytes())),
            AtOp::Mknod { kind, mode } => fs::mknodat(base, path, *kind, Mode::from_raw_mode(mode.0), 0)?,
            AtOp::Chmod { mode } => fs::chmodat(base, path, Mode::from_raw_mode(mode.0), AtFlags::empty())?,
            AtOp::Chown { uid, gid, flags } => fs::chownat(base, path, uid.map(Uid::from_raw), gid.map(Gid::from_raw), *flags)?,
            AtOp::Utimens { times, flags } => {
                // Looked at without going that way once more, which may lead through the very symlink, and following one changes its time of access.
                let nofollow = if flags.contains(AtFlags::SYMLINK_NOFOLLOW) {
                    OFlags::NOFOLLOW
                } else {
                    OFlags::empty()
                };
                let there = fs::openat(base, path, OFlags::PATH | OFlags::CLOEXEC | nofollow, Mode::empty())?;
                fs::utimensat(base, path, &times.timestamps(), *flags)?;
                return Ok(self.times(&fs::fstat(&there)?, *times));
            }
            AtOp::Access { access, flags } => fs::accessat(base, path, *access, *flags)?,
            AtOp::Stat { flags } => return self.attrs(at, *flags),
            AtOp::Same { slot } => {
                let (one, other) = (fs::fstat(self.slot(*slot)?)?, fs::statat(base, path, AtFlags::empty())?);
                return Ok(Seen::Same((one.st_dev, one.st_ino) == (other.st_dev, other.st_ino)));
            }
            AtOp::ReadDir { room } => {
                let dir = fs::openat(base, path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
                return list(dir.as_fd(), *room).map(Seen::Names);
            }
            AtOp::Sweep { room } => return sweep(base, path, *room),
        }
        Ok(Seen::Nothing)
    }

    /// What is to be seen after `times` were set.
    pub(super) fn times(&self, stat: &Stat, times: Times) -> Seen {
        let set = |(_, nanos): (i64, i64)| nanos != UTIME_OMIT;
        let accessed = set(times.access).then(|| self.clock.accessed(stat));
        let modified = set(times.modification).then(|| self.clock.modified(stat));
        Seen::Times(Attrs::of(stat, self.clock), accessed, modified)
    }
}

/// Closes what a slot held; of a fifo, what is in it is read first. With its last descriptor a fifo loses that, and nobody can tell which the last one is: a program that
/// another test starts has a copy of each for a moment.
fn close(fd: OwnedFd) {
    let is_fifo = fs::fstat(&fd).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Fifo);
    while is_fifo && rustix::io::read(&fd, &mut [0; 4096]).is_ok_and(|read| read > 0) {}
}

/// The names in an open directory, from the first one on, in order; one that comes twice is there twice.
pub(super) fn list(dir: BorrowedFd<'_>, room: usize) -> io::Result<Vec<(Vec<u8>, FileType)>> {
    fs::seek(dir, SeekFrom::Start(0))?;
    let mut buffer = vec![MaybeUninit::uninit(); room];
    let mut entries = RawDir::new(dir, &mut buffer);
    let mut names = Vec::new();
    while let Some(entry) = entries.next() {
        let entry = entry?;
        names.push((entry.file_name().to_bytes().to_vec(), entry.file_type()));
    }
    // The end of a directory can be where reading it is no longer EISDIR but EINVAL.
    fs::seek(dir, SeekFrom::Start(0))?;
    names.sort_by(|one, other| one.0.cmp(&other.0));
    Ok(names)
}

/// Unlinks all entries of a directory that are no directories, each as it is read.
fn sweep(base: BorrowedFd<'_>, path: &[u8], room: usize) -> Outcome {
    let dir = fs::openat(
        base,
        path,
        OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC,
        Mode::empty(),
    )?;
    let mut buffer = vec![MaybeUninit::uninit(); room];
    let mut entries = RawDir::new(&dir, &mut buffer);
    let mut names = Vec::new();
    while let Some(entry) = entries.next() {
        let name = entry?.file_name().to_owned();
        let gone = fs::unlinkat(&dir, &name, AtFlags::empty());
        names.push([name.to_bytes(), b": ", format!("{gone:?}").as_bytes()].concat());
    }
    names.sort();
    Ok(Seen::List(names))
}
