//! One operation as data: printable, and the same for both sides.

use super::attrs::Perm;
use crate::people::Who;
use rustix::fs::{
    Access, AtFlags, FallocateFlags, FileType, FlockOperation, OFlags, RenameFlags, SeekFrom, Timespec, Timestamps, XattrFlags,
};
use std::ffi::CString;
use std::fmt;

/// Bytes that are mostly text.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Text(pub(super) Vec<u8>);

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", brief(&self.0))
    }
}

/// A path with its long names shortened.
pub(super) fn brief(path: &[u8]) -> String {
    let shorten = |name: &[u8]| match name {
        [first, second, .., last] if name.len() > 40 => {
            format!("{}({} bytes){}", [*first, *second].escape_ascii(), name.len(), last.escape_ascii())
        }
        _ => name.escape_ascii().to_string(),
    };
    path.split(|byte| *byte == b'/').map(shorten).collect::<Vec<_>>().join("/")
}

/// Where a path begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Base {
    /// The tree's root directory.
    Root,
    /// An open descriptor, which need not be a directory.
    Slot(usize),
}

/// A path, and where it begins.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) base: Base,
    pub(super) path: Vec<u8>,
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.base {
            Base::Root => write!(f, "\"{}\"", brief(&self.path)),
            Base::Slot(slot) => write!(f, "slot {slot}:\"{}\"", brief(&self.path)),
        }
    }
}

impl Place {
    /// The directory that holds it, as far as the text says.
    pub(super) fn parent(&self) -> Self {
        let path = match self.path.iter().rposition(|byte| *byte == b'/') {
            Some(end) => self.path[..end].to_vec(),
            None => Vec::new(),
        };
        Self {
            base: self.base,
            path: if path.is_empty() { b".".to_vec() } else { path },
        }
    }
}

/// What an attribute operation is done to.
#[derive(Clone, Debug)]
pub(super) enum Target {
    /// A path from the root, a last symlink followed.
    Path(Text),
    /// A path from the root, a last symlink itself.
    NoFollow(Text),
    /// A descriptor.
    Slot(usize),
}

/// Bytes to write, named rather than listed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Data {
    /// 0 for zeros, else what pseudorandom bytes come from.
    pub(super) fill: u64,
    pub(super) len: usize,
}

impl Data {
    pub(super) fn bytes(self) -> Vec<u8> {
        let mut bytes = vec![0; self.len];
        if self.fill != 0 {
            blake3::Hasher::new()
                .update(&self.fill.to_le_bytes())
                .finalize_xof()
                .fill(&mut bytes);
        }
        bytes
    }
}

/// An operation. Slots number the descriptors that are kept open, in pairs, on both sides.
#[derive(Clone, Debug)]
pub(super) enum Op {
    /// All that follows is done by this user.
    Become(Who),
    /// Something with a path.
    At(Place, AtOp),
    /// Something with two paths.
    Two(Place, Place, TwoOp),
    /// Something with a descriptor.
    Slot(usize, SlotOp),
    /// copy_file_range, repeated until all is copied.
    Copy {
        from: usize,
        from_offset: u64,
        to: usize,
        to_offset: u64,
        len: usize,
    },
    /// Something with an extended attribute.
    Xattr(Target, XattrOp),
    /// The longest name that statvfs promises.
    NameMax,
}

/// What can be done with a path.
#[derive(Clone, Debug)]
pub(super) enum AtOp {
    Open {
        slot: usize,
        flags: OFlags,
        mode: Perm,
    },
    Mkdir {
        mode: Perm,
    },
    Rmdir,
    Unlink,
    Symlink {
        target: Text,
    },
    Readlink,
    Mknod {
        kind: FileType,
        mode: Perm,
    },
    Chmod {
        mode: Perm,
    },
    Chown {
        uid: Option<u32>,
        gid: Option<u32>,
        flags: AtFlags,
    },
    Utimens {
        times: Times,
        flags: AtFlags,
    },
    Access {
        access: Access,
        flags: AtFlags,
    },
    Stat {
        flags: AtFlags,
    },
    /// Whether the path and a descriptor are the same inode.
    Same {
        slot: usize,
    },
    /// The names in a directory, read through a buffer of `room` bytes.
    ReadDir {
        room: usize,
    },
    /// Reads a directory and unlinks each entry as it comes, as `rm -r` does.
    Sweep {
        room: usize,
    },
}

/// What can be done with two paths.
#[derive(Clone, Copy, Debug)]
pub(super) enum TwoOp {
    Rename(RenameFlags),
    Link(AtFlags),
}

/// What can be done with a descriptor.
#[derive(Clone, Debug)]
pub(super) enum SlotOp {
    Close,
    Read {
        len: usize,
    },
    Write {
        data: Data,
    },
    Pread {
        offset: u64,
        len: usize,
    },
    Pwrite {
        offset: u64,
        data: Data,
    },
    Seek {
        to: SeekFrom,
    },
    /// SEEK_DATA or SEEK_HOLE in a regular file; the position is put back to `offset` afterwards.
    SeekSparse {
        offset: u64,
        to: Sparse,
    },
    Resize {
        len: u64,
    },
    Fallocate {
        flags: FallocateFlags,
        offset: u64,
        len: u64,
    },
    Sync,
    DataSync,
    Lock(Lock),
    Chmod {
        mode: Perm,
    },
    Chown {
        uid: Option<u32>,
        gid: Option<u32>,
    },
    Utimens {
        times: Times,
    },
    Stat,
    /// The names in the directory, from the first one, read through a buffer of `room` bytes.
    ReadDir {
        room: usize,
    },
}

/// What can be done with an extended attribute.
#[derive(Clone, Debug)]
pub(super) enum XattrOp {
    Set {
        name: CString,
        value: Data,
        flags: XattrFlags,
    },
    /// A POSIX ACL, as the kernel wants its bytes.
    SetAcl {
        name: CString,
        value: Vec<u8>,
    },
    Get {
        name: CString,
        room: usize,
    },
    List,
    Remove {
        name: CString,
    },
}

/// What [`SlotOp::SeekSparse`] looks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sparse {
    Data,
    Hole,
}

/// What [`SlotOp::Lock`] does, without ever waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lock {
    Shared,
    Exclusive,
    Unlock,
}

impl Lock {
    pub(super) fn operation(self) -> FlockOperation {
        match self {
            Self::Shared => FlockOperation::NonBlockingLockShared,
            Self::Exclusive => FlockOperation::NonBlockingLockExclusive,
            Self::Unlock => FlockOperation::Unlock,
        }
    }
}

/// Times to set: seconds and nanoseconds, the latter perhaps `UTIME_NOW` or `UTIME_OMIT`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    pub(super) access: (i64, i64),
    pub(super) modification: (i64, i64),
}

impl Times {
    pub(super) fn timestamps(self) -> Timestamps {
        let spec = |(tv_sec, tv_nsec)| Timespec { tv_sec, tv_nsec };
        Timestamps {
            last_access: spec(self.access),
            last_modification: spec(self.modification),
        }
    }
}

impl Op {
    /// The places whose attributes the operation may change.
    pub(super) fn places(&self) -> Vec<&Place> {
        match self {
            Self::At(at, _) => vec![at],
            Self::Two(from, to, _) => vec![from, to],
            Self::Become(_) | Self::Slot(..) | Self::Copy { .. } | Self::Xattr(..) | Self::NameMax => Vec::new(),
        }
    }

    /// The descriptor that the operation may change something through.
    pub(super) fn slot(&self) -> Option<usize> {
        match self {
            Self::At(_, AtOp::Open { slot, .. }) | Self::Slot(slot, _) | Self::Copy { to: slot, .. } => Some(*slot),
            Self::At(..) | Self::Become(_) | Self::Two(..) | Self::Xattr(..) | Self::NameMax => None,
        }
    }
}
