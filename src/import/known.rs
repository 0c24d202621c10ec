//! Inodes that a view knows because of us, and the names in its directories.

use crate::error::Result;
use crate::view::{Attr, Entry, Fill, NodeId, View};
use rustix::fs::FileType;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

/// An inode that was looked up. The view forgets it when this is dropped, so that it knows no more than what is being worked on.
pub(super) struct Known<'v> {
    view: &'v View,
    lookups: u64,
    /// Its attributes when it was looked up.
    pub(super) attr: Attr,
}

impl<'v> Known<'v> {
    /// What the view has just handed out.
    pub(super) fn new(view: &'v View, entry: Entry) -> Self {
        Self {
            view,
            lookups: 1,
            attr: entry.attr,
        }
    }

    /// The root directory, which is always known.
    pub(super) fn root(view: &'v View) -> Result<Self> {
        Ok(Self {
            view,
            lookups: 0,
            attr: view.getattr(NodeId::ROOT)?,
        })
    }

    /// The entry `name` of the directory `parent`.
    pub(super) fn at(parent: &Known<'v>, name: &[u8]) -> Result<Self> {
        Ok(Self::new(parent.view, parent.view.lookup(parent.node(), name)?))
    }

    /// Its view.
    pub(super) fn view(&self) -> &'v View {
        self.view
    }

    /// Its number.
    pub(super) fn node(&self) -> NodeId {
        self.attr.node
    }

    /// The names in a directory, sorted, without `.` and `..`; and what they are, where the directory says it.
    pub(super) fn names(&self) -> Result<Vec<(Box<[u8]>, FileType)>> {
        let mut names: Vec<(Box<[u8]>, FileType)> = Vec::new();
        self.view.readdir(self.node(), 0, &mut |entry| {
            if !matches!(entry.name, b"." | b"..") {
                names.push((entry.name.into(), entry.kind));
            }
            Fill::Taken
        })?;
        names.sort_by(|(one, _), (other, _)| one.cmp(other));
        // Who renames meanwhile may make a listing show an entry twice.
        names.dedup_by(|(one, _), (other, _)| one == other);
        Ok(names)
    }
}

impl Drop for Known<'_> {
    fn drop(&mut self) {
        self.view.forget(self.node(), self.lookups);
    }
}

/// A name, for paths.
pub(super) fn os_name(name: &[u8]) -> &OsStr {
    OsStr::from_bytes(name)
}
