//! What can go wrong in a mounted folder: [`Error`], its errno, its log level.

use crate::name::NameError;
use crate::record::Damage;
use rustix::io::Errno;

/// Result of an operation on a folder.
pub type Result<T> = std::result::Result<T, Error>;

/// Why an operation failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What the operating system, or POSIX, says: passed through to the caller unchanged.
    #[error("{0}")]
    Os(#[from] Errno),
    /// A file's contents are not what was written: EIO.
    #[error("{0}")]
    Damage(#[from] Damage),
    /// A name, directory id, symlink target or attribute does not decode: EIO.
    #[error("{0} does not decode")]
    Undecodable(&'static str),
    /// A file of a recipe folder is not one: EIO.
    #[error("{0}")]
    Recipe(&'static str),
    /// Not a name: ENAMETOOLONG or EINVAL.
    #[error("{0}")]
    Name(#[from] NameError),
    /// The vault was changed underneath: what the kernel names is no longer there. ESTALE, upon which the kernel looks again.
    #[error("changed underneath")]
    Stale,
}

impl Error {
    /// The errno that the application sees.
    pub fn errno(&self) -> Errno {
        match self {
            Self::Os(errno) => *errno,
            Self::Damage(_) | Self::Undecodable(_) | Self::Recipe(_) => Errno::IO,
            Self::Name(NameError::TooLong) => Errno::NAMETOOLONG,
            Self::Name(NameError::Invalid) => Errno::INVAL,
            Self::Stale => Errno::STALE,
        }
    }

    /// How loudly to log that a request failed. An errno is the application's own affair, except that the disk failed; damage was logged, by its path in the vault, where it was found.
    pub fn level(&self) -> log::Level {
        match self {
            Self::Os(Errno::IO) => log::Level::Error,
            Self::Os(_) | Self::Damage(_) | Self::Undecodable(_) | Self::Recipe(_) | Self::Name(_) | Self::Stale => log::Level::Debug,
        }
    }
}
