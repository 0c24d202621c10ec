//! What a directory may look like after a failure: what was synced is there, and of what was not each page is an old one or a new one.
//!
//! One thread works in one directory, by way of its [`Model`]. Every page of every version of every file is told from all others. Names change at once
//! or not at all: where a call failed, one look tells which, and so it has to stay.

use super::work::{Op, Synced};
use rustix::fs::{Advice, fadvise};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, symlink};
use std::path::Path;

/// Bytes of a page: what the kernel writes whole.
pub(super) const PAGE: u64 = 4096;

/// A directory of one thread, and what may be in it.
pub(super) struct Model {
    versions: u32,
    entries: BTreeMap<String, Entry>,
    files: BTreeMap<u32, Contents>,
    /// What failed, and may have changed a name or not.
    unsure: Option<Op>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Entry {
    Dir,
    File(u32),
    Symlink,
}

/// What may be in a file.
#[derive(Clone, Debug)]
struct Contents {
    id: u32,
    pages: Vec<Page>,
    /// Lengths that it had since it was synced. Any other that is not below all of them may come of a write of which only a part was stored.
    lens: BTreeSet<u64>,
    /// The length that was written last.
    len: u64,
    /// Whether something failed: then a later sync tells only of what was written with it.
    doubtful: bool,
}

/// What may be in a page. Version 0 is zeros.
#[derive(Clone, Debug, Default)]
struct Page {
    versions: BTreeSet<u32>,
    latest: u32,
}

/// How a page differs from each version.
enum Match {
    Version(u32),
    /// One that was longer made, with zeros.
    Extended,
}

impl Model {
    /// An empty directory.
    pub(super) fn new() -> Self {
        Self {
            versions: 0,
            entries: BTreeMap::new(),
            files: BTreeMap::new(),
            unsure: None,
        }
    }

    /// Does `op` in the directory `root`.
    pub(super) fn run(&mut self, root: &Path, op: &Op) -> io::Result<()> {
        assert!(self.unsure.is_none(), "after a failure one has to look first");
        let version = self.begin(op);
        let result = self.execute(root, op, version);
        match result {
            Ok(()) => self.done(op, version),
            Err(_) => self.failed(op),
        }
        result
    }

    /// A fault was injected into an operation that nevertheless went well: what it did not sync may be lost.
    pub(super) fn doubt(&mut self, op: &Op) {
        if op.synced() == Some(Synced::No) {
            self.failed(op);
        }
    }

    /// Looks which it is, where a call failed that would have changed names.
    pub(super) fn resolve(&mut self, root: &Path) {
        let Some(op) = self.unsure.take() else { return };
        let is_there = |path: &str| match fs::symlink_metadata(root.join(path)) {
            Ok(_) => true,
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            Err(error) => panic!("{op:?} failed, and then {path}: {error}"),
        };
        match &op {
            Op::Save { path, .. } | Op::Cut { path, .. } | Op::Punch { path, .. } => {
                if !is_there(path) {
                    self.entries.remove(path);
                }
            }
            Op::Mkdir(path) | Op::Symlink(path) | Op::Link(_, path) => {
                if is_there(path) {
                    self.apply(&op);
                }
            }
            Op::Rename(path, _) | Op::Unlink(path) | Op::Rmdir(path) => {
                if !is_there(path) {
                    self.apply(&op);
                }
            }
        }
    }

    /// Whether it is known which names there are.
    pub(super) fn is_sure(&self) -> bool {
        self.unsure.is_none()
    }

    /// Whether `op` has changed names already, so that it cannot be done again.
    pub(super) fn was_done(&self, op: &Op) -> bool {
        match op {
            Op::Save { .. } | Op::Cut { .. } | Op::Punch { .. } => false,
            Op::Mkdir(path) | Op::Symlink(path) | Op::Link(_, path) => self.has(path),
            Op::Rename(path, _) | Op::Unlink(path) | Op::Rmdir(path) => !self.has(path),
        }
    }

    /// The files, with their lengths in bytes.
    pub(super) fn files(&self) -> Vec<(String, u64)> {
        let file = |(path, entry): (&String, &Entry)| match entry {
            Entry::File(id) => Some((path.clone(), self.files[id].len)),
            Entry::Dir | Entry::Symlink => None,
        };
        self.entries.iter().filter_map(file).collect()
    }

    /// The directories.
    pub(super) fn dirs(&self) -> Vec<String> {
        let is_dir = |(_, entry): &(&String, &Entry)| **entry == Entry::Dir;
        self.entries.iter().filter(is_dir).map(|(path, _)| path.clone()).collect()
    }

    /// Whether something has this name.
    pub(super) fn has(&self, path: &str) -> bool {
        self.entries.contains_key(path)
    }

    fn contents(&mut self, path: &str) -> &mut Contents {
        match self.entries.get(path) {
            Some(Entry::File(id)) => self.files.get_mut(id).unwrap(),
            other => panic!("{path} is {other:?}"),
        }
    }

    /// What `op` may bring about is possible from now on.
    fn begin(&mut self, op: &Op) -> u32 {
        self.versions += 1;
        let version = self.versions;
        match op {
            Op::Save { path, first, pages, .. } => {
                if !self.has(path) {
                    self.entries.insert(path.clone(), Entry::File(version));
                    self.files.insert(version, Contents::empty(version));
                    self.unsure = Some(op.clone());
                }
                let end = op.end();
                let contents = self.contents(path);
                contents.reach(end);
                for page in *first..first + pages {
                    contents.page(page).versions.insert(version);
                }
                contents.lens.insert(end.max(contents.len));
            }
            Op::Cut { path, len, .. } => {
                let contents = self.contents(path);
                contents.reach(*len);
                contents.lens.insert(*len);
                contents.from(*len).for_each(|page| page.versions.extend([0]));
            }
            Op::Punch { path, first, pages, .. } => {
                let contents = self.contents(path);
                for page in *first..first + pages {
                    contents.page(page).versions.insert(0);
                }
            }
            Op::Mkdir(_) | Op::Rename(..) | Op::Unlink(_) | Op::Rmdir(_) | Op::Symlink(_) | Op::Link(..) => self.unsure = Some(op.clone()),
        }
        version
    }

    fn execute(&mut self, root: &Path, op: &Op, version: u32) -> io::Result<()> {
        let at = |path: &str| root.join(path);
        let file = match op {
            Op::Save { path, first, pages, .. } => {
                let id = self.contents(path).id;
                let file = OpenOptions::new().write(true).create(true).truncate(false).open(at(path))?;
                let mut bytes: Vec<u8> = (*first..first + pages).flat_map(|page| pattern(id, page, version)).collect();
                bytes.truncate(usize::try_from(op.end() - first * PAGE).unwrap());
                file.write_all_at(&bytes, first * PAGE)?;
                file
            }
            Op::Cut { path, len, .. } => {
                let file = OpenOptions::new().write(true).open(at(path))?;
                file.set_len(*len)?;
                file
            }
            Op::Punch { path, first, pages, .. } => {
                let file = OpenOptions::new().write(true).open(at(path))?;
                let how = rustix::fs::FallocateFlags::PUNCH_HOLE | rustix::fs::FallocateFlags::KEEP_SIZE;
                rustix::fs::fallocate(&file, how, first * PAGE, pages * PAGE)?;
                file
            }
            Op::Mkdir(path) => return fs::create_dir(at(path)),
            Op::Rename(from, to) => return fs::rename(at(from), at(to)),
            Op::Unlink(path) => return fs::remove_file(at(path)),
            Op::Rmdir(path) => return fs::remove_dir(at(path)),
            Op::Symlink(path) => return symlink("target", at(path)),
            Op::Link(from, to) => return fs::hard_link(at(from), at(to)),
        };
        match op.synced() {
            Some(Synced::Yes) => file.sync_all(),
            Some(Synced::No) | None => Ok(()),
        }
    }

    fn done(&mut self, op: &Op, version: u32) {
        self.unsure = None;
        match op {
            Op::Save { path, first, pages, .. } => {
                let contents = self.contents(path);
                (*first..first + pages).for_each(|page| contents.page(page).latest = version);
                contents.len = contents.len.max(op.end());
            }
            Op::Cut { path, len, .. } => {
                let contents = self.contents(path);
                contents.from(*len).for_each(|page| page.latest = 0);
                contents.len = *len;
            }
            Op::Punch { path, first, pages, .. } => {
                let contents = self.contents(path);
                (*first..first + pages).for_each(|page| contents.page(page).latest = 0);
            }
            Op::Mkdir(_) | Op::Rename(..) | Op::Unlink(_) | Op::Rmdir(_) | Op::Symlink(_) | Op::Link(..) => self.apply(op),
        }
        if op.synced() == Some(Synced::Yes) {
            let (path, range) = op.pages();
            self.contents(path).synced(range);
        }
    }

    /// Whether it is about a file of which something was lost that was not synced.
    pub(super) fn is_doubtful(&self, op: &Op) -> bool {
        let (path, _) = op.pages();
        matches!(self.entries.get(path), Some(Entry::File(id)) if self.files[id].doubtful)
    }

    fn failed(&mut self, op: &Op) {
        if op.synced().is_some() {
            let (path, _) = op.pages();
            self.contents(path).doubtful = true;
        }
    }

    /// Changes the names.
    fn apply(&mut self, op: &Op) {
        match op {
            Op::Mkdir(path) => drop(self.entries.insert(path.clone(), Entry::Dir)),
            Op::Symlink(path) => drop(self.entries.insert(path.clone(), Entry::Symlink)),
            Op::Link(from, to) => drop(self.entries.insert(to.clone(), self.entries[from])),
            Op::Unlink(path) | Op::Rmdir(path) => drop(self.entries.remove(path)),
            Op::Rename(from, to) => {
                let inside = format!("{from}/");
                let moved = self.entries.keys().filter(|path| *path == from || path.starts_with(&inside));
                for path in moved.cloned().collect::<Vec<_>>() {
                    let entry = self.entries.remove(&path).unwrap();
                    self.entries.insert(format!("{to}{}", &path[from.len()..]), entry);
                }
            }
            Op::Save { .. } | Op::Cut { .. } | Op::Punch { .. } => {}
        }
    }

    /// Checks that all of `root` reads, and is what it may be.
    ///
    /// # Errors
    /// What is wrong.
    pub(super) fn check(&self, root: &Path) -> Result<(), String> {
        self.look(root).map(|_| ())
    }

    /// As [`check`](Self::check), where nothing is under way any more: what is there now has to stay.
    ///
    /// # Errors
    /// What is wrong.
    pub(super) fn check_and_keep(&mut self, root: &Path) -> Result<(), String> {
        self.resolve(root);
        for (id, contents) in self.look(root)? {
            self.files.insert(id, contents);
        }
        Ok(())
    }

    fn look(&self, root: &Path) -> Result<Vec<(u32, Contents)>, String> {
        let mut found = BTreeMap::new();
        list(root, "", &mut found)?;
        let expected: BTreeMap<_, _> = self.entries.iter().map(|(path, entry)| (path.clone(), entry.kind())).collect();
        if found != expected {
            return Err(format!("there is {found:?}\nand should be {expected:?}"));
        }
        let mut looked = vec![];
        for (path, entry) in &self.entries {
            if let Entry::File(id) = entry {
                let bytes = read_anew(&root.join(path)).map_err(|error| format!("{path}: {error}"))?;
                let contents = &self.files[id];
                looked.push((
                    *id,
                    contents.observed(&bytes).map_err(|what| format!("{path}: {what}\n{contents:?}"))?,
                ));
            }
        }
        Ok(looked)
    }
}

impl Entry {
    fn kind(self) -> &'static str {
        match self {
            Self::Dir => "directory",
            Self::File(_) => "file",
            Self::Symlink => "symlink",
        }
    }
}

impl Contents {
    fn empty(id: u32) -> Self {
        Self {
            id,
            pages: vec![],
            lens: BTreeSet::from([0]),
            len: 0,
            doubtful: false,
        }
    }

    fn page(&mut self, page: u64) -> &mut Page {
        &mut self.pages[usize::try_from(page).unwrap()]
    }

    /// The pages from the byte `len` on, which is at a border.
    fn from(&mut self, len: u64) -> impl Iterator<Item = &mut Page> {
        self.pages.iter_mut().skip(usize::try_from(len.div_ceil(PAGE)).unwrap())
    }

    /// The file becomes `len` bytes long, if it is shorter: zeros, as long as nothing was written there.
    fn reach(&mut self, len: u64) {
        let pages = usize::try_from(len.div_ceil(PAGE)).unwrap();
        if self.pages.len() < pages {
            self.pages.resize_with(pages, Page::default);
        }
        let old = usize::try_from(self.len.div_ceil(PAGE)).unwrap();
        for page in self.pages.iter_mut().take(pages).skip(old) {
            page.versions.insert(0);
        }
    }

    /// What was written last is there to stay; where something failed before, only the pages in `range`.
    fn synced(&mut self, range: std::ops::Range<u64>) {
        for (number, page) in (0..).zip(&mut self.pages) {
            if !self.doubtful || range.contains(&number) {
                page.versions = BTreeSet::from([page.latest]);
            }
        }
        if !self.doubtful {
            self.pages.truncate(usize::try_from(self.len.div_ceil(PAGE)).unwrap());
            self.lens = BTreeSet::from([self.len]);
        }
    }

    /// What it is, when it holds `bytes`.
    fn observed(&self, bytes: &[u8]) -> Result<Self, String> {
        let len = u64::try_from(bytes.len()).unwrap();
        let (least, most) = (self.lens.first().unwrap(), self.lens.last().unwrap());
        if !(*least..=*most).contains(&len) {
            return Err(format!("{len} bytes long"));
        }
        let mut known = Self {
            lens: BTreeSet::from([len]),
            pages: vec![],
            len,
            doubtful: false,
            ..*self
        };
        let mut is_extended = false;
        for (number, (found, page)) in (0..).zip(bytes.chunks(4096).zip(&self.pages)) {
            match self.fits(number, found, page) {
                Some(Match::Version(version)) => known.pages.push(Page {
                    versions: BTreeSet::from([version]),
                    latest: version,
                }),
                Some(Match::Extended) => is_extended = true,
                None => {
                    return Err(format!(
                        "{len} bytes long; page {number} begins with {:?}",
                        &found[..found.len().min(16)]
                    ));
                }
            }
        }
        Ok(if is_extended { Self { len, ..self.clone() } } else { known })
    }

    fn fits(&self, number: u64, found: &[u8], page: &Page) -> Option<Match> {
        let patterns = page.versions.iter().map(|version| (*version, pattern(self.id, number, *version)));
        for (version, pattern) in patterns {
            if pattern.starts_with(found) {
                return Some(Match::Version(version));
            }
            let same = pattern.iter().zip(found).take_while(|(one, other)| one == other).count();
            let ended_here = self.lens.contains(&(number * PAGE + u64::try_from(same).unwrap()));
            if ended_here && found[same..].iter().all(|byte| *byte == 0) {
                return Some(Match::Extended);
            }
        }
        None
    }
}

/// What is written as this version of this page of this file: no byte of it is zero, but in version 0.
fn pattern(id: u32, page: u64, version: u32) -> [u8; 4096] {
    let mut bytes = [0; 4096];
    if version > 0 {
        let mut state = (u64::from(id) << 40) ^ (page << 20) ^ u64::from(version);
        for word in bytes.as_chunks_mut::<8>().0 {
            // SplitMix64.
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            *word = (mixed ^ (mixed >> 31) | 0x0101_0101_0101_0101).to_le_bytes();
        }
    }
    bytes
}

/// The file's bytes as the daemon gives them, not the kernel's memory of what was written.
fn read_anew(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    fadvise(&file, 0, None, Advice::DontNeed)?;
    let mut bytes = vec![];
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn list(root: &Path, dir: &str, found: &mut BTreeMap<String, &'static str>) -> Result<(), String> {
    let failed = |error: io::Error| format!("{dir}/: {error}");
    for entry in fs::read_dir(root.join(dir)).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name().into_string().unwrap();
        let path = if dir.is_empty() { name } else { format!("{dir}/{name}") };
        let kind = fs::symlink_metadata(root.join(&path))
            .map_err(|error| format!("{path}: {error}"))?
            .file_type();
        if kind.is_dir() {
            list(root, &path, found)?;
            found.insert(path, "directory");
        } else if kind.is_symlink() {
            found.insert(path, "symlink");
        } else {
            found.insert(path, "file");
        }
    }
    Ok(())
}
