//! `plainview mount`.

use super::advice::advised;
use super::exit::{Code, Failure};
use super::journal::{Journaling, over_journal};
use super::{MountArgs, open_vault};
use crate::folder::Folder;
use crate::journal;
use crate::keys::Config;
use crate::mount::{self, Audience, Kind, Lock, MountPoint, Options, Place, Start, Started};
use crate::password::Asking;
use crate::recipe::{self, Others, Recipe};
use crate::sys::limits;
use crate::vault::Vault;
use crate::view::{self, Ownership, View};
use rustix::fs::AtFlags;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::sync::Arc;

/// The argument that makes this program the child of a start in the background.
pub(super) const CHILD: &str = "--background-child";
/// Most descriptors that a view is given: what is open in it at one time, and some to spare.
const DESCRIPTORS: usize = 1000;
/// Descriptors for everything else: the device, once per thread, the lock, and what a request opens in passing.
const RESERVED: usize = 64;
/// The journal keeps files open that have entries in it.
const JOURNALED: usize = journal::FILES_MAX + 16;

/// Runs the command.
pub(super) fn run(args: &MountArgs) -> Result<(), Failure> {
    if args.key.key_hex_file.is_some() && !args.recipe {
        return Err(Failure::new(
            Code::Usage,
            "--key-hex-file is for --recipe: a vault opens with a password",
        ));
    }
    if args.recipe && (args.unlock.keyfile.is_some() || args.unlock.recovery) {
        return Err(Failure::new(
            Code::Usage,
            "--keyfile and --recovery open vaults; a recipe folder opens with a password or --key-hex-file",
        ));
    }
    let words = args.options.iter().map(String::as_str).chain(args.ro.then_some("ro"));
    let options = Options::parse(words)
        .map_err(|error| failure(&error))?
        .with_idle(args.idle)
        .with_cache_time(args.cache_time);
    if args.background_child {
        mount::follow_parent();
        return serve(args, &options, Start::Background);
    }
    if args.foreground {
        return serve(args, &options, Start::Foreground);
    }
    match mount::start_in_background(CHILD).map_err(|error| failure(&error))? {
        Started::Mounted => Ok(()),
        // The child has said all there is to say.
        Started::Failed(code) => std::process::exit(code.into()),
    }
}

/// All that can go wrong without the password is looked at before it is asked for.
fn serve(args: &MountArgs, options: &Options, start: Start) -> Result<(), Failure> {
    let path = args.vault.canonicalize().unwrap_or_else(|_| args.vault.clone());
    let root = open_vault(&path)?;
    let config = match args.recipe {
        true => None,
        false => Some(Config::read(root.as_fd()).map_err(|error| Failure::config(&args.vault, &error))?),
    };
    // Held until this function is left, which is after everything has been made durable.
    let lock = Lock::take(root.as_fd(), &path, options.access()).map_err(|error| failure(&error))?;
    let point = MountPoint::check(&args.mountpoint, &path, options).map_err(|error| failure(&error))?;
    let folder = match config {
        Some(config) => open_config(args, options, &config, root.as_fd())?,
        None => open_recipe(args, root.as_fd())?,
    };
    let view = Arc::new(open_view(folder, root.as_fd(), options)?);
    let place = Place {
        kind: if args.recipe { Kind::Recipe } else { Kind::Vault },
        vault: &path,
        root: root.as_fd(),
        point: &point,
        lock: lock.as_fd(),
    };
    mount::serve(place, options, &view, start).map_err(|error| failure(&error))
}

fn open_config(args: &MountArgs, options: &Options, config: &Config, root: BorrowedFd<'_>) -> Result<Box<dyn Folder>, Failure> {
    let master = args.unlock.unlock(config, &args.vault, Asking::Existing)?;
    let vault = Vault::new(&master, config.names());
    let access = match options.access() {
        view::Access::ReadWrite => journal::Access::ReadWrite,
        view::Access::ReadOnly => journal::Access::ReadOnly,
    };
    let journaling = match args.no_journal {
        true => Journaling::Off,
        false => Journaling::On(args.journal_size.unwrap_or(journal::SIZE)),
    };
    Ok(Box::new(over_journal(vault, &args.vault, root, &master, access, journaling)?))
}

fn open_recipe(args: &MountArgs, root: BorrowedFd<'_>) -> Result<Box<dyn Folder>, Failure> {
    refuse_vault(&args.vault, root)?;
    let key = args.key.ask(&args.unlock.password, Asking::Existing)?;
    log::info!("{}: {}", args.vault.display(), recipe::WEAKNESS);
    if let Some(warning) = recipe::check(root, &key).warning() {
        log::warn!("{}: {warning}", args.vault.display());
    }
    let others = if args.show_others { Others::Shown } else { Others::Hidden };
    let root = root
        .try_clone_to_owned()
        .map_err(|error| Failure::other(format!("cannot use the folder: {error}")))?;
    Ok(Box::new(Recipe::new(key, root, others)))
}

/// A vault is no recipe folder: it would show nothing, and what is made in it would be in nobody's format.
pub(super) fn refuse_vault(folder: &Path, root: BorrowedFd<'_>) -> Result<(), Failure> {
    match rustix::fs::statat(root, c"plainview.toml", AtFlags::SYMLINK_NOFOLLOW) {
        Ok(_) => Err(Failure::new(
            Code::Usage,
            format!("{} is a vault and no recipe folder: leave --recipe out", folder.display()),
        )),
        Err(_) => Ok(()),
    }
}

pub(super) fn open_view(folder: Box<dyn Folder>, root: BorrowedFd<'_>, options: &Options) -> Result<View, Failure> {
    let is_root = rustix::process::geteuid().is_root();
    let ownership = if is_root && options.audience() == Audience::Everyone {
        Ownership::Caller
    } else {
        Ownership::Daemon
    };
    let available = limits::raise_descriptors().saturating_sub(RESERVED);
    let descriptors = available.saturating_sub(JOURNALED).max(available / 2).min(DESCRIPTORS);
    let options = view::Options {
        access: options.access(),
        ownership,
        descriptors,
    };
    let root = root
        .try_clone_to_owned()
        .map_err(|error| Failure::other(format!("cannot use the vault: {error}")))?;
    View::new(folder, root, options).map_err(|error| Failure::other(format!("cannot use the vault: {error}")))
}

/// The failure, with its code, that an error in mounting or unmounting is.
pub(super) fn failure(error: &mount::Error) -> Failure {
    use mount::Error;
    let code = match error {
        Error::UnknownOption(_) | Error::BadOption(..) => Code::Usage,
        Error::InUse { .. } => Code::InUse,
        Error::NoMountPoint(_)
        | Error::NotADirectory(_)
        | Error::NotEmpty(_)
        | Error::AlreadyMounted { .. }
        | Error::Nested { .. }
        | Error::Inaccessible(..)
        | Error::DeadMount(..)
        | Error::NoDevice(_)
        | Error::DeviceDenied(_)
        | Error::NoFusermount
        | Error::Fusermount(..)
        | Error::Kernel(..)
        | Error::NoTable(_)
        | Error::Session(_) => Code::CannotMount,
        Error::Lock(..)
        | Error::Background(_)
        | Error::NotMounted(_)
        | Error::NothingMounted { .. }
        | Error::Busy { .. }
        | Error::CannotUnmount(..)
        | Error::NotDurable { .. } => Code::Other,
    };
    Failure::new(code, message(error))
}

/// What it says, and what to do where the operating system says why.
fn message(error: &mount::Error) -> String {
    use mount::Error;
    if let Error::Inaccessible(point, errno) = error {
        format!("cannot use mount point {}: {}", point.display(), advised(*errno))
    } else if let Error::Kernel(point, errno) = error {
        format!("cannot mount on {}: {}", point.display(), advised(*errno))
    } else if let Error::Lock(vault, errno) = error {
        format!("cannot lock {}: {}", vault.display(), advised(*errno))
    } else if let Error::NotMounted(_) = error {
        format!("{error}; `plainview status` lists what is")
    } else {
        error.to_string()
    }
}
