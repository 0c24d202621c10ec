//! `plainview.lost+found` in the root of a vault: where a repair puts what cannot be put right, and what it is about to change.
//!
//! Each repair has a number N: `N/` holds what was moved, under the paths that it had in the vault; `N.list` says what was done to which path in the vault, and why. Neither
//! holds anything in the clear that was not so in the vault.

use super::escaped;
use super::place::Place;
use super::trail::open_directory;
use crate::sys::disk::{Disk, SeekTo, read_full_at, write_all_at};
use crate::sys::temporary::{Existing, Unnamed, sync_directory, write_all};
use crate::sys::{descriptor, metadata};
use rustix::fs::{Mode, OFlags, RenameFlags, fdatasync, fsync, ioctl_ficlone, mkdirat, openat, renameat, renameat_with};
use rustix::io::{Errno, Result};
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Its name in the root.
const NAME: &CStr = c"plainview.lost+found";
/// More repairs than anybody makes.
const REPAIRS: u32 = 1_000_000;

/// The part of it that belongs to one repair.
pub(super) struct Lost {
    all: OwnedFd,
    number: u32,
    entries: OwnedFd,
    list: OwnedFd,
    attributes: u32,
}

impl Lost {
    /// Makes the part for a new repair, durably.
    ///
    /// # Errors
    /// What the operating system says.
    pub(super) fn new(root: BorrowedFd<'_>) -> Result<Self> {
        let all = make_directory(root, NAME)?;
        for number in 1..REPAIRS {
            let name = c_string(number.to_string());
            match mkdirat(&all, &name, Mode::RWXU) {
                Err(Errno::EXIST) => continue,
                made => made?,
            }
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::APPEND | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let list = openat(&all, c_string(format!("{number}.list")), flags, Mode::RUSR | Mode::WUSR)?;
            sync_directory(all.as_fd())?;
            return Ok(Self {
                number,
                entries: open_directory(all.as_fd(), &name)?,
                list,
                all,
                attributes: 0,
            });
        }
        Err(Errno::EXIST)
    }

    /// Where things of this repair are, as a path in the vault.
    pub(super) fn path_of(&self, place: &Place) -> Vec<u8> {
        [
            format!("{}/{}/", NAME.to_string_lossy(), self.number).as_bytes(),
            &place.stored_path(),
        ]
        .concat()
    }

    /// Writes down, durably, what is about to be done.
    ///
    /// # Errors
    /// What the operating system says.
    pub(super) fn note(&self, deed: &str, vault_path: &[u8], why: &str) -> Result<()> {
        write_all(&self.list, format!("{deed}\t{}\t{why}\n", escaped(vault_path)).as_bytes())?;
        fdatasync(&self.list)
    }

    /// The directory here for what was beside `place`; made durably.
    fn beside(&self, place: &Place) -> Result<OwnedFd> {
        let line = place.line();
        let (_, above) = line.split_last().expect("a place is in its own line");
        let mut dir = descriptor::reopen(self.entries.as_fd(), OFlags::RDONLY | OFlags::DIRECTORY)?;
        for place in above {
            dir = make_directory(dir.as_fd(), place.stored())?;
        }
        Ok(dir)
    }

    /// Moves `place`, in the directory open as `from`, and the file `with` beside it, if that is there. What is not there any more was moved before.
    ///
    /// # Errors
    /// What the operating system says.
    pub(super) fn take(&self, place: &Place, from: BorrowedFd<'_>, with: Option<&CStr>) -> Result<()> {
        let to = self.beside(place)?;
        for name in [Some(place.stored()), with].into_iter().flatten() {
            match descriptor::with_permission(from, Mode::RWXU, || rename(from, to.as_fd(), name)) {
                Ok(()) | Err(Errno::NOENT) => {}
                Err(errno) => return Err(errno),
            }
        }
        sync_directory(to.as_fd())?;
        sync_directory(from)
    }

    /// Keeps a copy of the file `place`, open as `file`; of `name` in its place, where that is given.
    ///
    /// # Errors
    /// What the operating system says.
    pub(super) fn copy(&self, place: &Place, file: BorrowedFd<'_>) -> Result<()> {
        let to = self.beside(place)?;
        let mut copy = Unnamed::new(to.as_fd(), Mode::RUSR | Mode::WUSR)?;
        if ioctl_ficlone(copy.fd(), file).is_err() {
            copy_data(file, copy.fd())?;
        }
        match metadata::copy(file, copy.fd()) {
            // Who may not give files away keeps it as their own.
            Err(Errno::PERM | Errno::OPNOTSUPP) => {}
            copied => copied?,
        }
        fsync(copy.fd())?;
        copy.put(to.as_fd(), place.stored(), Existing::Kept)?;
        sync_directory(to.as_fd())
    }

    /// Keeps the value of an attribute; returns the name of the file that has it.
    ///
    /// # Errors
    /// What the operating system says.
    pub(super) fn keep_attribute(&mut self, value: &[u8]) -> Result<String> {
        self.attributes += 1;
        let name = format!("{}.attribute.{}", self.number, self.attributes);
        let mut file = Unnamed::new(self.all.as_fd(), Mode::RUSR | Mode::WUSR)?;
        write_all(file.fd(), value)?;
        fdatasync(file.fd())?;
        file.put(self.all.as_fd(), &c_string(name.clone()), Existing::Kept)?;
        sync_directory(self.all.as_fd())?;
        Ok(name)
    }
}

/// The directory `name`, made durably if it is not there.
fn make_directory(dir: BorrowedFd<'_>, name: &CStr) -> Result<OwnedFd> {
    match mkdirat(dir, name, Mode::RWXU) {
        Ok(()) => sync_directory(dir)?,
        Err(Errno::EXIST) => {}
        Err(errno) => return Err(errno),
    }
    open_directory(dir, name)
}

fn rename(from: BorrowedFd<'_>, to: BorrowedFd<'_>, name: &CStr) -> Result<()> {
    match renameat_with(from, name, to, name, RenameFlags::NOREPLACE) {
        // Not every filesystem knows the flag; nothing of that name is there, in a directory that this repair made.
        Err(Errno::INVAL | Errno::NOSYS) => renameat(from, name, to, name),
        renamed => renamed,
    }
}

/// Copies what is no hole.
fn copy_data(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> Result<()> {
    let len = u64::try_from(rustix::fs::fstat(from)?.st_size).unwrap_or(0);
    to.set_len(len)?;
    let mut buffer = vec![0; 1 << 20];
    let mut at = 0;
    while at < len {
        at = match from.seek(at, SeekTo::Data) {
            Ok(data) => data,
            Err(Errno::NXIO) => break,
            Err(_) => at,
        };
        let got = read_full_at(&from, &mut buffer, at)?;
        if got == 0 {
            break;
        }
        write_all_at(&to, buffer.get(..got).unwrap_or_default(), at)?;
        at += u64::try_from(got).expect("at most 1 MiB");
    }
    Ok(())
}

fn c_string(name: String) -> CString {
    CString::new(name).expect("digits and letters hold no NUL")
}
