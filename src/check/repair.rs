//! Does what a check has planned, in an order in which it can be killed anywhere: what is to be changed is listed and kept first, durably, then changed.

use super::attributes;
use super::directory_id::name_file;
use super::look::open_file;
use super::lost::Lost;
use super::place::Place;
use super::sink::{Action, Plan};
use super::trail::open_directory;
use crate::name::{DIRID_FILE, DirId, NameCipher};
use crate::sys::disk::{Backing, Durability, write_all_at};
use crate::sys::temporary::{sync_directory, write_durably};
use crate::sys::{descriptor, directory};
use rustix::fs::{AtFlags, Mode as Permission, OFlags, fsync, openat, unlinkat};
use rustix::io::{Errno, Result};
use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

/// Whether a repair is carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// It is.
    Act,
    /// It is only told what would be done.
    DryRun,
}

/// What is done to an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// It goes to lost+found.
    Move,
    /// It is cut to what of it can be read.
    Cut,
    /// It is removed.
    Remove,
    /// It gets a new `plainview.dirid`.
    WriteId,
    /// It loses an extended attribute.
    RemoveAttribute,
}

impl Deed {
    /// One word, which stays.
    pub fn word(self) -> &'static str {
        match self {
            Self::Move => "move",
            Self::Cut => "cut",
            Self::Remove => "remove",
            Self::WriteId => "write-id",
            Self::RemoveAttribute => "remove-attribute",
        }
    }
}

/// Something that was done, or would be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// What.
    pub deed: Deed,
    /// To what: as in a finding.
    pub path: std::result::Result<Vec<u8>, Vec<u8>>,
    /// Its path in the vault.
    pub vault_path: Vec<u8>,
    /// Where in the vault it is now, or what it was before.
    pub kept_as: Option<Vec<u8>>,
    /// Why.
    pub why: String,
    /// What the operating system said, where it could not be done.
    pub failed: Option<Errno>,
}

/// Does everything that was planned, or tells of it. What cannot be done is told of, and the rest is done.
pub(super) fn repair(root: BorrowedFd<'_>, plans: Vec<Plan>, mode: Mode, cipher: &NameCipher, done: &mut dyn FnMut(&Done)) {
    let mut repair = Repair {
        root,
        cipher,
        lost: None,
        moved: None,
    };
    for step in steps(plans) {
        if repair.is_moved(&step.key) {
            continue;
        }
        if step.action == Action::Move {
            repair.moved = Some(step.key.clone());
        }
        let result = match mode {
            Mode::Act => repair.act(&step),
            Mode::DryRun => Ok(None),
        };
        done(&step.done(result));
    }
}

/// One thing to do to one entry.
struct Step {
    /// The names from the root down, each with a NUL behind it: what is in a directory follows right behind the directory.
    key: Vec<u8>,
    /// Nothing for the root.
    place: Option<Arc<Place>>,
    action: Action,
    why: String,
}

/// All things to do: in a directory after those to the directory, and moving an entry before all else that would be done to it.
fn steps(plans: Vec<Plan>) -> Vec<Step> {
    let mut steps = Vec::with_capacity(plans.len());
    for Plan { names, action, why } in plans {
        let names = names.lock();
        // A file that is moved leaves all its names; whatever else is done to it is done once.
        let count = if action == Action::Move { names.len() } else { 1 };
        let places: Vec<_> = match names.is_empty() {
            true => vec![None],
            false => names.iter().take(count).cloned().map(Some).collect(),
        };
        steps.extend(places.into_iter().map(|place| Step {
            key: place.as_ref().map(|place| key(place)).unwrap_or_default(),
            place,
            action: action.clone(),
            why: why.clone(),
        }));
    }
    steps.sort_by(|one, other| (&one.key, one.action != Action::Move).cmp(&(&other.key, other.action != Action::Move)));
    steps
}

fn key(place: &Place) -> Vec<u8> {
    place
        .line()
        .into_iter()
        .flat_map(|place| place.stored().to_bytes_with_nul().iter().copied())
        .collect()
}

impl Step {
    fn deed(&self) -> Deed {
        match self.action {
            Action::Move => Deed::Move,
            Action::Cut { .. } => Deed::Cut,
            Action::Remove => Deed::Remove,
            Action::Rewrite(_) => Deed::WriteId,
            Action::Drop(_) => Deed::RemoveAttribute,
        }
    }

    fn vault_path(&self) -> Vec<u8> {
        self.place.as_ref().map(|place| place.stored_path()).unwrap_or_default()
    }

    fn done(&self, result: Result<Option<Vec<u8>>>) -> Done {
        Done {
            deed: self.deed(),
            path: self.place.as_ref().map_or_else(|| Ok(Vec::new()), |place| place.plain_path()),
            vault_path: self.vault_path(),
            failed: result.as_ref().err().copied(),
            kept_as: result.ok().flatten(),
            why: self.why.clone(),
        }
    }
}

struct Repair<'a> {
    root: BorrowedFd<'a>,
    cipher: &'a NameCipher,
    /// Made when it is needed.
    lost: Option<Lost>,
    /// The key of the entry that was moved last.
    moved: Option<Vec<u8>>,
}

impl Repair<'_> {
    /// Whether this entry went with one that was moved.
    fn is_moved(&self, key: &[u8]) -> bool {
        self.moved.as_ref().is_some_and(|moved| key.starts_with(moved))
    }

    fn lost(&mut self) -> Result<&mut Lost> {
        if self.lost.is_none() {
            self.lost = Some(Lost::new(self.root)?);
        }
        self.lost.as_mut().ok_or(Errno::IO)
    }

    /// Does one thing; returns where what was there is kept.
    fn act(&mut self, step: &Step) -> Result<Option<Vec<u8>>> {
        let dir = open_line(self.root, step.place.as_deref().and_then(Place::parent).map(|parent| &**parent))?;
        let dir = dir.as_fd();
        if let (Action::Remove, Some(place)) = (&step.action, &step.place) {
            remove(dir, place.stored())?;
            return Ok(None);
        }
        let (deed, vault_path, cipher) = (step.deed(), step.vault_path(), self.cipher);
        let lost = self.lost()?;
        lost.note(deed.word(), &vault_path, &step.why)?;
        match (&step.action, &step.place) {
            (Action::Move, Some(place)) => {
                lost.take(place, dir, name_file(place.stored()).as_deref())?;
                Ok(Some(lost.path_of(place)))
            }
            (Action::Cut { keep, end }, Some(place)) => {
                let file = open_to_write(dir, place.stored())?;
                lost.copy(place, file.as_fd())?;
                cut(&file.as_fd(), *keep, end)?;
                Ok(Some(lost.path_of(place)))
            }
            (Action::Rewrite(id), Some(place)) => rewrite(lost, dir, place, *id, cipher).map(Some),
            (Action::Drop(name), place) => drop_attribute(lost, dir, place.as_deref(), name).map(Some),
            // Only attributes are dropped from the root.
            (Action::Move | Action::Cut { .. } | Action::Rewrite(_), None) | (Action::Remove, _) => Err(Errno::INVAL),
        }
    }
}

/// Opens the directory `place`, the root for none, one step after the other.
fn open_line(root: BorrowedFd<'_>, place: Option<&Place>) -> Result<OwnedFd> {
    let mut dir = descriptor::reopen(root, OFlags::RDONLY | OFlags::DIRECTORY)?;
    for place in place.map(Place::line).unwrap_or_default() {
        dir = open_directory(dir.as_fd(), place.stored())?;
    }
    Ok(dir)
}

fn remove(dir: BorrowedFd<'_>, name: &CStr) -> Result<()> {
    let removed = descriptor::with_permission(dir, Permission::RWXU, || {
        directory::keeping_times(dir, || unlinkat(dir, name, AtFlags::empty()))
    });
    match removed {
        Ok(()) | Err(Errno::NOENT) => sync_directory(dir),
        Err(errno) => Err(errno),
    }
}

/// Opens a file for reading and writing, also where its mode denies us that.
fn open_to_write(dir: BorrowedFd<'_>, name: &CStr) -> Result<OwnedFd> {
    let flags = OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let path = openat(dir, name, OFlags::PATH | flags, Permission::empty())?;
    let grant = Permission::RUSR | Permission::WUSR;
    descriptor::with_permission(path.as_fd(), grant, || descriptor::reopen(path.as_fd(), OFlags::RDWR))
}

/// Cuts a file to its first `keep` bytes, and puts `end` behind them. In between it is one that was cut short, for which the same would be done again.
fn cut(file: &dyn Backing, keep: u64, end: &[u8]) -> Result<()> {
    let before = file.stat()?.modified;
    file.keeping_privileges(&mut || {
        file.set_len(keep)?;
        write_all_at(file, end, keep)
    })?;
    // Of a file that is not ours the time is a new one.
    let _ = file.set_modified(Some(before));
    file.sync(Durability::All)
}

/// Gives the directory `place` the id `id`, keeping what its `plainview.dirid` was.
fn rewrite(lost: &Lost, parent: BorrowedFd<'_>, place: &Arc<Place>, id: DirId, cipher: &NameCipher) -> Result<Vec<u8>> {
    let dir = open_directory(parent, place.stored())?;
    let old = Place::new(Some(place), DIRID_FILE, None);
    match open_file(dir.as_fd(), DIRID_FILE) {
        Ok(file) if rustix::fs::FileType::from_raw_mode(rustix::fs::fstat(&file)?.st_mode).is_file() => lost.copy(&old, file.as_fd())?,
        // No file at all.
        Ok(_) | Err(Errno::LOOP | Errno::NXIO) => lost.take(&old, dir.as_fd(), None)?,
        Err(errno) => return Err(errno),
    }
    let bytes = cipher.seal_dirid(id);
    descriptor::with_permission(dir.as_fd(), Permission::RWXU, || {
        directory::keeping_times(dir.as_fd(), || write_durably(dir.as_fd(), DIRID_FILE, &bytes))
    })?;
    Ok(lost.path_of(&old))
}

/// Takes the attribute `name` away from a file or directory, keeping its value.
fn drop_attribute(lost: &mut Lost, dir: BorrowedFd<'_>, place: Option<&Place>, name: &CStr) -> Result<Vec<u8>> {
    let file = match place {
        Some(place) => open_file(dir, place.stored())?,
        None => descriptor::reopen(dir, OFlags::RDONLY | OFlags::DIRECTORY)?,
    };
    let kept = lost.keep_attribute(&attributes::value(file.as_fd(), name)?)?;
    attributes::remove(file.as_fd(), name)?;
    fsync(&file)?;
    Ok([b"plainview.lost+found/", kept.as_bytes()].concat())
}
