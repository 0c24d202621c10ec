//! A file in a directory of its own, its state, and what it should hold.

use super::*;
use rustix::fs::{AtFlags, Timespec, Timestamps, UTIME_OMIT};
use std::collections::HashSet;
use std::fs::File;
use std::os::fd::AsFd;
use std::path::PathBuf;
use tempfile::TempDir;

/// A time long ago.
const LONG_AGO: i64 = 1_000_000_000;

pub(super) struct Bench {
    dir: TempDir,
    key: Vec<u8>,
    pub(super) shared: Arc<Shared>,
    pub(super) file: File,
    pub(super) state: RecipeFile,
    pub(super) model: Vec<u8>,
    /// Whether the file on disk is to be written anew.
    pub(super) dirty: bool,
    ivs: HashSet<[u8; 16]>,
}

impl Bench {
    /// A file that another program has written, with these contents.
    pub(super) fn new(key_len: usize, plain: &[u8], padding: u8) -> Self {
        let iv = rand::random();
        let mut bench = Self::of_bytes(key_len, &encrypted(&key(key_len), plain, iv, padding));
        bench.model = plain.to_vec();
        bench.ivs.insert(iv);
        bench
    }

    /// A file of these bytes, whatever they are.
    pub(super) fn of_bytes(key_len: usize, on_disk: &[u8]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("file.enc"), on_disk).unwrap();
        let shared = shared(key_len, File::open(dir.path()).unwrap().into());
        let file = File::options().read(true).write(true).open(dir.path().join("file.enc")).unwrap();
        let state = open(&shared, &file).unwrap();
        Self {
            dir,
            key: key(key_len),
            shared,
            file,
            state,
            model: Vec::new(),
            dirty: false,
            ivs: HashSet::new(),
        }
    }

    pub(super) fn path(&self) -> PathBuf {
        self.dir.path().join("file.enc")
    }

    pub(super) fn on_disk(&self) -> Vec<u8> {
        std::fs::read(self.path()).unwrap()
    }

    pub(super) fn read(&self, offset: u64, len: usize) -> Result<Vec<u8>> {
        let mut buf = vec![0xee; len.min(100)];
        self.state.read_at(self.file.as_fd(), offset, len, &mut buf).map(|()| buf)
    }

    /// Calls `change` with the state, and looks that the time of modification is now.
    pub(super) fn change(&mut self, change: impl FnOnce(&mut RecipeFile, BorrowedFd<'_>) -> Result<()>) -> Result<()> {
        self.age();
        change(&mut self.state, self.file.as_fd())?;
        assert!(!self.is_aged(), "a change sets the time of modification");
        Ok(())
    }

    /// Sets the time of modification to one long ago.
    pub(super) fn age(&self) {
        let time = |tv_sec, tv_nsec| Timespec { tv_sec, tv_nsec };
        let times = Timestamps {
            last_access: time(0, UTIME_OMIT),
            last_modification: time(LONG_AGO, 0),
        };
        rustix::fs::utimensat(&self.file, c"", &times, AtFlags::EMPTY_PATH).unwrap();
    }

    /// Whether it still has that time.
    pub(super) fn is_aged(&self) -> bool {
        rustix::fs::fstat(&self.file).unwrap().st_mtime == LONG_AGO
    }

    /// Writes the file anew and puts it in the old one's place, and looks whether another program finds in it what it should.
    pub(super) fn write_anew(&mut self) {
        let before = self.on_disk();
        let path = self.dir.path().join("new");
        let new = File::options().read(true).write(true).create_new(true).open(&path).unwrap();
        self.state.write_anew(self.file.as_fd(), new.as_fd()).unwrap();
        assert!(self.on_disk() == before, "the old file stays as it is");
        std::fs::rename(path, self.path()).unwrap();
        self.file = new;
        self.state.written_anew();
        self.dirty = false;
        let (plain, iv) = decrypted(&self.key, &self.on_disk());
        assert!(plain == self.model);
        assert!(self.ivs.insert(iv), "an IV is used once");
    }

    /// A new state of the file on disk.
    pub(super) fn reopen(&mut self) {
        self.state = open(&self.shared, &self.file).unwrap();
    }

    /// Compares everything.
    pub(super) fn check(&self) {
        assert_eq!(self.state.len(), disk::bytes(self.model.len()));
        assert!(self.read(0, self.model.len() + 1).unwrap() == self.model);
        assert_eq!(self.state.has_pending(), self.dirty);
    }
}

pub(super) fn open(shared: &Arc<Shared>, file: &File) -> Result<RecipeFile> {
    let stat = rustix::fs::fstat(file).unwrap();
    RecipeFile::open(Arc::clone(shared), file.as_fd(), &stat)
}
