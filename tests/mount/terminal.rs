//! A person at a terminal: a command runs on a pseudo-terminal of its own, and what it asks is answered.

use crate::harness::{PATIENCE, wait_for};
use crate::people::{Who, start};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, tcgetattr};
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::time::Instant;

/// What a person saw.
#[derive(Debug)]
pub(crate) struct Seen {
    /// The exit code; -1 when a signal ended it.
    pub(crate) code: i32,
    /// The signal that ended it.
    pub(crate) signal: Option<i32>,
    /// Whether the terminal shows what is typed there now.
    pub(crate) has_echo: bool,
    /// Everything on the screen, with the line ends of a file.
    pub(crate) text: String,
}

impl Seen {
    /// Checks the exit code.
    #[track_caller]
    pub(crate) fn code(self, expected: i32) -> Self {
        assert_eq!(self.code, expected, "{}", self.text);
        self
    }

    /// Checks that each of `parts` was on the screen.
    #[track_caller]
    pub(crate) fn says(self, parts: &[&str]) -> Self {
        for part in parts {
            assert!(self.text.contains(part), "no {part:?} in\n{}", self.text);
        }
        self
    }

    /// Checks that none of `parts` was on the screen.
    #[track_caller]
    pub(crate) fn hides(self, parts: &[&str]) -> Self {
        for part in parts {
            assert!(!self.text.contains(part), "{part:?} in\n{}", self.text);
        }
        self
    }
}

/// Runs `command`, as whoever runs the tests, at a terminal: waits for each question in turn, and types the answer when it cannot be seen.
#[track_caller]
pub(crate) fn at_terminal(command: &Command, dialogue: &[(&str, &str)]) -> Seen {
    let controller = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    converse(&controller, command, dialogue, || {})
}

/// The same, and then calls `finally`, with which the command shall end: with the terminal, when that has the echo, or has it not.
#[track_caller]
pub(crate) fn at_terminal_until(command: &Command, dialogue: &[(&str, &str)], echo: bool, finally: impl FnOnce(&OwnedFd)) -> Seen {
    let controller = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    converse(&controller, command, dialogue, || {
        wait_for("the terminal", || has_echo(&controller) == echo);
        finally(&controller);
    })
}

/// What a slow disk takes its time for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Slow {
    /// Each read of a file: it gives less than 20 MiB in a second.
    Reads,
    /// Each look at a file: 20 in a second.
    Looks,
}

/// `command`, whose calls strace delays, as a slow disk does.
pub(crate) fn with_slow_disk(command: &Command, slow: Slow) -> Command {
    let call = match slow {
        Slow::Reads => "pread64",
        Slow::Looks => "newfstatat",
    };
    let mut delayed = Command::new("strace");
    delayed.args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={call}")]);
    delayed.args(["-e", &format!("inject={call}:delay_exit=50000")]);
    delayed.arg(command.get_program()).args(command.get_args());
    delayed.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    if let Some(dir) = command.get_current_dir() {
        delayed.current_dir(dir);
    }
    delayed
}

#[track_caller]
fn converse(controller: &OwnedFd, command: &Command, dialogue: &[(&str, &str)], finally: impl FnOnce()) -> Seen {
    grantpt(controller).unwrap();
    unlockpt(controller).unwrap();
    let name = ptsname(controller, Vec::new()).unwrap();
    let terminal = rustix::fs::open(&name, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty()).unwrap();
    // It makes the terminal its own, which needs a new session.
    let mut session = Who::me().command("setsid");
    session
        .args(["--ctty", "--wait"])
        .arg(command.get_program())
        .args(command.get_args());
    session.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    if let Some(dir) = command.get_current_dir() {
        session.current_dir(dir);
    }
    session.stdin(terminal.try_clone().unwrap());
    session.stdout(terminal.try_clone().unwrap());
    session.stderr(terminal);
    let mut child = start(&mut session).unwrap();
    // It holds the descriptors that the child got.
    drop(session);
    let mut seen = String::new();
    let mut from = 0;
    for (question, answer) in dialogue {
        while !seen[from..].contains(question) {
            assert!(read(controller, &mut seen), "it ended, and never asked {question:?}:\n{seen}");
        }
        from = seen.len();
        wait_for("the echo to be off", || !has_echo(controller));
        rustix::io::write(controller, format!("{answer}\n").as_bytes()).unwrap();
    }
    finally();
    while read(controller, &mut seen) {}
    let status = child.wait().unwrap();
    Seen {
        code: status.code().unwrap_or(-1),
        signal: status.signal(),
        has_echo: has_echo(controller),
        text: seen.replace("\r\n", "\n"),
    }
}

fn has_echo(controller: &OwnedFd) -> bool {
    tcgetattr(controller).unwrap().local_modes.contains(LocalModes::ECHO)
}

/// Adds what comes next; false at the end, when nobody has the terminal open any more.
#[track_caller]
fn read(controller: &OwnedFd, seen: &mut String) -> bool {
    let deadline = Instant::now() + PATIENCE;
    let mut fds = [PollFd::new(controller, PollFlags::IN)];
    let second = Timespec { tv_sec: 1, tv_nsec: 0 };
    while poll(&mut fds, Some(&second)) == Ok(0) {
        assert!(Instant::now() < deadline, "nothing came for {PATIENCE:?} after:\n{seen}");
    }
    let mut bytes = [0; 4096];
    match rustix::io::read(controller, &mut bytes) {
        Ok(count) => {
            seen.push_str(&String::from_utf8_lossy(&bytes[..count]));
            count > 0
        }
        Err(rustix::io::Errno::INTR) => true,
        // EIO: the other end was closed.
        Err(_) => false,
    }
}
