//! The journal of a vault that a command opens: recovery, and what is said of it.

use super::exit::{Failure, escaped};
use super::progress::Steps;
use crate::journal::{self, Access, Damage, Journal, Report};
use crate::keys::MasterKey;
use crate::vault::Vault;
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::sync::Arc;

/// Whether a vault's files are changed by way of its journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Journaling {
    /// They are; it may become so many bytes long.
    On(u64),
    /// They are not. One that was left is still recovered from.
    Off,
}

/// The vault `vault`, whose root directory is `root`, over its journal; put right first, if it was not unmounted.
pub(super) fn over_journal(
    vault: Vault,
    path: &Path,
    root: BorrowedFd<'_>,
    master: &MasterKey,
    access: Access,
    journaling: Journaling,
) -> Result<Vault, Failure> {
    let size = match journaling {
        Journaling::On(size) => size,
        Journaling::Off => journal::SIZE,
    };
    let (journal, _) = recovered(path, root, master, access, size)?;
    match (journaling, access) {
        (Journaling::Off, Access::ReadWrite) => {
            journal.close().map_err(|errno| failure(path, access, &errno.into()))?;
            Ok(vault)
        }
        (Journaling::On(_), _) | (Journaling::Off, Access::ReadOnly) => Ok(vault.with_journal(journal)),
    }
}

/// The journal of the vault `path`, whose root directory is `root`; what it was left with is put right first, or in memory, and told.
pub(super) fn recovered(
    path: &Path,
    root: BorrowedFd<'_>,
    master: &MasterKey,
    access: Access,
    size: u64,
) -> Result<(Arc<Journal>, Option<Report>), Failure> {
    let steps = Steps::new();
    let watch = |progress: journal::Progress| match progress {
        journal::Progress::Reading { done, total } => steps.bytes("reading the journal", done, total),
        journal::Progress::Looking { files, .. } => steps.files("looking for what was not finished", files),
        journal::Progress::Writing => steps.endless("writing what the journal has into the files"),
    };
    let opened = Journal::open(root, master, access, size, &watch);
    drop(steps);
    let (journal, report) = opened.map_err(|error| failure(path, access, &error))?;
    if let Some(report) = &report {
        tell(path, report);
    }
    Ok((journal, report))
}

/// That a vault could not be put right.
pub(super) fn failure(path: &Path, access: Access, error: &journal::Error) -> Failure {
    let hint = match access {
        Access::ReadWrite => "; nothing is lost by that: it can be tried again, and mounted with --ro nothing need be written",
        Access::ReadOnly => "",
    };
    Failure::other(format!("cannot recover {}, which was not unmounted: {error}{hint}", path.display()))
}

/// What recovery did, in two lines; and what went wrong, in one more for each.
fn tell(path: &Path, report: &Report) {
    log::info!("{} was not unmounted: its journal was recovered from", path.display());
    log::info!(
        "replayed {} records in {} files, cut {} unfinished new files",
        report.entries,
        report.files,
        report.cut.len()
    );
    for cut in &report.cut {
        log::warn!("cut to what of it had been written: {}", shown(cut));
    }
    for left in &report.left {
        log::warn!(
            "changed since by something else, and left as it is, without what the journal has of it: {}",
            shown(left)
        );
    }
    if report.is_copy && report.gone > 0 {
        log::warn!(
            "this is a copy of the vault, in which {} files that the journal has changes of were not recognised",
            report.gone
        );
    }
    match report.damage {
        Damage::None => {}
        Damage::Missing => {
            log::error!("the journal is damaged: changes that were synced are lost; `plainview check` finds files that this broke")
        }
        Damage::Unreadable => log::error!(
            "the journal is damaged or another vault's: nothing in it could be read; `plainview check` finds files that this broke"
        ),
    }
    if let Some(aside) = &report.aside {
        log::warn!("the journal is kept as {aside} in the vault; it is not needed any more if you miss nothing");
    }
    if let Some(errno) = report.pending {
        log::error!("not everything could be written to the vault's files yet, it is kept in the journal: {errno}");
    }
}

fn shown(path: &Path) -> String {
    escaped(&path.to_string_lossy())
}

/// `--journal-size`: a number and a unit, in bytes.
pub(super) fn parse_size(text: &str) -> Result<u64, String> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let unit: u64 = match unit.to_ascii_lowercase().as_str() {
        "m" | "mib" if !number.is_empty() => 1 << 20,
        "g" | "gib" if !number.is_empty() => 1 << 30,
        _ => return Err("it must be a number and a unit, like 64M, 64MiB or 1G".to_owned()),
    };
    let size = number.parse().ok().and_then(|number: u64| number.checked_mul(unit));
    size.filter(|size| (journal::SIZE_MIN..=journal::SIZE_MAX).contains(size))
        .ok_or_else(|| "it must be 4MiB to 1GiB".to_owned())
}
