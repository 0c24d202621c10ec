//! Whether a key is the one of a folder. The format cannot tell: nothing in it depends on the key but the contents. What can be looked at is the padding of last
//! blocks, which is one of three kinds under the right key, and random under a wrong one (see [`Padding`]).
//!
//! Bounded: at most [`FILES`] files of at most [`ENTRIES`] entries down to [`DEPTH`] levels, those near the top first, and no more when it is clear. Of each file
//! it reads the header and one block. It follows no symlink, opens only regular files, and passes over whatever it cannot read.

use super::stream::{StreamError, read_header, read_whole};
use super::{BLOCK_LEN, Decryptor, Padding, RecipeKey, SUFFIX};
use crate::sys::temporary::PREFIX;
use rustix::fs::{AtFlags, Dir, DirEntry, FileType, Mode, OFlags};
use rustix::io::Result;
use std::collections::VecDeque;
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;

/// Most files that are looked at.
const FILES: usize = 1000;
/// Most entries that are listed.
const ENTRIES: usize = 10_000;
/// Most levels of subfolders.
const DEPTH: usize = 32;
/// Evidence for the key, in bits, that is overwhelming: what 4 bytes of padding give.
const CLEAR: i64 = 29;

/// What a check found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// Recipe files by their name, `*.enc`, that could be read.
    pub files: usize,
    /// Those of them whose length does not fit their header, which no key can change.
    pub misfits: usize,
    /// Those that have padding, so that they could tell.
    pub telling: usize,
    /// Those of these whose padding is of a usual kind.
    pub fitting: usize,
    /// How much speaks for the key, in bits.
    evidence: i64,
}

/// What follows from what was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The key is most likely the right one.
    Fits,
    /// Nothing could tell: there is no recipe file, or none with padding.
    Unknown,
    /// The key is most likely a wrong one, or a program wrote the files that pads in no usual way.
    Strange,
}

impl Findings {
    /// What follows.
    ///
    /// It compares two stories: that the key is right and every other file, at least, is padded in a usual way, or that it is wrong and padding random. A file that
    /// fits with n bytes is 2^(8n - 3) times as likely in the first, and one that does not is half as likely: so many bits speak for the key, or one against
    /// it. A wrong key is taken for right by chance with a probability of 1.2 % if one file can tell and has one byte of padding; at most 6 %, if that is so
    /// of five files; and next to none with padding as it falls in a folder of some files.
    pub fn verdict(&self) -> Verdict {
        match self.telling {
            0 => Verdict::Unknown,
            _ if self.evidence > 0 => Verdict::Fits,
            _ => Verdict::Strange,
        }
    }

    /// What to tell who gave the key; nothing if all seems well. A sentence without its full stop.
    pub fn warning(&self) -> Option<String> {
        let Self {
            files,
            misfits,
            telling,
            fitting,
            ..
        } = self;
        match self.verdict() {
            Verdict::Strange => Some(format!(
                "the password or key is probably wrong, in which case the files will show as garbage: \
                 of {telling} looked at that could tell, {fitting} ended as they should"
            )),
            Verdict::Unknown if *misfits > 0 && misfits == files => Some(format!(
                "no recipe file was found: of {files} files looked at whose names end in .enc, none has the length that its header tells"
            )),
            Verdict::Fits | Verdict::Unknown => None,
        }
    }

    fn add(&mut self, padding: Padding) {
        match padding {
            Padding::Absent => {}
            Padding::Usual(len) => {
                self.telling += 1;
                self.fitting += 1;
                self.evidence += 8 * i64::from(len) - 3;
            }
            Padding::Unusual => {
                self.telling += 1;
                self.evidence -= 1;
            }
        }
    }
}

/// Looks for signs in the folder `root` that `key` is its key.
pub fn check(root: BorrowedFd<'_>, key: &RecipeKey) -> Findings {
    let mut check = Check {
        key,
        entries: 0,
        findings: Findings::default(),
    };
    let mut folders = VecDeque::from([Rc::new(Folder::Root)]);
    while let Some(folder) = folders.pop_front() {
        // What cannot be opened or read, for whatever reason, cannot tell.
        if let Ok(dir) = folder.open(root) {
            let _ = check.folder(dir.as_fd(), &folder, &mut folders);
        }
        if check.is_over() {
            break;
        }
    }
    check.findings
}

/// A folder that is still to be listed. Names rather than descriptors, of which a wide folder could take too many.
enum Folder {
    Root,
    /// The folder around it, its name there, and how many names lead to it.
    Inside(Rc<Folder>, CString, usize),
}

impl Folder {
    fn depth(&self) -> usize {
        match self {
            Self::Root => 0,
            Self::Inside(_, _, depth) => *depth,
        }
    }

    fn open(&self, root: BorrowedFd<'_>) -> Result<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match self {
            Self::Root => rustix::fs::openat(root, c".", flags, Mode::empty()),
            Self::Inside(parent, name, _) => rustix::fs::openat(parent.open(root)?, name, flags, Mode::empty()),
        }
    }
}

struct Check<'a> {
    key: &'a RecipeKey,
    entries: usize,
    findings: Findings,
}

impl Check<'_> {
    fn is_over(&self) -> bool {
        self.entries >= ENTRIES || self.findings.files >= FILES || self.findings.evidence >= CLEAR
    }

    /// Looks at the files of one folder, and puts down its folders for later.
    fn folder(&mut self, dir: BorrowedFd<'_>, folder: &Rc<Folder>, folders: &mut VecDeque<Rc<Folder>>) -> Result<()> {
        for entry in Dir::read_from(dir)? {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if matches!(name, b"." | b"..") || name.starts_with(PREFIX.as_bytes()) {
                continue;
            }
            self.entries += 1;
            match kind(dir, &entry) {
                FileType::Directory if folder.depth() < DEPTH => {
                    let name = entry.file_name().to_owned();
                    folders.push_back(Rc::new(Folder::Inside(Rc::clone(folder), name, folder.depth() + 1)));
                }
                FileType::RegularFile if name.ends_with(SUFFIX) && name != SUFFIX => self.file(dir, entry.file_name()),
                FileType::RegularFile
                | FileType::Directory
                | FileType::Symlink
                | FileType::Fifo
                | FileType::Socket
                | FileType::CharacterDevice
                | FileType::BlockDevice
                | FileType::Unknown => {}
            }
            if self.is_over() {
                break;
            }
        }
        Ok(())
    }

    fn file(&mut self, dir: BorrowedFd<'_>, name: &CStr) {
        match padding(dir, name, self.key) {
            Ok(padding) => {
                self.findings.files += 1;
                self.findings.add(padding);
            }
            Err(StreamError::Short | StreamError::Misfit) => {
                self.findings.files += 1;
                self.findings.misfits += 1;
            }
            // Someone is changing it, or we may not read it.
            Err(StreamError::Changed | StreamError::Read(_) | StreamError::Write(_) | StreamError::TooLarge) => {}
        }
    }
}

/// The kind of an entry; not every filesystem says it when it lists.
fn kind(dir: BorrowedFd<'_>, entry: &DirEntry) -> FileType {
    let listed = entry.file_type();
    if listed != FileType::Unknown {
        return listed;
    }
    let stat = rustix::fs::statat(dir, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW);
    stat.map_or(FileType::Unknown, |stat| FileType::from_raw_mode(stat.st_mode))
}

/// The padding of the recipe file `name` under the key.
fn padding(dir: BorrowedFd<'_>, name: &CStr, key: &RecipeKey) -> std::result::Result<Padding, StreamError> {
    // It was a regular file when it was listed. Should it be a fifo by now, opening it does not wait, and it has no length that fits.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = rustix::fs::openat(dir, name, flags, Mode::empty()).map_err(StreamError::Read)?;
    let (header, on_disk) = read_header(file.as_fd())?;
    if header.size % 16 == 0 {
        return Ok(Padding::Absent);
    }
    // The last two blocks: the one before the last is the IV when there is only one.
    let mut blocks = [[0; BLOCK_LEN]; 2];
    read_whole(file.as_fd(), blocks.as_flattened_mut(), on_disk.saturating_sub(32))?;
    let [previous, last] = &mut blocks;
    Decryptor::new(key, previous).decrypt(std::slice::from_mut(last));
    Ok(Padding::of(header.size, last))
}

#[cfg(test)]
mod tests;
