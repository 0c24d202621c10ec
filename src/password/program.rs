//! The password that a program prints (`--extpass`).

use super::line::{self, LINE_MAX};
use super::{Password, PasswordError};
use std::ffi::{OsStr, OsString};
use std::io::{self, Read};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::process::{Child, ChildStdout, Command, Stdio};

/// Runs `command`, which is split into words as a shell does it but not given to one, and takes the first line of its output.
///
/// Its standard input and standard error are ours, so that it may ask and complain.
pub(super) fn run(command: &OsStr) -> Result<Password, PasswordError> {
    let words = shlex::bytes::split(command.as_bytes()).unwrap_or_default();
    let mut words = words.into_iter().map(OsString::from_vec);
    let Some(program) = words.next() else {
        return Err(PasswordError::Command(command.display().to_string()));
    };
    let name = program.display().to_string();
    first_line(Command::new(&program).args(words), name)
}

/// Runs `command`, whose program is called `name`, and takes the first line of its output.
pub(super) fn first_line(command: &mut Command, name: String) -> Result<Password, PasswordError> {
    let cannot_run = |error| PasswordError::Program {
        program: name.clone(),
        error,
    };
    let mut child = command.stdout(Stdio::piped()).spawn().map_err(cannot_run)?;
    let password = take_output(&mut child);
    let status = child.wait().map_err(cannot_run)?;
    if !status.success() {
        return Err(PasswordError::Status { program: name, status });
    }
    password.map_err(|error| PasswordError::Line {
        from: format!("the program {name:?}"),
        error,
    })
}

fn take_output(child: &mut Child) -> Result<Password, line::LineError> {
    let Some(mut output) = child.stdout.take() else {
        return Err(line::LineError::Empty); // it was piped above, so it is there
    };
    let password = line::read(&mut output);
    drain(output);
    password
}

/// Takes further lines, so that a program that prints some does not die of a closed pipe and seem to have failed; but not for ever.
fn drain(output: ChildStdout) {
    let mut rest = output.take(u64::try_from(LINE_MAX).unwrap_or(0));
    let _ = io::copy(&mut rest, &mut io::sink());
}
