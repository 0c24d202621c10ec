//! `plainview import`.

use super::exit::{Code, Failure, escaped, warn};
use super::journal::{Journaling, over_journal};
use super::mount::{failure, refuse_vault};
use super::progress::Progress;
use super::{ImportArgs, PasswordArgs, RecipeKeyArgs, open_vault, print};
use crate::folder::Folder;
use crate::import::{self, End, Event, Originals, Summary};
use crate::keys::Config;
use crate::mount::{self, Lock};
use crate::password::Asking;
use crate::recipe::{self, Findings, Others, Recipe, RecipeKey, Verdict};
use crate::sys::limits;
use crate::vault::Vault;
use crate::view::{self, Access, Ownership, View};
use rustix::fs::{Mode, OFlags};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;
use std::io::{self, IsTerminal};
use std::ops::ControlFlow;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Most descriptors that each of the two views is given: the directories from the top to where it is, and one file.
const DESCRIPTORS: usize = 500;
/// Descriptors for everything else.
const RESERVED: usize = 64;

/// Runs the command. All that can go wrong without the passwords is looked at before they are asked for.
pub(super) fn run(args: &ImportArgs) -> Result<(), Failure> {
    mount::start_logging();
    let originals = if args.remove { Originals::Removed } else { Originals::Kept };
    let folder = Place::open(&args.folder, open_folder)?;
    let vault = Place::open(&args.vault, open_vault)?;
    let config = Config::read(vault.root.as_fd()).map_err(|error| Failure::config(&args.vault, &error))?;
    refuse_pair(&folder, &vault)?;
    let access = match originals {
        Originals::Kept => Access::ReadOnly,
        Originals::Removed => Access::ReadWrite,
    };
    // Held until this function is left, which is after everything has been made durable.
    let _locks = (folder.lock(access)?, vault.lock(Access::ReadWrite)?);
    let key = recipe_key(args)?;
    check_key(args, &recipe::check(folder.root.as_fd(), &key))?;
    let master = args.unlock.unlock(&config, &args.vault, Asking::ExistingOf("the vault"))?;
    let recipe = Recipe::new(key, folder.descriptor()?, Others::Hidden);
    let source = folder.view(Box::new(recipe), access)?;
    // Files that are half there are found and done again; but what a mount left must be put right before.
    let (writing, journaling) = (crate::journal::Access::ReadWrite, Journaling::Off);
    let names = Vault::new(&master, config.names());
    let target = over_journal(names, &args.vault, vault.root.as_fd(), &master, writing, journaling)?;
    let target = vault.view(Box::new(target), Access::ReadWrite)?;
    drop(master);
    let (summary, end) = import(&folder, &source, &target, originals)?;
    print(&escaped(&told(&summary)))?;
    finish(&folder, originals, &summary, &end)
}

/// A folder, open.
struct Place {
    /// Absolute and without symlinks.
    path: PathBuf,
    root: OwnedFd,
}

impl Place {
    fn open(path: &Path, open: impl FnOnce(&Path) -> Result<OwnedFd, Failure>) -> Result<Self, Failure> {
        let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let root = open(&path)?;
        Ok(Self { path, root })
    }

    fn lock(&self, access: Access) -> Result<Lock, Failure> {
        Lock::take(self.root.as_fd(), &self.path, access).map_err(|error| failure(&error))
    }

    fn descriptor(&self) -> Result<OwnedFd, Failure> {
        self.root.try_clone().map_err(|error| self.unusable(&error))
    }

    fn view(&self, folder: Box<dyn Folder>, access: Access) -> Result<View, Failure> {
        let descriptors = (limits::raise_descriptors().saturating_sub(RESERVED) / 2).min(DESCRIPTORS);
        let options = view::Options {
            access,
            ownership: Ownership::Daemon,
            descriptors,
        };
        View::new(folder, self.descriptor()?, options).map_err(|error| self.unusable(&error))
    }

    fn unusable(&self, error: &dyn std::error::Error) -> Failure {
        Failure::other(format!("cannot use {}: {error}", self.path.display()))
    }
}

fn open_folder(path: &Path) -> Result<OwnedFd, Failure> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let opened = rustix::fs::open(path, flags, Mode::empty());
    opened.map_err(|errno| Failure::other(format!("cannot open {}: {errno}", path.display())))
}

/// Two folders of which one would be moved into itself, or of the wrong kind.
fn refuse_pair(folder: &Place, vault: &Place) -> Result<(), Failure> {
    let (from, to) = (folder.path.display(), vault.path.display());
    if folder.path.starts_with(&vault.path) || vault.path.starts_with(&folder.path) {
        return Err(Failure::new(
            Code::Usage,
            format!("{from} and {to} must not be the same or lie in each other"),
        ));
    }
    refuse_vault(&folder.path, folder.root.as_fd())
        .map_err(|_| Failure::new(Code::Usage, format!("{from} is a vault and no recipe folder")))
}

fn recipe_key(args: &ImportArgs) -> Result<RecipeKey, Failure> {
    let key = RecipeKeyArgs {
        key_hex_file: args.recipe_key_hex_file.clone(),
    };
    let password = PasswordArgs {
        passfile: args.recipe_passfile.clone(),
        extpass: args.recipe_extpass.clone(),
    };
    key.ask(&password, Asking::ExistingOf("the recipe folder"))
}

/// Refuses a key that is most likely wrong: what it makes of the folder would be garbage, and with --remove there would be nothing else.
fn check_key(args: &ImportArgs, findings: &Findings) -> Result<(), Failure> {
    let folder = args.folder.display();
    let doubt = match (findings.verdict(), findings.warning()) {
        (Verdict::Fits, _) => return Ok(()),
        (Verdict::Strange, warning) => warning.unwrap_or_default(),
        (Verdict::Unknown, _) if args.remove && findings.files > findings.misfits => {
            "no file in it can tell whether the password or key is right".to_owned()
        }
        (Verdict::Unknown, Some(warning)) => {
            warn(&format!("{folder}: {warning}"));
            return Ok(());
        }
        (Verdict::Unknown, None) => return Ok(()),
    };
    if args.force {
        warn(&format!("{folder}: {doubt}"));
        return Ok(());
    }
    Err(Failure::new(
        Code::WrongPassword,
        format!("{folder}: {doubt}; nothing was imported (--force imports all the same)"),
    ))
}

/// Imports, tells what is wrong as it goes on, and shows how far it has come. A first signal stops it, a second one kills.
fn import(folder: &Place, source: &View, vault: &View, originals: Originals) -> Result<(Summary, End), Failure> {
    let stop = stop_on_signals().map_err(|error| Failure::other(format!("cannot wait for signals: {error}")))?;
    let going_on = || match stop.load(Ordering::Relaxed) {
        false => ControlFlow::Continue(()),
        true => ControlFlow::Break(()),
    };
    // Counted only for who sees it.
    let total = match io::stderr().is_terminal() {
        true => import::census(source, &mut |_| going_on()).map_or(0, |census| census.bytes),
        false => 0,
    };
    let progress = Progress::new("importing", total);
    // Each byte is told twice.
    let mut halves = 0;
    Ok(import::import(source, vault, originals, &mut |event| {
        match event {
            Event::Change => {}
            Event::Bytes(bytes) => {
                halves += bytes;
                progress.set(halves / 2);
            }
            Event::Problem(path, problem) => {
                let path = folder.path.join(path);
                progress.aside(|| Failure::other(format!("{}: {problem}", path.display())).report());
            }
        }
        going_on()
    }))
}

fn stop_on_signals() -> io::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        flag::register_conditional_default(signal, Arc::clone(&stop))?;
        flag::register(signal, Arc::clone(&stop))?;
    }
    Ok(stop)
}

fn told(summary: &Summary) -> String {
    let count = |count: u64, one: &str, many: &str| format!("{count} {}", if count == 1 { one } else { many });
    format!(
        "{}, {}, {} imported, {} skipped, {}, {} failed\n",
        count(summary.files, "file", "files"),
        count(summary.directories, "directory", "directories"),
        count(summary.bytes, "byte", "bytes"),
        summary.skipped,
        count(summary.conflicts, "conflict", "conflicts"),
        summary.failed,
    )
}

/// The last word: what is to be done with the folder, or that it has to be run again.
fn finish(folder: &Place, originals: Originals, summary: &Summary, end: &End) -> Result<(), Failure> {
    let incomplete = |why: &str| Err(Failure::new(Code::Incomplete, why));
    match end {
        End::Stopped => return incomplete("stopped; run it again, and it goes on from here"),
        End::Failed => return incomplete("ended early; when that is put right, run it again, and it goes on from here"),
        End::Complete if summary.conflicts + summary.failed > 0 => {
            return incomplete("not everything was imported; when that is put right, run it again for the rest");
        }
        End::Complete => {}
    }
    let path = folder.path.display();
    let left = match (import::stored_entries(folder.root.as_fd()), originals) {
        (Ok(stored), Originals::Kept) => stored.saturating_sub(summary.seen),
        (Ok(stored), Originals::Removed) => stored,
        (Err(errno), _) => {
            return Err(Failure::other(format!(
                "everything was imported, but {path} cannot be looked through for other files: {errno}"
            )));
        }
    };
    print(&escaped(&match (left, originals) {
        (0, Originals::Kept) => format!("All of {path} is in the vault. It can be removed now.\n"),
        (0, Originals::Removed) => format!("All of {path} is in the vault, and nothing is left there.\n"),
        (left, _) => format!("What is not of the recipe was not imported. Look at that before you remove {path}: {left} of its entries.\n"),
    }))
}
