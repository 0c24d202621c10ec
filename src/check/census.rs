//! How many bytes there are to be looked at.

use super::trail::{Trail, open_directory};
use crate::name::RESERVED;
use rustix::fs::{AtFlags, Dir, FileType, statat};
use rustix::io::Result;
use std::ffi::CString;
use std::ops::ControlFlow;
use std::os::fd::BorrowedFd;

/// Adds up the lengths on disk of all files below `root`. After each directory `watch` is told what it comes to so far, and answers whether to go on. What cannot be listed is passed over.
///
/// # Errors
/// That the root cannot be opened, or that directories were moved meanwhile.
pub fn census(root: BorrowedFd<'_>, watch: &mut dyn FnMut(u64) -> ControlFlow<()>) -> Result<()> {
    let mut trail = Trail::new(root, Vec::new())?;
    let mut bytes = 0;
    list(&mut trail, &mut bytes);
    while watch(bytes).is_continue() {
        let Some(name) = trail.what().pop() else {
            match trail.ascend()? {
                true => continue,
                false => break,
            }
        };
        if let Ok(fd) = open_directory(trail.here(), &name) {
            trail.descend(fd, Vec::new())?;
            list(&mut trail, &mut bytes);
        }
    }
    Ok(())
}

fn list(trail: &mut Trail<Vec<CString>>, bytes: &mut u64) {
    let mut directories = Vec::new();
    for entry in Dir::read_from(trail.here()).into_iter().flatten().map_while(Result::ok) {
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..")
            || (name.to_bytes().starts_with(RESERVED) && !name.to_bytes().starts_with(b"plainview.long."))
        {
            continue;
        }
        let Ok(stat) = statat(trail.here(), name, AtFlags::SYMLINK_NOFOLLOW) else {
            continue;
        };
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => directories.push(name.to_owned()),
            FileType::RegularFile => *bytes += u64::try_from(stat.st_size).unwrap_or(0),
            FileType::Symlink
            | FileType::Fifo
            | FileType::Socket
            | FileType::CharacterDevice
            | FileType::BlockDevice
            | FileType::Unknown => {}
        }
    }
    *trail.what() = directories;
}
