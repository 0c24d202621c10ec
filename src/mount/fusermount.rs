//! fusermount3, the set-user-id program that mounts and unmounts for ordinary users.
//!
//! Its side of the bargain (libfuse, `doc/` and `util/fusermount.c`): it opens `/dev/fuse`, mounts it, and sends the descriptor through the socket whose number is in
//! `_FUSE_COMMFD`. That is its standard input here, which needs no descriptor to be inherited by number.

use super::Error;
use super::detach::{How, Refused};
use super::options::{Audience, Options};
use rustix::cmsg_space;
use rustix::mount::MountFlags;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use std::ffi::OsString;
use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// The program, found on the path: `/usr/bin` nearly everywhere, but not in NixOS.
const PROGRAM: &str = "fusermount3";

/// Mounts on `point`, shown as coming from `vault`; the device that is connected to the mount. Until that is done fusermount3 has the vault's `lock` as well: if this process is
/// killed, it mounts all the same, and the next one who wants to must not come before that.
pub(super) fn mount(vault: &Path, point: &Path, options: &Options, lock: BorrowedFd<'_>) -> Result<OwnedFd, Error> {
    let refused = |why: String| Error::Fusermount(point.to_owned(), why);
    let (ours, theirs) = UnixStream::pair().map_err(|error| refused(error.to_string()))?;
    let lock = lock.try_clone_to_owned().map_err(|error| refused(error.to_string()))?;
    let child = start(vault, point, options, theirs, lock).map_err(|error| {
        if is_missing(&error) {
            Error::NoFusermount
        } else {
            refused(error.to_string())
        }
    })?;
    let device = receive(&ours);
    let said = child.wait_with_output().map(|output| message(&output.stderr)).unwrap_or_default();
    match device {
        Ok(Some(device)) => Ok(device),
        Ok(None) => Err(refused(said)),
        Err(error) => Err(refused(format!("{error}; {said}"))),
    }
}

fn start(vault: &Path, point: &Path, options: &Options, socket: UnixStream, lock: OwnedFd) -> io::Result<Child> {
    // The command owns our copy of its end of the socket, and drops it here: the socket ends when fusermount3 does. Standard output it does not use.
    Command::new(PROGRAM)
        .arg("-o")
        .arg(option_list(vault, options))
        .arg("--")
        .arg(point)
        .env("_FUSE_COMMFD", "0")
        .stdin(OwnedFd::from(socket))
        .stdout(lock)
        .stderr(Stdio::piped())
        .spawn()
}

fn option_list(vault: &Path, options: &Options) -> OsString {
    let mut list = b"fsname=".to_vec();
    list.extend(escape(vault.as_os_str().as_bytes()));
    list.extend(b",subtype=plainview,default_permissions");
    match options.audience {
        Audience::Everyone => list.extend(b",allow_other"),
        Audience::Owner => {}
    }
    // Older versions do not know these words, and a filesystem in user space keeps access times itself.
    let unknown = MountFlags::RELATIME | MountFlags::STRICTATIME | MountFlags::NODIRATIME;
    for word in options.flag_words(unknown.complement()) {
        list.push(b',');
        list.extend(word.as_bytes());
    }
    OsString::from_vec(list)
}

/// In the list, a backslash takes away the meaning of what follows.
fn escape(value: &[u8]) -> Vec<u8> {
    value
        .iter()
        .flat_map(|&byte| {
            [b"\\".as_slice(), &[byte]]
                .concat()
                .split_off(usize::from(!matches!(byte, b',' | b'\\')))
        })
        .collect()
}

/// The descriptor that comes through `socket`; `None` when it ends without one.
fn receive(socket: &UnixStream) -> rustix::io::Result<Option<OwnedFd>> {
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    rustix::io::retry_on_intr(|| recvmsg(socket, &mut [IoSliceMut::new(&mut byte)], &mut control, RecvFlags::CMSG_CLOEXEC))?;
    Ok(control.drain().find_map(|message| {
        if let RecvAncillaryMessage::ScmRights(mut descriptors) = message {
            descriptors.next()
        } else {
            None
        }
    }))
}

/// Unmounts what is on `point`.
pub(super) fn unmount(point: &Path, how: How) -> Result<(), Refused> {
    let how: &[&str] = match how {
        How::IfIdle => &["-u"],
        How::Lazily => &["-u", "-z"],
    };
    let output = Command::new(PROGRAM)
        .args(how)
        .arg("--")
        .arg(point)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| {
            Refused::Other(if is_missing(&error) {
                Error::NoFusermount.to_string()
            } else {
                error.to_string()
            })
        })?;
    let said = message(&output.stderr);
    match output.status.success() {
        true => Ok(()),
        // It speaks English whatever the locale.
        false if said.ends_with("Device or resource busy") => Err(Refused::Busy),
        false => Err(Refused::Other(said)),
    }
}

/// Whether it could not be run for there is no such program.
fn is_missing(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
}

/// What it said, on one line and without its name.
fn message(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    let lines: Vec<&str> = text
        .lines()
        .map(|line| line.trim_start_matches(PROGRAM).trim_start_matches(": ").trim())
        .filter(|line| !line.is_empty())
        .collect();
    if lines.is_empty() {
        format!("{PROGRAM} failed without saying why")
    } else {
        lines.join("; ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(vault: &str, words: &str) -> String {
        option_list(Path::new(vault), &Options::parse(words.split(',')).unwrap())
            .into_string()
            .unwrap()
    }

    #[test]
    fn the_list_says_what_was_asked() {
        assert_eq!(list("/v", ""), "fsname=/v,subtype=plainview,default_permissions,nosuid,nodev");
        assert_eq!(
            list("/v", "allow_other,ro,noexec"),
            "fsname=/v,subtype=plainview,default_permissions,allow_other,ro,nosuid,nodev,noexec"
        );
    }

    #[test]
    fn words_that_fusermount_may_not_know_are_kept_from_it() {
        assert_eq!(list("/v", "relatime,nodiratime"), list("/v", ""));
        assert_eq!(list("/v", "strictatime"), list("/v", ""));
    }

    #[test]
    fn a_path_is_no_list() {
        assert!(list("/a,b\\c d,suid", "").starts_with("fsname=/a\\,b\\\\c d\\,suid,subtype="));
        assert_eq!(escape(b",,\\\xff"), b"\\,\\,\\\\\xff");
    }

    #[test]
    fn a_message_is_passed_on() {
        assert_eq!(
            message(b"fusermount3: user has no write access to mountpoint /\n"),
            "user has no write access to mountpoint /"
        );
        assert_eq!(message(b"fusermount3: one\nfusermount3: two\n"), "one; two");
        assert_eq!(message(b"\n"), "fusermount3 failed without saying why");
    }

    #[test]
    fn a_descriptor_comes_through() {
        use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
        use std::io::{IoSlice, Read, Write};
        use std::os::fd::AsFd;
        let (ours, theirs) = UnixStream::pair().unwrap();
        let (mut reader, writer) = io::pipe().unwrap();
        let descriptors = [writer.as_fd()];
        let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        assert!(control.push(SendAncillaryMessage::ScmRights(&descriptors)));
        sendmsg(&theirs, &[IoSlice::new(b"x")], &mut control, SendFlags::empty()).unwrap();
        let received = receive(&ours).unwrap().unwrap();
        drop(writer);
        std::fs::File::from(received).write_all(b"through").unwrap();
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(text, "through");
        drop(theirs);
        assert!(receive(&ours).unwrap().is_none(), "the other side has ended");
    }

    #[test]
    fn a_path_need_not_be_text() {
        let vault = Path::new(std::ffi::OsStr::from_bytes(b"/v\xff"));
        assert!(
            option_list(vault, &Options::parse([]).unwrap())
                .into_vec()
                .starts_with(b"fsname=/v\xff,")
        );
    }
}
