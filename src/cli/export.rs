//! `plainview export`.

use super::ExportArgs;
use super::access::{self, Opened};
use super::advice::advised;
use super::copying::{Words, copy};
use super::exit::{Code, Failure};
use super::mount::failure;
use super::place::{Place, open_folder};
use super::voice::Voice;
use crate::local::Local;
use crate::mount::{Error, Lock};
use crate::transfer::{Existing, Names, Originals, Policy, Same, Top};
use crate::view::{Access, View};
use crate::walk::{Known, Last, NotThere, PlainPath, find, os_name};
use rustix::fs::Mode;
use rustix::io::Errno;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

const WORDS: Words = Words {
    doing: "exporting",
    done: "exported",
    hint: "; `plainview check` tells more, `plainview salvage` saves what is left of a file",
    damage: Code::DamageFound,
};

/// Runs the command. Nothing is made before the password was right and everything to be exported is there.
pub(super) fn run(args: &ExportArgs, voice: Voice) -> Result<(), Failure> {
    let opened = access::to_read(&args.vault, &args.unlock)?;
    let paths: Vec<PlainPath> = args.paths.iter().map(|path| PlainPath::new(path)).collect();
    refuse_twice(paths.iter().filter_map(|path| path.names().last()).map(|name| &**name).collect())?;
    let chosen = choose(&opened.view, &paths)?;
    let dir = open_dir(&args.dir, &opened)?;
    let _lock = lock(&dir)?;
    let target = dir.view(Box::new(Local), Access::ReadWrite)?;
    let tops: Result<Vec<Top<'_>>, Failure> = chosen.into_iter().map(|chosen| chosen.into_top(&target, &dir)).collect();
    let policy = policy(args.force, args.copy.compare);
    let ended = copy(tops?, policy, WORDS, &args.copy, voice)?;
    ended.verdict(WORDS)
}

/// Two exports into one directory would take each other's half-made files for what was left. Not every filesystem has locks for that.
fn lock(dir: &Place) -> Result<Option<Lock>, Failure> {
    match Lock::take(dir.root.as_fd(), &dir.path, Access::ReadWrite) {
        Ok(lock) => Ok(Some(lock)),
        Err(error @ Error::InUse { .. }) => Err(failure(&error)),
        Err(_) => Ok(None),
    }
}

pub(super) fn policy(force: bool, compare: bool) -> Policy {
    Policy {
        originals: Originals::Kept,
        existing: if force { Existing::Replaced } else { Existing::Kept },
        same: if compare { Same::Bytes } else { Same::Times },
    }
}

/// Entries of one directory of the vault.
struct Chosen<'v> {
    dir: Known<'v>,
    names: Names,
    path: PathBuf,
}

impl<'v> Chosen<'v> {
    fn into_top(self, target: &'v View, dir: &Place) -> Result<Top<'v>, Failure> {
        Ok(Top {
            source: self.dir,
            names: self.names,
            target: Known::root(target).map_err(|error| dir.unusable(&error))?,
            path: self.path,
        })
    }
}

/// Refuses names of which two are the same: they would be one in the directory that they come into.
pub(super) fn refuse_twice(mut names: Vec<&[u8]>) -> Result<(), Failure> {
    names.sort_unstable();
    let twice = names.windows(2).find(|pair| pair.first() == pair.last());
    let Some(name) = twice.and_then(<[&[u8]]>::first) else {
        return Ok(());
    };
    Err(Failure::new(
        Code::Usage,
        format!(
            "two of the paths end in {}, and only one can have that name; copy them one after the other, to different directories",
            os_name(name).display()
        ),
    ))
}

/// What the paths lead to, those of one directory together.
fn choose<'v>(view: &'v View, paths: &[PlainPath]) -> Result<Vec<Chosen<'v>>, Failure> {
    let root = Known::root(view).map_err(|error| Failure::other(format!("the vault cannot be looked at: {error}")))?;
    let mut by_directory: BTreeMap<PlainPath, Vec<Box<[u8]>>> = BTreeMap::new();
    let mut chosen = Vec::new();
    for path in paths {
        let missing = |error| not_there(path, &error);
        find(&root, path, Last::Itself).map_err(missing)?;
        match path.split() {
            Some((above, name)) => by_directory.entry(above).or_default().push(name.into()),
            None => chosen.push(Chosen {
                dir: Known::root(view).map_err(|error| missing(error.into()))?,
                names: Names::All,
                path: PathBuf::from("/"),
            }),
        }
    }
    for (above, names) in by_directory {
        let dir = find(&root, &above, Last::Followed).map_err(|error| not_there(&above, &error))?;
        chosen.push(Chosen {
            dir,
            names: Names::Only(names),
            path: PathBuf::from(OsStr::from_bytes(&above.to_bytes())),
        });
    }
    Ok(chosen)
}

/// That a path of the vault leads nowhere.
pub(super) fn not_there(path: &PlainPath, error: &NotThere) -> Failure {
    let path = path.to_bytes();
    let hint = match error {
        NotThere::Missing | NotThere::NotADirectory => "; `plainview ls` shows what there is",
        NotThere::Outside | NotThere::Loop | NotThere::Failed(_) => "",
    };
    Failure::other(format!("{}: {error}{hint}", os_name(&path).display()))
}

/// The directory to export to; it is made if it is not there.
fn open_dir(path: &Path, vault: &Opened) -> Result<Place, Failure> {
    let above = path
        .parent()
        .filter(|above| !above.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let real = path.canonicalize().or_else(|_| above.canonicalize());
    if real.is_ok_and(|real| real.starts_with(&vault.place.path)) {
        return Err(Failure::new(
            Code::Usage,
            format!(
                "{} lies in the vault's own directory, where nothing may be in the clear; export to another one",
                path.display()
            ),
        ));
    }
    match rustix::fs::mkdir(path, Mode::from_raw_mode(0o777)) {
        Ok(()) | Err(Errno::EXIST) => Place::open(path, open_folder),
        Err(errno) => Err(Failure::other(format!("cannot make {}: {}", path.display(), advised(errno)))),
    }
}
