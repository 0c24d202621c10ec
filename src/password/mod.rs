//! Where a password comes from (a person at the terminal or at one of systemd's agents, a line of standard input, a file, a service's credentials, a program), and how it
//! is made slow to guess. What else is typed in secret, a recovery key, comes from there, too.
//!
//! Knows terminals, lines and Argon2id; does not know vaults or what a slot key opens. Keeps true: a password is never taken from an argument or the
//! environment, is never empty, and its bytes are zeroed when it is dropped.

mod agent;
mod credential;
mod kdf;
mod line;
mod program;
mod terminal;
#[cfg(test)]
mod tests;
mod typing;

pub use kdf::{CostError, KdfCost, LANES, MEMORY_KIB, Memory, NoMemory, PASSES, PASSWORD_SALT_LEN, calibrate, stretch};
pub use line::{LINE_MAX, LineError};

use crate::secret::SecretBytes;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, IsTerminal};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

/// A password: 1 to [`LINE_MAX`] bytes in any encoding. Zeroed when dropped; neither copied nor printed.
pub struct Password(SecretBytes);

impl Password {
    /// The password whose bytes `bytes` holds.
    ///
    /// # Errors
    /// [`LineError::Empty`], [`LineError::TooLong`].
    pub fn new(bytes: SecretBytes) -> Result<Self, LineError> {
        match bytes.expose().len() {
            0 => Err(LineError::Empty),
            1..=LINE_MAX => Ok(Self(bytes)),
            _ => Err(LineError::TooLong),
        }
    }

    /// The bytes, without a line ending.
    pub fn expose(&self) -> &[u8] {
        self.0.expose()
    }
}

/// Where a password is to come from.
#[derive(Clone, Copy, Debug)]
pub enum Source<'a> {
    /// The terminal when standard input is one, else one line of standard input.
    Standard,
    /// As there, of something that has a name, for which a service can have been given the password: so first from the file `plainview.NAME` of `$CREDENTIALS_DIRECTORY`, if there is
    /// one; and where there is neither a terminal nor anything on standard input, from systemd's password agents.
    Named {
        /// NAME.
        name: &'a OsStr,
        /// Where it is, for who is asked.
        path: &'a Path,
    },
    /// The first line of a file.
    File(&'a Path),
    /// The first line that a program prints.
    Program(&'a OsStr),
}

/// What a password is asked for. It makes a difference only at the terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asking {
    /// To open what it was set for.
    Existing,
    /// As before, where passwords of several things are asked for: this one's.
    ExistingOf(&'static str),
    /// To be set, so it is typed twice.
    New,
    /// A recovery key, which is long and was written down: each character typed shows as a star.
    Recovery,
}

/// Why there is no password.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// The terminal gave none.
    #[error("cannot ask for the password at the terminal: {0}")]
    Terminal(#[source] io::Error),
    /// The two entries differ.
    #[error("the two passwords differ; try again")]
    Mismatch,
    /// The terminal sent something that is not text.
    #[error("what was typed is not UTF-8; set the terminal to UTF-8, or use --passfile")]
    NotText,
    /// A line was read, and is none.
    #[error("no password from {from}: {error}")]
    Line {
        /// The source, in words.
        from: String,
        /// What is wrong.
        error: LineError,
    },
    /// The file cannot be opened.
    #[error("cannot open the password file {}: {error}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        error: io::Error,
    },
    /// The command is empty, or a quotation in it does not end.
    #[error("cannot split {0:?} into words; check its quotes (--extpass)")]
    Command(String),
    /// The program cannot be run.
    #[error("cannot run the password program {program:?}: {error} (--extpass runs it without a shell)")]
    Program {
        /// The first word of the command.
        program: String,
        /// What the operating system says.
        error: io::Error,
    },
    /// The program failed, so what it printed is no password.
    #[error("the password program {program:?} failed: {status}")]
    Status {
        /// The first word of the command.
        program: String,
        /// How it ended.
        status: std::process::ExitStatus,
    },
}

/// Gets a password.
///
/// # Errors
/// Why there is none.
pub fn get(source: &Source<'_>, asking: Asking) -> Result<Password, PasswordError> {
    match source {
        Source::Standard if io::stdin().is_terminal() => terminal::ask(asking),
        Source::Standard => from_stdin(),
        Source::Named { name, path } => from_named(name, path, asking),
        Source::File(path) => from_file(path),
        Source::Program(command) => program::run(command),
    }
}

fn from_named(name: &OsStr, path: &Path, asking: Asking) -> Result<Password, PasswordError> {
    let credential = match asking {
        Asking::Existing | Asking::ExistingOf(_) => credential::path(name),
        Asking::New | Asking::Recovery => None,
    };
    match credential {
        Some(credential) => from_file(&credential),
        None if !io::stdin().is_terminal() && asking != Asking::New && agent::is_there() => agent::ask(path, asking),
        None => get(&Source::Standard, asking),
    }
}

/// One line of standard input; what follows it is left there for others. Not through `std::io::Stdin`, whose buffer would keep a copy.
fn from_stdin() -> Result<Password, PasswordError> {
    let stdin = io::stdin()
        .as_fd()
        .try_clone_to_owned()
        .map_err(|error| from("standard input", LineError::Read(error)))?;
    line::read(&mut File::from(stdin)).map_err(|error| from("standard input", error))
}

fn from_file(path: &Path) -> Result<Password, PasswordError> {
    let mut file = File::open(path).map_err(|error| PasswordError::File {
        path: path.to_owned(),
        error,
    })?;
    line::read(&mut file).map_err(|error| from(&format!("the password file {}", path.display()), error))
}

fn from(source: &str, error: LineError) -> PasswordError {
    PasswordError::Line {
        from: source.to_owned(),
        error,
    }
}
