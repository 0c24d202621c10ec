//! A whole tree as an application sees it, and where two of them differ.

use super::attrs::Attrs;
use super::on_xattr;
use super::op::{Base, Place, Target, Text, brief};
use super::side::{Side, list};
use rustix::fs::{self, AtFlags, FileType, Mode, OFlags};
use rustix::io;
use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd};

/// Room for names when a directory is read.
const ROOM: usize = 32_768;
/// How many differences are told.
const TOLD: usize = 20;

type Xattrs = io::Result<BTreeMap<Vec<u8>, io::Result<Vec<u8>>>>;

/// What an entry holds, or why it cannot be read.
#[derive(PartialEq)]
enum Holds {
    Bytes(io::Result<Vec<u8>>),
    Names(io::Result<Vec<(Vec<u8>, FileType)>>),
    Target(io::Result<Vec<u8>>),
    Nothing,
}

struct Node {
    attrs: Attrs,
    inode: u64,
    holds: Holds,
    xattrs: Xattrs,
}

/// Every entry of a tree by its path.
pub(super) struct Tree(BTreeMap<Vec<u8>, Node>);

impl Tree {
    /// The tree of `side`. What cannot be read is part of it as its errno; only the root must be there.
    pub(super) fn read(side: &Side) -> io::Result<Self> {
        let mut tree = Self(BTreeMap::new());
        tree.add(side, side.root(), b".", Vec::new())?;
        Ok(tree)
    }

    fn add(&mut self, side: &Side, parent: BorrowedFd<'_>, name: &[u8], path: Vec<u8>) -> io::Result<()> {
        let stat = fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)?;
        let kind = FileType::from_raw_mode(stat.st_mode);
        let mut below = Vec::new();
        let holds = if kind == FileType::RegularFile {
            Holds::Bytes(read_file(parent, name))
        } else if kind == FileType::Symlink {
            Holds::Target(fs::readlinkat(parent, name, Vec::new()).map(std::ffi::CString::into_bytes))
        } else if kind == FileType::Directory {
            let names = fs::openat(
                parent,
                name,
                OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC,
                Mode::empty(),
            )
            .and_then(|dir| Ok((list(dir.as_fd(), ROOM)?, dir)));
            Holds::Names(names.map(|(names, dir)| {
                below.push(dir);
                names
            }))
        } else {
            Holds::Nothing
        };
        let xattrs = on_xattr::all(
            side,
            &Target::NoFollow(Text(if path.is_empty() { b".".to_vec() } else { path.clone() })),
        );
        let names = if let (Holds::Names(Ok(names)), Some(dir)) = (&holds, below.pop()) {
            Some((names.clone(), dir))
        } else {
            None
        };
        self.0.insert(
            path.clone(),
            Node {
                attrs: Attrs::of(&stat, side.clock()),
                inode: stat.st_ino,
                holds,
                xattrs,
            },
        );
        if let Some((names, dir)) = names {
            for (name, _) in names.iter().filter(|(name, _)| name != b"." && name != b"..") {
                let path = if path.is_empty() {
                    name.clone()
                } else {
                    [path.as_slice(), name].join(&b'/')
                };
                // A directory that may be read but not searched names entries that cannot be looked at: alike on both sides.
                let _ = self.add(side, dir.as_fd(), name, path);
            }
        }
        Ok(())
    }

    /// How many entries it has.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The paths of its directories, the root first.
    pub(super) fn directories(&self) -> Vec<Place> {
        let directories = self
            .0
            .iter()
            .filter(|(path, node)| node.attrs.kind == FileType::Directory && !path.is_empty());
        directories
            .map(|(path, _)| Place {
                base: Base::Root,
                path: path.clone(),
            })
            .collect()
    }

    /// The paths of each inode's entries, by the first of them.
    fn inodes(&self) -> BTreeMap<&[u8], Vec<&[u8]>> {
        let mut by_number: BTreeMap<u64, Vec<&[u8]>> = BTreeMap::new();
        for (path, node) in &self.0 {
            by_number.entry(node.inode).or_default().push(path);
        }
        by_number.into_values().map(|paths| (paths[0], paths)).collect()
    }

    /// Where `other` is not as this one is; empty when it is.
    pub(super) fn differences(&self, other: &Self) -> Vec<String> {
        let mut found = Vec::new();
        for (path, expected) in &self.0 {
            match other.0.get(path) {
                None => found.push(format!("{}: missing", brief(path))),
                Some(got) => expected
                    .differences(got)
                    .into_iter()
                    .for_each(|what| found.push(format!("{}: {what}", brief(path)))),
            }
        }
        for path in other.0.keys().filter(|path| !self.0.contains_key(*path)) {
            found.push(format!("{}: is there, but should not be", brief(path)));
        }
        let (expected, got) = (self.inodes(), other.inodes());
        for (first, paths) in &expected {
            if got.get(first).is_some_and(|others| others != paths) || (!got.contains_key(first) && other.0.contains_key(*first)) {
                found.push(format!("{}: the entries of its inode differ", brief(first)));
            }
        }
        found.truncate(TOLD);
        found
    }
}

impl Node {
    fn differences(&self, got: &Self) -> Vec<String> {
        let mut found = Vec::new();
        if self.attrs != got.attrs {
            found.push(format!("expected {:?}, got {:?}", self.attrs, got.attrs));
        }
        if self.xattrs != got.xattrs {
            found.push(format!("expected attributes {:?}, got {:?}", self.xattrs, got.xattrs));
        }
        if self.holds != got.holds {
            found.push(self.holds.difference(&got.holds));
        }
        found
    }
}

impl Holds {
    fn difference(&self, got: &Self) -> String {
        match (self, got) {
            (Self::Bytes(Ok(expected)), Self::Bytes(Ok(got))) => bytes_differ(expected, got),
            (Self::Names(Ok(expected)), Self::Names(Ok(got))) => {
                let list = |names: &[(Vec<u8>, FileType)]| {
                    names
                        .iter()
                        .map(|(name, kind)| format!("{} {kind:?}", brief(name)))
                        .collect::<Vec<_>>()
                };
                format!("expected the names {:?}, got {:?}", list(expected), list(got))
            }
            (Self::Target(Ok(expected)), Self::Target(Ok(got))) => {
                format!("expected the target \"{}\", got \"{}\"", brief(expected), brief(got))
            }
            (Self::Bytes(_) | Self::Names(_) | Self::Target(_) | Self::Nothing, _) => {
                format!("expected {}, got {}", self.summary(), got.summary())
            }
        }
    }

    fn summary(&self) -> String {
        match self {
            Self::Bytes(bytes) => format!("contents {:?}", bytes.as_ref().map(Vec::len)),
            Self::Names(names) => format!("names {:?}", names.as_ref().map(Vec::len)),
            Self::Target(target) => format!("target {:?}", target.as_ref().map(|target| brief(target))),
            Self::Nothing => "nothing".to_owned(),
        }
    }
}

/// Where two contents differ first, and how.
pub(super) fn bytes_differ(expected: &[u8], got: &[u8]) -> String {
    let at = expected
        .iter()
        .zip(got)
        .position(|(expected, got)| expected != got)
        .unwrap_or(expected.len().min(got.len()));
    let some = |bytes: &[u8]| bytes[at..bytes.len().min(at + 16)].to_vec();
    let wrong = expected.iter().zip(got).filter(|(expected, got)| expected != got).count();
    format!(
        "expected {} bytes, got {}; {wrong} bytes differ, the first at {at}: expected {:02x?}, got {:02x?}",
        expected.len(),
        got.len(),
        some(expected),
        some(got)
    )
}

fn read_file(parent: BorrowedFd<'_>, name: &[u8]) -> io::Result<Vec<u8>> {
    let file = fs::openat(
        parent,
        name,
        OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC,
        Mode::empty(),
    )?;
    let mut bytes = Vec::new();
    loop {
        let old = bytes.len();
        bytes.resize(old + 1_048_576, 0);
        let count = io::read(&file, &mut bytes[old..])?;
        bytes.truncate(old + count);
        if count == 0 {
            return Ok(bytes);
        }
    }
}
