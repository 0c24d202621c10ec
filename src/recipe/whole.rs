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
    let listed = rustix::fs::fgetxattr_query(from, ACL).is_ok();
    let same_group = rustix::fs::fstat(to)?.st_gid == stat.st_gid;
    let mode = Mode::from_raw_mode(descriptor::mode(stat) & 0o777);
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
    use rustix::fs::XattrFlags;
    use std::fs::File;
    use std::os::fd::AsFd;
    use std::os::unix::fs::MetadataExt;

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

    /// An ACL in the kernel's form: entries of a tag, permissions and an id, after a version.
    fn acl(entries: &[(u16, u16, u32)]) -> Vec<u8> {
        let entries = entries.iter().flat_map(|(tag, perm, id)| {
            let bytes = [tag.to_le_bytes(), perm.to_le_bytes()].concat();
            [bytes, id.to_le_bytes().to_vec()].concat()
        });
        2_u32.to_le_bytes().into_iter().chain(entries).collect()
    }

    /// The owner may read and write, user 12345 may read, the group may nothing and the others `others`. The mode has the mask in the group's place: r.
    fn list(others: u16) -> Vec<u8> {
        acl(&[(1, 6, !0), (2, 4, 12345), (4, 0, !0), (0x10, 4, !0), (0x20, others, !0)])
    }

    #[test]
    fn acls_let_nobody_in() {
        let dir = tempfile::TempDir::new().unwrap();
        let path = dir.path().join("from");
        std::fs::write(&path, b"text").unwrap();
        let (from, dir_fd) = (File::open(&path).unwrap(), File::open(dir.path()).unwrap());
        let key = RecipeKey::from_hex(&[b'1'; 32]).map_err(|_| ()).unwrap();
        let mode_of_output = |name: &CStr| {
            let output = Output {
                dir: dir_fd.as_fd(),
                name,
                existing: Existing::Kept,
            };
            encrypt_file(&key, from.as_fd(), output, &mut |_| {}).unwrap();
            let made = dir.path().join(name.to_str().unwrap());
            let listed = rustix::fs::getxattr_query(&made, ACL).is_ok();
            (std::fs::metadata(made).unwrap().mode() & 0o7777, listed)
        };
        if rustix::fs::setxattr(&path, ACL, &list(0), XattrFlags::empty()) == Err(Errno::OPNOTSUPP) {
            eprintln!("SKIPPED acls_let_nobody_in: no ACLs on this filesystem");
            return;
        }
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o640);
        assert_eq!(mode_of_output(c"one"), (0o600, false));
        rustix::fs::setxattr(&path, ACL, &list(4), XattrFlags::empty()).unwrap();
        assert_eq!(mode_of_output(c"two"), (0o644, false));
        // What the directory grants to new files does not count.
        rustix::fs::removexattr(&path, ACL).unwrap();
        rustix::fs::chmod(&path, Mode::from_raw_mode(0o640)).unwrap();
        rustix::fs::setxattr(dir.path(), c"system.posix_acl_default", &list(4), XattrFlags::empty()).unwrap();
        assert_eq!(mode_of_output(c"three"), (0o640, false));
    }
}
