//! What people type: the arguments of every command, and one file per command. Glue, no logic.
//!
//! Knows how each command is spelled and which code it leaves with; does not know how anything is done. Keeps true: no secret is taken from an argument or
//! the environment.

mod access;
mod access_args;
mod advice;
mod args;
mod cat;
mod check;
mod check_args;
mod check_lines;
mod copying;
pub mod exit;
mod export;
mod generate;
mod helper;
mod import;
mod import_recipe;
mod info;
mod init;
mod journal;
mod key;
mod key_args;
mod ls;
mod ls_lines;
mod mount;
mod passwd;
mod path;
mod place;
mod progress;
mod recipe;
mod salvage;
mod status;
#[cfg(test)]
mod tests;
mod umount;
mod unlock;
mod voice;

pub use access_args::*;
pub use args::*;
pub use check_args::*;
pub use generate::GenerateCommand;
pub use key_args::*;
pub use unlock::UnlockArgs;

use advice::advised;
use clap::Parser;
use exit::{Code, Failure};
use helper::Form;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use std::ffi::OsString;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::path::Path;
use voice::Voice;

/// Reads the arguments of this process and runs the command, also where it was called as a helper of mount(8) or umount(8). Where the arguments are wrong, it ends the process.
///
/// # Errors
/// As for [`run`].
pub fn start() -> Result<(), Failure> {
    let words: Vec<_> = std::env::args_os().collect();
    match Form::of(words.first().map(OsString::as_os_str)) {
        Form::Plainview => run(&Cli::parse_from(words)),
        Form::Mount => helper::mount(words),
        Form::Umount => helper::umount(words),
    }
}

/// Runs the command.
///
/// # Errors
/// What to tell the user, and the exit code.
pub fn run(cli: &Cli) -> Result<(), Failure> {
    let voice = Voice::of(cli.quiet, cli.verbose)?;
    crate::mount::start_logging(voice.level());
    match &cli.command {
        Command::Init(args) => init::run(args, voice),
        Command::Mount(args) => mount::run(args),
        Command::Umount(args) => umount::run(args),
        Command::Status(args) => status::run(args),
        Command::Info(args) => info::run(args),
        Command::Recipe(command) => recipe::run(command),
        Command::Ls(args) => ls::run(args),
        Command::Cat(args) => cat::run(args),
        Command::Export(args) => export::run(args, voice),
        Command::Import(args) => import::run(args, voice),
        Command::Path(args) => path::run(args),
        Command::Check(args) => check::run(args, voice),
        Command::Salvage(args) => salvage::run(args, voice),
        Command::Key(command) => key::run(command, voice),
        Command::Passwd(args) => passwd::run(args, voice),
        Command::Generate(command) => generate::run(command),
    }
}

/// Prints `text` on standard output. That the reader has gone is no failure: `plainview info VAULT | head -1`.
///
/// # Errors
/// Any other failure to write.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    print_bytes(text.as_bytes())
}

/// As [`print()`], of what need not be text.
///
/// # Errors
/// As there.
pub(crate) fn print_bytes(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::other(format!("cannot write to standard output: {error}"))),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// The directory of a vault, open for the descriptor-relative calls that everything else is made of.
///
/// # Errors
/// That there is no such directory, which makes it no vault, or what the operating system says.
pub(crate) fn open_vault(vault: &Path) -> Result<OwnedFd, Failure> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::open(vault, flags, Mode::empty()).map_err(|errno| match errno {
        Errno::NOENT | Errno::NOTDIR => Failure::new(
            Code::NotAVault,
            match vault.symlink_metadata() {
                Ok(_) => format!("{} is not a vault: it is not a directory; check the path", vault.display()),
                Err(_) => format!(
                    "{} is not a vault: there is no such directory; check the path, or make a vault there with `plainview init`",
                    vault.display()
                ),
            },
        ),
        _ => Failure::other(format!("cannot open {}: {}", vault.display(), advised(errno))),
    })
}
