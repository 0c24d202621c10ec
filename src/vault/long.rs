//! Long names: an entry `plainview.long.H` and, beside it, `plainview.name.H` with the encoded name.

use crate::error::Result;
use crate::name::{CipherName, DirId, ENCODED_MAX, LongName, NameCipher, PlainName};
use crate::sys::{descriptor, temporary};
use rustix::fs::{AtFlags, Mode};
use rustix::io::Errno;
use std::ffi::{CStr, CString};
use std::os::fd::BorrowedFd;

/// The name of the long entry `stored`; `None` when its name file is missing, damaged or another's.
pub(super) fn open(
    cipher: &NameCipher,
    dir: DirId,
    stored: &CStr,
    name_file: CString,
    fd: BorrowedFd<'_>,
) -> Option<(PlainName, CipherName)> {
    // A directory may be listed without permission to search it.
    let encoded = descriptor::with_permission(fd, Mode::XUSR, || temporary::read_small(fd, &name_file, ENCODED_MAX)).ok()?;
    if !cipher.long_entry_fits(stored, &encoded) {
        return None;
    }
    let name = cipher.open(dir, &encoded).ok()?;
    Some((
        name,
        CipherName::Long(Box::new(LongName {
            entry: stored.to_owned(),
            name_file,
            encoded: encoded.into(),
        })),
    ))
}

/// Makes the name file of a long name, durably, before its entry appears: an entry without it could not be shown.
pub(super) fn before_entry(name: &CipherName, fd: BorrowedFd<'_>) -> Result<()> {
    let CipherName::Long(long) = name else { return Ok(()) };
    let LongName { name_file, encoded, .. } = &**long;
    match temporary::read_small(fd, name_file, ENCODED_MAX) {
        Ok(there) if *there == **encoded => Ok(()),
        Ok(_) | Err(Errno::NOENT) => Ok(temporary::write_durably(fd, name_file, encoded)?),
        Err(error) => Err(error.into()),
    }
}

/// Removes the name file of a long name whose entry is not there. An orphan does no harm, so a failure is not one of the caller's.
pub(super) fn after_entry(name: &CipherName, fd: BorrowedFd<'_>) {
    let CipherName::Long(long) = name else { return };
    let LongName { entry, name_file, .. } = &**long;
    if rustix::fs::statat(fd, entry, AtFlags::SYMLINK_NOFOLLOW).is_err_and(|error| error == Errno::NOENT) {
        let _ = rustix::fs::unlinkat(fd, name_file, AtFlags::empty());
    }
}
