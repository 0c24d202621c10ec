//! One mount at a time: an advisory lock on the vault's directory, held as long as it is mounted.
//!
//! Nothing is written for it into the vault, and the kernel takes it back when the process dies, however it dies. Read-only mounts share it.

use super::Error;
use super::table::{self, Mount};
use crate::view::Access;
use rustix::fs::{FlockOperation, Mode, OFlags, Stat, flock, fstat, openat};
use rustix::io::Errno;
use std::fs;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// What is locked where directories cannot be: network filesystems make a lock on the server of it, which for writers takes a file that is open for writing.
const FALLBACK: &str = "plainview.toml";

/// How long the end is waited for of what a killed daemon has left: a copy of it that was about to become another program, or fusermount3, which may still mount.
const DYING: Duration = Duration::from_secs(3);
/// How long between two looks.
const STEP: Duration = Duration::from_millis(10);

/// A vault's lock. It is released when this is dropped.
pub struct Lock {
    held: OwnedFd,
}

impl Lock {
    /// Takes the lock of the vault whose root is `root` and whose path, for messages, is `vault`. That whoever has it is done is not waited for, unless the process that took it is not seen any more: then
    /// three seconds.
    ///
    /// # Errors
    /// [`Error::InUse`] with all that can be found out about who has it.
    pub fn take(root: BorrowedFd<'_>, vault: &Path, access: Access) -> Result<Self, Error> {
        let operation = match access {
            Access::ReadWrite => FlockOperation::NonBlockingLockExclusive,
            Access::ReadOnly => FlockOperation::NonBlockingLockShared,
        };
        let begin = Instant::now();
        loop {
            match locked(root, operation) {
                Ok(held) => return Ok(Self { held }),
                Err(Errno::WOULDBLOCK) if begin.elapsed() < DYING && held_by(root).is_none() => thread::sleep(STEP),
                Err(Errno::WOULDBLOCK) => return Err(in_use(root, vault)),
                Err(errno) => return Err(Error::Lock(vault.to_owned(), errno)),
            }
        }
    }
}

impl AsFd for Lock {
    /// What is locked. A process that has a copy of it holds the lock as well.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.held.as_fd()
    }
}

/// Waits until nobody holds the lock of `vault`: then the daemon that had it has made everything durable.
///
/// # Errors
/// Why that is not known after `patience`.
pub(super) fn wait_until_free(vault: &Path, patience: Duration) -> Result<(), String> {
    let root = rustix::fs::open(vault, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        .map_err(|errno| format!("cannot open {}: {errno}", vault.display()))?;
    let (done, waiting) = mpsc::channel();
    // The lock has no timeout, so it is waited for on the side. When that takes too long the thread ends with the process.
    thread::spawn(move || done.send(locked(root.as_fd(), FlockOperation::LockExclusive).map(drop)));
    match waiting.recv_timeout(patience) {
        Ok(Ok(())) => Ok(()),
        Ok(Err(errno)) => Err(format!("cannot lock {}: {errno}", vault.display())),
        Err(_) => Err(format!(
            "its daemon has not ended after {} s: it is still writing, or a copy of the mount lives on in another mount namespace, such as a container's",
            patience.as_secs()
        )),
    }
}

/// A locked descriptor of its own, so that the lock does not depend on what becomes of `root`.
fn locked(root: BorrowedFd<'_>, operation: FlockOperation) -> rustix::io::Result<OwnedFd> {
    let directory = openat(root, ".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    match flock(&directory, operation) {
        Ok(()) => Ok(directory),
        Err(errno @ (Errno::WOULDBLOCK | Errno::INTR)) => Err(errno),
        Err(_) => {
            let open = |access| openat(root, FALLBACK, access | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty());
            loop {
                let file = open(OFlags::RDWR).or_else(|_| open(OFlags::RDONLY))?;
                flock(&file, operation)?;
                // Who changed the vault's keys meanwhile has put another file in its place, which nobody has locked.
                let id = |stat: Stat| (stat.st_dev, stat.st_ino);
                if id(fstat(&file)?) == id(rustix::fs::statat(root, FALLBACK, rustix::fs::AtFlags::SYMLINK_NOFOLLOW)?) {
                    return Ok(file);
                }
            }
        }
    }
}

fn in_use(root: BorrowedFd<'_>, vault: &Path) -> Error {
    let mounts = table::read().unwrap_or_default();
    Error::InUse {
        vault: vault.to_owned(),
        pid: held_by(root),
        on: mounted_on(&mounts, vault),
    }
}

/// The process that holds the lock of the vault whose root is `root`, as far as that can be seen.
pub(super) fn held_by(root: BorrowedFd<'_>) -> Option<u32> {
    let locks = fs::read_to_string("/proc/locks").unwrap_or_default();
    let directory = fstat(root);
    let file = rustix::fs::statat(root, FALLBACK, rustix::fs::AtFlags::SYMLINK_NOFOLLOW);
    let holder = [directory, file].into_iter().flatten().find_map(|stat| holder(&locks, &stat));
    // The table has the process that took the lock, which may be gone: those that it has left hold it then.
    holder.filter(|pid| Path::new("/proc").join(pid.to_string()).exists())
}

/// Where `vault` is mounted.
pub(super) fn mounted_on(mounts: &[Mount], vault: &Path) -> Option<PathBuf> {
    mounts
        .iter()
        .find(|mount| mount.is_ours() && mount.source == vault)
        .map(|mount| mount.point.clone())
}

/// The process that holds a lock on the file that `stat` is of, by `/proc/locks`. The device there is not always the one that `stat` shows (btrfs and overlayfs
/// make up one of their own), so an inode of the right number on another device is second best.
fn holder(locks: &str, stat: &Stat) -> Option<u32> {
    let same_inode = || {
        locks
            .lines()
            .filter_map(HeldLock::parse)
            .filter(|lock| lock.inode == stat.st_ino && lock.pid != 0)
    };
    let device = (rustix::fs::major(stat.st_dev), rustix::fs::minor(stat.st_dev));
    same_inode()
        .find(|lock| lock.device == device)
        .or_else(|| same_inode().next())
        .map(|lock| lock.pid)
}

/// A line of `/proc/locks`: `1: FLOCK  ADVISORY  WRITE 1234 08:01:131 0 EOF`. Those who wait have an arrow after the number.
struct HeldLock {
    pid: u32,
    device: (u32, u32),
    inode: u64,
}

impl HeldLock {
    fn parse(line: &str) -> Option<Self> {
        let mut fields = line.split_ascii_whitespace().skip(1);
        if fields.next()? != "FLOCK" {
            return None;
        }
        // 0 or -1 is a process that we cannot see.
        let pid = fields.nth(2)?.parse().unwrap_or(0);
        let mut place = fields.next()?.split(':');
        let mut device = || u32::from_str_radix(place.next()?, 16).ok();
        let device = (device()?, device()?);
        Some(Self {
            pid,
            device,
            inode: place.next()?.parse().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::CWD;
    use std::process::Command;

    const LOCKS: &str = "\
1: FLOCK  ADVISORY  WRITE 1234 fe:01:131 0 EOF
1: -> FLOCK  ADVISORY  WRITE 99 fe:01:131 0 EOF
2: POSIX  ADVISORY  WRITE 77 fe:01:131 0 EOF
3: FLOCK  ADVISORY  READ  55 00:2f:131 0 EOF
4: FLOCK  ADVISORY  WRITE 0 fe:01:9 0 EOF
5: FLOCK  ADVISORY  WRITE -1 fe:01:10 0 EOF
6: FLOCK  ADVISORY  READ  66 00:30:500 0 EOF
nonsense
";

    fn stat_of(device: (u32, u32), inode: u64) -> Stat {
        let mut stat = rustix::fs::statat(CWD, "/", rustix::fs::AtFlags::empty()).unwrap();
        stat.st_dev = rustix::fs::makedev(device.0, device.1);
        stat.st_ino = inode;
        stat
    }

    #[test]
    fn the_holder_is_found_by_device_and_inode() {
        assert_eq!(holder(LOCKS, &stat_of((0xfe, 1), 131)), Some(1234));
        assert_eq!(holder(LOCKS, &stat_of((0, 0x2f), 131)), Some(55));
    }

    #[test]
    fn where_the_device_is_another_the_inode_decides() {
        assert_eq!(holder(LOCKS, &stat_of((0, 0x99), 500)), Some(66));
        assert_eq!(holder(LOCKS, &stat_of((0, 0x99), 501)), None);
    }

    #[test]
    fn who_cannot_be_seen_is_not_named() {
        assert_eq!(holder(LOCKS, &stat_of((0xfe, 1), 9)), None);
        assert_eq!(holder(LOCKS, &stat_of((0xfe, 1), 10)), None);
    }

    /// A directory of its own, removed at the end.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("plainview-lock-{name}-{}", std::process::id()));
            fs::create_dir(&path).unwrap();
            Self(path)
        }

        fn open(&self) -> OwnedFd {
            rustix::fs::open(&self.0, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty()).unwrap()
        }

        fn take(&self, access: Access) -> Result<Lock, Error> {
            Lock::take(self.open().as_fd(), &self.0, access)
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            fs::remove_dir_all(&self.0).unwrap();
        }
    }

    #[test]
    fn one_writer_or_many_readers() {
        let vault = Scratch::new("sharing");
        let writer = vault.take(Access::ReadWrite).unwrap();
        assert!(matches!(vault.take(Access::ReadWrite), Err(Error::InUse { .. })));
        assert!(matches!(vault.take(Access::ReadOnly), Err(Error::InUse { .. })));
        drop(writer);
        let readers = [vault.take(Access::ReadOnly).unwrap(), vault.take(Access::ReadOnly).unwrap()];
        assert!(matches!(vault.take(Access::ReadWrite), Err(Error::InUse { .. })));
        drop(readers);
        assert!(vault.take(Access::ReadWrite).is_ok());
        assert_eq!(fs::read_dir(&vault.0).unwrap().count(), 0, "nothing is written");
    }

    #[test]
    fn who_has_it_is_said() {
        let vault = Scratch::new("holder");
        let _held = vault.take(Access::ReadWrite).unwrap();
        let Err(error) = vault.take(Access::ReadWrite) else {
            panic!("taken twice")
        };
        assert_eq!(
            error.to_string(),
            format!(
                "{} is in use by process {}, wait until that is done",
                vault.0.display(),
                std::process::id()
            )
        );
    }

    #[test]
    fn what_a_process_has_left_that_is_gone_is_waited_for() {
        for (seconds, is_freed) in [("0.5", true), ("60", false)] {
            let vault = Scratch::new("left");
            // flock(1) takes the lock of the shell's descriptor, and ends.
            let mut left = Command::new("sh")
                .args(["-c", "exec 9< \"$1\"; flock 9; exec sleep \"$2\"", "sh"])
                .arg(&vault.0)
                .arg(seconds)
                .spawn()
                .unwrap();
            let operation = FlockOperation::NonBlockingLockShared;
            while locked(vault.open().as_fd(), operation).is_ok() {
                thread::sleep(STEP);
            }
            let taken = vault.take(Access::ReadWrite);
            assert_eq!(taken.is_ok(), is_freed);
            assert_eq!(matches!(taken, Err(Error::InUse { pid: None, .. })), !is_freed);
            left.kill().unwrap();
            left.wait().unwrap();
        }
    }

    #[test]
    fn waiting_ends_when_it_is_free_or_patience_is_over() {
        let vault = Scratch::new("waiting");
        assert_eq!(wait_until_free(&vault.0, Duration::from_secs(60)), Ok(()));
        let held = vault.take(Access::ReadWrite).unwrap();
        let impatient = wait_until_free(&vault.0, Duration::ZERO).unwrap_err();
        assert!(impatient.contains("not ended"), "{impatient}");
        let path = vault.0.clone();
        let waiting = thread::spawn(move || wait_until_free(&path, Duration::from_secs(60)));
        drop(held);
        assert_eq!(waiting.join().unwrap(), Ok(()));
        assert!(
            wait_until_free(Path::new("/nonexistent"), Duration::ZERO)
                .unwrap_err()
                .contains("cannot open")
        );
    }
}
