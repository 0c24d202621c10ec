//! The plain types of the view's operations.

use rustix::fs::FileType;
use std::ffi::CStr;

/// Number of an inode in the view; what `stat` shows as `st_ino`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub u64);

impl NodeId {
    /// The root directory.
    pub const ROOT: Self = Self(1);
}

/// Who asks: the owner of what is created, where the daemon may give it away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
}

/// A time: seconds since 1970, which may be negative, and nanoseconds 0..1_000_000_000 to be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time {
    /// Whole seconds, rounded down.
    pub secs: i64,
    /// Nanoseconds on top.
    pub nanos: u32,
}

/// The attributes of an inode, as `stat` shows them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attr {
    /// The inode.
    pub node: NodeId,
    /// Plaintext bytes.
    pub size: u64,
    /// Blocks of 512 bytes that it takes on disk.
    pub blocks: u64,
    /// Last access.
    pub atime: Time,
    /// Last change of the contents.
    pub mtime: Time,
    /// Last change of the inode.
    pub ctime: Time,
    /// What it is.
    pub kind: FileType,
    /// Permission bits, 0o7777.
    pub perm: u16,
    /// Hard links.
    pub nlink: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Device number of a device node, as the kernel encodes it in 32 bits.
    pub rdev: u32,
    /// Preferred size of I/O.
    pub blksize: u32,
}

/// An inode that was looked up: the kernel now knows it until it forgets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its attributes.
    pub attr: Attr,
    /// Distinguishes inodes that had the same number one after another.
    pub generation: u64,
}

/// A time to set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetTime {
    /// This time.
    To(Time),
    /// The time of the call.
    Now,
    /// The time at which the file was written to, by who writes late: nobody chose it.
    Written(Time),
}

/// Attributes to change; those that are `None` stay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SetAttr {
    /// Permission bits (the type bits are ignored).
    pub mode: Option<u32>,
    /// Owner.
    pub uid: Option<u32>,
    /// Group.
    pub gid: Option<u32>,
    /// Length.
    pub size: Option<u64>,
    /// Last access.
    pub atime: Option<SetTime>,
    /// Last modification.
    pub mtime: Option<SetTime>,
}

impl SetAttr {
    /// Whether nothing is to change but what a change of the contents changes as well: as the kernel asks it when it writes back what it had cached.
    pub(super) fn is_of_contents(&self) -> bool {
        self.mode.is_none() && self.uid.is_none() && self.gid.is_none() && self.atime.is_none()
    }
}

/// What becomes of an existing entry under the new name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rename {
    /// It is replaced.
    Replace,
    /// The call fails with EEXIST (RENAME_NOREPLACE).
    NoReplace,
    /// The two change places (RENAME_EXCHANGE).
    Exchange,
}

/// What `fallocate` is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allocate {
    /// Take space, and grow the file when the range ends beyond it (mode 0).
    Grow,
    /// Take space, keep the length (KEEP_SIZE).
    Keep,
    /// Make a hole (PUNCH_HOLE | KEEP_SIZE).
    Punch,
    /// Zero the range and grow the file when the range ends beyond it (ZERO_RANGE).
    ZeroGrow,
    /// Zero the range, keep the length (ZERO_RANGE | KEEP_SIZE).
    ZeroKeep,
}

/// Whether a write takes away set-user-id and set-group-id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Privileges {
    /// They stay: a privileged writer, or there are none.
    Keep,
    /// They go, as an ordinary user's change of the file asks.
    Kill(Caller),
}

/// Where a write comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// From an application: it changes the file's times.
    Application,
    /// From the kernel's cache, which has changed the times already and sends them by themselves.
    Cache,
}

/// How an attribute is to be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetXattr {
    /// Whether it is there or not.
    Any,
    /// Only if it is not there (XATTR_CREATE).
    Create,
    /// Only if it is there (XATTR_REPLACE).
    Replace,
}

/// One entry of a directory.
#[derive(Clone, Debug)]
pub struct DirEntry<'a> {
    /// The inode; not counted as known to the kernel.
    pub node: NodeId,
    /// Where to go on after this entry.
    pub next: u64,
    /// What it is.
    pub kind: FileType,
    /// Its name.
    pub name: &'a [u8],
    /// What the entry is called on disk.
    pub stored: &'a CStr,
    /// For `readdirplus`, and only for entries other than `.` and `..`: its attributes; the kernel knows the inode from now on.
    pub entry: Option<Entry>,
}

/// Whether a reply has taken an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fill {
    /// Taken; more may come.
    Taken,
    /// It did not fit; it will be asked for again.
    Full,
}

/// The state of the filesystem below, as statfs(2) shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Statfs {
    /// Blocks in all, in units of `frsize`.
    pub blocks: u64,
    /// Free blocks.
    pub bfree: u64,
    /// Free blocks for ordinary users.
    pub bavail: u64,
    /// Inodes in all.
    pub files: u64,
    /// Free inodes.
    pub ffree: u64,
    /// Preferred block size.
    pub bsize: u32,
    /// Longest name in bytes.
    pub namelen: u32,
    /// Fragment size.
    pub frsize: u32,
}
