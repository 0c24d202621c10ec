//! Everything that can be seen of a directory tree, and what differs between two.

use rustix::buffer::spare_capacity;
use rustix::fs::{AtFlags, CWD, FileType, Stat, lgetxattr, llistxattr, readlinkat, statat};
use std::collections::{BTreeMap, HashMap};
use std::ffi::{CStr, CString};
use std::fs::File;
use std::path::{Path, PathBuf};

/// A tree: what is at each path, relative to its root, which is there as the empty path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tree(BTreeMap<PathBuf, Entry>);

/// What can be seen of one entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Type and permission bits.
    mode: u32,
    owner: (u32, u32),
    /// 0 for a directory, where each filesystem has its own.
    size: u64,
    /// Device number of a device, else 0.
    device: u64,
    /// Seconds and nanoseconds.
    modified: (i64, u64),
    /// Number of links, and the first path of those in the tree; `None` for a directory.
    links: Option<(u64, PathBuf)>,
    contents: Contents,
    attributes: Vec<(CString, Vec<u8>)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Contents {
    None,
    File(String),
    Target(CString),
    /// It could not be read.
    Error(String),
}

impl Tree {
    /// The tree at `root`, as the calling thread may see it.
    pub(crate) fn of(root: &Path) -> Self {
        let mut entries = BTreeMap::new();
        let mut first_paths = HashMap::new();
        let mut pending = vec![PathBuf::new()];
        while let Some(path) = pending.pop() {
            let whole = if path.as_os_str().is_empty() {
                root.to_owned()
            } else {
                root.join(&path)
            };
            let stat = statat(CWD, &whole, AtFlags::SYMLINK_NOFOLLOW).unwrap_or_else(|error| panic!("{}: {error}", whole.display()));
            let is_directory = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
            if is_directory && let Ok(list) = std::fs::read_dir(&whole) {
                pending.extend(list.map(|entry| path.join(entry.unwrap().file_name())));
            }
            if !is_directory {
                // The least path, whatever the order in which they are found.
                let first = first_paths.entry(stat.st_ino).or_insert_with(|| path.clone());
                *first = path.clone().min(first.clone());
            }
            entries.insert(path.clone(), (stat.st_ino, Entry::of(&whole, &stat)));
        }
        let with_links = |(path, (inode, mut entry)): (PathBuf, (u64, Entry))| {
            if let Some((_, first)) = &mut entry.links {
                first.clone_from(&first_paths[&inode]);
            }
            (path, entry)
        };
        Self(entries.into_iter().map(with_links).collect())
    }

    /// How many entries, the root among them.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Without the root itself, whose mode and times nobody copied.
    pub(crate) fn without_root(mut self) -> Self {
        self.0.remove(Path::new(""));
        self
    }

    /// Checks that `other` is the same tree.
    #[track_caller]
    pub(crate) fn assert_same(&self, other: &Self) {
        let paths: std::collections::BTreeSet<_> = self.0.keys().chain(other.0.keys()).collect();
        let differs = paths.into_iter().filter(|path| self.0.get(*path) != other.0.get(*path));
        let text: Vec<_> = differs
            .map(|path| format!("{}\n   {:?}\n   {:?}", path.display(), self.0.get(path), other.0.get(path)))
            .collect();
        assert!(
            text.is_empty(),
            "{} entries differ, the first of them:\n{}",
            text.len(),
            text[..text.len().min(10)].join("\n")
        );
    }
}

impl Entry {
    fn of(path: &Path, stat: &Stat) -> Self {
        let kind = FileType::from_raw_mode(stat.st_mode);
        let is_directory = kind == FileType::Directory;
        let is_device = matches!(kind, FileType::CharacterDevice | FileType::BlockDevice);
        let error = |error: &dyn std::fmt::Display| Contents::Error(error.to_string());
        let contents = match kind {
            FileType::RegularFile => hash(path).map_or_else(|e| error(&e), Contents::File),
            FileType::Symlink => readlinkat(CWD, path, vec![]).map_or_else(|e| error(&e), Contents::Target),
            FileType::Directory | FileType::Fifo | FileType::Socket => Contents::None,
            FileType::CharacterDevice | FileType::BlockDevice | FileType::Unknown => Contents::None,
        };
        Self {
            mode: stat.st_mode,
            owner: (stat.st_uid, stat.st_gid),
            size: if is_directory { 0 } else { u64::try_from(stat.st_size).unwrap() },
            device: if is_device { stat.st_rdev } else { 0 },
            modified: (stat.st_mtime, stat.st_mtime_nsec),
            links: (!is_directory).then(|| (stat.st_nlink, PathBuf::new())),
            contents,
            attributes: attributes(path),
        }
    }
}

/// BLAKE3 of a file's contents, in hexadecimal.
fn hash(path: &Path) -> std::io::Result<String> {
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(File::open(path)?)?;
    Ok(hasher.finalize().to_hex().to_string())
}

/// Extended attributes, sorted; none where they cannot be read.
fn attributes(path: &Path) -> Vec<(CString, Vec<u8>)> {
    let mut names = Vec::with_capacity(64 << 10);
    if llistxattr(path, spare_capacity(&mut names)).is_err() {
        return vec![];
    }
    let mut found = vec![];
    for name in names.split_inclusive(|byte| *byte == 0) {
        let name = CStr::from_bytes_with_nul(name).unwrap();
        let mut value = Vec::with_capacity(64 << 10);
        if lgetxattr(path, name, spare_capacity(&mut value)).is_ok() {
            found.push((name.to_owned(), value));
        }
    }
    found.sort();
    found
}
