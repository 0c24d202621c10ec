//! The password that a person types elsewhere: systemd's agents ask for it at boot, on a console, or on the desktop.
//!
//! `systemd-ask-password` passes the question on and prints the answer. The question is on its command line, the answer never is.
//! Reference: <https://systemd.io/PASSWORD_AGENTS/>.

use super::{Asking, Password, PasswordError, program};
use rustix::fs::{FileType, fstat, major, minor};
use std::fs::File;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

/// Where questions wait for agents. It is there where systemd runs.
const QUESTIONS: &str = "/run/systemd/ask-password";
/// The program.
const PROGRAM: &str = "systemd-ask-password";
/// How long a person may take, in seconds. Without a limit, where nobody is, a script would hang for ever.
const SECONDS: &str = "--timeout=90";
/// The device number of `/dev/null`.
const NULL: (u32, u32) = (1, 3);

/// Whether an agent is to be asked: nothing can come from standard input, there is no terminal at all, and there may be agents.
pub(super) fn is_there() -> bool {
    stdin_is_null() && File::open("/dev/tty").is_err() && Path::new(QUESTIONS).is_dir()
}

fn stdin_is_null() -> bool {
    fstat(io::stdin()).is_ok_and(|stat| {
        let device = (major(stat.st_rdev), minor(stat.st_rdev));
        FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice && device == NULL
    })
}

/// Asks for what opens the vault, or other thing, at `path`.
pub(super) fn ask(path: &Path, asking: Asking) -> Result<Password, PasswordError> {
    let path: String = path.to_string_lossy().chars().flat_map(shown).collect();
    let what = match asking {
        Asking::Existing | Asking::ExistingOf(_) | Asking::New => "Password",
        Asking::Recovery => "Recovery key",
    };
    let mut command = Command::new(PROGRAM);
    command
        .args(["--no-tty", SECONDS, "--icon=drive-harddisk"])
        .arg(format!("--id=plainview:{path}"))
        .arg(format!("{what} of {path}:"))
        .stdin(Stdio::null());
    program::first_line(&mut command, PROGRAM.to_owned())
}

/// A question is one line.
fn shown(c: char) -> Vec<char> {
    if c.is_control() { c.escape_default().collect() } else { vec![c] }
}
