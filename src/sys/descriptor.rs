//! What can be done to an open descriptor whatever it was opened for: also one opened with O_PATH, which most calls refuse.

use super::passing::{self, SETID, Why};
use parking_lot::ReentrantMutex;
use rustix::fs::{AtFlags, Gid, Mode, OFlags, Stat, Timestamps, Uid};
use rustix::io::{Errno, Result};
use std::ffi::{CString, OsString};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

/// A path that leads to the open file itself, whatever it is named now: `/proc/self/fd/N`.
pub fn link(fd: BorrowedFd<'_>) -> CString {
    CString::new(format!("/proc/self/fd/{}", fd.as_raw_fd())).expect("digits and slashes hold no NUL")
}

/// Where the open file lies, for messages: what the kernel calls it, or nothing.
pub fn path(fd: BorrowedFd<'_>) -> OsString {
    std::fs::read_link(format!("/proc/self/fd/{}", fd.as_raw_fd()))
        .unwrap_or_default()
        .into_os_string()
}

/// Opens the open file once more, with other flags. Works for files that were unlinked.
///
/// # Errors
/// As open(2).
pub fn reopen(fd: BorrowedFd<'_>, flags: OFlags) -> Result<OwnedFd> {
    rustix::fs::open(link(fd), flags | OFlags::CLOEXEC, Mode::empty())
}

/// Held while a mode is changed, so that nobody ever puts back what was set meanwhile.
static MODES: ReentrantMutex<()> = ReentrantMutex::new(());

/// Runs `action`, which writes to the file; where the operating system takes set-user-id or set-group-id away for that, gives them back. Who sets the mode meanwhile has the last word.
///
/// # Errors
/// What `action` returned.
pub fn keeping_privileges<T, E: From<Errno>>(
    fd: BorrowedFd<'_>,
    action: impl FnOnce() -> std::result::Result<T, E>,
) -> std::result::Result<T, E> {
    let moment = {
        let _modes = MODES.lock();
        passing::begin(fd, Why::Written)?
    };
    let result = action();
    // Who sets the mode has done so, or has not begun.
    let _modes = MODES.lock();
    if moment.own().is_some_and(|own| own & SETID != 0) {
        give_back(fd, &moment)?;
    }
    result
}

/// Gives a file set-user-id and set-group-id as its own mode has them. A file that is not ours stays as it is: what we must not give back is not there to be misused.
fn give_back(fd: BorrowedFd<'_>, moment: &passing::Lasting<'_>) -> Result<()> {
    let on_disk = rustix::fs::fstat(fd)?.st_mode;
    let wanted = with_privileges(on_disk, moment.own());
    if on_disk & SETID == wanted & SETID {
        return Ok(());
    }
    match put(fd, Mode::from_raw_mode(wanted)) {
        Ok(()) if !moment.is_alone() => Ok(()),
        // The system may have left some of it out without a word, as it does with the bit of a group that is not ours.
        Ok(()) | Err(Errno::PERM) => {
            passing::settle(fd, rustix::fs::fstat(fd)?.st_mode & 0o7777);
            Ok(())
        }
        failed => failed,
    }
}

/// The mode `mode`, but with set-user-id and set-group-id as the mode `own` has them.
fn with_privileges(mode: u32, own: Option<u32>) -> u32 {
    let mode = mode & 0o7777;
    own.map_or(mode, |own| mode & !SETID | own & SETID)
}

/// chmod(2) of the open file, to the mode that it is to have from now on.
///
/// # Errors
/// As chmod(2).
pub fn chmod(fd: BorrowedFd<'_>, mode: Mode) -> Result<()> {
    let _modes = MODES.lock();
    put(fd, mode)?;
    // What is on disk by now may be without what a writer takes away.
    passing::settle(fd, mode.bits());
    Ok(())
}

/// Changes the mode to what `new` makes of the file's state and its own mode (12 bits), if it makes anything of them; nobody else sets it meanwhile.
///
/// # Errors
/// As chmod(2).
pub fn change_mode(fd: BorrowedFd<'_>, new: impl FnOnce(&Stat, u32) -> Option<u32>) -> Result<()> {
    let _modes = MODES.lock();
    let stat = rustix::fs::fstat(fd)?;
    new(&stat, mode(&stat)).map_or(Ok(()), |new| chmod(fd, Mode::from_raw_mode(new)))
}

/// Runs `action`, which sets the mode in another way, as an ACL does.
///
/// # Errors
/// What `action` returned.
pub fn setting_mode<T>(fd: BorrowedFd<'_>, action: impl FnOnce() -> Result<T>) -> Result<T> {
    let _modes = MODES.lock();
    let own = rustix::fs::fstat(fd).map(|stat| mode(&stat)).ok();
    let result = action();
    if let Ok(stat) = rustix::fs::fstat(fd) {
        passing::settle(fd, with_privileges(stat.st_mode, own));
    }
    result
}

fn put(fd: BorrowedFd<'_>, mode: Mode) -> Result<()> {
    rustix::fs::chmod(link(fd), mode)
}

/// The mode (12 bits) of a file whose state was read as `stat`: its own, also when it was wider at that moment, or without set-user-id, because we needed it so
/// ([`with_permission`], [`keeping_privileges`]).
pub fn mode(stat: &Stat) -> u32 {
    passing::own_mode(stat)
}

/// To be told of each file that was just made, before anybody asks for its [`mode`]: it may have the number of one that has just gone.
pub fn is_new(stat: &Stat) {
    passing::forget(stat);
}

/// chown(2) of the open file itself, also of a symlink.
///
/// # Errors
/// As chown(2).
pub fn chown(fd: BorrowedFd<'_>, uid: Option<Uid>, gid: Option<Gid>) -> Result<()> {
    // It takes set-user-id away, which nobody must give back to the new owner.
    let _modes = MODES.lock();
    rustix::fs::chownat(fd, c"", uid, gid, AtFlags::EMPTY_PATH)?;
    passing::settle(fd, rustix::fs::fstat(fd)?.st_mode & 0o7777);
    Ok(())
}

/// utimensat(2) of the open file itself, also of a symlink.
///
/// # Errors
/// As utimensat(2).
pub fn set_times(fd: BorrowedFd<'_>, times: &Timestamps) -> Result<()> {
    rustix::fs::utimensat(fd, c"", times, AtFlags::EMPTY_PATH)
}

/// Runs `action`; when the file's mode denies it to us although we own the file, runs it once more with `grant` added to the mode for that time.
///
/// What the application may do, the kernel has decided before it asks us (`default_permissions`). The mode of the file on disk is the one that the
/// application set, so it can deny us, an ordinary user's daemon, what we need to carry out what was allowed: to write on to a file that was created with mode 0444,
/// or to remove our own file from a directory that has no write permission. Who asks us meanwhile is told its own mode ([`mode`]); who looks at the disk sees the wider one.
///
/// # Errors
/// What `action` returned.
pub fn with_permission<T>(fd: BorrowedFd<'_>, grant: Mode, mut action: impl FnMut() -> Result<T>) -> Result<T> {
    let denied = match action() {
        Err(error @ Errno::ACCESS) => error,
        other => return other,
    };
    let _modes = MODES.lock();
    let stat = rustix::fs::fstat(fd)?;
    let mode = Mode::from_raw_mode(stat.st_mode);
    if mode.contains(grant) {
        // Perhaps it was not a moment ago.
        return action();
    }
    if stat.st_uid != rustix::process::geteuid().as_raw() {
        return Err(denied);
    }
    let moment = passing::begin(fd, Why::Wider(grant.bits()))?;
    put(fd, mode | grant)?;
    let result = action();
    // Who writes to it may have taken privileges away before, and gives them back once only.
    let before = Mode::from_raw_mode(with_privileges(stat.st_mode, moment.own()));
    if let Err(error) = put(fd, before) {
        log::error!("cannot restore the mode of {} to {:o}: {error}", path(fd).display(), before.bits());
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;
    use std::sync::atomic::{AtomicBool, Ordering};

    /// Whoever gets the file must not get set-user-id with it, which is given back for the old owner.
    #[test]
    fn a_file_that_is_given_away_meanwhile_keeps_no_privileges() {
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let file = tempfile::tempfile().unwrap();
        chmod(file.as_fd(), Mode::from_raw_mode(0o4755)).unwrap();
        let given = std::thread::scope(|scope| {
            keeping_privileges::<_, Errno>(file.as_fd(), || {
                let given = scope.spawn(|| chown(file.as_fd(), Some(Uid::from_raw(1234)), None));
                std::thread::sleep(std::time::Duration::from_millis(100));
                Ok(given)
            })
            .map(|given| given.join().unwrap())
        });
        given.unwrap().unwrap();
        let stat = rustix::fs::fstat(&file).unwrap();
        assert_eq!((stat.st_uid, stat.st_mode & 0o7777), (1234, 0o755));
    }

    /// As an ordinary user's write does; and who sets the mode meanwhile has the last word.
    #[test]
    fn privileges_that_were_taken_away_are_given_back() {
        let file = tempfile::tempfile().unwrap();
        let fd = file.as_fd();
        let disk = || rustix::fs::fstat(fd).unwrap().st_mode & 0o7777;
        let set = |mode: u32| chmod(fd, Mode::from_raw_mode(mode)).unwrap();
        let written = |before: u32, meanwhile: Option<u32>| {
            set(before);
            keeping_privileges::<_, Errno>(fd, || {
                meanwhile.into_iter().for_each(set);
                put(fd, Mode::from_raw_mode(disk() & !SETID))?;
                assert_eq!(mode(&rustix::fs::fstat(fd)?), meanwhile.unwrap_or(before));
                Ok(())
            })
            .unwrap();
            disk()
        };
        assert_eq!(written(0o2755, None), 0o2755);
        assert_eq!(written(0o755, Some(0o2755)), 0o2755);
        assert_eq!(written(0o6755, Some(0o755)), 0o755);
        assert_eq!(written(0o4755, Some(0o2750)), 0o2750);
        assert_eq!(written(0o644, None), 0o644);
        // Two at once.
        set(0o4755);
        keeping_privileges::<_, Errno>(fd, || {
            put(fd, Mode::from_raw_mode(0o755))?;
            keeping_privileges::<_, Errno>(fd, || Ok(()))?;
            assert_eq!(disk(), 0o4755);
            put(fd, Mode::from_raw_mode(0o755))
        })
        .unwrap();
        assert_eq!(disk(), 0o4755);
        // And a moment of the other kind, in which it is still to be read.
        keeping_privileges::<_, Errno>(fd, || {
            put(fd, Mode::from_raw_mode(0o755))?;
            let mut tries = 0;
            with_permission(fd, Mode::WGRP, || {
                tries += 1;
                if tries == 1 { Err(Errno::ACCESS) } else { Ok(()) }
            })
        })
        .unwrap();
        assert_eq!(disk(), 0o4755);
    }

    #[test]
    fn a_mode_that_is_set_while_another_writes_is_not_lost() {
        let file = tempfile::tempfile().unwrap();
        let fd = file.as_fd();
        let disk = || rustix::fs::fstat(fd).unwrap();
        let set = |mode: u32| chmod(fd, Mode::from_raw_mode(mode)).unwrap();
        let is_over = AtomicBool::new(false);
        set(0o755);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    keeping_privileges(fd, || put(fd, Mode::from_raw_mode(disk().st_mode & 0o7777 & !SETID))).unwrap();
                }
            });
            for _ in 0..20_000 {
                set(0o755);
                set(0o2755);
                assert_eq!(mode(&disk()), 0o2755);
            }
            is_over.store(true, Ordering::Relaxed);
        });
        assert_eq!(disk().st_mode & 0o7777, 0o2755);
    }
}
