//! `plainview generate`: man pages and completions, made of the same definitions as the command line, so that they cannot tell anything else. What a package
//! installs; hidden, since nobody else needs it.

mod completions;
mod man;

use super::exit::Failure;
use clap::{Subcommand, ValueHint};
use std::path::{Path, PathBuf};

/// The commands of `plainview generate`.
#[derive(Debug, Subcommand)]
pub enum GenerateCommand {
    /// Write a man page for each command, and for mount.plainview
    Man {
        /// Where to
        #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
        directory: PathBuf,
    },
    /// Write completions for bash, zsh and fish
    Completions {
        /// Where to
        #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
        directory: PathBuf,
    },
}

/// Runs the command.
pub(super) fn run(command: &GenerateCommand) -> Result<(), Failure> {
    match command {
        GenerateCommand::Man { directory } => man::write(directory),
        GenerateCommand::Completions { directory } => completions::write(directory),
    }
}

/// Writes the file `name` in `directory`.
fn write(directory: &Path, name: &str, contents: &[u8]) -> Result<(), Failure> {
    let path = directory.join(name);
    std::fs::write(&path, contents).map_err(|error| Failure::other(format!("cannot write {}: {error}", path.display())))
}
