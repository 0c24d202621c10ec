//! From a path in the clear to what is there.

use super::Known;
use crate::error::Error;
use rustix::fs::FileType;
use rustix::io::Errno;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

/// How many symlinks are followed on one way: as many as the kernel does.
const LINKS_MAX: usize = 40;

/// A path in a view, from its root on: the names on the way, none of them empty or `.`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct PlainPath(Vec<Box<[u8]>>);

/// Whether a symlink at the end of a path is meant itself, or what it leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Last {
    /// The symlink.
    Itself,
    /// What it leads to.
    Followed,
}

/// Why nothing is found at a path. Each follows upon the path and a colon.
#[derive(Debug, thiserror::Error)]
pub enum NotThere {
    /// There is no such entry.
    #[error("there is no such file or directory in the vault")]
    Missing,
    /// Something on the way is no directory.
    #[error("something on the way there is not a directory")]
    NotADirectory,
    /// A symlink on the way leads to where the view does not reach.
    #[error("a symlink on the way there leads out of the vault")]
    Outside,
    /// Symlinks lead to symlinks without an end.
    #[error("too many symlinks on the way there")]
    Loop,
    /// The view does not say.
    #[error("cannot be looked at: {0}")]
    Failed(Error),
}

impl From<Error> for NotThere {
    fn from(error: Error) -> Self {
        match error {
            Error::Os(Errno::NOENT) => Self::Missing,
            Error::Os(Errno::NOTDIR) => Self::NotADirectory,
            error @ (Error::Os(_) | Error::Damage(_) | Error::Undecodable(_) | Error::Recipe(_) | Error::Name(_) | Error::Stale) => {
                Self::Failed(error)
            }
        }
    }
}

impl PlainPath {
    /// The path `text`, from the root on whether or not it begins with a slash. Empty names and `.` are left out, and `..` takes back the name before, where there is one.
    pub fn new(text: &OsStr) -> Self {
        let mut names: Vec<Box<[u8]>> = Vec::new();
        for name in text.as_bytes().split(|byte| *byte == b'/') {
            match name {
                b"" | b"." => {}
                b".." => drop(names.pop()),
                name => names.push(name.into()),
            }
        }
        Self(names)
    }

    /// The names.
    pub fn names(&self) -> &[Box<[u8]>] {
        &self.0
    }

    /// The path of the directory above, and the last name; nothing of the root.
    pub fn split(&self) -> Option<(Self, &[u8])> {
        let (last, above) = self.0.split_last()?;
        Some((Self(above.to_vec()), last))
    }

    /// The path of the entry `name` of this directory.
    #[must_use]
    pub fn join(&self, name: &[u8]) -> Self {
        let names = self.0.iter().cloned().chain([name.into()]);
        Self(names.collect())
    }

    /// The path as it is written, with a slash at its beginning.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes: Vec<u8> = self.0.iter().flat_map(|name| [b"/", &**name].concat()).collect();
        if bytes.is_empty() {
            bytes.push(b'/');
        }
        bytes
    }
}

/// What is at `path`, from the directory `root` on. Symlinks on the way are followed as long as they do not leave it.
///
/// # Errors
/// Why there is nothing.
pub fn find<'v>(root: &Known<'v>, path: &PlainPath, last: Last) -> Result<Known<'v>, NotThere> {
    let mut rest: Vec<Box<[u8]>> = path.0.iter().rev().cloned().collect();
    // Where it has come to.
    let mut way: Vec<Known<'v>> = vec![Known::root(root.view())?];
    let mut links = 0;
    while let Some(name) = rest.pop() {
        if &*name == b".." {
            match way.len() {
                1 => return Err(NotThere::Outside),
                _ => drop(way.pop()),
            }
            continue;
        }
        let at = way.last().ok_or(NotThere::Missing)?;
        if at.attr.kind != FileType::Directory {
            return Err(NotThere::NotADirectory);
        }
        let next = Known::at(at, &name)?;
        if next.attr.kind != FileType::Symlink || (rest.is_empty() && last == Last::Itself) {
            way.push(next);
            continue;
        }
        links += 1;
        if links > LINKS_MAX {
            return Err(NotThere::Loop);
        }
        let target = next.view().readlink(next.node())?;
        if target.first() == Some(&b'/') {
            return Err(NotThere::Outside);
        }
        let names = target.split(|byte| *byte == b'/').filter(|name| !matches!(*name, b"" | b"."));
        rest.extend(names.rev().map(Box::from));
    }
    way.pop().ok_or(NotThere::Missing)
}

/// The directory that the last name of `path` is in, and that name; nothing of the root. There need be nothing of that name.
///
/// # Errors
/// Why there is no such directory.
pub fn parent<'v, 'p>(root: &Known<'v>, path: &'p PlainPath) -> Result<Option<(Known<'v>, &'p [u8])>, NotThere> {
    let Some((above, name)) = path.split() else { return Ok(None) };
    let dir = find(root, &above, Last::Followed)?;
    match dir.attr.kind {
        FileType::Directory => Ok(Some((dir, name))),
        FileType::RegularFile
        | FileType::Symlink
        | FileType::Fifo
        | FileType::Socket
        | FileType::CharacterDevice
        | FileType::BlockDevice
        | FileType::Unknown => Err(NotThere::NotADirectory),
    }
}
