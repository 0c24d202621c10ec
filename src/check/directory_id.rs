//! The id of a directory, tested on the names in it: a name that decodes proves the id it was decoded with.

use super::file::Keys;
use super::finding::{Finding, Severity, What};
use super::place::Place;
use super::sink::{Action, Sink, named};
use crate::name::{DIRID_FILE, DIRID_LEN, DirId, ENCODED_MAX, EntryKind, NameCipher, PlainName};
use crate::sys::temporary::read_small;
use rustix::fs::Dir;
use rustix::io::{Errno, Result};
use std::ffi::CStr;
use std::os::fd::BorrowedFd;
use std::sync::Arc;

/// The shortest encoded name: of 16 bytes.
const ENCODED_MIN: usize = 43;
/// One name that does not decode may be what is wrong; when it is so many, it is the id.
const MANY: u64 = 2;

/// What names say of an id.
enum Verdict {
    /// One of them decodes with it.
    Fits,
    /// Of so many that look like names of a vault, none does. There may be none.
    Misfits(u64),
}

/// Whether this looks like an encoded name.
pub(super) fn looks_encoded(stored: &CStr) -> bool {
    let bytes = stored.to_bytes();
    bytes.len() + 3 >= ENCODED_MIN && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

/// Why an entry has no name.
pub(super) enum NoName {
    /// What is wrong with it, in words.
    Damaged(&'static str),
    /// What the operating system says.
    Unreadable(Errno),
}

/// The name of the entry `stored`, which is no file of our own, in the directory `dir`, open as `fd`, and its encoded form.
pub(super) fn open_name(
    cipher: &NameCipher,
    dir: DirId,
    stored: &CStr,
    fd: BorrowedFd<'_>,
) -> std::result::Result<(PlainName, Box<[u8]>), NoName> {
    let damaged = |why| Err(NoName::Damaged(why));
    let encoded: Box<[u8]> = match name_file(stored) {
        None => stored.to_bytes().into(),
        Some(name_file) => match read_small(fd, &name_file, ENCODED_MAX) {
            Ok(encoded) if cipher.long_entry_fits(stored, &encoded) => encoded.into(),
            Ok(_) | Err(Errno::LOOP | Errno::ISDIR | Errno::NXIO) => return damaged("the file with its long name is damaged or another's"),
            Err(Errno::NOENT) => return damaged("the file with its long name is missing"),
            Err(errno) => return Err(NoName::Unreadable(errno)),
        },
    };
    match cipher.open(dir, &encoded) {
        Ok(name) => Ok((name, encoded)),
        Err(_) => damaged("its name does not decode here"),
    }
}

/// The directory `place`, open as `fd`, whose id is to be found.
pub(super) struct Directory<'a> {
    pub(super) fd: BorrowedFd<'a>,
    pub(super) place: &'a Arc<Place>,
    /// The id that follows from where it is, if that is known.
    pub(super) derived: Option<DirId>,
}

impl Directory<'_> {
    /// Its id, as far as it can be known, with a finding when that is not what a mount would take.
    pub(super) fn identify(&self, keys: &Keys, sink: &Sink<'_>) -> Option<DirId> {
        let cipher = &keys.names;
        let stored = match read_small(self.fd, DIRID_FILE, DIRID_LEN) {
            Ok(bytes) => bytes,
            Err(Errno::NOENT) => return self.identify_by_place(cipher, sink),
            Err(Errno::LOOP | Errno::ISDIR | Errno::NXIO) => Vec::new(),
            Err(errno) => {
                let reason = format!("its id cannot be read: {errno}");
                sink.tell(&Finding::at(Some(self.place), Severity::Unreadable, What::DirectoryId, reason));
                return self.derived;
            }
        };
        match cipher.open_dirid(&stored) {
            Ok(id) => self.identify_by_file(cipher, id, sink),
            Err(_) => self.identify_damaged(cipher, &stored, sink),
        }
    }

    /// There is no `plainview.dirid`.
    fn identify_by_place(&self, cipher: &NameCipher, sink: &Sink<'_>) -> Option<DirId> {
        let derived = self.derived?;
        match self.test(cipher, derived) {
            Verdict::Misfits(MANY..) => {
                self.tell(
                    sink,
                    "the id of the directory is lost: none of the names in it decodes",
                    Action::Move,
                );
                None
            }
            Verdict::Fits | Verdict::Misfits(_) => Some(derived),
        }
    }

    /// There is one, which says `id`.
    fn identify_by_file(&self, cipher: &NameCipher, id: DirId, sink: &Sink<'_>) -> Option<DirId> {
        let misfits = match self.test(cipher, id) {
            Verdict::Fits | Verdict::Misfits(0) => return Some(id),
            Verdict::Misfits(misfits) => misfits,
        };
        if let Some(derived) = self.derived.filter(|derived| matches!(self.test(cipher, *derived), Verdict::Fits)) {
            self.tell(sink, "plainview.dirid in the directory is another's", Action::Rewrite(derived));
            return Some(derived);
        }
        if misfits < MANY {
            return Some(id);
        }
        let reason = "plainview.dirid in the directory is another's: none of the names in it decodes";
        self.tell(sink, reason, Action::Move);
        None
    }

    /// There is one that does not decode. Its first bytes may still be the id.
    fn identify_damaged(&self, cipher: &NameCipher, stored: &[u8], sink: &Sink<'_>) -> Option<DirId> {
        let written = stored.first_chunk().map(|id| DirId::from_bytes(*id));
        let candidates = || self.derived.into_iter().chain(written);
        let verdicts: Vec<_> = candidates().map(|id| (id, self.test(cipher, id))).collect();
        let fitting = verdicts
            .iter()
            .find(|(_, verdict)| matches!(verdict, Verdict::Fits))
            .map(|(id, _)| *id);
        // Where there is no name to decode, any id will do.
        let empty = || {
            verdicts
                .iter()
                .find(|(_, verdict)| matches!(verdict, Verdict::Misfits(0)))
                .map(|(id, _)| *id)
        };
        match fitting.or_else(empty) {
            Some(id) => {
                self.tell(sink, "plainview.dirid in the directory does not decode", Action::Rewrite(id));
                Some(id)
            }
            None => {
                let reason = "plainview.dirid in the directory does not decode, and without it the names in it do not";
                self.tell(sink, reason, Action::Move);
                None
            }
        }
    }

    fn tell(&self, sink: &Sink<'_>, reason: &str, action: Action) {
        let finding = Finding::at(Some(self.place), Severity::Damage, What::DirectoryId, reason);
        sink.find(&named(Some(self.place)), &finding, action);
    }

    /// What the names in the directory say of this id.
    fn test(&self, cipher: &NameCipher, id: DirId) -> Verdict {
        // What cannot be listed says nothing; that it cannot is found where it is listed.
        let entries = Dir::read_from(self.fd).into_iter().flatten().map_while(Result::ok);
        let mut misfits = 0;
        for entry in entries {
            let stored = entry.file_name();
            let is_name = match NameCipher::classify(stored) {
                EntryKind::Reserved => false,
                EntryKind::Long { .. } => true,
                EntryKind::Short => looks_encoded(stored),
            };
            if !is_name {
                continue;
            }
            match open_name(cipher, id, stored, self.fd) {
                Ok(_) => return Verdict::Fits,
                Err(_) => misfits += 1,
            }
        }
        Verdict::Misfits(misfits)
    }
}

/// The id of a directory `encoded` in the directory `parent`, as far as both are known.
pub(super) fn derived(cipher: &NameCipher, parent: Option<DirId>, encoded: Option<&[u8]>) -> Option<DirId> {
    Some(cipher.child(parent?, encoded?))
}

/// The name file of the entry `stored`, if it has a long name.
pub(super) fn name_file(stored: &CStr) -> Option<std::ffi::CString> {
    match NameCipher::classify(stored) {
        EntryKind::Long { name_file } => Some(name_file),
        EntryKind::Short | EntryKind::Reserved => None,
    }
}
