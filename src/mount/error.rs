//! Why something could not be mounted or unmounted: a sentence each, which says what to do where there is something to do.

use super::Holders;
use rustix::io::Errno;
use std::io;
use std::path::PathBuf;

/// What went wrong, and with which path.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A word of `-o` that nobody knows.
    #[error("unknown mount option \"{0}\"; `plainview mount --help` tells those that there are")]
    UnknownOption(String),
    /// An option whose value is not one that it can have, and what it must be.
    #[error("mount option {0}: {1}")]
    BadOption(String, &'static str),

    /// Another process has the vault.
    #[error("{} is in use{}{}", vault.display(), pid.map_or(String::new(), |pid| format!(" by process {pid}")), on.as_ref().map_or(", wait until that is done".to_owned(), |on| format!(": it is mounted on {}, `plainview umount` ends that", on.display())))]
    InUse {
        /// The vault.
        vault: PathBuf,
        /// The process that holds its lock, where it can be seen.
        pid: Option<u32>,
        /// Where it is mounted, where that can be seen.
        on: Option<PathBuf>,
    },
    /// The lock can be neither taken nor found held.
    #[error("cannot lock {}: {}", .0.display(), .1)]
    Lock(PathBuf, Errno),

    /// There is nothing at the mount point.
    #[error("mount point {} does not exist: make the directory first", .0.display())]
    NoMountPoint(PathBuf),
    /// What is at the mount point is no directory.
    #[error("mount point {} is not a directory: give an empty directory", .0.display())]
    NotADirectory(PathBuf),
    /// The mount point holds something, which the mount would hide.
    #[error("mount point {} is not empty: use another directory, or -o nonempty to hide what is in it", .0.display())]
    NotEmpty(PathBuf),
    /// The mount point is one already.
    #[error("{} is mounted on {} already: plainview umount ends that", shown.display(), point.display())]
    AlreadyMounted {
        /// The mount point.
        point: PathBuf,
        /// The vault that is shown there.
        shown: PathBuf,
    },
    /// The mount would cover the vault, or the vault would hold its own mount.
    #[error("mount point {} and vault {} must not be the same or lie in each other: give a mount point elsewhere", point.display(), vault.display())]
    Nested {
        /// The mount point.
        point: PathBuf,
        /// The vault.
        vault: PathBuf,
    },
    /// The mount point cannot be looked at.
    #[error("cannot use mount point {}: {}", .0.display(), .1)]
    Inaccessible(PathBuf, Errno),
    /// A dead mount is in the way.
    #[error("mount point {} has a dead mount on it, and that cannot be removed: {}", .0.display(), .1)]
    DeadMount(PathBuf, String),

    /// There is no device.
    #[error(
        "/dev/fuse cannot be opened ({0}): the kernel's fuse module is not loaded (modprobe fuse loads it), or this is a container without the device"
    )]
    NoDevice(Errno),
    /// The device is there, but not for us.
    #[error("/dev/fuse may not be opened ({0}): a container has to be given the device")]
    DeviceDenied(Errno),
    /// There is no fusermount3.
    #[error("fusermount3 is missing, without which only root can mount: install the package fuse3")]
    NoFusermount,
    /// fusermount3 says no.
    #[error("cannot mount on {}: {}", .0.display(), .1)]
    Fusermount(PathBuf, String),
    /// The kernel says no.
    #[error("cannot mount on {}: {}", .0.display(), .1)]
    Kernel(PathBuf, Errno),
    /// The table of mounts cannot be read.
    #[error("cannot read /proc/self/mountinfo: {0}")]
    NoTable(io::Error),
    /// The kernel and we do not come to terms, or the threads that are to answer it cannot be made.
    #[error("cannot answer the kernel: {0}")]
    Session(io::Error),
    /// This program cannot be started again in the background.
    #[error("cannot start in the background: {0}")]
    Background(io::Error),

    /// There is nothing of ours to unmount.
    #[error("no vault is mounted on {}", .0.display())]
    NotMounted(PathBuf),
    /// There is nothing of ours, neither at the mount point nor from the vault of that path.
    #[error("{} is neither a vault that is mounted nor where one is{}", path.display(), holder.map_or(String::new(), |pid| format!("; process {pid} has it: if it was unmounted with --lazy, it is still in use")))]
    NothingMounted {
        /// The path.
        path: PathBuf,
        /// The process that has it nevertheless.
        holder: Option<u32>,
    },
    /// Somebody works there.
    #[error("{} is in use{holders}\nclose what is open there, leave its directories, and try again; or take it out of sight now, to end by itself when nobody uses it any more: plainview umount --lazy {}", point.display(), point.display())]
    Busy {
        /// The mount point.
        point: PathBuf,
        /// Who.
        holders: Holders,
    },
    /// It cannot be unmounted for another reason.
    #[error("cannot unmount {}: {}", .0.display(), .1)]
    CannotUnmount(PathBuf, String),
    /// It is unmounted, but its daemon is not done.
    #[error("{} is unmounted, but what was written to it is not known to be on disk: {why}", point.display())]
    NotDurable {
        /// The mount point.
        point: PathBuf,
        /// Why that is not known.
        why: String,
    },
}
