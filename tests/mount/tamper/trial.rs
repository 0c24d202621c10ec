//! One file that was tampered with, and what may be read of it.

use rustix::fs::{Mode, OFlags, open};
use rustix::io::{Errno, pread};
use std::path::Path;

/// Bytes read at a time: one record.
const CHUNK: usize = 4096;

/// What is wrong with how the file `path` reads, if anything is: whatever can be read must be as in `genuine`, and at least one read must say EIO.
pub(super) fn wrong(path: &Path, genuine: &[u8]) -> Option<String> {
    let file = match open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()) {
        Ok(file) => file,
        Err(Errno::IO) => return None,
        Err(errno) => return Some(format!("open: {errno:?}")),
    };
    match std::fs::read(path) {
        Ok(bytes) => return Some(format!("{} bytes are read without an error", bytes.len())),
        Err(error) if error.raw_os_error() == Some(Errno::IO.raw_os_error()) => {}
        Err(error) => return Some(format!("read: {error}")),
    }
    let mut errors = 0;
    let mut chunk = [0; CHUNK];
    for offset in (0..).step_by(CHUNK) {
        match pread(&file, &mut chunk, u64::try_from(offset).unwrap()) {
            Ok(0) => break,
            Ok(count) if genuine.get(offset..offset + count) == Some(&chunk[..count]) => {}
            Ok(count) => return Some(format!("{count} wrong bytes at {offset}")),
            Err(Errno::IO) => errors += 1,
            Err(errno) => return Some(format!("pread at {offset}: {errno:?}")),
        }
    }
    (errors == 0).then(|| String::from("read in parts there is no error"))
}
