//! Starting in the background: this program runs itself again as a child, which asks for the password, mounts, and says when the mount answers. The one that was
//! started waits for that word, so that its exit code tells whether there is a mount.
//!
//! The word is one byte on the child's standard output, a pipe. Nothing else is passed: the child gets the same arguments, and no secret is in them or in the
//! environment. (A fork would be shorter, but is not safe where there are threads.)

use super::{Error, logging};
use rustix::fs::{Mode, OFlags};
use rustix::process::Signal;
use std::io::{self, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitStatus, Stdio};

/// What the child says.
const READY: &[u8] = b"\n";

/// What became of a start in the background.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Started {
    /// The mount answers.
    Mounted,
    /// There is no mount; the child has said why, and left with this code.
    Failed(u8),
}

/// Runs this program again with its own arguments, before which comes `mark`, the argument by which the child knows what it is. Waits until it is ready, or gone.
///
/// # Errors
/// That the program cannot be run.
pub fn start(mark: &str) -> Result<Started, Error> {
    let me = std::env::current_exe().map_err(Error::Background)?;
    let mut arguments = std::env::args_os();
    let name = arguments.next().unwrap_or_else(|| me.clone().into_os_string());
    let mut child = Command::new(&me)
        .arg0(name)
        .arg(mark)
        .args(arguments)
        .stdout(Stdio::piped())
        .spawn()
        .map_err(Error::Background)?;
    let mut word = [0; READY.len()];
    match child.stdout.take().map(|mut pipe| pipe.read_exact(&mut word)) {
        Some(Ok(())) if word == *READY => Ok(Started::Mounted),
        _ => child.wait().map(|status| Started::Failed(code(status))).map_err(Error::Background),
    }
}

/// The code with which to leave in place of a child, as a shell counts it.
fn code(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}

/// What the child does first: should the one that waits for it be ended, so is the child, at the latest when it is ready.
pub fn follow_parent() {
    // Where that is not possible, what is lost is that the password prompt ends with the parent.
    let _ = rustix::process::set_parent_process_death_signal(Some(Signal::TERM));
}

/// What the child does when it is ready: it leaves the terminal and the directory, and says so.
///
/// # Errors
/// That nobody is there to hear it: the mount is not wanted any more.
pub(super) fn ready() -> io::Result<()> {
    rustix::process::setsid()?;
    rustix::process::chdir("/")?;
    let null = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
    rustix::stdio::dup2_stdin(&null)?;
    logging::to_system();
    rustix::stdio::dup2_stderr(&null)?;
    rustix::process::set_parent_process_death_signal(None)?;
    let mut pipe = io::stdout();
    pipe.write_all(READY)?;
    pipe.flush()?;
    // The end of the pipe, too: nobody waits for it any more.
    rustix::stdio::dup2_stdout(&null)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_is_spoken_for() {
        assert_eq!(code(ExitStatus::from_raw(0)), 0);
        assert_eq!(code(ExitStatus::from_raw(9 << 8)), 9);
        assert_eq!(code(ExitStatus::from_raw(2)), 130, "SIGINT");
    }
}
