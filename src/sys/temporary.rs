//! Files that appear whole and durable, or not at all.

use rand::Rng;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, RenameFlags};
use rustix::io::{Errno, Result};
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// What the names of half-made files begin with.
pub const PREFIX: &str = "plainview.tmp.";

/// A new name for a half-made file.
fn temporary_name() -> CString {
    CString::new(format!("{PREFIX}{:016x}", rand::rng().next_u64())).expect("hex digits hold no NUL")
}

/// A file that nobody sees until it is [`put`](Self::put) somewhere, and that is gone if it never is, also when this process is killed or the power fails. Open
/// for reading and writing.
///
/// Where the filesystem knows no such files (O_TMPFILE), it has a name that begins with [`PREFIX`] meanwhile, which a killed process leaves behind.
pub struct Unnamed {
    file: OwnedFd,
    name: Meanwhile,
}

/// The directory and the name that a file has meanwhile, which goes when this is dropped.
struct Meanwhile(Option<(OwnedFd, CString)>);

impl Drop for Meanwhile {
    fn drop(&mut self) {
        if let Some((dir, name)) = &self.0 {
            // Best effort: a left-over temporary file is ignored by every reader.
            let _ = rustix::fs::unlinkat(dir, name, AtFlags::empty());
        }
    }
}

/// What becomes of the file that has a name already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// It is replaced.
    Replaced,
    /// It stays, and the call fails with EEXIST.
    Kept,
}

impl Unnamed {
    /// An empty file with this mode, as one that is made in the directory `dir`.
    ///
    /// # Errors
    /// As open(2).
    pub fn new(dir: BorrowedFd<'_>, mode: Mode) -> Result<Self> {
        let access = OFlags::RDWR | OFlags::CLOEXEC;
        match rustix::fs::openat(dir, c".", access | OFlags::TMPFILE, mode) {
            // The last two from kernels and filesystems that do not know the flag.
            Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL) => {}
            opened => {
                return opened.map(|file| Self {
                    file,
                    name: Meanwhile(None),
                });
            }
        }
        let name = temporary_name();
        let dir = super::descriptor::reopen(dir, OFlags::PATH | OFlags::DIRECTORY)?;
        let file = rustix::fs::openat(&dir, &name, access | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW, mode)?;
        let name = Meanwhile(Some((dir, name)));
        Ok(Self { file, name })
    }

    /// The file.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    /// Gives it the name `to` in the directory `dir`, in one step; one more name if it was put somewhere before. What it holds should be durable by now.
    ///
    /// # Errors
    /// As link(2) and rename(2); the name is then what it was.
    pub fn put(&mut self, dir: BorrowedFd<'_>, to: &CStr, existing: Existing) -> Result<()> {
        match (&self.name.0, existing) {
            (Some((from, name)), Existing::Replaced) => rustix::fs::renameat(from, name, dir, to)?,
            (Some((from, name)), Existing::Kept) => match rustix::fs::renameat_with(from, name, dir, to, RenameFlags::NOREPLACE) {
                // Not every filesystem knows that, but one that does not may know links.
                Err(Errno::INVAL) => {
                    rustix::fs::linkat(from, name, dir, to, AtFlags::empty())?;
                    rustix::fs::unlinkat(from, name, AtFlags::empty())?;
                }
                renamed => renamed?,
            },
            (None, Existing::Kept) => self.link(dir, to)?,
            (None, Existing::Replaced) => {
                let name = temporary_name();
                self.link(dir, &name)?;
                rustix::fs::renameat(dir, &name, dir, to).inspect_err(|_| {
                    // As in Meanwhile.
                    let _ = rustix::fs::unlinkat(dir, &name, AtFlags::empty());
                })?;
            }
        }
        self.name.0 = None;
        Ok(())
    }

    fn link(&self, dir: BorrowedFd<'_>, to: &CStr) -> Result<()> {
        let link = super::descriptor::link(self.fd());
        rustix::fs::linkat(CWD, link, dir, to, AtFlags::SYMLINK_FOLLOW)
    }

    /// The descriptor alone. If the file was put nowhere, it is gone when that is closed.
    pub fn into_fd(self) -> OwnedFd {
        self.file
    }
}

/// Writes all of `bytes`, from where the descriptor is.
///
/// # Errors
/// As write(2).
pub fn write_all(file: impl AsFd, bytes: &[u8]) -> Result<()> {
    let mut rest = bytes;
    while !rest.is_empty() {
        match rustix::io::write(&file, rest) {
            Ok(0) => return Err(Errno::IO),
            Ok(written) => rest = rest.get(written..).unwrap_or_default(),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Makes the file `name` with these `bytes` in the directory `dir`: temporary file, fdatasync, rename, fsync of the directory. Replaces a file of that name. Readable by all, since it is ciphertext or public.
///
/// # Errors
/// What the operating system says; nothing is left behind then.
pub fn write_durably(dir: BorrowedFd<'_>, name: &CStr, bytes: &[u8]) -> Result<()> {
    let temporary = temporary_name();
    let result = write_new(dir, &temporary, bytes).and_then(|()| rustix::fs::renameat(dir, &temporary, dir, name));
    // Not every filesystem keeps the order of this rename and of what comes after it.
    let result = result.and_then(|()| sync_directory(dir));
    if result.is_err() {
        // Best effort: a left-over temporary file is ignored by every reader.
        let _ = rustix::fs::unlinkat(dir, &temporary, AtFlags::empty());
    }
    result
}

/// Makes a directory's entries durable.
///
/// # Errors
/// As fsync(2).
pub fn sync_directory(dir: BorrowedFd<'_>) -> Result<()> {
    // One may make entries in a directory that one may not list.
    let open = || super::descriptor::reopen(dir, OFlags::RDONLY | OFlags::DIRECTORY);
    rustix::fs::fsync(super::descriptor::with_permission(dir, Mode::RUSR, open)?)
}

fn write_new(dir: BorrowedFd<'_>, name: &CStr, bytes: &[u8]) -> Result<()> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = rustix::fs::openat(dir, name, flags, Mode::from_raw_mode(0o644))?;
    write_all(&file, bytes)?;
    rustix::fs::fdatasync(&file)
}

/// The bytes of the small file `name` in the directory `dir`, at most `limit` of them (one more is read so that a caller sees that it is longer).
///
/// # Errors
/// As open(2) and read(2).
pub fn read_small(dir: BorrowedFd<'_>, name: &CStr, limit: usize) -> Result<Vec<u8>> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = rustix::fs::openat(dir, name, flags, Mode::empty())?;
    let mut bytes = vec![0; limit.saturating_add(1)];
    let mut filled = 0;
    while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match rustix::io::read(&file, rest) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}
