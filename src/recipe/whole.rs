//! Files that are encrypted or decrypted into new ones, which appear whole or not at all, and are no more open to others than the old ones.

use super::stream::{StreamError, decrypt, encrypt};
use super::{Padding, RecipeKey};
use crate::sys::temporary::{Existing, Unnamed, sync_directory};
use crate::sys::{descriptor, metadata};
use rustix::fs::{Gid, Mode, Stat, Uid};
use rustix::io::{Errno, Result};
use std::ffi::CStr;
use std::os::fd::BorrowedFd;

/// Where a new file is to be.
#[derive(Clone, Copy, Debug)]
pub struct Output<'a> {
    /// Its directory; opening it for nothing (O_PATH) suffices.
    pub dir: BorrowedFd<'a>,
    /// Its name there.
    pub name: &'a CStr,
    /// What becomes of a file of that name.
    pub existing: Existing,
}

/// As [`encrypt`], of the regular file `from` into a new file, which is durable then and has the times and the mode of `from`; its owner, too, where that can be.
///
/// # Errors
/// Why there is no new file. [`StreamError::Write`] with EEXIST, if there is one of that name and it is to stay.
pub fn encrypt_file(
    key: &RecipeKey,
    from: BorrowedFd<'_>,
    output: Output<'_>,
    progress: &mut dyn FnMut(u64),
) -> std::result::Result<(), StreamError> {
    make_whole(from, output, |stat, to| {
        let size = u64::try_from(stat.st_size).unwrap_or(0);
        encrypt(key, from, size, to, progress)
    })
}

/// As [`decrypt`], of the regular file `from` into a new file, as [`encrypt_file`] does. Nothing of the plaintext is left on disk if it fails or is killed.
///
/// # Errors
/// As [`encrypt_file`].
pub fn decrypt_file(
    key: &RecipeKey,
    from: BorrowedFd<'_>,
    output: Output<'_>,
    progress: &mut dyn FnMut(u64),
) -> std::result::Result<Padding, StreamError> {
    make_whole(from, output, |_, to| decrypt(key, from, to, progress))
}

fn make_whole<T>(
    from: BorrowedFd<'_>,
    output: Output<'_>,
    stream: impl FnOnce(&Stat, BorrowedFd<'_>) -> std::result::Result<T, StreamError>,
) -> std::result::Result<T, StreamError> {
    let stat = rustix::fs::fstat(from).map_err(StreamError::Read)?;
    let mut file = Unnamed::new(output.dir, Mode::RUSR | Mode::WUSR).map_err(StreamError::Write)?;
    let streamed = stream(&stat, file.fd())?;
    let mut finish = || {
        dress(file.fd(), from, &stat)?;
        rustix::fs::fsync(file.fd())?;
        file.put(output.dir, output.name, output.existing)
    };
    finish().map_err(StreamError::Write)?;
    // The file is durable and has its name; not every filesystem lets a directory be synced, to make that durable too.
    let _ = sync_directory(output.dir);
    Ok(streamed)
}

/// Gives the new file `to` the owner, mode and times of `from`. Whom the mode of `from` kept out, `to` keeps out as well.
fn dress(to: BorrowedFd<'_>, from: BorrowedFd<'_>, stat: &Stat) -> Result<()> {
    // Only root may do the first, and only a member of the group the second.
    let (uid, gid) = (Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid));
    let _ = descriptor::chown(to, Some(uid), Some(gid)).or_else(|_| descriptor::chown(to, None, Some(gid)));
    // What the directory grants to new files would come into force with the group's bits.
    match rustix::fs::fremovexattr(to, ACL) {
        Ok(()) | Err(Errno::NODATA | Errno::OPNOTSUPP) => {}
        Err(error) => return Err(error),
    }
    // In a mode with an ACL, the group's bits are the most that anybody in it has, perhaps not the group.
    let listed = rustix::fs::fgetxattr(from, ACL, &mut [0; 0][..]).is_ok_and(|len| len > 0);
    let same_group = rustix::fs::fstat(to)?.st_gid == stat.st_gid;
    let mode = Mode::from_raw_mode(stat.st_mode & 0o777);
    descriptor::chmod(to, if listed || !same_group { least(mode) } else { mode })?;
    descriptor::set_times(to, &metadata::times(stat))
}

/// The extended attribute that is the access ACL.
const ACL: &CStr = c"system.posix_acl_access";

/// The mode for a file whose group is another one: group and others have what both had.
fn least(mode: Mode) -> Mode {
    let bits = mode.bits();
    let both = (bits >> 3) & bits & 0o7;
    Mode::from_raw_mode((bits & 0o700) | (both << 3) | both)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_group_gets_no_more_than_anybody() {
        for (mode, expected) in [
            (0o644, 0o644),
            (0o640, 0o600),
            (0o604, 0o600),
            (0o775, 0o755),
            (0o600, 0o600),
            (0o777, 0o777),
        ] {
            assert_eq!(least(Mode::from_raw_mode(mode)).bits(), expected, "{mode:o}");
        }
    }
}
