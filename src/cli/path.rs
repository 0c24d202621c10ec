//! `plainview path`.

use super::PathArgs;
use super::access::{self, Opened};
use super::check_lines::Text;
use super::copying::print_json;
use super::exit::Failure;
use super::export::not_there;
use super::ls_lines::print_name;
use crate::name::{EntryKind, NameCipher, RESERVED};
use crate::walk::{Known, Last, Listed, NotThere, PlainPath, find};
use serde::Serialize;
use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Runs the command. One path that leads nowhere does not keep the others from being told.
pub(super) fn run(args: &PathArgs) -> Result<(), Failure> {
    let opened = access::to_read_names(&args.vault, &args.unlock)?;
    let root = Known::root(&opened.view).map_err(|error| opened.place.unusable(&error))?;
    let mut names = Names {
        root: &root,
        listed: Vec::new(),
    };
    let mut last: Option<Failure> = None;
    for path in &args.paths {
        let found = match args.reverse {
            false => in_vault(&root, &PlainPath::new(path)),
            true => in_the_clear(&mut names, path, &opened, &args.vault),
        };
        match found {
            Ok(found) => tell(path, &found, args)?,
            Err(failure) => {
                if let Some(before) = last.replace(failure) {
                    before.report();
                }
            }
        }
    }
    last.map_or(Ok(()), Err)
}

/// A path, and what it is on the other side.
#[derive(Serialize)]
struct Line {
    path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path_base64: Option<String>,
    vault_path: Option<String>,
}

fn tell(given: &OsStr, found: &[u8], args: &PathArgs) -> Result<(), Failure> {
    if !args.json {
        return print_name(found);
    }
    let (plain, stored) = if args.reverse {
        (found, given.as_bytes())
    } else {
        (given.as_bytes(), found)
    };
    let (plain, stored) = (Text::of(plain), Text::of(stored));
    print_json(&Line {
        path: plain.text,
        path_base64: plain.base64,
        vault_path: stored.text,
    })
}

/// Where a path in the clear lies in the vault, from its root on. With `./` before it where a stored name, of which the first byte is as good
/// as random, begins like an option: the line may be given to another command as it is.
fn in_vault(root: &Known<'_>, path: &PlainPath) -> Result<Vec<u8>, Failure> {
    let failed = |error: NotThere| not_there(path, &error);
    let found = find(root, path, Last::Itself).map_err(failed)?;
    let view = root.view();
    let place = |known: &Known<'_>| view.on_disk(known.node()).map_err(|error| failed(error.into()));
    let (top, place) = (place(root)?, place(&found)?);
    let relative = place.strip_prefix(&top).unwrap_or(&place);
    Ok(match relative.as_os_str().as_bytes() {
        [] => b".".to_vec(),
        option @ [b'-', ..] => [b"./", option].concat(),
        name => name.to_vec(),
    })
}

/// What a path in the vault is in the clear. One that begins with the path by which the vault was named need not be absolute.
fn in_the_clear(names: &mut Names<'_, '_>, path: &OsStr, opened: &Opened, vault: &Path) -> Result<Vec<u8>, Failure> {
    let (given, failed) = (Path::new(path), |what: String| {
        Failure::other(format!("{}: {what}", path.display()))
    });
    let inside = given.is_relative().then(|| names.open(&PlainPath::new(path)));
    match (inside, below(given, opened, vault)) {
        (Some(Ok(found)), _) => Ok(found),
        (_, Some(below)) => names.open(&PlainPath::new(below.as_os_str())).map_err(failed),
        (Some(Err(what)), None) => Err(failed(what)),
        (None, None) => Err(failed(format!("it does not lie in {}; give a path from there on", vault.display()))),
    }
}

/// The path from the vault's directory on, if it is one that leads there.
fn below(path: &Path, opened: &Opened, vault: &Path) -> Option<PathBuf> {
    let by_name = [vault, &opened.place.path].iter().find_map(|top| path.strip_prefix(top).ok());
    by_name.map(Path::to_owned).or_else(|| {
        let real = path.canonicalize().ok()?;
        Some(real.strip_prefix(&opened.place.path).ok()?.to_owned())
    })
}

/// The names of a vault, on disk and in the clear. The directories on the way to the last path are kept, since the next one often lies beside it.
struct Names<'k, 'v> {
    root: &'k Known<'v>,
    listed: Vec<Directory>,
}

/// A directory that was listed.
struct Directory {
    /// Where it is, in the clear.
    way: Vec<u8>,
    /// Names in the clear by those on disk: of an entry, or, where that is long, of the file beside it.
    names: HashMap<Vec<u8>, Box<[u8]>>,
}

impl Names<'_, '_> {
    /// The names in the clear of a path in the vault; or why there are none.
    fn open(&mut self, path: &PlainPath) -> Result<Vec<u8>, String> {
        let mut way = PlainPath::default();
        for (depth, stored) in path.names().iter().enumerate() {
            let Some(name) = self.directory(depth, &way)?.names.get(&**stored) else {
                let what = if stored.starts_with(RESERVED) {
                    "it is one of plainview's own files, or not there"
                } else {
                    "there is no such file or directory in the vault, or its name does not decode; `plainview path` without --reverse tells names in the vault"
                };
                return Err(what.to_owned());
            };
            way = way.join(name);
        }
        Ok(way.to_bytes())
    }

    /// The directory `way`, which lies so deep.
    fn directory(&mut self, depth: usize, way: &PlainPath) -> Result<&Directory, String> {
        let bytes = way.to_bytes();
        if self.listed.get(depth).is_none_or(|known| known.way != bytes) {
            let dir = find(self.root, way, Last::Itself).map_err(|error| error.to_string())?;
            let entries = dir.list().map_err(|error| NotThere::from(error).to_string())?;
            let mut names = HashMap::with_capacity(entries.len());
            for Listed { name, stored, .. } in entries {
                match NameCipher::classify(&stored) {
                    EntryKind::Long { name_file } => drop(names.insert(name_file.to_bytes().to_vec(), name.clone())),
                    EntryKind::Short | EntryKind::Reserved => {}
                }
                names.insert(stored.into_bytes(), name);
            }
            self.listed.truncate(depth);
            self.listed.push(Directory { way: bytes, names });
        }
        Ok(&self.listed[depth])
    }
}
