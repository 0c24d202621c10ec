//! The arguments of every command, as they are spelled.

use super::advice::advised;
use super::exit::Failure;
use super::{
    CatArgs, CheckArgs, ExportArgs, GenerateCommand, ImportArgs, KdfArgs, KeyCommand, LsArgs, PasswdArgs, PathArgs, SalvageArgs,
    UnlockArgs, journal,
};
use crate::password::{self, Asking, Password, Source};
use crate::recipe::{KeyError, RecipeKey};
use clap::{Args, Parser, Subcommand};
use std::ffi::OsString;
use std::fs::File;
use std::path::PathBuf;
use std::time::Duration;

/// The command line.
#[derive(Debug, Parser)]
#[command(
    name = "plainview",
    version,
    about = "A folder that is encrypted on disk and shown in the clear while it is mounted"
)]
#[command(arg_required_else_help = true, max_term_width = 100, after_help = EXAMPLES)]
pub struct Cli {
    /// Say nothing but errors, and what was asked for
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Tell on standard error what is done
    #[arg(short, long, global = true)]
    pub verbose: bool,
    /// Be the child that a start in the background consists of; only ever given by the program itself, as its first argument.
    #[arg(long, hide = true, global = true)]
    pub background_child: bool,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const EXAMPLES: &str = "Examples:
  plainview init ~/Vault               make a vault
  plainview mount ~/Vault ~/Private    show it in the clear
  plainview umount ~/Private           only ciphertext is left";

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a vault in a new or empty directory
    Init(InitArgs),
    /// Show a vault in the clear on a mount point
    Mount(MountArgs),
    /// End a mount; when it returns, everything is on disk
    Umount(UmountArgs),
    /// Tell what is mounted, and how it is with it
    Status(StatusArgs),
    /// Tell what can be known of a vault without its password
    Info(InfoArgs),
    /// Encrypt or decrypt single files as the Python recipe does
    #[command(subcommand)]
    Recipe(RecipeCommand),
    /// List what is in a vault, without mounting it
    Ls(LsArgs),
    /// Print files of a vault, without mounting it
    Cat(CatArgs),
    /// Copy files out of a vault, without mounting it
    Export(ExportArgs),
    /// Copy files, or a recipe folder, into a vault, without mounting it
    Import(ImportArgs),
    /// Tell where a file lies in a vault, or which file something in a vault is
    Path(PathArgs),
    /// Look for damage in a vault that is not mounted, and repair it
    Check(CheckArgs),
    /// Save what can still be read of a damaged file
    Salvage(SalvageArgs),
    /// Add, remove and test what opens a vault: passwords, keyfiles, recovery keys
    #[command(subcommand)]
    Key(KeyCommand),
    /// Change a password of a vault
    Passwd(PasswdArgs),
    /// Write man pages or completions, for packages
    #[command(subcommand, hide = true)]
    Generate(GenerateCommand),
}

/// Arguments of `plainview init`.
#[derive(Debug, Args)]
#[command(after_help = "\
The password is asked for at the terminal, twice, or is one line of standard input where that is no terminal, \
unless --passfile or --extpass says otherwise. Credentials and systemd's password agents, of which plainview-mount(1) \
tells, are not asked for a new password.

Examples:
  plainview init ~/Vault
  plainview init --plain-names ~/Vault
  plainview init --kdf-memory 1G --kdf-passes 4 ~/Vault
  plainview init --kdf-time 2s --recovery-key ~/Vault
  plainview init --extpass 'pass show vault' ~/Vault")]
pub struct InitArgs {
    /// Leave names and symlink targets unencrypted
    #[arg(long)]
    pub plain_names: bool,
    /// Make a recovery key, too, which is printed this once
    #[arg(long)]
    pub recovery_key: bool,
    /// What a guess at the password costs.
    #[command(flatten)]
    pub kdf: KdfArgs,
    /// Where the password comes from.
    #[command(flatten)]
    pub password: PasswordArgs,
    /// The directory to make, or an empty one
    #[arg(value_name = "VAULT")]
    pub vault: PathBuf,
}

/// Arguments of `plainview mount`.
#[derive(Debug, Args)]
#[command(after_help = "\
Without --passfile, --extpass or --keyfile, the password is, in this order: the first line of the file \
$CREDENTIALS_DIRECTORY/plainview.NAME, where a service was given that credential (NAME is the last part of the vault's \
path, symlinks resolved); what is typed at the terminal; what systemd's password agents are answered, if standard input is \
/dev/null, there is no terminal, and systemd runs, as at boot; one line of standard input. A recovery key comes from \
the same places, but for the credential, and the password of a recipe folder from the terminal or standard input. The \
other commands that open a vault do the same.

Examples:
  plainview mount ~/Vault ~/Private
  plainview mount --ro --passfile /run/keys/vault ~/Vault ~/Private
  plainview mount -f ~/Vault ~/Private -o allow_other")]
pub struct MountArgs {
    /// Stay in the foreground
    #[arg(short, long)]
    pub foreground: bool,
    /// Mount read-only
    #[arg(long)]
    pub ro: bool,
    /// Show the files NAME.enc of the PyCrypto article's program, and not a vault
    #[arg(long)]
    pub recipe: bool,
    /// Where the key of a recipe folder comes from, if not from a password.
    #[command(flatten)]
    pub key: RecipeKeyArgs,
    /// With --recipe: show other files, too, as they are and read-only
    #[arg(long, requires = "recipe")]
    pub show_others: bool,
    /// DANGEROUS: write to files without the journal. When the power fails or the program is killed, files that were being changed may become UNREADABLE, also those synced
    /// long before
    #[arg(long, conflicts_with = "recipe")]
    pub no_journal: bool,
    /// How long the journal may become, and how much may be kept in memory: 4MiB to 1GiB [default: 64MiB]
    #[arg(long, value_name = "SIZE", value_parser = journal::parse_size, conflicts_with_all = ["recipe", "no_journal"])]
    pub journal_size: Option<u64>,
    /// Unmount when nothing was used for that long, such as 15m; never while a file or directory in it is in use
    #[arg(long, value_name = "TIME", value_parser = crate::mount::parse_idle)]
    pub idle: Option<Duration>,
    /// How long the kernel goes by what it knows of names and attributes, so for how long what others change in the vault, such as a sync client, may go unseen: 0s to 24h
    /// [default: 1s]
    #[arg(long, value_name = "TIME", value_parser = crate::mount::parse_cache_time)]
    pub cache_time: Option<Duration>,
    /// Mount options, separated by commas: allow_other, acl, noacl, nonempty, idle=TIME, cache_time=TIME, and those of mount(8) such as ro, nodev, nosuid, noexec, noatime, nofail, x-*
    #[arg(short, value_name = "OPT,...", value_delimiter = ',')]
    pub options: Vec<String>,
    /// What opens the vault.
    #[command(flatten)]
    pub unlock: UnlockArgs,
    /// Whether this is the child that a start in the background consists of.
    #[arg(from_global)]
    pub background_child: bool,
    /// The vault
    #[arg(value_name = "VAULT")]
    pub vault: PathBuf,
    /// The directory to show it on
    #[arg(value_name = "MOUNTPOINT")]
    pub mountpoint: PathBuf,
}

/// Arguments of `plainview umount`.
#[derive(Debug, Args)]
#[command(after_help = "\
When somebody uses it, it stays mounted, and who that is is told. With --lazy it is taken out of sight then: nothing can be opened there any more, what is open goes on, \
and when the last of that is closed, everything is written to disk and the daemon ends.

Examples:
  plainview umount ~/Private
  plainview umount --lazy ~/Private")]
pub struct UmountArgs {
    /// When it is in use, take it out of sight now; it ends when nobody uses it any more
    #[arg(long)]
    pub lazy: bool,
    /// The directory that a vault is shown on
    #[arg(value_name = "MOUNTPOINT")]
    pub mountpoint: PathBuf,
}

/// Arguments of `plainview status`.
#[derive(Debug, Args)]
#[command(after_help = "\
Daemons tell this to who mounted and to root. Open files are those of processes that can be seen: only root sees all.

With --json it is a list of objects. mountpoint, vault, read_only, allow_other, uid and user, state (running, dead, silent, denied, covered or unknown), open_files, processes (pid and command of each that \
uses it) and all_seen are there for each. What only its daemon can tell is null where that does not: pid, kind (vault or recipe), since (seconds since 1970), requests, read_bytes, \
written_bytes, journal (used and size, in bytes), idle (limit and left, in seconds), damage (files and findings since it was mounted).

Examples:
  plainview status
  plainview status ~/Private
  plainview status --json | jq '.[].mountpoint'")]
pub struct StatusArgs {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Ask the daemon of the mount at the path; only ever given by the program itself.
    #[arg(long, hide = true, requires = "path")]
    pub pass_on: bool,
    /// Only what is mounted there, or is the vault there
    #[arg(value_name = "MOUNTPOINT|VAULT")]
    pub path: Option<PathBuf>,
}

/// Arguments of `plainview info`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  plainview info ~/Vault
  plainview info --json ~/Vault | jq .slots")]
pub struct InfoArgs {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// The vault
    #[arg(value_name = "VAULT")]
    pub vault: PathBuf,
}

/// The commands of `plainview recipe`.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  plainview recipe encrypt notes.txt
  plainview recipe decrypt notes.txt.enc")]
pub enum RecipeCommand {
    /// Encrypt files: FILE becomes FILE.enc, and stays
    #[command(after_help = ENCRYPT_HELP)]
    Encrypt(RecipeArgs),
    /// Decrypt files: FILE.enc becomes FILE, and stays
    #[command(after_help = DECRYPT_HELP)]
    Decrypt(RecipeArgs),
}

const ENCRYPT_HELP: &str = "\
This format is weak: a changed file goes unnoticed, and its key is a bare hash, so that guessing the \
password is cheap; for anything new, make a vault (`plainview init`).

Examples:
  plainview recipe encrypt notes.txt
  plainview recipe encrypt -o Encrypted *.jpg
  plainview recipe encrypt --key-hex-file key.hex -o - notes.txt";

const DECRYPT_HELP: &str = "\
This format is weak: a changed file goes unnoticed, and its key is a bare hash, so that guessing the \
password is cheap; for anything new, make a vault (`plainview init`).

Examples:
  plainview recipe decrypt notes.txt.enc
  plainview recipe decrypt -o Plain *.enc
  plainview recipe decrypt --passfile /run/keys/recipe -o - notes.txt.enc";

/// Arguments of `plainview recipe encrypt` and `plainview recipe decrypt`.
#[derive(Debug, Args)]
pub struct RecipeArgs {
    /// Where to: a file, or an existing directory, or - for standard output [default: beside FILE]
    #[arg(short, long, value_name = "OUT")]
    pub output: Option<PathBuf>,
    /// Replace files that are there already
    #[arg(long)]
    pub force: bool,
    /// Where the key comes from, if not from a password.
    #[command(flatten)]
    pub key: RecipeKeyArgs,
    /// Where the password comes from.
    #[command(flatten)]
    pub password: PasswordArgs,
    /// The files
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
}

/// Where the key of recipe files comes from; without this, it is made of a password.
#[derive(Debug, Args)]
pub struct RecipeKeyArgs {
    /// Take the key from this file: 32, 48 or 64 hexadecimal digits
    #[arg(long, value_name = "F", conflicts_with_all = ["passfile", "extpass"])]
    pub key_hex_file: Option<PathBuf>,
}

impl RecipeKeyArgs {
    /// Gets the key, asking for the password if it is to come from that.
    ///
    /// # Errors
    /// That none came from there, with what to do.
    pub fn ask(&self, password: &PasswordArgs, asking: Asking) -> Result<RecipeKey, Failure> {
        let Some(path) = &self.key_hex_file else {
            return password.ask(asking).map(|password| RecipeKey::of_password(&password));
        };
        let read = File::open(path)
            .map_err(KeyError::Read)
            .and_then(|mut file| RecipeKey::read_hex(&mut file));
        let why = |error| match error {
            KeyError::Read(error) => advised(error),
            KeyError::NotHex => KeyError::NotHex.to_string(),
        };
        read.map_err(|error| Failure::other(format!("no key from {}: {}", path.display(), why(error))))
    }
}

/// Where the password comes from; without these, the terminal, or one line of standard input when that is no terminal.
#[derive(Clone, Debug, Args)]
pub struct PasswordArgs {
    /// Read the password from the first line of this file
    #[arg(long, value_name = "F", conflicts_with = "extpass")]
    pub passfile: Option<PathBuf>,
    /// Run this program, without a shell, and take the first line that it prints as the password
    #[arg(long, value_name = "CMD")]
    pub extpass: Option<OsString>,
}

impl PasswordArgs {
    /// Gets the password.
    ///
    /// # Errors
    /// That none came from there, with what to do.
    pub fn ask(&self, asking: Asking) -> Result<Password, Failure> {
        password::get(&self.source(), asking).map_err(Failure::password)
    }

    /// Where it comes from.
    pub(super) fn source(&self) -> Source<'_> {
        match (&self.passfile, &self.extpass) {
            (Some(file), _) => Source::File(file),
            (None, Some(command)) => Source::Program(command),
            (None, None) => Source::Standard,
        }
    }
}
