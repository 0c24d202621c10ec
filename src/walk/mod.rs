//! Going about a view by names, as a program does, and not by numbers, as the kernel does.
//!
//! Knows a view; does not know what is behind it, nor who asks. Keeps true: what is looked up is forgotten when it is not needed any more, so that a view knows
//! no more than what is being worked on.

mod path;
#[cfg(test)]
mod tests;

pub use path::{Last, NotThere, PlainPath, find, parent};

use crate::error::{Error, Result};
use crate::view::{Attr, Entry, Fill, NodeId, View};
use rustix::fs::FileType;
use rustix::io::Errno;
use std::ffi::{CString, OsStr};
use std::os::unix::ffi::OsStrExt;

/// An inode that was looked up. The view forgets it when this is dropped.
pub struct Known<'v> {
    view: &'v View,
    lookups: u64,
    /// Its attributes when it was looked up.
    pub attr: Attr,
}

/// An entry of a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its name.
    pub name: Box<[u8]>,
    /// What the entry is called on disk.
    pub stored: CString,
    /// What it is, where the directory says it.
    pub kind: FileType,
}

impl<'v> Known<'v> {
    /// What the view has just handed out.
    pub fn new(view: &'v View, entry: Entry) -> Self {
        Self {
            view,
            lookups: 1,
            attr: entry.attr,
        }
    }

    /// The root directory, which is always known.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn root(view: &'v View) -> Result<Self> {
        Ok(Self {
            view,
            lookups: 0,
            attr: view.getattr(NodeId::ROOT)?,
        })
    }

    /// The entry `name` of the directory `parent`.
    ///
    /// # Errors
    /// ENOENT, or what else the view says.
    pub fn at(parent: &Self, name: &[u8]) -> Result<Self> {
        Ok(Self::new(parent.view, parent.view.lookup(parent.node(), name)?))
    }

    /// The entry `name` of the directory `parent`, if there is one.
    ///
    /// # Errors
    /// What the view says.
    pub fn look(parent: &Self, name: &[u8]) -> Result<Option<Self>> {
        match Self::at(parent, name) {
            Ok(entry) => Ok(Some(entry)),
            Err(Error::Os(Errno::NOENT)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Its view.
    pub fn view(&self) -> &'v View {
        self.view
    }

    /// Its number.
    pub fn node(&self) -> NodeId {
        self.attr.node
    }

    /// The entries of a directory, sorted by name, without `.` and `..`.
    ///
    /// # Errors
    /// What the view says.
    pub fn list(&self) -> Result<Vec<Listed>> {
        let mut entries: Vec<Listed> = Vec::new();
        self.view.readdir(self.node(), 0, &mut |entry| {
            if !matches!(entry.name, b"." | b"..") {
                entries.push(Listed {
                    name: entry.name.into(),
                    stored: entry.stored.to_owned(),
                    kind: entry.kind,
                });
            }
            Fill::Taken
        })?;
        entries.sort_by(|one, other| one.name.cmp(&other.name));
        // Who renames meanwhile may make a listing show an entry twice.
        entries.dedup_by(|one, other| one.name == other.name);
        Ok(entries)
    }

    /// The names in a directory, sorted, without `.` and `..`.
    ///
    /// # Errors
    /// What the view says.
    pub fn names(&self) -> Result<Vec<Box<[u8]>>> {
        Ok(self.list()?.into_iter().map(|entry| entry.name).collect())
    }
}

impl Drop for Known<'_> {
    fn drop(&mut self) {
        self.view.forget(self.node(), self.lookups);
    }
}

/// A name, for paths.
pub fn os_name(name: &[u8]) -> &OsStr {
    OsStr::from_bytes(name)
}
