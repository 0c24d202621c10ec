//! Imports from one view into another, both of real directories. The source is a vault here: an import knows no difference.

mod faults;
mod interrupted;
mod local;
mod whole;

use super::*;
use crate::keys::{self, MasterKey};
use crate::secret::Secret;
use crate::vault::Vault;
use crate::view::{Access, Attr, Fill, NodeId, Options, Origin, Ownership, Privileges, SetAttr, SetTime, SetXattr, Time};
use rustix::fs::{FileType, Mode, OFlags};
use std::collections::BTreeMap;
use std::path::Path;
use tempfile::TempDir;

const ME: Caller = Caller { uid: 0, gid: 0 };
/// A name like those that an import uses while something is half-made.
const HALF_MADE: &[u8] = b".plainview-part-0123456789abcdef";

fn open_view(dir: &Path, key: u8, access: Access) -> View {
    open_named(dir, key, access, keys::Names::Encrypted)
}

fn open_named(dir: &Path, key: u8, access: Access, names: keys::Names) -> View {
    let root = rustix::fs::open(dir, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).unwrap();
    let master = MasterKey::new(Secret::fill_with(|bytes| *bytes = [key; 32]));
    let options = Options {
        access,
        ownership: Ownership::Daemon,
        descriptors: 64,
    };
    View::new(Box::new(Vault::new(&master, names)), root, options).unwrap()
}

/// A source and a vault, in directories that go when this is dropped.
struct Pair {
    source: TempDir,
    vault: TempDir,
}

impl Pair {
    fn new() -> Self {
        Self {
            source: TempDir::new().unwrap(),
            vault: TempDir::new().unwrap(),
        }
    }

    /// In memory, where syncing costs nothing, if files there can have attributes: for many imports.
    fn in_memory() -> Self {
        let pair = TempDir::new_in("/dev/shm").and_then(|source| {
            rustix::fs::setxattr(source.path(), c"user.x", b"", rustix::fs::XattrFlags::empty())?;
            let vault = TempDir::new_in("/dev/shm")?;
            Ok(Self { source, vault })
        });
        pair.unwrap_or_else(|_| Self::new())
    }

    /// A view that has nothing in memory yet.
    fn source(&self) -> View {
        open_view(self.source.path(), 1, Access::ReadWrite)
    }

    fn vault(&self) -> View {
        open_view(self.vault.path(), 2, Access::ReadWrite)
    }

    /// Imports by new views; what it said, path by path.
    fn import(&self, originals: Originals) -> (Summary, End, Vec<String>) {
        self.import_watched(originals, &mut |_| ControlFlow::Continue(()))
    }

    fn import_watched(&self, originals: Originals, watch: Watch<'_>) -> (Summary, End, Vec<String>) {
        let mut said = Vec::new();
        let (source, target) = (self.source(), self.vault());
        let (summary, end) = transfer(everything(&source, &target), policy(originals), &mut |event| {
            if let Event::Problem(path, problem) = &event {
                said.push(format!("{}: {problem}", path.display()));
            }
            watch(event)
        });
        (summary, end, said)
    }

    /// Imports what has to go without a problem.
    fn import_well(&self, originals: Originals) -> Summary {
        let (summary, end, said) = self.import(originals);
        assert_eq!((said, end), (Vec::new(), End::Complete));
        assert_eq!((summary.conflicts, summary.failed), (0, 0));
        summary
    }
}

/// All that one view shows, into the other.
fn everything<'v>(source: &'v View, target: &'v View) -> Vec<Top<'v>> {
    vec![Top {
        source: Known::root(source).unwrap(),
        names: Names::All,
        target: Known::root(target).unwrap(),
        path: PathBuf::new(),
    }]
}

fn policy(originals: Originals) -> Policy {
    Policy {
        originals,
        existing: Existing::Kept,
        same: Same::Bytes,
    }
}

/// Makes a file.
fn put(view: &View, parent: NodeId, name: &[u8], data: &[u8]) -> NodeId {
    let node = view.create(ME, parent, name, 0o644, Access::ReadWrite).unwrap().attr.node;
    if !data.is_empty() {
        view.write(node, 0, data, Privileges::Keep, Origin::Application).unwrap();
    }
    node
}

fn mkdir(view: &View, parent: NodeId, name: &[u8]) -> NodeId {
    view.mkdir(ME, parent, name, 0o755).unwrap().attr.node
}

fn set_times(view: &View, node: NodeId, secs: i64) {
    let time = Some(SetTime::To(Time { secs, nanos: 123_456_789 }));
    let changes = SetAttr {
        atime: time,
        mtime: time,
        ..SetAttr::default()
    };
    view.setattr(ME, node, &changes).unwrap();
}

fn set_mode(view: &View, node: NodeId, mode: u32) {
    let changes = SetAttr {
        mode: Some(mode),
        ..SetAttr::default()
    };
    view.setattr(ME, node, &changes).unwrap();
}

/// The node at a path.
fn at(view: &View, path: &str) -> Option<NodeId> {
    path.split('/').filter(|name| !name.is_empty()).try_fold(NodeId::ROOT, |dir, name| {
        view.lookup(dir, name.as_bytes()).ok().map(|entry| entry.attr.node)
    })
}

fn read_all(view: &View, node: NodeId) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    view.read(node, 0, 16 << 20, &mut bytes)?;
    Ok(bytes)
}

fn names(view: &View, node: NodeId) -> Vec<Vec<u8>> {
    let mut names = Vec::new();
    view.readdir(node, 0, &mut |entry| {
        names.push(entry.name.to_vec());
        Fill::Taken
    })
    .unwrap();
    names.retain(|name| name != b"." && name != b"..");
    names
}

/// Everything that an entry is and has; but for the time of the last access, which looking changes.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    kind: FileType,
    perm: u16,
    owner: (u32, u32),
    mtime: Time,
    rdev: u32,
    contents: Vec<u8>,
    attributes: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Seen {
    fn of(view: &View, attr: &Attr) -> Self {
        let contents = match attr.kind {
            FileType::RegularFile => read_all(view, attr.node).unwrap(),
            FileType::Symlink => view.readlink(attr.node).unwrap(),
            FileType::Directory
            | FileType::Fifo
            | FileType::Socket
            | FileType::CharacterDevice
            | FileType::BlockDevice
            | FileType::Unknown => Vec::new(),
        };
        let names = view.listxattr(attr.node).unwrap();
        let names = names.split(|byte| *byte == 0).filter(|name| !name.is_empty());
        Self {
            kind: attr.kind,
            perm: attr.perm,
            owner: (attr.uid, attr.gid),
            mtime: attr.mtime,
            rdev: attr.rdev,
            contents,
            attributes: names.map(|name| (name.to_vec(), view.getxattr(attr.node, name).unwrap())).collect(),
        }
    }
}

/// Everything that a view shows, by path; but for its top directory.
fn tree(view: &View) -> BTreeMap<Vec<u8>, Seen> {
    let mut tree = BTreeMap::new();
    let mut dirs = vec![(NodeId::ROOT, Vec::new())];
    while let Some((dir, path)) = dirs.pop() {
        for name in names(view, dir) {
            let attr = view.lookup(dir, &name).unwrap().attr;
            let path = if dir == NodeId::ROOT {
                name
            } else {
                [&path[..], &name].join(&b'/')
            };
            if attr.kind == FileType::Directory {
                dirs.push((attr.node, path.clone()));
            }
            tree.insert(path, Seen::of(view, &attr));
        }
    }
    tree
}

/// A little of everything, in few entries.
fn plant(view: &View) {
    let sub = mkdir(view, NodeId::ROOT, b"sub");
    let deep = mkdir(view, sub, b"deep");
    put(view, NodeId::ROOT, b"empty", b"");
    put(view, sub, b"small", b"a little");
    let large: Vec<u8> = (0..(1 << 20) + 5000_u32).map(|at| at.to_le_bytes()[at as usize % 3]).collect();
    let large = put(view, deep, b"large", &large);
    view.setxattr(large, b"user.mood", b"good", SetXattr::Any).unwrap();
    set_mode(view, large, 0o440);
    let link = view.symlink(ME, sub, b"link", b"../empty").unwrap().attr.node;
    view.mknod(ME, deep, b"fifo", FileType::Fifo.as_raw_mode() | 0o620, 0).unwrap();
    view.setxattr(deep, b"user.of a directory", b"", SetXattr::Any).unwrap();
    set_mode(view, deep, 0o555);
    for (node, secs) in [(large, 1), (link, -5), (deep, 1_000_000_000), (sub, 99)] {
        set_times(view, node, secs);
    }
}

/// The same for an import that does this with its originals: who is not root cannot remove what is in a directory that may not be written to.
fn plant_for(view: &View, originals: Originals) {
    plant(view);
    match originals {
        Originals::Kept => {}
        Originals::Removed => set_mode(view, at(view, "sub/deep").unwrap(), 0o751),
    }
}
