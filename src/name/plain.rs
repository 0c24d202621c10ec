//! Names as people see them.

use super::NAME_MAX;
use std::ffi::CString;
use std::fmt;

/// Why bytes are no plaintext name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// More than 255 bytes.
    #[error("name too long")]
    TooLong,
    /// Empty, `.`, `..`, or with a NUL or a slash.
    #[error("not a name")]
    Invalid,
}

/// A plaintext name: 1 to 255 bytes, without NUL and slash, not `.` or `..`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PlainName(Box<[u8]>);

impl PlainName {
    /// Checks `bytes`.
    ///
    /// # Errors
    /// Which rule they break.
    pub fn new(bytes: &[u8]) -> Result<Self, NameError> {
        if bytes.len() > NAME_MAX {
            return Err(NameError::TooLong);
        }
        if matches!(bytes, b"" | b"." | b"..") || bytes.iter().any(|byte| matches!(byte, 0 | b'/')) {
            return Err(NameError::Invalid);
        }
        Ok(Self(bytes.into()))
    }
    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl TryFrom<&[u8]> for PlainName {
    type Error = NameError;

    fn try_from(bytes: &[u8]) -> Result<Self, NameError> {
        Self::new(bytes)
    }
}

impl AsRef<[u8]> for PlainName {
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

/// The name for a system call, where a folder keeps it in the clear.
impl From<&PlainName> for CString {
    fn from(name: &PlainName) -> Self {
        Self::new(name.as_bytes()).expect("a name has no NUL")
    }
}

/// Prints the length alone: a name is a secret, and what can be printed ends up in a log.
impl fmt::Debug for PlainName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PlainName({} bytes)", self.0.len())
    }
}
