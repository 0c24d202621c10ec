//! How a command ends when it fails: a message for a person, a code for a script. Codes never change their meaning.

use super::advice::advised;
use super::voice::coloured;
use crate::keys::{ConfigError, FORMAT};
use crate::password::{LineError, PasswordError};
use clap::builder::styling::AnsiColor;
use rustix::io::Errno;
use std::fmt;
use std::io::Write as _;
use std::path::Path;

/// The exit code of a command that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// 1: an error that has no code of its own.
    Other,
    /// 2: wrong usage; what the argument parser uses, too.
    Usage,
    /// 6: `init` on a directory that holds something.
    NotEmpty,
    /// 7: there is no `plainview.toml`.
    NotAVault,
    /// 8: another mount has the vault.
    InUse,
    /// 9: the mount point cannot be used, or the kernel refuses.
    CannotMount,
    /// 12: the password, the keyfile or the recovery key opens no slot.
    WrongPassword,
    /// 13: `plainview.toml` is damaged or forged.
    Damaged,
    /// 14: the vault's format is newer than this program.
    Newer,
    /// 16: a file that was to be made is there already.
    Exists,
    /// 17: not everything was imported or exported.
    Incomplete,
    /// 26: damage was found, or something could not be read for it.
    DamageFound,
}

impl Code {
    /// The number that the process leaves with.
    pub fn number(self) -> u8 {
        match self {
            Self::Other => 1,
            Self::Usage => 2,
            Self::NotEmpty => 6,
            Self::NotAVault => 7,
            Self::InUse => 8,
            Self::CannotMount => 9,
            Self::WrongPassword => 12,
            Self::Damaged => 13,
            Self::Newer => 14,
            Self::Exists => 16,
            Self::Incomplete => 17,
            Self::DamageFound => 26,
        }
    }
}

/// Why a command failed: what happened, which file, what to do.
#[derive(Debug)]
pub struct Failure {
    code: Code,
    message: String,
}

impl Failure {
    /// A failure that has a code of its own. `message` begins in lower case, since `plainview: ` stands before it, and has no full stop at its end.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }

    /// A failure with code 1.
    pub fn other(message: impl Into<String>) -> Self {
        Self::new(Code::Other, message)
    }

    /// Why the `plainview.toml` of `vault` could not be made, read or unlocked.
    pub fn config(vault: &Path, error: &ConfigError) -> Self {
        let (vault, file) = (vault.display(), vault.join("plainview.toml"));
        let file = file.display();
        match error {
            ConfigError::NotAVault => Self::new(
                Code::NotAVault,
                format!(
                    "{vault} is not a vault: {error}; `plainview init` makes a vault of an empty directory, and `plainview mount --recipe` shows a recipe folder"
                ),
            ),
            ConfigError::Exists => Self::new(
                Code::NotEmpty,
                format!("{vault} is a vault already; `plainview info` tells about it"),
            ),
            ConfigError::Damaged(_) => Self::new(
                Code::Damaged,
                format!("{file} is damaged or forged: {error}; put back a copy of it"),
            ),
            ConfigError::Newer(format) => Self::new(
                Code::Newer,
                format!("{file} has format {format}, and this plainview knows no format newer than {FORMAT}; get a newer one"),
            ),
            ConfigError::Wrong(_) => Self::new(
                Code::WrongPassword,
                format!(
                    "{error} for {vault}; try again, and mind capitals and the keyboard (`plainview key list` says what else opens it)"
                ),
            ),
            ConfigError::NoSuchKind(kind) => Self::new(
                Code::WrongPassword,
                format!("no slot of {vault} is opened by a {kind}; `plainview key list` says what opens it"),
            ),
            ConfigError::NoSuchSlot(_) => Self::other(format!("{error} in {vault}; `plainview key list` says which there are")),
            ConfigError::LastSlot => Self::other(format!(
                "without this slot nothing would open {vault}: {error}; add another one first (`plainview key add`)"
            )),
            ConfigError::Full => Self::other(format!(
                "cannot add a slot to {vault}: {error}; remove one first (`plainview key remove`)"
            )),
            ConfigError::Changed => Self::other(format!(
                "{error} in {vault}, and it was left as it is now; look with `plainview key list`"
            )),
            ConfigError::Locked => Self::new(
                Code::InUse,
                format!(
                    "{vault}: {error}; where directories cannot be locked, such as on some network filesystems, that is also a mount: unmount it first"
                ),
            ),
            ConfigError::NoMemory(_) => Self::other(format!("cannot make a key of the password for {vault}: {error}")),
            ConfigError::Os(errno) => Self::other(format!("cannot use {file}: {}", advised(*errno))),
            ConfigError::NotDurable(_) => Self::other(format!("{file}: {error}")),
        }
    }

    /// The failure that a password which is not there means.
    pub(super) fn password(error: PasswordError) -> Self {
        Self::other(match error {
            PasswordError::File { path, error } => format!("cannot open the password file {}: {}", path.display(), advised(error)),
            PasswordError::Line {
                from,
                error: LineError::Read(error),
            } => format!("no password from {from}: {}", advised(error)),
            PasswordError::Line { .. } => format!("{error}; one line with the password is needed"),
            PasswordError::Program {
                ref program,
                error: ref why,
            } => {
                format!(
                    "cannot run the password program {program:?} (--extpass, without a shell): {}",
                    advised(Errno::from_io_error(why).unwrap_or(Errno::IO))
                )
            }
            PasswordError::Status { .. } => format!("{error}; run it by hand to see why (--extpass)"),
            PasswordError::Terminal(_) | PasswordError::Mismatch | PasswordError::NotText | PasswordError::Command(_) => error.to_string(),
        })
    }

    /// The code.
    pub fn code(&self) -> Code {
        self.code
    }

    /// The same failure, with another code.
    pub(super) fn with_code(self, code: Code) -> Self {
        Self { code, ..self }
    }

    /// Writes the message to standard error. That nobody listens there is no reason to fail otherwise.
    pub fn report(&self) {
        let _ = writeln!(std::io::stderr(), "{} {self}", coloured("plainview:", AnsiColor::Red));
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&escaped(&in_words(&self.message)))
    }
}

/// Tells of something that is no failure, where warnings are logged at all. As for [`Failure::report`], nobody need listen.
pub(super) fn warn(message: &str) {
    if log::max_level() >= log::LevelFilter::Warn {
        let warning = coloured("warning:", AnsiColor::Yellow);
        let _ = writeln!(std::io::stderr(), "plainview: {warning} {}", escaped(message));
    }
}

/// `text` without the numbers that the standard library puts behind the operating system's words: ` (os error 2)`.
fn in_words(text: &str) -> String {
    let mut parts = text.split(" (os error ");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let rest = part.trim_start_matches(|c: char| c.is_ascii_digit());
        match rest.strip_prefix(')') {
            Some(rest) if !part.starts_with(')') => out.push_str(rest),
            Some(_) | None => {
                out.push_str(" (os error ");
                out.push_str(part);
            }
        }
    }
    out
}

/// `text` with its control characters escaped, except line ends: it may hold names and text from a vault that is not ours, and a terminal obeys what
/// it is sent.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() && c != '\n' {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_errors_are_left_out() {
        let error = rustix::io::Errno::NOENT;
        assert_eq!(
            in_words(&format!("/dev/fuse ({error}): go on: {error}")),
            "/dev/fuse (No such file or directory): go on: No such file or directory"
        );
        for as_it_is in ["a (os error", "a (os error )", "a (os error x)", "a (os error 2"] {
            assert_eq!(in_words(as_it_is), as_it_is);
        }
    }
}
