//! What all workloads have in common.

use super::findings::Findings;
use super::history::Window;
use rand::rngs::StdRng;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

/// A program that works in a directory of its own, and knows what it did there.
pub(super) trait Workload: Send + Sync {
    /// The name of the directory.
    fn name(&self) -> String;

    /// Makes in the empty directory what is needed to begin, and syncs it.
    fn prepare(&self, dir: &Path) -> io::Result<()>;

    /// Does something.
    fn step(&self, dir: &Path, rng: &mut StdRng) -> io::Result<()>;

    /// Lets go of everything that it keeps open.
    fn rest(&self) {}

    /// How many operations have returned.
    fn done(&self) -> usize;

    /// How many have begun.
    fn begun(&self) -> usize;

    /// Checks what a power cut has left of the directory.
    fn check(&self, dir: &Path, window: &Window, findings: &mut Findings);
}

/// Syncs a directory.
pub(super) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// Syncs a directory and all below it, with the files.
pub(super) fn sync_tree(dir: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        match entry.file_type()?.is_dir() {
            true => sync_tree(&entry.path())?,
            false => File::open(entry.path())?.sync_all()?,
        }
    }
    sync_dir(dir)
}

/// A file to be read and written, made if it is not there.
pub(super) fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)
}

/// Makes the file `path` of `bytes` and syncs it.
pub(super) fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}
