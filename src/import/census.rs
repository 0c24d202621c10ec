//! How much there is to do.

use super::entry::look;
use super::known::Known;
use crate::error::Result;
use crate::view::View;
use rustix::fs::FileType;
use std::ops::ControlFlow;

/// What a view shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// Entries of all kinds, directories included.
    pub entries: u64,
    /// Bytes in regular files.
    pub bytes: u64,
}

/// Counts what `view` shows, until `going_on`, which is asked for each entry, breaks. What cannot be read is not counted: who reads it tells of it.
///
/// # Errors
/// That there is no root directory.
pub fn census(view: &View, going_on: &mut dyn FnMut(&Census) -> ControlFlow<()>) -> Result<Census> {
    let mut census = Census::default();
    let mut stack = vec![listed(Known::root(view)?)];
    while let Some((dir, names)) = stack.last_mut() {
        let Some(name) = names.pop() else {
            stack.pop();
            continue;
        };
        let Ok(Some(entry)) = look(dir, &name) else { continue };
        census.entries += 1;
        match entry.attr.kind {
            FileType::Directory => stack.push(listed(entry)),
            FileType::RegularFile => census.bytes += entry.attr.size,
            FileType::Symlink
            | FileType::Fifo
            | FileType::Socket
            | FileType::CharacterDevice
            | FileType::BlockDevice
            | FileType::Unknown => {}
        }
        if going_on(&census).is_break() {
            break;
        }
    }
    Ok(census)
}

fn listed(dir: Known<'_>) -> (Known<'_>, Vec<Box<[u8]>>) {
    let names = dir.names().unwrap_or_default();
    (dir, names.into_iter().map(|(name, _)| name).collect())
}
