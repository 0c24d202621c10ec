//! The two stored forms of a name: a directory's is the name, everything else's is the name with `.enc` behind it.
//!
//! So two entries on disk can stand for one name. Then the one with `.enc` is meant, and the other is not shown.

use super::Others;
use crate::error::Result;
use crate::name::{NAME_MAX, NameError, PlainName};
use crate::recipe::SUFFIX;
use crate::sys::{descriptor, temporary};
use rustix::fs::{AtFlags, FileType, Mode};
use rustix::io::Errno;
use std::ffi::{CStr, CString};
use std::os::fd::BorrowedFd;

/// Longest name of anything but a directory, in bytes: on disk there must be room for the suffix.
pub(super) const SUFFIXED_MAX: usize = NAME_MAX - SUFFIX.len();

/// What is at an entry.
#[derive(Clone, Copy, PartialEq, Eq)]
enum There {
    Nothing,
    Directory,
    Other,
}

fn there(fd: BorrowedFd<'_>, stored: &CStr) -> rustix::io::Result<There> {
    match rustix::fs::statat(fd, stored, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::Directory => Ok(There::Directory),
        Ok(_) => Ok(There::Other),
        Err(Errno::NOENT) => Ok(There::Nothing),
        Err(error) => Err(error),
    }
}

/// Whether an entry is a half-made file of ours.
pub(super) fn is_own(stored: &[u8]) -> bool {
    stored.starts_with(temporary::PREFIX.as_bytes())
}

/// The name under which an entry that is no directory is shown as encrypted; nothing when its stored name is none of an encrypted one.
fn encrypted(stored: &CStr) -> Option<PlainName> {
    PlainName::new(stored.to_bytes().strip_suffix(SUFFIX)?).ok()
}

/// Whether an entry of this name, if it is no directory, is none of the encrypted ones.
pub(super) fn is_other(stored: &CStr) -> bool {
    encrypted(stored).is_none()
}

/// The stored form of what is no directory.
///
/// # Errors
/// ENAMETOOLONG; EPERM for a name that is kept for our own files.
fn suffixed(name: &PlainName) -> Result<CString> {
    if name.as_bytes().len() > SUFFIXED_MAX {
        return Err(NameError::TooLong.into());
    }
    let stored = with_suffix(name.as_bytes());
    if is_own(stored.to_bytes()) {
        return Err(Errno::PERM.into());
    }
    Ok(stored)
}

fn with_suffix(name: &[u8]) -> CString {
    CString::new([name, SUFFIX].concat()).expect("neither a name nor the suffix has a NUL")
}

/// How `name` is stored, or is to be stored, in the directory open as `fd`. `kind` is as in [`Folder::seal_name`](crate::folder::Folder::seal_name).
///
/// # Errors
/// ENOENT without a kind, when nothing is shown under the name; EEXIST with one, when something else stands in the way; ENAMETOOLONG, EPERM; and what looking said.
pub(super) fn seal(name: &PlainName, kind: Option<FileType>, others: Others, fd: BorrowedFd<'_>) -> Result<CString> {
    if is_own(name.as_bytes()) {
        return Err(Errno::PERM.into());
    }
    match kind {
        None => Ok(shown(name, others, fd)?.ok_or(Errno::NOENT)?),
        Some(FileType::Directory) => {
            let taken = match suffixed(name) {
                Ok(stored) => there(fd, &stored)? == There::Other,
                Err(_) => false,
            };
            if taken { Err(Errno::EXIST.into()) } else { Ok(name.into()) }
        }
        Some(
            FileType::RegularFile
            | FileType::Symlink
            | FileType::Fifo
            | FileType::Socket
            | FileType::CharacterDevice
            | FileType::BlockDevice
            | FileType::Unknown,
        ) => seal_other(name, others, fd),
    }
}

fn seal_other(name: &PlainName, others: Others, fd: BorrowedFd<'_>) -> Result<CString> {
    let stored = suffixed(name)?;
    match there(fd, &stored)? {
        There::Other => Ok(stored),
        // It is shown as it is called, but it is in the way.
        There::Directory => Err(Errno::EXIST.into()),
        There::Nothing => match shown_bare(name, others, fd)? {
            Some(_) => Err(Errno::EXIST.into()),
            None => Ok(stored),
        },
    }
}

/// The entry that is shown under `name`, if any.
fn shown(name: &PlainName, others: Others, fd: BorrowedFd<'_>) -> Result<Option<CString>> {
    if let Ok(stored) = suffixed(name)
        && there(fd, &stored)? == There::Other
    {
        return Ok(Some(stored));
    }
    shown_bare(name, others, fd)
}

/// The entry that is stored as it is called and shown under `name`, if any, unless there is one with the suffix.
fn shown_bare(name: &PlainName, others: Others, fd: BorrowedFd<'_>) -> Result<Option<CString>> {
    let bare = CString::from(name);
    let is_shown = match there(fd, &bare)? {
        There::Nothing => false,
        There::Directory => true,
        There::Other => others == Others::Shown && is_other(&bare),
    };
    Ok(is_shown.then_some(bare))
}

/// What becomes of an entry.
pub(super) enum Opened {
    /// It is shown under this name.
    Shown(PlainName),
    /// It is none of those that are shown.
    Hidden,
    /// It would be shown, but another one is shown in its place.
    Shadowed,
}

/// What becomes of the entry `stored` of the directory open as `fd`. `kind` may be unknown.
pub(super) fn open(stored: &CStr, kind: FileType, others: Others, fd: BorrowedFd<'_>) -> Opened {
    if is_own(stored.to_bytes()) {
        return Opened::Hidden;
    }
    let is_directory = match kind {
        FileType::Directory => true,
        FileType::Unknown => match there_whatever_mode(fd, stored) {
            There::Nothing => return Opened::Hidden,
            There::Directory => true,
            There::Other => false,
        },
        FileType::RegularFile
        | FileType::Symlink
        | FileType::Fifo
        | FileType::Socket
        | FileType::CharacterDevice
        | FileType::BlockDevice => false,
    };
    match (is_directory, encrypted(stored)) {
        (false, Some(name)) => Opened::Shown(name),
        (false, None) if others == Others::Hidden => Opened::Hidden,
        (true, _) | (false, None) => open_bare(stored, fd),
    }
}

fn open_bare(stored: &CStr, fd: BorrowedFd<'_>) -> Opened {
    let Ok(name) = PlainName::new(stored.to_bytes()) else {
        return Opened::Hidden;
    };
    match suffixed(&name) {
        Ok(suffixed) if there_whatever_mode(fd, &suffixed) == There::Other => Opened::Shadowed,
        Ok(_) | Err(_) => Opened::Shown(name),
    }
}

/// As [`there`], for a directory that is listed: that may be done without permission to search it. What cannot be looked at is taken as not there.
fn there_whatever_mode(fd: BorrowedFd<'_>, stored: &CStr) -> There {
    descriptor::with_permission(fd, Mode::XUSR, || there(fd, stored)).unwrap_or(There::Nothing)
}
