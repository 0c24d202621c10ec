//! A directory's id on disk: `plainview.dirid`, made before the directory is renamed for the first time.

use crate::error::{Error, Result};
use crate::name::{CipherName, DIRID_FILE, DIRID_LEN, DirId, NameCipher};
use crate::sys::{descriptor, metadata, temporary};
use rustix::fs::{AtFlags, Dir, Mode, OFlags};
use rustix::io::Errno;
use std::ffi::CString;
use std::os::fd::BorrowedFd;

/// What the names of the files beside long entries begin with.
const NAME_FILE_PREFIX: &[u8] = b"plainview.name.";

/// The id of the directory `dir`: what its `plainview.dirid` says, else what follows from its parent and name.
pub(super) fn id(cipher: &NameCipher, parent: DirId, name: &CipherName, dir: BorrowedFd<'_>) -> Result<DirId> {
    // Without permission to search a directory one may still list it, for which its id is needed.
    match descriptor::with_permission(dir, Mode::XUSR, || temporary::read_small(dir, DIRID_FILE, DIRID_LEN)) {
        Ok(bytes) => cipher.open_dirid(&bytes).map_err(|_| {
            log::error!(
                "{}/{}: does not decode",
                descriptor::path(dir).display(),
                DIRID_FILE.to_string_lossy()
            );
            Error::Undecodable("directory id")
        }),
        Err(Errno::NOENT) => Ok(cipher.child(parent, name.encoded())),
        Err(error) => Err(error.into()),
    }
}

/// Makes `plainview.dirid` in the directory `dir`, durably, if it is not there. The directory's times stay: a rename does not change them.
pub(super) fn pin(cipher: &NameCipher, id: DirId, dir: BorrowedFd<'_>) -> Result<()> {
    let bytes = cipher.seal_dirid(id);
    let pinned = descriptor::with_permission(dir, Mode::RWXU, || match temporary::read_small(dir, DIRID_FILE, DIRID_LEN) {
        Ok(there) if there == bytes => Ok(()),
        Ok(_) | Err(Errno::NOENT) => keeping_times(dir, || temporary::write_durably(dir, DIRID_FILE, &bytes)),
        Err(error) => Err(error),
    });
    Ok(pinned?)
}

/// Runs `action`, which changes what of ours is in the directory, and gives the directory the times back that it had: they are those of what the view shows.
fn keeping_times(dir: BorrowedFd<'_>, action: impl FnOnce() -> rustix::io::Result<()>) -> rustix::io::Result<()> {
    let before = rustix::fs::fstat(dir)?;
    action()?;
    descriptor::set_times(dir, &metadata::times(&before))
}

/// Removes our own files from a directory that holds no entries. Returns whether there were any.
pub(super) fn empty(dir: BorrowedFd<'_>) -> Result<bool> {
    let ours = descriptor::with_permission(dir, Mode::RWXU, || {
        let ours = own_files(dir)?;
        keeping_times(dir, || {
            ours.iter().try_for_each(|name| rustix::fs::unlinkat(dir, name, AtFlags::empty()))
        })?;
        Ok(ours)
    })?;
    Ok(!ours.is_empty())
}

/// The names of our own files in the directory; ENOTEMPTY when it holds anything else.
fn own_files(dir: BorrowedFd<'_>) -> rustix::io::Result<Vec<CString>> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let stream = Dir::new(rustix::fs::openat(dir, c".", flags, Mode::empty())?)?;
    let mut ours = Vec::new();
    for entry in stream {
        let entry = entry?;
        match entry.file_name().to_bytes() {
            b"." | b".." => {}
            // A name file without its entry is an orphan: an entry would end the search below.
            name if is_own(name) => ours.push(entry.file_name().to_owned()),
            _ => return Err(Errno::NOTEMPTY),
        }
    }
    Ok(ours)
}

/// Whether an entry of this name is a file of ours that stands for nothing in the view.
fn is_own(name: &[u8]) -> bool {
    name == DIRID_FILE.to_bytes() || name.starts_with(temporary::PREFIX.as_bytes()) || name.starts_with(NAME_FILE_PREFIX)
}
