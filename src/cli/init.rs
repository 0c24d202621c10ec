//! `plainview init`.

use super::advice::advised;
use super::exit::{Code, Failure, escaped};
use super::key::{measured, show};
use super::voice::Voice;
use super::{InitArgs, open_vault};
use crate::keys::{Config, ConfigError, Names, NewSlot, Opener, RecoveryKey};
use crate::password::{Asking, KdfCost, MEMORY_KIB, PASSES};
use rustix::fs::{Dir, Mode};
use rustix::io::Errno;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

/// Runs the command.
pub(super) fn run(args: &InitArgs, voice: Voice) -> Result<(), Failure> {
    let made = create(args)?;
    voice.tell(&escaped(&next_steps(&args.vault)))?;
    voice.tell(&measured(made.cost, made.takes))?;
    match &made.recovery {
        Some(key) => show(RECOVERY_SLOT, &args.vault, key),
        None => Ok(()),
    }
}

/// What is to be told of a new vault.
pub(super) struct Made {
    cost: KdfCost,
    takes: Option<Duration>,
    recovery: Option<RecoveryKey>,
}

/// The slot of the recovery key; the password's is the first.
const RECOVERY_SLOT: u32 = 2;

/// Makes the vault. Nothing is made before the password is there, and nothing is left on failure.
pub(super) fn create(args: &InitArgs) -> Result<Made, Failure> {
    let place = inspect(&args.vault)?;
    let password = args.password.ask(Asking::New)?;
    let names = if args.plain_names { Names::Plain } else { Names::Encrypted };
    let (cost, takes) = args.kdf.cost(KdfCost::DEFAULT)?;
    let slot = NewSlot::password(String::new(), &password, cost).map_err(|error| Failure::config(&args.vault, &error.into()))?;
    drop(password);
    let recovery = args.recovery_key.then(RecoveryKey::random);
    let recovery_slot = recovery.as_ref().map(|key| NewSlot {
        label: String::new(),
        opener: Opener::Recovery,
        key: key.slot_key(),
    });
    let slots: Vec<NewSlot> = [slot].into_iter().chain(recovery_slot).collect();
    match place {
        Place::Empty => make(&args.vault, names, &slots)?,
        Place::Missing => make_with_directory(&args.vault, names, &slots)?,
    }
    Ok(Made { cost, takes, recovery })
}

fn next_steps(vault: &Path) -> String {
    let quoted = shlex::bytes::try_quote(vault.as_os_str().as_bytes()).unwrap_or_default();
    let quoted = String::from_utf8_lossy(&quoted);
    format!(
        "Made a vault in {}. To see it in the clear, on a directory of your choice:\n    \
             plainview mount {quoted} MOUNTPOINT\n\
         Without its plainview.toml the password opens nothing: keep a copy of that file, and remember the password.\n",
        vault.display()
    )
}

/// What is where the vault is to be.
enum Place {
    /// An empty directory.
    Empty,
    /// Nothing, in a directory that is there.
    Missing,
}

fn inspect(vault: &Path) -> Result<Place, Failure> {
    match std::fs::symlink_metadata(vault) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => inspect_parent(vault),
        Err(error) => Err(Failure::other(format!("cannot look at {}: {}", vault.display(), advised(error)))),
        Ok(_) if !vault.is_dir() => Err(Failure::other(format!(
            "{} is not a directory; give a new or an empty one",
            vault.display()
        ))),
        Ok(_) => refuse_entries(vault, open_vault(vault)?.as_fd()).map(|()| Place::Empty),
    }
}

fn inspect_parent(vault: &Path) -> Result<Place, Failure> {
    let parent = parent(vault);
    if parent.is_dir() {
        Ok(Place::Missing)
    } else {
        Err(Failure::other(format!(
            "cannot make {}: there is no directory {}; make that first",
            vault.display(),
            parent.display()
        )))
    }
}

fn parent(vault: &Path) -> &Path {
    match vault.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    }
}

fn refuse_entries(vault: &Path, root: BorrowedFd<'_>) -> Result<(), Failure> {
    let cannot_list = |errno: Errno| Failure::other(format!("cannot list {}: {}", vault.display(), advised(errno)));
    for entry in Dir::read_from(root).map_err(cannot_list)? {
        match entry.map_err(cannot_list)?.file_name().to_bytes() {
            b"." | b".." => {}
            b"plainview.toml" => return Err(Failure::config(vault, &ConfigError::Exists)),
            _ => {
                return Err(Failure::new(
                    Code::NotEmpty,
                    format!("{} is not empty; give a new or an empty directory", vault.display()),
                ));
            }
        }
    }
    Ok(())
}

/// Makes the directory `vault` and the vault in it, or neither.
fn make_with_directory(vault: &Path, names: Names, slots: &[NewSlot]) -> Result<(), Failure> {
    rustix::fs::mkdir(vault, Mode::RWXU)
        .map_err(|errno| Failure::other(format!("cannot make the directory {}: {}", vault.display(), advised(errno))))?;
    make(vault, names, slots).inspect_err(|_| {
        let _ = rustix::fs::rmdir(vault); // an empty directory is all that could be left
    })?;
    // The vault is durable; that its directory has a name, too, is up to this. Not every filesystem lets a directory be synced.
    let _ = File::open(parent(vault)).and_then(|parent| parent.sync_all());
    Ok(())
}

/// Makes the vault in the directory `vault`, which may have changed while the password was typed.
fn make(vault: &Path, names: Names, slots: &[NewSlot]) -> Result<(), Failure> {
    let root = open_vault(vault)?;
    refuse_entries(vault, root.as_fd())?;
    Config::create_with(root.as_fd(), names, slots)
        .map(drop)
        .map_err(|error| Failure::config(vault, &error))
}

/// `--kdf-memory`: a number and a unit (K, KiB, M, MiB, G or GiB, in either case), in KiB and within bounds.
pub(super) fn parse_memory_kib(text: &str) -> Result<u32, String> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let kib: u32 = match unit.to_ascii_lowercase().as_str() {
        "k" | "kib" if !number.is_empty() => 1,
        "m" | "mib" if !number.is_empty() => 1 << 10,
        "g" | "gib" if !number.is_empty() => 1 << 20,
        _ => return Err("it must be a number and a unit, like 256M, 256MiB or 1G".to_owned()),
    };
    // Digits that do not fit are a number that is too large.
    let size = number.parse().ok().and_then(|number: u32| number.checked_mul(kib));
    size.filter(|kib| MEMORY_KIB.contains(kib))
        .ok_or_else(|| "it must be 8MiB to 4GiB".to_owned())
}

/// `--kdf-passes`: a number within bounds.
pub(super) fn parse_passes(text: &str) -> Result<u32, String> {
    let passes = text.parse().ok().filter(|passes| PASSES.contains(passes));
    passes.ok_or_else(|| format!("it must be {} to {}", PASSES.start(), PASSES.end()))
}
