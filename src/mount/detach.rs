//! Taking a mount away: root asks the kernel, anybody else fusermount3.

use super::fusermount;
use rustix::io::Errno;
use rustix::mount::UnmountFlags;
use std::path::Path;

/// What to do when the mount is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    /// Leave it.
    IfIdle,
    /// Take it out of sight now; it ends when its last user leaves.
    Lazily,
}

/// Why a mount is still there.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refused {
    /// Somebody uses it.
    #[error("it is in use")]
    Busy,
    /// What the kernel or fusermount3 says.
    #[error("{0}")]
    Other(String),
}

/// Unmounts what is on `point`.
pub(super) fn unmount(point: &Path, how: How) -> Result<(), Refused> {
    if !rustix::process::geteuid().is_root() {
        return fusermount::unmount(point, how);
    }
    let flags = match how {
        How::IfIdle => UnmountFlags::NOFOLLOW,
        How::Lazily => UnmountFlags::NOFOLLOW | UnmountFlags::DETACH,
    };
    rustix::mount::unmount(point, flags).map_err(|errno| match errno {
        Errno::BUSY => Refused::Busy,
        other => Refused::Other(other.to_string()),
    })
}
