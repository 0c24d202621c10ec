//! How much there is to do.

use super::{Names, Top};
use crate::walk::Known;
use rustix::fs::FileType;
use std::ops::ControlFlow;

/// What there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// Entries of all kinds, directories included.
    pub entries: u64,
    /// Bytes in regular files.
    pub bytes: u64,
}

/// Counts what `top` says, until `going_on`, which is asked for each entry, breaks. What cannot be read is not counted: who reads it tells of it.
pub fn census(top: &Top<'_>, going_on: &mut dyn FnMut(&Census) -> ControlFlow<()>) -> Census {
    let mut census = Census::default();
    let names = match &top.names {
        Names::All => top.source.names().unwrap_or_default(),
        Names::Only(names) => names.clone(),
    };
    let mut at_top = names.into_iter();
    let mut stack: Vec<(Known<'_>, std::vec::IntoIter<Box<[u8]>>)> = Vec::new();
    loop {
        let (dir, name) = match stack.last_mut() {
            Some((dir, names)) => (&*dir, names.next()),
            None => (&top.source, at_top.next()),
        };
        let found = name.as_ref().map(|name| Known::look(dir, name));
        let Some(found) = found else {
            if stack.pop().is_none() {
                return census;
            }
            continue;
        };
        let Ok(Some(entry)) = found else { continue };
        census.entries += 1;
        match entry.attr.kind {
            FileType::Directory => {
                let names = entry.names().unwrap_or_default();
                stack.push((entry, names.into_iter()));
            }
            FileType::RegularFile => census.bytes += entry.attr.size,
            FileType::Symlink
            | FileType::Fifo
            | FileType::Socket
            | FileType::CharacterDevice
            | FileType::BlockDevice
            | FileType::Unknown => {}
        }
        if going_on(&census).is_break() {
            return census;
        }
    }
}
