//! The password in the first line of something.

use super::Password;
use crate::secret::SecretBytes;
use std::io::{self, Read};
use zeroize::Zeroizing;

/// Longest password in bytes.
pub const LINE_MAX: usize = 64 << 10;

/// Why a line is no password.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// There is nothing in it.
    #[error("the line is empty")]
    Empty,
    /// It has more than [`LINE_MAX`] bytes.
    #[error("the line is longer than 64 KiB")]
    TooLong,
    /// It cannot be read.
    #[error("{0}")]
    Read(#[from] io::Error),
}

/// The first line of `source`, without its line ending (LF or CRLF).
///
/// Byte by byte, so that nothing past the line is taken from a pipe, and into memory that is large enough from the start: a vector that grows leaves copies.
pub(super) fn read(source: &mut impl Read) -> Result<Password, LineError> {
    let mut line = SecretBytes::new(LINE_MAX + 1);
    let mut byte = Zeroizing::new([0]);
    loop {
        match source.read(&mut *byte) {
            Ok(0) => break,
            Ok(_) if byte[0] == b'\n' => {
                if let Some(rest) = line.expose().strip_suffix(b"\r") {
                    line.truncate(rest.len());
                }
                break;
            }
            // One more than the limit has room, for the CR of a CRLF.
            Ok(_) if line.push(byte[0]) => {}
            Ok(_) => return Err(LineError::TooLong),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
    Password::new(line)
}
