//! What the operating system says, in words for who typed the command, and what to do about it.

use rustix::io::Errno;
use std::io;

/// What `error` says, and what to do, where that is known.
pub(super) fn advised(error: impl Into<io::Error>) -> String {
    let error = error.into();
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    match Errno::from_io_error(&error).and_then(advice) {
        Some(advice) => format!("{text}; {advice}"),
        None => text.to_owned(),
    }
}

fn advice(errno: Errno) -> Option<&'static str> {
    match errno {
        Errno::NOENT | Errno::LOOP | Errno::NAMETOOLONG => Some("check the path"),
        Errno::NOTDIR => Some("give a directory"),
        Errno::ISDIR => Some("give a file"),
        Errno::ACCESS | Errno::PERM => Some("its owner, or root, has to permit it"),
        Errno::ROFS => Some("it has to be on a disk that can be written to"),
        Errno::NOSPC | Errno::DQUOT => Some("make room there first"),
        Errno::MFILE | Errno::NFILE => Some("allow more open files (ulimit -n)"),
        Errno::IO => Some("the disk may be failing: look into the kernel's log (dmesg)"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_goes_and_the_advice_comes() {
        assert_eq!(advised(Errno::NOENT), "No such file or directory; check the path");
        assert_eq!(advised(Errno::BUSY), "Device or resource busy");
        assert_eq!(advised(io::Error::other("what a program said")), "what a program said");
        assert_eq!(
            advised(io::Error::from(Errno::NOSPC)),
            "No space left on device; make room there first"
        );
    }
}
