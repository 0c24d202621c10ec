//! A directory's id on disk: `plainview.dirid`, made before the directory is renamed for the first time.

use crate::error::{Error, Result};
use crate::name::{CipherName, DIRID_FILE, DIRID_LEN, DirId, NameCipher};
use crate::sys::{descriptor, directory, temporary};
use rustix::fs::Mode;
use rustix::io::Errno;
use std::os::fd::BorrowedFd;

/// What the names of the files beside long entries begin with.
const NAME_FILE_PREFIX: &[u8] = b"plainview.name.";

/// The id of the directory `dir`: what its `plainview.dirid` says, else what follows from its parent and name.
pub(super) fn id(cipher: &NameCipher, parent: DirId, name: &CipherName, dir: BorrowedFd<'_>) -> Result<DirId> {
    // Without permission to search a directory one may still list it, for which its id is needed.
    match descriptor::with_permission(dir, Mode::XUSR, || temporary::read_small(dir, DIRID_FILE, DIRID_LEN)) {
        Ok(bytes) => cipher.open_dirid(&bytes).map_err(|_| Error::Undecodable("plainview.dirid")),
        Err(Errno::NOENT) => Ok(cipher.child(parent, name.encoded())),
        Err(error) => Err(error.into()),
    }
}

/// Makes `plainview.dirid` in the directory `dir`, durably, if it is not there. The directory's times stay: a rename does not change them.
pub(super) fn pin(cipher: &NameCipher, id: DirId, dir: BorrowedFd<'_>) -> Result<()> {
    let bytes = cipher.seal_dirid(id);
    let pinned = descriptor::with_permission(dir, Mode::RWXU, || match temporary::read_small(dir, DIRID_FILE, DIRID_LEN) {
        Ok(there) if there == bytes => Ok(()),
        Ok(_) | Err(Errno::NOENT) => directory::keeping_times(dir, || temporary::write_durably(dir, DIRID_FILE, &bytes)),
        Err(error) => Err(error),
    });
    Ok(pinned?)
}

/// Removes our own files from a directory that holds no entries. Returns whether there were any. A name file without its entry is an orphan, and goes too.
pub(super) fn empty(dir: BorrowedFd<'_>) -> Result<bool> {
    Ok(directory::clear(dir, is_own)?)
}

/// Whether an entry of this name is a file of ours that stands for nothing in the view.
fn is_own(name: &[u8]) -> bool {
    name == DIRID_FILE.to_bytes() || name.starts_with(temporary::PREFIX.as_bytes()) || name.starts_with(NAME_FILE_PREFIX)
}
