//! All that a file has but its bytes: owner, mode, extended attributes and times.

use super::descriptor;
use rustix::fs::{Gid, Mode, Stat, Timespec, Timestamps, Uid, XattrFlags};
use rustix::io::{Errno, Result};
use std::ffi::{CStr, CString};
use std::os::fd::BorrowedFd;

/// Largest value and largest list of names that Linux knows (XATTR_SIZE_MAX, XATTR_LIST_MAX).
const XATTR_MAX: usize = 65536;

/// Gives the file `to` what the file `from` has, but for its bytes. The times last, so that they hold.
///
/// # Errors
/// What the operating system says; EPERM when the owner cannot be the same.
pub fn copy(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> Result<()> {
    let (wanted, have) = (rustix::fs::fstat(from)?, rustix::fs::fstat(to)?);
    let uid = (wanted.st_uid != have.st_uid).then(|| Uid::from_raw(wanted.st_uid));
    let gid = (wanted.st_gid != have.st_gid).then(|| Gid::from_raw(wanted.st_gid));
    if uid.is_some() || gid.is_some() {
        descriptor::chown(to, uid, gid)?;
    }
    copy_xattrs(from, to)?;
    // After the owner, whose change takes set-user-id away, and after an ACL, which has the group's bits.
    descriptor::chmod(to, Mode::from_raw_mode(descriptor::mode(&wanted)))?;
    descriptor::set_times(to, &times(&wanted))
}

/// Gives the file `to` the extended attributes of the file `from`, ACLs among them, and no others.
///
/// # Errors
/// What the operating system says.
pub fn copy_xattrs(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> Result<()> {
    let (mut wanted, have) = (xattr_names(from)?, xattr_names(to)?);
    // Who changes a file takes its capabilities away.
    wanted.retain(|name| &**name != c"security.capability");
    // A new file gets those that its directory has for new files (default ACLs).
    for name in have.iter().filter(|name| !wanted.contains(name)) {
        allowed(name, rustix::fs::fremovexattr(to, name))?;
    }
    let mut value = vec![0; XATTR_MAX];
    for name in &wanted {
        // Its owner may have a file that they may not read.
        let len = match descriptor::with_permission(from, Mode::RUSR, || rustix::fs::fgetxattr(from, name, &mut value)) {
            // Removed meanwhile.
            Err(Errno::NODATA) => continue,
            len => len?,
        };
        allowed(
            name,
            rustix::fs::fsetxattr(to, name, value.get(..len).unwrap_or_default(), XattrFlags::empty()),
        )?;
    }
    Ok(())
}

/// What came of a change of the attribute `name`, but for a label that the system gives to every file by itself, and nobody else may.
fn allowed(name: &CStr, changed: Result<()>) -> Result<()> {
    match changed {
        Err(Errno::PERM | Errno::ACCESS | Errno::OPNOTSUPP) if name.to_bytes().starts_with(b"security.") => Ok(()),
        changed => changed,
    }
}

/// The names of a file's extended attributes; none where the filesystem knows no attributes.
fn xattr_names(file: BorrowedFd<'_>) -> Result<Vec<CString>> {
    let mut names = vec![0; XATTR_MAX];
    let len = match rustix::fs::flistxattr(file, &mut names) {
        Err(Errno::OPNOTSUPP) => 0,
        len => len?,
    };
    let names = names.get(..len).unwrap_or_default().split_inclusive(|byte| *byte == 0);
    Ok(names
        .filter_map(|name| CStr::from_bytes_with_nul(name).ok())
        .map(CStr::to_owned)
        .collect())
}

/// The times of access and modification that `stat` tells.
pub fn times(stat: &Stat) -> Timestamps {
    let time = |tv_sec, nanos: u64| Timespec {
        tv_sec,
        tv_nsec: i64::try_from(nanos).unwrap_or(0),
    };
    Timestamps {
        last_access: time(stat.st_atime, stat.st_atime_nsec),
        last_modification: time(stat.st_mtime, stat.st_mtime_nsec),
    }
}
