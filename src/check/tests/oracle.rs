//! What a view makes of a vault: the judge of what a check says.

use crate::check::escaped;
use crate::view::{Fill, NodeId, View};
use rustix::fs::FileType;
use std::collections::BTreeSet;
use std::fmt;

/// What was seen, by paths in the clear.
#[derive(Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// All that is shown.
    pub(super) shown: BTreeSet<Vec<u8>>,
    /// Files of which not every byte can be read.
    pub(super) files: BTreeSet<Vec<u8>>,
    /// What has attributes that cannot be read.
    pub(super) attributes: BTreeSet<Vec<u8>>,
    /// Symlinks and directories that cannot be read.
    pub(super) others: BTreeSet<Vec<u8>>,
}

impl Seen {
    /// Reads everything.
    pub(super) fn of(view: &View) -> Self {
        let mut seen = Self::default();
        let mut pending = vec![(NodeId::ROOT, Vec::new())];
        while let Some((node, path)) = pending.pop() {
            seen.attributes(view, node, &path);
            let mut names = Vec::new();
            let listed = view.readdir(node, 0, &mut |entry| {
                names.push(entry.name.to_vec());
                Fill::Taken
            });
            if listed.is_err() {
                seen.others.insert(path.clone());
            }
            names.retain(|name| !matches!(&name[..], b"." | b".."));
            for name in names {
                let path = if path.is_empty() {
                    name.clone()
                } else {
                    [&path[..], b"/", &name].concat()
                };
                seen.shown.insert(path.clone());
                match view.lookup(node, &name) {
                    Ok(entry) if entry.attr.kind == FileType::Directory => pending.push((entry.attr.node, path)),
                    Ok(entry) => seen.entry(view, entry.attr.node, entry.attr.kind, &path),
                    Err(_) => drop(seen.others.insert(path)),
                }
            }
        }
        seen
    }

    /// Whether everything that is shown can be read.
    pub(super) fn is_whole(&self) -> bool {
        self.files.is_empty() && self.attributes.is_empty() && self.others.is_empty()
    }

    fn entry(&mut self, view: &View, node: NodeId, kind: FileType, path: &[u8]) {
        if kind == FileType::Symlink {
            if view.readlink(node).is_err() {
                self.others.insert(path.to_vec());
            }
            return;
        }
        self.attributes(view, node, path);
        if read(view, node).is_none() {
            self.files.insert(path.to_vec());
        }
    }

    fn attributes(&mut self, view: &View, node: NodeId, path: &[u8]) {
        let read = view.listxattr(node).and_then(|names| {
            let names = names.split(|byte| *byte == 0).filter(|name| !name.is_empty());
            names
                .map(|name| view.getxattr(node, name))
                .collect::<crate::error::Result<Vec<_>>>()
        });
        if read.is_err() {
            self.attributes.insert(path.to_vec());
        }
    }
}

/// All bytes of a file, if all of it can be read.
pub(super) fn read(view: &View, node: NodeId) -> Option<Vec<u8>> {
    let (mut all, mut chunk) = (Vec::new(), Vec::new());
    loop {
        view.read(node, u64::try_from(all.len()).unwrap(), 1 << 20, &mut chunk).ok()?;
        if chunk.is_empty() {
            return Some(all);
        }
        all.extend_from_slice(&chunk);
    }
}

/// The file at this path.
pub(super) fn read_path(view: &View, path: &[&[u8]]) -> Option<Vec<u8>> {
    let mut node = NodeId::ROOT;
    for name in path {
        node = view.lookup(node, name).ok()?.attr.node;
    }
    read(view, node)
}

impl fmt::Debug for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |paths: &BTreeSet<Vec<u8>>| paths.iter().map(|path| escaped(path)).collect::<Vec<_>>().join(" ");
        let (files, attributes, others) = (shown(&self.files), shown(&self.attributes), shown(&self.others));
        write!(
            f,
            "shown: {}\nbad files: {files}\nbad attributes: {attributes}\nbad others: {others}",
            shown(&self.shown)
        )
    }
}
