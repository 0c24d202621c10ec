//! The bytes of one file below all layers: what they ask of it, and a descriptor as that.

use super::block::Block;
use rustix::fs::{AtFlags, FallocateFlags, SeekFrom, StatxFlags, StatxTimestamp, Timespec, Timestamps, UTIME_NOW, UTIME_OMIT};
use rustix::io::{Errno, Result, retry_on_intr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

/// What a search in a file looks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SeekTo {
    /// Data (SEEK_DATA).
    Data,
    /// A hole (SEEK_HOLE).
    Hole,
}

/// What a sync makes durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Contents and what is needed to read them (fdatasync).
    Data,
    /// The time of modification, too. All other metadata is durable already.
    Modified,
    /// All metadata (fsync).
    All,
}

/// The bytes of one file on disk. A descriptor is one; the other ones lay something over it, or are simulated disks in tests, which tear writes and run full.
///
/// Offsets and lengths are those of the file on disk. Every method returns what the operating system says.
pub(crate) trait Disk {
    /// Reads into `buf` from `offset` on; returns how many bytes, 0 at the end of the file.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<usize>;
    /// Writes `data` at `offset`; returns how many bytes of it.
    fn write_at(&self, data: &[u8], offset: u64) -> Result<usize>;
    /// Takes the bytes out of `block` and writes them at `offset`: where what is written is kept in memory, and has to be copied otherwise. Returns whether it did.
    fn keep_block(&self, _block: &mut Block, _offset: u64) -> Result<bool> {
        Ok(false)
    }
    /// Cuts the file to `len` bytes, or appends zeros.
    fn set_len(&self, len: u64) -> Result<()>;
    /// Makes a range read as zeros and gives back its space, keeping the length.
    fn punch(&self, offset: u64, len: u64) -> Result<()>;
    /// Takes space for a range, keeping length and contents.
    fn allocate(&self, offset: u64, len: u64) -> Result<()>;
    /// The first byte from `offset` on that is data, or that is in a hole; ENXIO when there is none.
    fn seek(&self, offset: u64, to: SeekTo) -> Result<u64>;
    /// Makes what was written durable.
    fn sync(&self, what: Durability) -> Result<()>;
}

/// A file that can be kept open beyond the call it was passed to, and that tells what it is.
pub(crate) trait Backing: Disk {
    /// The same file, for as long as one likes.
    fn keep(&self) -> Result<Kept>;
    /// What the file is at the moment.
    fn stat(&self) -> Result<FileStat>;
    /// Runs `action`, which writes to the file, so that it keeps what the operating system takes from a file that is written to: set-user-id and set-group-id.
    fn keeping_privileges(&self, action: &mut dyn FnMut() -> Result<()>) -> Result<()>;
    /// Sets the time of the last modification; `None` is now.
    fn set_modified(&self, to: Option<Moment>) -> Result<()>;
}

/// A file that is kept open.
pub(crate) type Kept = Arc<dyn Backing + Send + Sync>;

/// A moment by the clock of a filesystem, since 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Moment {
    /// Whole seconds.
    pub(crate) secs: i64,
    /// Nanoseconds more.
    pub(crate) nanos: u32,
}

/// Which file of this machine: valid as long as it has a name or is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct FileId {
    /// Its device.
    pub(crate) dev: u64,
    /// Its inode number.
    pub(crate) ino: u64,
}

/// What a file is at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileStat {
    pub(crate) id: FileId,
    /// When it was made, where the filesystem knows.
    pub(crate) born: Option<Moment>,
    pub(crate) modified: Moment,
    /// When anything of it was changed last, which nobody can set.
    pub(crate) changed: Moment,
    pub(crate) len: u64,
    /// How many names it has.
    pub(crate) links: u32,
}

impl Moment {
    /// When anything of a file was changed last.
    pub(crate) fn changed(stat: &rustix::fs::Stat) -> Self {
        Self::new(stat.st_ctime, stat.st_ctime_nsec)
    }

    /// When a file was last modified.
    pub(crate) fn modified(stat: &rustix::fs::Stat) -> Self {
        Self::new(stat.st_mtime, stat.st_mtime_nsec)
    }

    fn new(secs: i64, nanos: u64) -> Self {
        let nanos = u32::try_from(nanos).unwrap_or(0);
        Self { secs, nanos }
    }

    fn of(time: StatxTimestamp) -> Self {
        Self {
            secs: time.tv_sec,
            nanos: time.tv_nsec,
        }
    }
}

impl FileId {
    /// The file that `stat` is of.
    pub(crate) fn of(stat: &rustix::fs::Stat) -> Self {
        Self {
            dev: stat.st_dev,
            ino: stat.st_ino,
        }
    }
}

/// What the entry `path` of `dir` is, without following a symlink; with an empty path, what `dir` is.
///
/// # Errors
/// As statx(2).
pub(crate) fn stat_at(dir: BorrowedFd<'_>, path: &std::ffi::CStr) -> Result<FileStat> {
    let flags = AtFlags::EMPTY_PATH | AtFlags::SYMLINK_NOFOLLOW;
    let stat = rustix::fs::statx(dir, path, flags, StatxFlags::BASIC_STATS | StatxFlags::BTIME)?;
    let has_birth = StatxFlags::from_bits_retain(stat.stx_mask).contains(StatxFlags::BTIME);
    Ok(FileStat {
        id: FileId {
            dev: rustix::fs::makedev(stat.stx_dev_major, stat.stx_dev_minor),
            ino: stat.stx_ino,
        },
        born: has_birth.then(|| Moment::of(stat.stx_btime)),
        modified: Moment::of(stat.stx_mtime),
        changed: Moment::of(stat.stx_ctime),
        len: stat.stx_size,
        links: stat.stx_nlink,
    })
}

impl Disk for BorrowedFd<'_> {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<usize> {
        retry_on_intr(|| rustix::io::pread(self, &mut *buf, offset))
    }

    fn write_at(&self, data: &[u8], offset: u64) -> Result<usize> {
        retry_on_intr(|| rustix::io::pwrite(self, data, offset))
    }

    fn set_len(&self, len: u64) -> Result<()> {
        retry_on_intr(|| rustix::fs::ftruncate(self, len))
    }

    fn punch(&self, offset: u64, len: u64) -> Result<()> {
        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        retry_on_intr(|| rustix::fs::fallocate(self, flags, offset, len))
    }

    fn allocate(&self, offset: u64, len: u64) -> Result<()> {
        retry_on_intr(|| rustix::fs::fallocate(self, FallocateFlags::KEEP_SIZE, offset, len))
    }

    fn seek(&self, offset: u64, to: SeekTo) -> Result<u64> {
        // Moves the descriptor's own offset, which nothing uses.
        let from = match to {
            SeekTo::Data => SeekFrom::Data(offset),
            SeekTo::Hole => SeekFrom::Hole(offset),
        };
        rustix::fs::seek(self, from)
    }

    fn sync(&self, what: Durability) -> Result<()> {
        match what {
            Durability::Data => retry_on_intr(|| rustix::fs::fdatasync(self)),
            Durability::Modified | Durability::All => retry_on_intr(|| rustix::fs::fsync(self)),
        }
    }
}

impl Backing for BorrowedFd<'_> {
    fn keep(&self) -> Result<Kept> {
        Ok(Arc::new(Descriptor(rustix::io::fcntl_dupfd_cloexec(self, 0)?)))
    }

    fn stat(&self) -> Result<FileStat> {
        stat_at(*self, c"")
    }

    fn keeping_privileges(&self, action: &mut dyn FnMut() -> Result<()>) -> Result<()> {
        super::descriptor::keeping_privileges(*self, action)
    }

    fn set_modified(&self, to: Option<Moment>) -> Result<()> {
        let time = |tv_sec, tv_nsec| Timespec { tv_sec, tv_nsec };
        let times = Timestamps {
            last_access: time(0, UTIME_OMIT),
            last_modification: to.map_or(time(0, UTIME_NOW), |to| time(to.secs, i64::from(to.nanos))),
        };
        rustix::fs::futimens(self, &times)
    }
}

/// A descriptor of one's own.
pub(crate) struct Descriptor(pub(crate) OwnedFd);

impl Disk for Descriptor {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<usize> {
        self.0.as_fd().read_at(buf, offset)
    }

    fn write_at(&self, data: &[u8], offset: u64) -> Result<usize> {
        self.0.as_fd().write_at(data, offset)
    }

    fn set_len(&self, len: u64) -> Result<()> {
        self.0.as_fd().set_len(len)
    }

    fn punch(&self, offset: u64, len: u64) -> Result<()> {
        self.0.as_fd().punch(offset, len)
    }

    fn allocate(&self, offset: u64, len: u64) -> Result<()> {
        self.0.as_fd().allocate(offset, len)
    }

    fn seek(&self, offset: u64, to: SeekTo) -> Result<u64> {
        self.0.as_fd().seek(offset, to)
    }

    fn sync(&self, what: Durability) -> Result<()> {
        self.0.as_fd().sync(what)
    }
}

impl Backing for Descriptor {
    fn keep(&self) -> Result<Kept> {
        self.0.as_fd().keep()
    }

    fn stat(&self) -> Result<FileStat> {
        self.0.as_fd().stat()
    }

    fn keeping_privileges(&self, action: &mut dyn FnMut() -> Result<()>) -> Result<()> {
        self.0.as_fd().keeping_privileges(action)
    }

    fn set_modified(&self, to: Option<Moment>) -> Result<()> {
        self.0.as_fd().set_modified(to)
    }
}

/// Calls `action`, which writes to the file, and gives the file its time of modification back.
///
/// # Errors
/// What `action` returned, or what the operating system says.
pub(crate) fn keeping_modified<T, E: From<Errno>>(
    file: &(impl Backing + ?Sized),
    action: impl FnOnce() -> std::result::Result<T, E>,
) -> std::result::Result<T, E> {
    let before = file.stat()?.modified;
    let result = action();
    let restored = restore_modified(file, before);
    let result = result?;
    restored?;
    Ok(result)
}

/// Gives a file a time of modification back.
///
/// # Errors
/// What the operating system says, unless the file is not ours: of one that we may only write to we may change no more than that.
pub(crate) fn restore_modified(file: &(impl Backing + ?Sized), before: Moment) -> Result<()> {
    match file.set_modified(Some(before)) {
        Err(Errno::PERM) => Ok(()),
        set => set,
    }
}

/// Writes all of `data` at `offset`.
///
/// # Errors
/// What the operating system says; EIO when it takes nothing and says nothing. Some of it may have been written.
pub(crate) fn write_all_at(disk: &(impl Disk + ?Sized), data: &[u8], offset: u64) -> Result<()> {
    let (mut rest, mut at) = (data, offset);
    while !rest.is_empty() {
        match disk.write_at(rest, at)? {
            0 => return Err(Errno::IO),
            written => {
                rest = rest.get(written..).unwrap_or_default();
                at += u64::try_from(written).expect("usize has at most 64 bits");
            }
        }
    }
    Ok(())
}

/// Reads all of `buf` from `offset` on; fewer bytes only at the end of the file.
///
/// # Errors
/// What the operating system says.
pub(crate) fn read_full_at(disk: &(impl Disk + ?Sized), buf: &mut [u8], offset: u64) -> Result<usize> {
    let mut got = 0;
    while let Some(rest) = buf.get_mut(got..).filter(|rest| !rest.is_empty()) {
        match disk.read_at(rest, offset + u64::try_from(got).expect("usize has at most 64 bits"))? {
            0 => break,
            more => got += more,
        }
    }
    Ok(got)
}
