//! One entry of a directory after the other: its name, and what can be said of it there. Regular files go to those who look at files.

use super::directory_id::{Directory, NoName, derived, looks_encoded, open_name};
use super::file::{Keys, Part, Subject};
use super::finding::{Finding, Severity, What};
use super::place::Place;
use super::records::{Opener, read_header};
use super::scan::Sub;
use super::sink::{Action, Names, Sink, named};
use super::trail::open_directory;
use super::{Depth, Vault, attributes};
use crate::journal;
use crate::keys;
use crate::name::{DIRID_FILE, DIRID_LEN, DirId, EntryKind, NameCipher, PlainName, RESERVED};
use crate::sys::disk::{Descriptor, FileId};
use crate::sys::temporary;
use rustix::fs::{AtFlags, DirEntry, FileType, Mode, OFlags, openat, readlinkat, statat};
use rustix::io::{Errno, Result};
use std::collections::HashMap;
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::SyncSender;

/// What names of name files, and of the entries that they belong to, begin with.
const NAME_FILE: &[u8] = b"plainview.name.";
const LONG: &[u8] = b"plainview.long.";

/// What looks at each entry.
pub(super) struct Look<'a> {
    pub(super) vault: &'a Vault,
    pub(super) keys: &'a Keys,
    pub(super) depth: Depth,
    pub(super) sink: &'a Sink<'a>,
    pub(super) send: SyncSender<Part>,
    /// Files with several names, by what they are, with the names that were met.
    pub(super) linked: HashMap<FileId, Names>,
}

impl Look<'_> {
    /// A directory, open as `fd`; its id.
    pub(super) fn directory(&self, fd: &OwnedFd, parent: Option<DirId>, sub: &Sub) -> Option<DirId> {
        count(&self.sink.directories);
        if self.depth == Depth::Full {
            attributes::check(fd.as_fd(), &named(Some(&sub.place)), &self.keys.names, self.sink);
        }
        match self.vault.names {
            keys::Names::Plain => Some(self.keys.names.root()),
            keys::Names::Encrypted => {
                let derived = derived(&self.keys.names, parent, sub.encoded.as_deref());
                let (fd, place) = (fd.as_fd(), &sub.place);
                Directory { fd, place, derived }.identify(self.keys, self.sink)
            }
        }
    }

    /// An entry of the directory `place`, open as `dir`; a directory that is to be visited is returned.
    pub(super) fn entry(&mut self, dir: BorrowedFd<'_>, place: Option<&Arc<Place>>, id: Option<DirId>, entry: &DirEntry) -> Option<Sub> {
        let stored = entry.file_name();
        if matches!(stored.to_bytes(), b"." | b"..") {
            return None;
        }
        let is_own = match self.vault.names {
            keys::Names::Plain => stored.to_bytes().starts_with(RESERVED),
            keys::Names::Encrypted => NameCipher::classify(stored) == EntryKind::Reserved,
        };
        if is_own {
            self.own(dir, place, stored);
            return None;
        }
        let kind = match kind_of(dir, entry) {
            Ok(kind) => kind,
            Err(Errno::NOENT) => return None,
            Err(errno) => {
                self.unreadable(&Place::new(place, stored, None), "nothing is known of it", errno);
                return None;
            }
        };
        let sub = self.name(dir, place, id, stored, kind)?;
        match kind {
            FileType::Directory => return Some(sub),
            FileType::RegularFile => self.file(dir, &sub.place),
            FileType::Symlink => self.symlink(dir, &sub.place),
            FileType::Fifo | FileType::Socket | FileType::CharacterDevice | FileType::BlockDevice | FileType::Unknown => {
                count(&self.sink.others)
            }
        }
        None
    }

    /// The entry `stored` by its name; nothing when it is somebody else's.
    fn name(&self, dir: BorrowedFd<'_>, parent: Option<&Arc<Place>>, id: Option<DirId>, stored: &CStr, kind: FileType) -> Option<Sub> {
        let entry = |name, encoded| Sub {
            place: Place::new(parent, stored, name),
            encoded,
        };
        if self.vault.names == keys::Names::Plain {
            return Some(entry(PlainName::new(stored.to_bytes()).ok(), None));
        }
        // That the directory's id is not known was found already.
        let Some(id) = id else { return Some(entry(None, None)) };
        let why = match open_name(&self.keys.names, id, stored, dir) {
            Ok((name, encoded)) => return Some(entry(Some(name), Some(encoded))),
            Err(why) => why,
        };
        let place = Place::new(parent, stored, None);
        match why {
            NoName::Unreadable(errno) => self.unreadable(&place, "the file with its long name cannot be read", errno),
            NoName::Damaged(why) if stored.to_bytes().starts_with(LONG) || looks_encoded(stored) || self.is_ours(dir, stored, kind) => {
                let finding = Finding::at(Some(&place), Severity::Damage, What::Name, why);
                self.sink.find(&named(Some(&place)), &finding, Action::Move);
            }
            NoName::Damaged(_) => {
                let finding = Finding::at(Some(&place), Severity::Foreign, What::Name, "not a file of this vault");
                self.sink.tell(&finding);
                return None;
            }
        }
        Some(Sub { place, encoded: None })
    }

    /// Whether an entry whose name says nothing is of this vault all the same.
    fn is_ours(&self, dir: BorrowedFd<'_>, stored: &CStr, kind: FileType) -> bool {
        match kind {
            FileType::RegularFile => open_file(dir, stored).is_ok_and(|file| {
                let header = read_header(&file.as_fd());
                header.is_ok_and(|header| Opener::of_header(&header, &self.keys.content).is_ok())
            }),
            FileType::Directory => open_directory(dir, stored).is_ok_and(|dir| {
                let id = temporary::read_small(dir.as_fd(), DIRID_FILE, DIRID_LEN);
                id.is_ok_and(|id| self.keys.names.open_dirid(&id).is_ok())
            }),
            FileType::Symlink => {
                readlinkat(dir, stored, Vec::new()).is_ok_and(|target| self.keys.names.open_target(target.to_bytes()).is_ok())
            }
            FileType::Fifo | FileType::Socket | FileType::CharacterDevice | FileType::BlockDevice | FileType::Unknown => false,
        }
    }

    /// A file of the vault's own: of some it can be told that they are of no use any more.
    fn own(&self, dir: BorrowedFd<'_>, place: Option<&Arc<Place>>, stored: &CStr) {
        let name = stored.to_bytes();
        if name.starts_with(temporary::PREFIX.as_bytes()) {
            let is_file = statat(dir, stored, AtFlags::SYMLINK_NOFOLLOW)
                .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile);
            if is_file {
                self.find_own(
                    place,
                    stored,
                    Severity::Leftover,
                    "a temporary file that was not finished",
                    Action::Remove,
                );
            }
        } else if place.is_none() && name.starts_with(journal::ASIDE.as_bytes()) {
            self.find_own(
                None,
                stored,
                Severity::Leftover,
                "a journal that was kept, since not all of it could be used",
                Action::Move,
            );
        } else if let Some(hash) = name.strip_prefix(NAME_FILE).filter(|_| self.vault.names == keys::Names::Encrypted) {
            let Ok(entry) = CString::new([LONG, hash].concat()) else { return };
            let is_name_file = NameCipher::classify(&entry) != EntryKind::Reserved;
            if is_name_file && statat(dir, &entry, AtFlags::SYMLINK_NOFOLLOW).is_err_and(|errno| errno == Errno::NOENT) {
                self.find_own(place, stored, Severity::Leftover, "a long name without its entry", Action::Move);
            }
        }
    }

    pub(super) fn find_own(&self, parent: Option<&Arc<Place>>, stored: &CStr, severity: Severity, reason: &str, action: Action) {
        let place = Place::new(parent, stored, None);
        let finding = Finding {
            // It has no name in the clear, but the directory has.
            path: parent.map_or_else(|| Ok(Vec::new()), |parent| parent.plain_path()),
            ..Finding::at(Some(&place), severity, What::Own, reason)
        };
        self.sink.find(&named(Some(&place)), &finding, action);
    }

    pub(super) fn unreadable(&self, place: &Place, what: &str, errno: Errno) {
        let reason = format!("{what}: {errno}");
        self.sink.tell(&Finding::at(Some(place), Severity::Unreadable, What::Entry, reason));
    }

    fn file(&mut self, dir: BorrowedFd<'_>, place: &Arc<Place>) {
        let opened = open_file(dir, place.stored()).and_then(|file| rustix::fs::fstat(&file).map(|stat| (file, stat)));
        let (file, stat) = match opened {
            Ok(opened) => opened,
            Err(Errno::NOENT) => return,
            Err(errno) => return self.unreadable(place, "the file cannot be opened", errno),
        };
        let id = FileId::of(&stat);
        let names = named(Some(place));
        if stat.st_nlink > 1 {
            if let Some(known) = self.linked.get(&id) {
                known.lock().push(Arc::clone(place));
                return;
            }
            self.linked.insert(id, Arc::clone(&names));
        }
        count(&self.sink.files);
        let len = u64::try_from(stat.st_size).unwrap_or(0);
        let journaled = self.vault.journal.enrolled_file(id);
        let len = journaled.as_ref().map_or(len, |journaled| journaled.len());
        for part in Subject::new(Descriptor(file), len, journaled, names).parts(self.depth) {
            // Those who take them are there as long as this goes on.
            let _ = self.send.send(part);
        }
    }

    fn symlink(&self, dir: BorrowedFd<'_>, place: &Arc<Place>) {
        count(&self.sink.symlinks);
        if self.vault.names == keys::Names::Plain {
            return;
        }
        match readlinkat(dir, place.stored(), Vec::new()) {
            Ok(target) if self.keys.names.open_target(target.to_bytes()).is_ok() => {}
            Ok(_) => {
                let finding = Finding::at(Some(place), Severity::Damage, What::Target, "the symlink's target does not decode");
                self.sink.find(&named(Some(place)), &finding, Action::Move);
            }
            Err(Errno::NOENT) => {}
            Err(errno) => self.unreadable(place, "the symlink cannot be read", errno),
        }
    }
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// Opens the regular file `stored` for reading.
///
/// # Errors
/// As open(2).
pub(super) fn open_file(dir: BorrowedFd<'_>, stored: &CStr) -> Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    openat(dir, stored, flags, Mode::empty())
}

/// What an entry is; some filesystems do not say when they list it.
fn kind_of(dir: BorrowedFd<'_>, entry: &DirEntry) -> Result<FileType> {
    if entry.file_type() != FileType::Unknown {
        return Ok(entry.file_type());
    }
    let stat = statat(dir, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW)?;
    Ok(FileType::from_raw_mode(stat.st_mode))
}
