//! Which file somebody means who has read a finding: by its path in the clear, or by that in the vault, as they were printed or as they are.

use super::Vault;
use super::directory_id::{Directory, derived};
use super::finding::unescaped;
use super::look::open_file;
use super::place::Place;
use super::sink::Sink;
use super::trail::open_directory;
use crate::keys::Names;
use crate::name::{DirId, PlainName};
use crate::sys::descriptor;
use rustix::fs::{FileType, OFlags, fstat};
use rustix::io::{Errno, Result};
use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

/// Opens the regular file of the vault that `path` names.
///
/// # Errors
/// ENOENT when it names none, EISDIR when something else; else what the operating system says.
pub(super) fn open(vault: &Vault, path: &[u8]) -> Result<OwnedFd> {
    let unescaped = unescaped(path).filter(|unescaped| unescaped != path);
    let mut last = Errno::NOENT;
    for path in [Some(path), unescaped.as_deref()].into_iter().flatten() {
        for open in [open_plain, open_stored] {
            match open(vault, path).and_then(regular) {
                Ok(file) => return Ok(file),
                Err(Errno::NOENT | Errno::NOTDIR | Errno::INVAL | Errno::NAMETOOLONG) => {}
                Err(errno) => last = errno,
            }
        }
    }
    Err(last)
}

/// `file`, if it is a regular one.
///
/// # Errors
/// EISDIR.
pub(super) fn regular(file: OwnedFd) -> Result<OwnedFd> {
    match FileType::from_raw_mode(fstat(&file)?.st_mode) == FileType::RegularFile {
        true => Ok(file),
        false => Err(Errno::ISDIR),
    }
}

/// The names in a path, and the last of them.
fn names(path: &[u8]) -> Result<(Vec<&[u8]>, &[u8])> {
    let mut names: Vec<_> = path.split(|byte| *byte == b'/').filter(|name| !name.is_empty()).collect();
    let last = names.pop().ok_or(Errno::ISDIR)?;
    Ok((names, last))
}

fn open_stored(vault: &Vault, path: &[u8]) -> Result<OwnedFd> {
    let (above, last) = names(path)?;
    let entry = |name: &[u8]| match name {
        b"." | b".." => Err(Errno::INVAL),
        name => CString::new(name).map_err(|_| Errno::INVAL),
    };
    let mut dir = descriptor::reopen(vault.root.as_fd(), OFlags::RDONLY | OFlags::DIRECTORY)?;
    for name in above {
        dir = open_directory(dir.as_fd(), &entry(name)?)?;
    }
    open_file(dir.as_fd(), &entry(last)?)
}

fn open_plain(vault: &Vault, path: &[u8]) -> Result<OwnedFd> {
    if vault.names == Names::Plain {
        return open_stored(vault, path);
    }
    let cipher = &vault.keys.names;
    let name = |name: &[u8]| PlainName::new(name).map_err(|_| Errno::INVAL);
    let (above, last) = names(path)?;
    let mut dir = descriptor::reopen(vault.root.as_fd(), OFlags::RDONLY | OFlags::DIRECTORY)?;
    let (mut id, mut place) = (cipher.root(), None);
    for above in above {
        let sealed = cipher.seal(id, &name(above)?);
        let here = Place::new(place.as_ref(), sealed.entry(), None);
        dir = open_directory(dir.as_fd(), sealed.entry())?;
        id = identify(vault, &dir, &here, derived(cipher, Some(id), Some(sealed.encoded()))).ok_or(Errno::NOENT)?;
        place = Some(here);
    }
    open_file(dir.as_fd(), cipher.seal(id, &name(last)?).entry())
}

/// The id of a directory, also where what should tell it is damaged.
fn identify(vault: &Vault, dir: &OwnedFd, place: &Arc<Place>, derived: Option<DirId>) -> Option<DirId> {
    let fd = dir.as_fd();
    Directory { fd, place, derived }.identify(&vault.keys, &Sink::new(&|_| {}))
}
