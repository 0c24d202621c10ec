//! A vault's directory on a real filesystem, for tests of recovery: its files are bytes, which the journal does not understand either.

use crate::journal::home::{Home, Root};
use crate::journal::recover::Error;
use crate::journal::{Access, Journal, Mtime, Report, SIZE};
use crate::keys::{JournalKey, MasterKey};
use crate::record::{HEADER_LEN, RECORD_LEN, cipher_len};
use crate::secret::Secret;
use crate::sys::disk::{Backing, Disk, Durability};
use rustix::fs::{Mode, OFlags};
use std::fs::{self, File};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tempfile::TempDir;

/// How long a file of these tests is: a header, two records and a last one.
pub(super) const LEN: usize = HEADER_LEN + 3 * 4152;

/// A directory.
pub(super) struct Place {
    dir: TempDir,
}

pub(super) fn master(fill: u8) -> MasterKey {
    MasterKey::new(Secret::fill_with(|key| key.fill(fill)))
}

/// Bytes as of a file whose salt is `salt`, many times.
pub(super) fn bytes(salt: u8) -> Vec<u8> {
    let mut bytes = vec![salt; LEN];
    bytes[..8].copy_from_slice(b"PLV1\0\0\0\0");
    bytes
}

pub(super) fn change(at: usize, fill: u8, len: usize) -> impl Fn(&mut Vec<u8>) {
    move |bytes| bytes[at..at + len].fill(fill)
}

/// A journal that makes no checkpoint by itself.
pub(super) struct Mounted {
    pub(super) journal: Arc<Journal>,
    pub(super) report: Option<Report>,
}

impl Place {
    pub(super) fn new() -> Self {
        Self {
            dir: TempDir::new().unwrap(),
        }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(super) fn journal(&self) -> PathBuf {
        self.path("plainview.journal")
    }

    /// Makes a file, as it was long before.
    pub(super) fn put(&self, name: &str, bytes: &[u8]) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
    }

    pub(super) fn root(&self) -> OwnedFd {
        rustix::fs::open(self.dir.path(), OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty()).unwrap()
    }

    /// Begins to change the vault.
    pub(super) fn begin(&self) -> Mounted {
        let home = Box::new(Root::new(self.root().as_fd(), OFlags::RDWR).unwrap());
        assert!(home.open().unwrap().is_none());
        let key = Arc::new(JournalKey::derive(&master(3)));
        let journal = Journal::new(home, key, Access::ReadWrite, SIZE).unwrap();
        Mounted { journal, report: None }
    }

    pub(super) fn try_mount(&self, access: Access) -> Result<Mounted, Error> {
        let (journal, report) = Journal::open(self.root().as_fd(), &master(3), access, SIZE, &|_| ())?;
        Ok(Mounted { journal, report })
    }

    pub(super) fn mount(&self) -> Mounted {
        self.try_mount(Access::ReadWrite).unwrap()
    }

    /// What is in the file as the journal has it.
    pub(super) fn read(&self, mounted: &Mounted, name: &str) -> Vec<u8> {
        let file = File::open(self.path(name)).unwrap();
        let stat = file.as_fd().stat().unwrap();
        let journaled = mounted.journal.file(stat.id, || stat.len).unwrap();
        let mut bytes = vec![0; usize::try_from(journaled.len()).unwrap()];
        let got = journaled.over(&file.as_fd()).read_at(&mut bytes, 0).unwrap();
        assert_eq!(got, bytes.len());
        bytes
    }

    /// The same directory as it is at this moment, elsewhere, with all times.
    pub(super) fn copied(&self) -> Self {
        let copy = Self::new();
        let copied = Command::new("cp").arg("-a").arg(self.path(".")).arg(copy.path(".")).status();
        assert!(copied.unwrap().success());
        copy
    }

    /// The names of journals that were put aside.
    pub(super) fn kept(&self) -> Vec<String> {
        let names = fs::read_dir(self.dir.path()).unwrap();
        let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.starts_with("plainview.journal.")).collect()
    }
}

impl Mounted {
    /// Changes a file by way of the journal.
    pub(super) fn write(&self, place: &Place, name: &str, offset: u64, data: &[u8]) {
        let file = File::options().read(true).write(true).open(place.path(name)).unwrap();
        let disk = file.as_fd();
        let stat = disk.stat().unwrap();
        let journaled = self.journal.file(stat.id, || stat.len).unwrap();
        let end = offset + u64::try_from(data.len()).unwrap();
        let operation = journaled.begin(&disk, Mtime::Now, data.len().try_into().unwrap(), end).unwrap();
        crate::sys::disk::write_all_at(operation.disk(), data, offset).unwrap();
    }

    pub(super) fn sync(&self, place: &Place, name: &str) {
        let file = File::options().read(true).write(true).open(place.path(name)).unwrap();
        let stat = file.as_fd().stat().unwrap();
        let journaled = self.journal.file(stat.id, || stat.len).unwrap();
        journaled.start_sync(&file.as_fd(), Durability::Data).unwrap().finish().unwrap();
    }

    pub(super) fn report(&self) -> &Report {
        self.report.as_ref().unwrap()
    }
}

/// A vault with some files, each of which was changed and synced in the journal, and then left; how they should be.
pub(super) fn left() -> Left {
    left_with(|_| ())
}

pub(super) type Left = (Place, Vec<(&'static str, Vec<u8>)>);

/// The same among what `make` makes before.
pub(super) fn left_with(make: impl FnOnce(&Place)) -> Left {
    let place = Place::new();
    make(&place);
    let names = [
        "one",
        "deep/er/and/deeper/two",
        "deep/plainview.long.three",
        "plainview.lost+found/four",
    ];
    let mut files = Vec::new();
    for (salt, name) in (1..).zip(names) {
        place.put(name, &bytes(salt));
        files.push((name, bytes(salt)));
    }
    let mounted = place.begin();
    for (name, expected) in &mut files {
        mounted.write(&place, name, 1000, &[77; 3000]);
        mounted.sync(&place, name);
        change(1000, 77, 3000)(expected);
        mounted.write(&place, name, 5000, &[78; 100]);
    }
    (place, files)
}

pub(super) fn assert_files(place: &Place, mounted: &Mounted, files: &[(&str, Vec<u8>)]) {
    for (name, expected) in files {
        assert!(place.read(mounted, name) == *expected, "{name}");
    }
}

pub(super) fn set_modified(path: &Path, later: Duration) {
    let file = File::options().write(true).open(path).unwrap();
    file.set_modified(SystemTime::now() + later).unwrap();
}

#[test]
fn a_file_of_these_tests_has_three_records() {
    assert_eq!(cipher_len(u64::try_from(3 * RECORD_LEN).unwrap()), u64::try_from(LEN).unwrap() + 56);
}
