//! The arguments of the commands that work in a vault without mounting it.

use super::UnlockArgs;
use clap::Args;
use std::ffi::OsString;
use std::path::PathBuf;

/// Arguments of `plainview ls`.
#[derive(Debug, Args)]
#[command(after_help = "\
PATH is from the root of the vault on, in the clear. Symlinks on the way to it are followed as long as they \
stay in the vault. Names are sorted by their bytes; at a terminal what could not be shown of them is escaped. \
Times are UTC, owners are numbers.

The vault may be mounted meanwhile, be on a read-only disk, or belong to somebody else, as long as it can be \
read; nothing is written. The exit code is 26 when something could not be read for damage.

Examples:
  plainview ls ~/Vault
  plainview ls -lR ~/Vault Documents
  plainview ls --json -R ~/Vault | jq -r 'select(.size > 1000000) | .path'")]
pub struct LsArgs {
    /// Also kind and mode, links, owner, group, size, time of modification, and symlinks' targets
    #[arg(short, long)]
    pub long: bool,
    /// Also what is in directories, and in those in them
    #[arg(short = 'R', long)]
    pub recursive: bool,
    /// Also names that begin with a dot; as it is always
    #[arg(short, long)]
    pub all: bool,
    /// Print JSON, one object per line
    #[arg(long, conflicts_with = "long")]
    pub json: bool,
    /// What opens the vault.
    #[command(flatten)]
    pub unlock: UnlockArgs,
    /// The vault
    #[arg(value_name = "VAULT")]
    pub vault: PathBuf,
    /// What to list [default: everything in the root of the vault]
    #[arg(value_name = "PATH")]
    pub paths: Vec<OsString>,
}

/// Arguments of `plainview cat`.
#[derive(Debug, Args)]
#[command(after_help = "\
The bytes of the files go to standard output, one file after the other, as they are. Where a file is damaged, \
its output ends before the damage; the next one goes on, and the exit code is 26.

The vault may be mounted meanwhile, be on a read-only disk, or belong to somebody else, as long as it can be \
read; nothing is written.

Examples:
  plainview cat ~/Vault notes.txt
  plainview cat ~/Vault films/holiday.mkv | mpv -")]
pub struct CatArgs {
    /// What opens the vault.
    #[command(flatten)]
    pub unlock: UnlockArgs,
    /// The vault
    #[arg(value_name = "VAULT")]
    pub vault: PathBuf,
    /// The files
    #[arg(value_name = "PATH", required = true)]
    pub paths: Vec<OsString>,
}

/// How export and import tell of what they do, and what they do with what is there.
#[derive(Debug, Args)]
pub struct CopyArgs {
    /// Compare files that are there already byte by byte, also where size and time of modification are the same
    #[arg(long)]
    pub compare: bool,
    /// Print JSON, one object per line
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `plainview export`.
#[derive(Debug, Args)]
#[command(after_help = "\
Each PATH becomes DIR/NAME, with all that is below it; / becomes DIR itself. DIR is made if it is not there. \
Times, modes, extended attributes, ACLs, hard links, symlinks, holes and, as root, owners are kept.

Each file is written under another name, synced, read back and compared before it gets its own name, so an \
export that was interrupted can be run again: what is there already, with the same size and time of \
modification or the same contents, is skipped. What is there and differs is left alone, unless --force says \
otherwise; nothing is ever removed, and no symlink in DIR followed. Damaged files are told of and left out; \
`plainview salvage` saves what is left of one.

Exit codes: 17 when something was left out, 26 when that was for damage.

Examples:
  plainview export ~/Vault / ~/everything
  plainview export ~/Vault Documents photos/2024 /mnt/stick")]
pub struct ExportArgs {
    /// Replace files in DIR that differ
    #[arg(long)]
    pub force: bool,
    /// How to go about it.
    #[command(flatten)]
    pub copy: CopyArgs,
    /// What opens the vault.
    #[command(flatten)]
    pub unlock: UnlockArgs,
    /// The vault
    #[arg(value_name = "VAULT")]
    pub vault: PathBuf,
    /// What to export
    #[arg(value_name = "PATH", required = true)]
    pub paths: Vec<OsString>,
    /// The directory to export to
    #[arg(value_name = "DIR")]
    pub dir: PathBuf,
}

/// Arguments of `plainview import`.
#[derive(Debug, Args)]
#[command(override_usage = "\
plainview import [OPTIONS] VAULT SRC... PATH
       plainview import --recipe [OPTIONS] FOLDER VAULT")]
#[command(after_help = "\
Each SRC becomes PATH/NAME in the vault, with all that is below it; a SRC without a name, such as . or /, \
becomes PATH itself. PATH is made if it is not there, but not what is above it. Times, modes, extended \
attributes, ACLs, hard links, symlinks, holes and, as root, owners are kept.

Each file is written into the vault under another name, synced, read back and compared before it gets its own \
name, so an import that was interrupted can be run again: what is there already, with the same size and time \
of modification or the same contents, is skipped. What is there and differs is left alone, unless --force says \
otherwise, and nothing is ever removed.

With --recipe, each NAME.enc in FOLDER is decrypted and becomes NAME in the vault; other files are left where \
they are, and what is there already is always compared byte by byte. Two passwords are asked for at the \
terminal: the folder's, then the vault's. Where standard input is no terminal, they are two lines of it, in \
that order. Each can come from elsewhere.

Examples:
  plainview import ~/Vault letter.odt photos /
  plainview import ~/Vault ~/Documents/. Documents
  plainview import --recipe ~/Encrypted ~/Vault
  plainview import --recipe --remove ~/Encrypted ~/Vault
  plainview import --recipe --recipe-key-hex-file key.hex ~/Encrypted ~/Vault")]
pub struct ImportArgs {
    /// FOLDER holds files NAME.enc of the PyCrypto article's program
    #[arg(long)]
    pub recipe: bool,
    /// With --recipe: remove each file from FOLDER as soon as it is safe in the vault
    #[arg(long, requires = "recipe")]
    pub remove: bool,
    /// Replace files in the vault that differ; with --recipe: import even if FOLDER's password seems to be wrong
    #[arg(long)]
    pub force: bool,
    /// How to go about it.
    #[command(flatten)]
    pub copy: CopyArgs,
    /// Read FOLDER's password from the first line of this file
    #[arg(long, value_name = "F", requires = "recipe", conflicts_with = "recipe_extpass")]
    pub recipe_passfile: Option<PathBuf>,
    /// Run this program, without a shell, and take the first line that it prints as FOLDER's password
    #[arg(long, value_name = "CMD", requires = "recipe")]
    pub recipe_extpass: Option<OsString>,
    /// Take FOLDER's key from this file: 32, 48 or 64 hexadecimal digits
    #[arg(long, value_name = "F", requires = "recipe", conflicts_with_all = ["recipe_passfile", "recipe_extpass"])]
    pub recipe_key_hex_file: Option<PathBuf>,
    /// What opens the vault.
    #[command(flatten)]
    pub unlock: UnlockArgs,
    /// VAULT SRC... PATH: the vault, what to import, and the directory in the vault. With --recipe, FOLDER VAULT: the folder to import, and the vault, not mounted
    #[arg(value_name = "ARG", required = true, num_args = 2..)]
    pub places: Vec<PathBuf>,
}

/// Arguments of `plainview path`.
#[derive(Debug, Args)]
#[command(after_help = "\
Prints the path from the vault's own directory on, or, with --reverse, the path in the clear. What is not there \
has none: that is an error, and the exit code 1. Symlinks on the way are followed, one at the end is meant itself.

A path in the vault may also begin with the vault's own path. A name that is too long for the disk is kept in \
two files, plainview.long.X, which is the file, and plainview.name.X beside it; both belong to the same path.

Examples:
  plainview path ~/Vault Documents/letter.odt
  plainview path --reverse ~/Vault ~/Vault/kXQ.../3kf...")]
pub struct PathArgs {
    /// PATH is one in the vault; print that in the clear
    #[arg(long)]
    pub reverse: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// What opens the vault.
    #[command(flatten)]
    pub unlock: UnlockArgs,
    /// The vault
    #[arg(value_name = "VAULT")]
    pub vault: PathBuf,
    /// The paths
    #[arg(value_name = "PATH", required = true)]
    pub paths: Vec<OsString>,
}
