//! A file as a key: what its slot key is, and a fresh one.
//!
//! Keeps true: a keyfile is read once, from its beginning to its end, through a buffer of fixed size that is zeroed, so that no copy of it stays.

use super::SlotKey;
use crate::secret::{Secret, leaving_no_trace};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use zeroize::Zeroizing;

/// Most bytes of a keyfile: one that has no end, such as a device, must not be read for ever.
pub const KEYFILE_MAX: u64 = 1 << 30;
/// Fewest bytes of a file that a slot is made for. Its slot key is a plain hash, so that a few bytes could be guessed.
pub const KEYFILE_MIN: u64 = 32;
/// Bytes of a fresh one.
const FRESH: usize = 64;
/// Bytes that are read at once.
const CHUNK: usize = 64 << 10;

/// Why a file is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyfileError {
    /// It has fewer bytes than the caller asks for.
    #[error("it has {0} bytes, too few to be a key")]
    TooShort(u64),
    /// It has more than [`KEYFILE_MAX`] bytes.
    #[error("it is larger than 1 GiB")]
    TooLarge,
    /// It cannot be read.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// `derive_key("plainview v1 keyfile", all bytes of the file)`, of a file of at least `least` bytes.
///
/// No key derivation that takes its time: a keyfile holds a key and nothing that a person could remember, and who has to guess it cannot, however fast.
///
/// # Errors
/// [`KeyfileError`].
pub fn read(source: &mut impl Read, least: u64) -> Result<SlotKey, KeyfileError> {
    leaving_no_trace(|| hash(source, least))
}

fn hash(source: &mut impl Read, least: u64) -> Result<SlotKey, KeyfileError> {
    let mut hasher = blake3::Hasher::new_derive_key("plainview v1 keyfile");
    let mut chunk = Zeroizing::new(vec![0; CHUNK]);
    let mut len: u64 = 0;
    let ended = loop {
        match source.read(&mut chunk) {
            Ok(0) => break Ok(()),
            Ok(count) => {
                len = len.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
                if len > KEYFILE_MAX {
                    break Err(KeyfileError::TooLarge);
                }
                hasher.update(chunk.get(..count).unwrap_or_default());
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => break Err(error.into()),
        }
    };
    ended.and_then(|()| match len {
        // An empty file is no key, whatever slot there is for it: a file that was lost often leaves that.
        _ if len < least.max(1) => Err(KeyfileError::TooShort(len)),
        _ => Ok(SlotKey(Secret::fill_with(|key| hasher.finalize_xof().fill(key)))),
    })
}

/// Makes the file `path`, which is not there yet, with 64 random bytes that only its owner may read. Durable when this returns.
///
/// # Errors
/// What the operating system says; nothing of it is left then.
pub fn generate(path: &Path) -> io::Result<()> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut file = File::from(rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR).map_err(io::Error::from)?);
    let key = Secret::<FRESH>::random();
    let made = file
        .write_all(key.expose())
        .and_then(|()| file.sync_all())
        .and_then(|()| sync_parent(path));
    made.inspect_err(|_| {
        // Nobody has used it yet.
        let _ = std::fs::remove_file(path);
    })
}

/// Makes the name of `path` durable, where the filesystem can do that at all.
fn sync_parent(path: &Path) -> io::Result<()> {
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    };
    match rustix::fs::fsync(File::open(parent)?) {
        Err(Errno::INVAL) => Ok(()),
        done => Ok(done?),
    }
}
