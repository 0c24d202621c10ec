//! From fuser's types and the kernel's numbers to the view's types, and back. Pure.

use crate::folder::SeekTo;
use crate::view::{Access, Allocate, Attr, Caller, NodeId, Origin, Privileges, Rename, SetAttr, SetTime, SetXattr, Time};
use fuser::{FileAttr, INodeNo, OpenAccMode, OpenFlags, RenameFlags, Request, TimeOrNow, WriteFlags};
use rustix::fs::{FallocateFlags, FileType, XattrFlags};
use rustix::io::Errno;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// An inode's number.
pub(super) fn node(ino: INodeNo) -> NodeId {
    NodeId(ino.0)
}

/// Who asks.
pub(super) fn caller(request: &Request) -> Caller {
    Caller {
        uid: request.uid(),
        gid: request.gid(),
    }
}

/// An error number.
pub(super) fn errno(errno: Errno) -> fuser::Errno {
    fuser::Errno::from_i32(errno.raw_os_error())
}

/// Attributes. The device number is already encoded as the kernel wants it.
pub(super) fn attributes(attr: &Attr) -> FileAttr {
    FileAttr {
        ino: INodeNo(attr.node.0),
        size: attr.size,
        blocks: attr.blocks,
        atime: time_out(attr.atime),
        mtime: time_out(attr.mtime),
        ctime: time_out(attr.ctime),
        crtime: UNIX_EPOCH,
        kind: kind(attr.kind),
        perm: attr.perm,
        nlink: attr.nlink,
        uid: attr.uid,
        gid: attr.gid,
        rdev: attr.rdev,
        blksize: attr.blksize,
        flags: 0,
    }
}

/// Attributes that carry nothing but what a directory entry needs: inode and kind.
pub(super) fn bare_attributes(node: NodeId, kind_of: FileType) -> FileAttr {
    FileAttr {
        ino: INodeNo(node.0),
        size: 0,
        blocks: 0,
        atime: UNIX_EPOCH,
        mtime: UNIX_EPOCH,
        ctime: UNIX_EPOCH,
        crtime: UNIX_EPOCH,
        kind: kind(kind_of),
        perm: 0,
        nlink: 0,
        uid: 0,
        gid: 0,
        rdev: 0,
        blksize: 0,
        flags: 0,
    }
}

/// What an entry is. fuser has no word for an unknown kind; none of the view's entries has one.
pub(super) fn kind(kind: FileType) -> fuser::FileType {
    match kind {
        FileType::RegularFile | FileType::Unknown => fuser::FileType::RegularFile,
        FileType::Directory => fuser::FileType::Directory,
        FileType::Symlink => fuser::FileType::Symlink,
        FileType::Fifo => fuser::FileType::NamedPipe,
        FileType::Socket => fuser::FileType::Socket,
        FileType::CharacterDevice => fuser::FileType::CharDevice,
        FileType::BlockDevice => fuser::FileType::BlockDevice,
    }
}

/// The time `secs` + `nanos` as the standard library has it, which fuser turns back into the two numbers.
fn time_out(time: Time) -> SystemTime {
    let whole = Duration::from_secs(time.secs.unsigned_abs());
    let whole = if time.secs < 0 {
        UNIX_EPOCH.checked_sub(whole)
    } else {
        UNIX_EPOCH.checked_add(whole)
    };
    whole
        .and_then(|whole| whole.checked_add(Duration::from_nanos(time.nanos.into())))
        .unwrap_or(UNIX_EPOCH)
}

/// The time that the kernel sent, out of what fuser 0.18.0 made of it.
///
/// The kernel sends whole seconds, rounded down, and nanoseconds to be added. From negative seconds fuser makes 1970 - (-secs + nanos) instead of 1970 - (-secs) +
/// nanos. Nothing is lost by that, so it can be undone: the distance to 1970 has -secs as its whole seconds, and nanos as its fraction.
fn time_in(time: SystemTime) -> Time {
    let (distance, sign) = match time.duration_since(UNIX_EPOCH) {
        Ok(after) => (after, 1),
        Err(before) => (before.duration(), -1),
    };
    // What fuser read was an i64, so only its least value, whose distance is one more than the greatest, does not fit.
    let secs = i64::try_from(distance.as_secs()).map_or(i64::MIN, |secs| sign * secs);
    Time {
        secs,
        nanos: distance.subsec_nanos(),
    }
}

fn set_time(time: TimeOrNow) -> SetTime {
    match time {
        TimeOrNow::SpecificTime(time) => SetTime::To(time_in(time)),
        TimeOrNow::Now => SetTime::Now,
    }
}

/// What SETATTR changes. The change time that the kernel sends along is the filesystem's own affair.
pub(super) fn changes(
    (mode, uid, gid, size): (Option<u32>, Option<u32>, Option<u32>, Option<u64>),
    atime: Option<TimeOrNow>,
    mtime: Option<TimeOrNow>,
    ctime: Option<SystemTime>,
) -> SetAttr {
    SetAttr {
        mode,
        uid,
        gid,
        size,
        atime: atime.map(set_time),
        mtime: mtime.map(|mtime| match mtime {
            // As the kernel keeps them of a file that it writes late; who sets another time changes the file at the time of the call.
            TimeOrNow::SpecificTime(time) if ctime == Some(time) => SetTime::Written(time_in(time)),
            TimeOrNow::SpecificTime(_) | TimeOrNow::Now => set_time(mtime),
        }),
    }
}

/// What a file is opened for.
pub(super) fn access(flags: OpenFlags) -> Access {
    match flags.acc_mode() {
        OpenAccMode::O_RDONLY => Access::ReadOnly,
        OpenAccMode::O_WRONLY | OpenAccMode::O_RDWR => Access::ReadWrite,
    }
}

/// Where a write comes from.
pub(super) fn origin(flags: WriteFlags) -> Origin {
    if flags.contains(WriteFlags::FUSE_WRITE_CACHE) {
        Origin::Cache
    } else {
        Origin::Application
    }
}

/// What a write does to set-user-id and set-group-id.
pub(super) fn privileges(flags: WriteFlags, caller: Caller) -> Privileges {
    if flags.contains(WriteFlags::FUSE_WRITE_KILL_SUIDGID) {
        Privileges::Kill(caller)
    } else {
        Privileges::Keep
    }
}

/// What a change of contents other than a write, of which the kernel says nothing, does to set-user-id and set-group-id: root's leaves them.
pub(super) fn privileges_of(caller: Caller) -> Privileges {
    if caller.uid == 0 {
        Privileges::Keep
    } else {
        Privileges::Kill(caller)
    }
}

/// How to rename; EINVAL for what contradicts itself or only makes sense in a union of filesystems.
pub(super) fn rename(flags: RenameFlags) -> Result<Rename, Errno> {
    const NOREPLACE: RenameFlags = RenameFlags::RENAME_NOREPLACE;
    const EXCHANGE: RenameFlags = RenameFlags::RENAME_EXCHANGE;
    match flags {
        none if none.is_empty() => Ok(Rename::Replace),
        NOREPLACE => Ok(Rename::NoReplace),
        EXCHANGE => Ok(Rename::Exchange),
        _ => Err(Errno::INVAL),
    }
}

/// What fallocate is to do; EOPNOTSUPP for what moves the rest of a file.
pub(super) fn allocation(mode: i32) -> Result<Allocate, Errno> {
    const KEEP: u32 = FallocateFlags::KEEP_SIZE.bits();
    const PUNCH: u32 = FallocateFlags::PUNCH_HOLE.bits() | KEEP;
    const ZERO: u32 = FallocateFlags::ZERO_RANGE.bits();
    const ZERO_KEEP: u32 = ZERO | KEEP;
    match u32::try_from(mode) {
        Ok(0) => Ok(Allocate::Grow),
        Ok(KEEP) => Ok(Allocate::Keep),
        Ok(PUNCH) => Ok(Allocate::Punch),
        Ok(ZERO) => Ok(Allocate::ZeroGrow),
        Ok(ZERO_KEEP) => Ok(Allocate::ZeroKeep),
        Ok(_) | Err(_) => Err(Errno::OPNOTSUPP),
    }
}

/// How to set an attribute.
pub(super) fn set_xattr(flags: i32) -> Result<SetXattr, Errno> {
    const CREATE: u32 = XattrFlags::CREATE.bits();
    const REPLACE: u32 = XattrFlags::REPLACE.bits();
    match u32::try_from(flags) {
        Ok(0) => Ok(SetXattr::Any),
        Ok(CREATE) => Ok(SetXattr::Create),
        Ok(REPLACE) => Ok(SetXattr::Replace),
        Ok(_) | Err(_) => Err(Errno::INVAL),
    }
}

/// What lseek looks for; the kernel answers the other ways itself.
pub(super) fn seek(whence: i32) -> Result<SeekTo, Errno> {
    match whence {
        libc::SEEK_DATA => Ok(SeekTo::Data),
        libc::SEEK_HOLE => Ok(SeekTo::Hole),
        _ => Err(Errno::INVAL),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What fuser 0.18.0 does with the two numbers of the kernel (`system_time_from_time` in its time.rs, which is private).
    fn fuser_in(secs: i64, nanos: u32) -> SystemTime {
        if secs >= 0 {
            UNIX_EPOCH + Duration::new(secs.unsigned_abs(), nanos)
        } else {
            UNIX_EPOCH - Duration::new(secs.unsigned_abs(), nanos)
        }
    }

    /// What fuser 0.18.0 sends for a time (`time_from_system_time` there).
    fn fuser_out(time: SystemTime) -> (i64, u32) {
        match time.duration_since(UNIX_EPOCH) {
            Ok(after) => (i64::try_from(after.as_secs()).unwrap(), after.subsec_nanos()),
            Err(before) => {
                let (secs, nanos) = (before.duration().as_secs(), before.duration().subsec_nanos());
                if nanos == 0 {
                    (0i64.checked_sub_unsigned(secs).unwrap(), 0)
                } else {
                    (-1i64.checked_add_unsigned(secs).unwrap(), 1_000_000_000 - nanos)
                }
            }
        }
    }

    const TIMES: [(i64, u32); 12] = [
        (0, 0),
        (0, 1),
        (0, 999_999_999),
        (1, 500_000_000),
        (1_700_000_000, 123_456_789),
        (i64::MAX, 999_999_999),
        (-1, 0),
        (-1, 1),
        (-1, 999_999_999),
        (-2, 500_000_000),
        (-2_208_988_800, 7),
        (i64::MIN + 1, 1),
    ];

    #[test]
    fn times_come_in_as_the_kernel_sent_them() {
        for (secs, nanos) in TIMES {
            assert_eq!(time_in(fuser_in(secs, nanos)), Time { secs, nanos }, "{secs} {nanos}");
        }
        assert_eq!(time_in(fuser_in(i64::MIN, 0)), Time { secs: i64::MIN, nanos: 0 });
    }

    #[test]
    fn times_go_out_as_the_view_has_them() {
        for (secs, nanos) in TIMES {
            assert_eq!(fuser_out(time_out(Time { secs, nanos })), (secs, nanos), "{secs} {nanos}");
        }
    }

    #[test]
    fn setattr_takes_only_what_is_set() {
        let now = changes((None, Some(0), None, Some(5)), Some(TimeOrNow::Now), None, None);
        let expected = SetAttr {
            uid: Some(0),
            size: Some(5),
            atime: Some(SetTime::Now),
            ..SetAttr::default()
        };
        assert_eq!(now, expected);
        let time = Time { secs: -2, nanos: 5 };
        let times = [
            (None, SetTime::To(time)),
            (Some(fuser_in(-2, 6)), SetTime::To(time)),
            (Some(fuser_in(-2, 5)), SetTime::Written(time)),
        ];
        for (ctime, mtime) in times {
            let at = Some(TimeOrNow::SpecificTime(fuser_in(-2, 5)));
            let expected = SetAttr {
                mode: Some(0o644),
                mtime: Some(mtime),
                ..SetAttr::default()
            };
            assert_eq!(changes((Some(0o644), None, None, None), None, at, ctime), expected);
        }
    }

    #[test]
    fn rename_flags() {
        assert_eq!(rename(RenameFlags::empty()), Ok(Rename::Replace));
        assert_eq!(rename(RenameFlags::RENAME_NOREPLACE), Ok(Rename::NoReplace));
        assert_eq!(rename(RenameFlags::RENAME_EXCHANGE), Ok(Rename::Exchange));
        assert_eq!(
            rename(RenameFlags::RENAME_EXCHANGE | RenameFlags::RENAME_NOREPLACE),
            Err(Errno::INVAL)
        );
        assert_eq!(rename(RenameFlags::RENAME_WHITEOUT), Err(Errno::INVAL));
        assert_eq!(rename(RenameFlags::from_bits_retain(8)), Err(Errno::INVAL));
    }

    #[test]
    fn fallocate_modes() {
        assert_eq!(allocation(0), Ok(Allocate::Grow));
        assert_eq!(allocation(1), Ok(Allocate::Keep));
        assert_eq!(allocation(2), Err(Errno::OPNOTSUPP), "a hole changes no length, and has to say so");
        assert_eq!(allocation(3), Ok(Allocate::Punch));
        assert_eq!(allocation(8), Err(Errno::OPNOTSUPP), "collapse");
        assert_eq!(allocation(16), Ok(Allocate::ZeroGrow));
        assert_eq!(allocation(17), Ok(Allocate::ZeroKeep));
        assert_eq!(allocation(32), Err(Errno::OPNOTSUPP), "insert");
        assert_eq!(allocation(-1), Err(Errno::OPNOTSUPP));
    }

    #[test]
    fn xattr_flags_and_seeks() {
        assert_eq!(
            [0, 1, 2, 3, -1].map(|flags| set_xattr(flags).ok()),
            [Some(SetXattr::Any), Some(SetXattr::Create), Some(SetXattr::Replace), None, None]
        );
        assert_eq!(
            [2, 3, 4, 5].map(|whence| seek(whence).ok()),
            [None, Some(SeekTo::Data), Some(SeekTo::Hole), None]
        );
    }

    #[test]
    fn write_flags() {
        let caller = Caller { uid: 1, gid: 2 };
        assert_eq!(privileges(WriteFlags::FUSE_WRITE_CACHE, caller), Privileges::Keep);
        assert_eq!(
            privileges(WriteFlags::FUSE_WRITE_CACHE | WriteFlags::FUSE_WRITE_KILL_SUIDGID, caller),
            Privileges::Kill(caller)
        );
    }
}
