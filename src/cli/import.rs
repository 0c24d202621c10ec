//! `plainview import`.

use super::ImportArgs;
use super::access;
use super::advice::advised;
use super::copying::copy;
use super::exit::{Code, Failure};
use super::export::{not_there, policy, refuse_twice};
use super::import_recipe::{self, WORDS};
use super::place::{Place, open_folder};
use super::voice::Voice;
use crate::local::Local;
use crate::transfer::{Names, Top};
use crate::view::{Access, Caller, View};
use crate::walk::{Known, Last, NotThere, PlainPath, find, parent};
use rustix::fs::FileType;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Runs the command.
pub(super) fn run(args: &ImportArgs, voice: Voice) -> Result<(), Failure> {
    let usage = |what: &str| Failure::new(Code::Usage, what);
    if args.recipe {
        let [folder, vault] = args.places.as_slice() else {
            return Err(usage("import --recipe takes two paths: FOLDER VAULT"));
        };
        return import_recipe::run(args, voice, folder, vault);
    }
    let [vault, sources @ .., path] = args.places.as_slice() else {
        return Err(usage("import takes at least three paths: VAULT SRC... PATH"));
    };
    if sources.is_empty() {
        return Err(usage(
            "import takes at least three paths: VAULT SRC... PATH; a recipe folder is imported with --recipe",
        ));
    }
    import(args, voice, vault, sources, &PlainPath::new(path.as_os_str()))
}

/// All that can go wrong without the password is looked at before it is asked for.
fn import(args: &ImportArgs, voice: Voice, vault: &Path, sources: &[PathBuf], path: &PlainPath) -> Result<(), Failure> {
    let sources: Vec<Source> = sources.iter().map(|source| Source::of(source)).collect::<Result<_, _>>()?;
    refuse_twice(
        sources
            .iter()
            .filter_map(|source| source.name.as_deref())
            .map(OsStr::as_bytes)
            .collect(),
    )?;
    let real = vault.canonicalize().unwrap_or_else(|_| vault.to_owned());
    sources.iter().try_for_each(|source| source.refuse_with(&real))?;
    let chosen = choose(&sources)?;
    let opened = access::to_write(vault, &args.unlock)?;
    let views: Vec<View> = chosen
        .iter()
        .map(|chosen| chosen.place.view(Box::new(Local), Access::ReadOnly))
        .collect::<Result<_, _>>()?;
    let mut tops = Vec::new();
    for (chosen, view) in chosen.into_iter().zip(&views) {
        tops.push(Top {
            source: Known::root(view).map_err(|error| chosen.place.unusable(&error))?,
            names: chosen.names,
            target: directory(&opened.view, path)?,
            path: chosen.path,
        });
    }
    let ended = copy(tops, policy(args.force, args.copy.compare), WORDS, &args.copy, voice)?;
    ended.verdict(WORDS)
}

/// Something to import: an entry of a directory, or without a name all of that.
struct Source {
    dir: PathBuf,
    name: Option<OsString>,
}

impl Source {
    /// What `path` means, without following a symlink at its end.
    fn of(path: &Path) -> Result<Self, Failure> {
        let bytes = path.as_os_str().as_bytes();
        let end = bytes.iter().rposition(|byte| *byte != b'/').map_or(0, |last| last + 1);
        let (bytes, _) = bytes.split_at(end);
        let start = bytes.iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1);
        let (dir, name) = bytes.split_at(start);
        let source = match name {
            b"" | b"." | b".." => Self {
                dir: path.to_owned(),
                name: None,
            },
            name => Self {
                dir: PathBuf::from(OsStr::from_bytes(dir)),
                name: Some(OsStr::from_bytes(name).to_owned()),
            },
        };
        match path.symlink_metadata() {
            Ok(_) => Ok(source),
            Err(error) => Err(Failure::other(format!("cannot read {}: {}", path.display(), advised(error)))),
        }
    }

    fn open_dir(&self) -> Result<Place, Failure> {
        let here = self.dir.as_os_str().is_empty();
        Place::open(if here { Path::new(".") } else { &self.dir }, open_folder)
    }

    /// Refuses what would be imported into itself.
    fn refuse_with(&self, vault: &Path) -> Result<(), Failure> {
        let path = self.name.as_ref().map_or_else(|| self.dir.clone(), |name| self.dir.join(name));
        let is_link = self.name.is_some() && path.is_symlink();
        let overlaps = |real: PathBuf| real.starts_with(vault) || vault.starts_with(&real);
        if !is_link && path.canonicalize().is_ok_and(overlaps) {
            return Err(Failure::new(
                Code::Usage,
                format!(
                    "{} and the vault must not be the same or lie in each other; give files from elsewhere",
                    path.display()
                ),
            ));
        }
        Ok(())
    }
}

/// What is to be imported of one directory.
struct Chosen {
    place: Place,
    names: Names,
    /// What the directory is called in messages.
    path: PathBuf,
}

/// The sources, those of one directory together.
fn choose(sources: &[Source]) -> Result<Vec<Chosen>, Failure> {
    let mut by_directory: BTreeMap<PathBuf, Vec<Box<[u8]>>> = BTreeMap::new();
    let mut chosen = Vec::new();
    for source in sources {
        match &source.name {
            Some(name) => by_directory.entry(source.dir.clone()).or_default().push(name.as_bytes().into()),
            None => chosen.push(Chosen {
                place: source.open_dir()?,
                names: Names::All,
                path: source.dir.clone(),
            }),
        }
    }
    for (dir, names) in by_directory {
        let source = Source { dir, name: None };
        chosen.push(Chosen {
            place: source.open_dir()?,
            names: Names::Only(names),
            path: source.dir,
        });
    }
    Ok(chosen)
}

/// The directory of the vault to import to; it is made if it is not there.
fn directory<'v>(view: &'v View, path: &PlainPath) -> Result<Known<'v>, Failure> {
    let not_there = |error: NotThere| not_there(path, &error);
    let root = Known::root(view).map_err(|error| not_there(error.into()))?;
    let found = match find(&root, path, Last::Followed) {
        Err(NotThere::Missing) => make_directory(&root, path).map_err(not_there)?,
        found => found.map_err(not_there)?,
    };
    match found.attr.kind {
        FileType::Directory => Ok(found),
        FileType::RegularFile
        | FileType::Symlink
        | FileType::Fifo
        | FileType::Socket
        | FileType::CharacterDevice
        | FileType::BlockDevice
        | FileType::Unknown => Err(not_there(NotThere::NotADirectory)),
    }
}

fn make_directory<'v>(root: &Known<'v>, path: &PlainPath) -> Result<Known<'v>, NotThere> {
    let Some((above, name)) = parent(root, path)? else {
        return Err(NotThere::Missing);
    };
    let caller = Caller {
        uid: rustix::process::geteuid().as_raw(),
        gid: rustix::process::getegid().as_raw(),
    };
    // What of the mode the user does not want, the operating system takes away.
    let made = root.view().mkdir(caller, above.node(), name, 0o777)?;
    Ok(Known::new(root.view(), made))
}
