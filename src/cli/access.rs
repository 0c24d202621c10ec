//! A vault that a command reads, or writes, without mounting it.

use super::exit::{Code, Failure, warn};
use super::journal::{self as cli_journal, Journaling, over_journal};
use super::mount::failure;
use super::place::Place;
use super::{UnlockArgs, open_vault};
use crate::journal::{self, Journal};
use crate::keys::{Config, MasterKey};
use crate::local::Local;
use crate::mount::{Error, Lock, is_mount_of};
use crate::password::Asking;
use crate::vault::Vault;
use crate::view::{Access, View};
use rustix::fs::{Mode, OFlags};
use std::os::fd::AsFd;
use std::path::Path;

/// A vault in the clear, as long as this is there.
pub(super) struct Opened {
    /// What is in it.
    pub(super) view: View,
    /// Its directory.
    pub(super) place: Place,
    _lock: Option<Lock>,
}

/// Who has the vault.
enum Holder {
    /// Nobody but those who only read.
    Free(Lock),
    /// It is mounted there, where this process can look.
    Mount(Place),
    /// Somebody, whose view of it is out of reach.
    Other(Error),
}

/// Opens a vault to read it. Nothing is written: what a crash left in its journal is read as if it were in the files.
///
/// Beside a mount that may write, it is read by way of that: only there is all that was written. Where that is out of reach, what is on disk is all there is.
pub(super) fn to_read(path: &Path, args: &UnlockArgs) -> Result<Opened, Failure> {
    let place = Place::open(path, open_vault)?;
    let config = Config::read(place.root.as_fd()).map_err(|error| Failure::config(path, &error))?;
    let holder = holder(&place)?;
    let master = args.unlock(&config, path, Asking::Existing)?;
    let names = Vault::new(&master, config.names());
    let (folder, lock) = match holder {
        Holder::Mount(mount) => {
            log::debug!("it is mounted on {}, and read there", mount.path.display());
            let view = mount.view(Box::new(Local), Access::ReadOnly)?;
            return Ok(Opened { view, place, _lock: None });
        }
        Holder::Free(lock) => {
            let access = journal::Access::ReadOnly;
            let vault = over_journal(names, path, place.root.as_fd(), &master, access, Journaling::Off)?;
            (vault, Some(lock))
        }
        Holder::Other(error) => {
            warn(&format!(
                "{error}, where this process cannot look: what was changed in the last seconds may be missing, and a file that is being written may seem damaged"
            ));
            (over_live_journal(names, path, &place, &master)?, None)
        }
    };
    let view = place.view(Box::new(folder), Access::ReadOnly)?;
    Ok(Opened { view, place, _lock: lock })
}

/// As [`to_read`], but always the vault itself, and only its names: for who wants to know what they are on disk.
pub(super) fn to_read_names(path: &Path, args: &UnlockArgs) -> Result<Opened, Failure> {
    let place = Place::open(path, open_vault)?;
    let config = Config::read(place.root.as_fd()).map_err(|error| Failure::config(path, &error))?;
    let master = args.unlock(&config, path, Asking::Existing)?;
    let view = place.view(Box::new(Vault::new(&master, config.names())), Access::ReadOnly)?;
    Ok(Opened { view, place, _lock: None })
}

/// Opens a vault to write into it; what a mount that crashed left is put right first.
pub(super) fn to_write(path: &Path, args: &UnlockArgs) -> Result<Opened, Failure> {
    let place = Place::open(path, open_vault)?;
    let config = Config::read(place.root.as_fd()).map_err(|error| Failure::config(path, &error))?;
    let lock = place.lock(Access::ReadWrite)?;
    let master = args.unlock(&config, path, Asking::Existing)?;
    let names = Vault::new(&master, config.names());
    // What is half-made when this process is killed is found and done again.
    let (access, journaling) = (journal::Access::ReadWrite, Journaling::Off);
    let vault = over_journal(names, path, place.root.as_fd(), &master, access, journaling)?;
    let view = place.view(Box::new(vault), Access::ReadWrite)?;
    Ok(Opened {
        view,
        place,
        _lock: Some(lock),
    })
}

fn holder(place: &Place) -> Result<Holder, Failure> {
    match Lock::take(place.root.as_fd(), &place.path, Access::ReadOnly) {
        Ok(lock) => Ok(Holder::Free(lock)),
        Err(Error::InUse {
            vault,
            pid,
            on: Some(point),
        }) => {
            let open = |path: &Path| {
                let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
                rustix::fs::open(path, flags, Mode::empty()).map_err(|errno| Failure::other(errno.to_string()))
            };
            match Place::open(&point, open) {
                // It may have been unmounted just now, and this be the empty directory below.
                Ok(mount) if is_mount_of(mount.root.as_fd(), &vault) => Ok(Holder::Mount(mount)),
                Ok(_) | Err(_) => Ok(Holder::Other(Error::InUse {
                    vault,
                    pid,
                    on: Some(point),
                })),
            }
        }
        Err(error @ Error::InUse { .. }) => Ok(Holder::Other(error)),
        Err(error) => Err(failure(&error)),
    }
}

/// The vault over the journal of the mount that has it, as that is at this moment.
fn over_live_journal(vault: Vault, path: &Path, place: &Place, master: &MasterKey) -> Result<Vault, Failure> {
    let access = journal::Access::ReadOnly;
    let opened = Journal::open(place.root.as_fd(), master, access, journal::SIZE, &|_| {});
    match opened {
        Ok((journal, _)) => Ok(vault.with_journal(journal)),
        Err(error) => Err(Failure::new(
            Code::InUse,
            format!(
                "{} cannot be read while it is in use: {}",
                path.display(),
                cli_journal::failure(path, access, &error)
            ),
        )),
    }
}
