//! Tests of names, symlinks and what becomes of each entry.

mod shown;

use super::*;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::fd::AsFd;
use tempfile::TempDir;

/// A folder, and its root directory.
struct Place {
    dir: TempDir,
    root: OwnedFd,
    recipe: Recipe,
}

fn place(others: Others) -> Place {
    let dir = tempfile::tempdir().unwrap();
    let root: OwnedFd = File::open(dir.path()).unwrap().into();
    let key = RecipeKey::from_hex(&[b'7'; 64]).unwrap();
    let recipe = Recipe::new(key, root.try_clone().unwrap(), others);
    Place { dir, root, recipe }
}

impl Place {
    fn path(&self, stored: &[u8]) -> PathBuf {
        self.dir.path().join(std::ffi::OsStr::from_bytes(stored))
    }

    fn file(&self, stored: &[u8]) -> &Self {
        fs::write(self.path(stored), b"").unwrap();
        self
    }

    fn directory(&self, stored: &[u8]) -> &Self {
        fs::create_dir(self.path(stored)).unwrap();
        self
    }

    fn seal(&self, name: &[u8], kind: Option<FileType>) -> std::result::Result<Vec<u8>, Errno> {
        let name = PlainName::new(name).unwrap();
        let sealed = self.recipe.seal_name(NO_ID, &name, kind, self.root.as_fd());
        sealed.map(|name| name.encoded().to_vec()).map_err(|error| error.errno())
    }

    /// What is shown under `name`.
    fn find(&self, name: &[u8]) -> std::result::Result<Vec<u8>, Errno> {
        self.seal(name, None)
    }

    fn open(&self, stored: &[u8], kind: FileType) -> Option<Vec<u8>> {
        let stored = CString::new(stored).unwrap();
        let (name, opened) = self.recipe.open_name(NO_ID, &stored, kind, self.root.as_fd())?;
        assert_eq!(opened.entry(), &*stored);
        Some(name.as_bytes().to_vec())
    }

    /// All names that a listing shows. Each must lead back to its entry, whether the kind is known or not, and no two may be the same.
    fn list(&self) -> BTreeSet<Vec<u8>> {
        let mut names = BTreeSet::new();
        for entry in fs::read_dir(self.dir.path()).unwrap() {
            let entry = entry.unwrap();
            let stored = entry.file_name().as_bytes().to_vec();
            let kind = match entry.file_type().unwrap() {
                kind if kind.is_dir() => FileType::Directory,
                kind if kind.is_symlink() => FileType::Symlink,
                _ => FileType::RegularFile,
            };
            let name = self.open(&stored, kind);
            assert_eq!(self.open(&stored, FileType::Unknown), name);
            if let Some(name) = name {
                assert_eq!(self.find(&name), Ok(stored));
                assert!(names.insert(name), "two entries of one name");
            }
        }
        names
    }
}

#[test]
fn a_directory_with_nothing_but_our_own_files_is_emptied() {
    let place = place(Others::Hidden);
    let sub = |name: &[u8]| File::open(place.path(name)).unwrap();
    place.directory(b"none").directory(b"ours").directory(b"mixed");
    place.file(b"ours/plainview.tmp.1").file(b"ours/plainview.tmp.2");
    place.file(b"mixed/plainview.tmp.1").file(b"mixed/hidden");
    assert!(!place.recipe.empty_directory(sub(b"none").as_fd()).unwrap());
    assert!(place.recipe.empty_directory(sub(b"ours").as_fd()).unwrap());
    assert_eq!(fs::read_dir(place.path(b"ours")).unwrap().count(), 0);
    let error = place.recipe.empty_directory(sub(b"mixed").as_fd()).unwrap_err();
    assert_eq!(error.errno(), Errno::NOTEMPTY);
    assert_eq!(fs::read_dir(place.path(b"mixed")).unwrap().count(), 2);
}

#[test]
fn targets_get_and_lose_the_suffix() {
    let recipe = place(Others::Hidden).recipe;
    for target in [
        &b"a"[..],
        b"a.enc",
        b".enc",
        b"../x",
        b".",
        b"..",
        b"dir/",
        b"/abs/olute",
        b"\xff\n",
        &[b'x'; 4091],
    ] {
        let stored = recipe.seal_target(target).unwrap();
        assert_eq!(stored, [target, b".enc"].concat());
        assert_eq!(recipe.open_target(&stored).unwrap(), target);
    }
    assert_eq!(recipe.seal_target(&[b'x'; 4092]).unwrap_err().errno(), Errno::NAMETOOLONG);
    // What other programs have made is shown as it is.
    for stored in [&b"plain"[..], b".enc", b"a.enc/", b"enc", b"aenc"] {
        assert_eq!(recipe.open_target(stored).unwrap(), stored);
    }
}

#[test]
fn sizes_that_stat_tells() {
    let place = place(Others::Hidden);
    place.file(b"a.enc");
    let stat = rustix::fs::stat(place.path(b"a.enc")).unwrap();
    for kind in [FileType::RegularFile, FileType::Symlink] {
        assert_eq!(place.recipe.plain_size(kind, &stat), None);
    }
    for kind in [FileType::Directory, FileType::Fifo, FileType::Unknown] {
        assert_eq!(place.recipe.plain_size(kind, &stat), Some(0));
    }
}

#[test]
fn attributes_are_as_they_are() {
    let recipe = place(Others::Hidden).recipe;
    assert_eq!(&*recipe.seal_attribute_name(c"user.x").unwrap(), c"user.x");
    assert_eq!(recipe.open_attribute_name(c"security.y").unwrap().unwrap(), b"security.y");
    assert_eq!(recipe.seal_attribute(c"user.x", b"v").unwrap(), b"v");
    assert_eq!(recipe.open_attribute(c"user.x", b"").unwrap(), b"");
}

#[test]
fn a_new_file_is_empty_and_has_an_iv_of_its_own() {
    let place = place(Others::Hidden);
    let (one, other) = (place.recipe.empty_file(), place.recipe.empty_file());
    assert_eq!(one.len(), 24);
    assert_eq!(one[..8], [0; 8]);
    assert_ne!(one, other);
    fs::write(place.path(b"new.enc"), &one).unwrap();
    let file = File::open(place.path(b"new.enc")).unwrap();
    let contents = contents(&place, Some(c"new.enc"), &file);
    let mut buf = vec![1];
    contents.read_at(file.as_fd(), 0, 10, &mut buf).unwrap();
    assert_eq!((contents.len(), &*buf), (0, &b""[..]));
}

fn contents(place: &Place, stored: Option<&CStr>, file: &File) -> Box<dyn Contents> {
    let stat = rustix::fs::fstat(file).unwrap();
    let name = stored.map(|stored| CipherName::Short(stored.to_owned()));
    place.recipe.contents(name.as_ref(), file.as_fd(), &stat).unwrap()
}

#[test]
fn other_files_are_shown_as_they_are_and_never_changed() {
    use crate::folder::{Durability, SeekTo};
    let place = place(Others::Shown);
    fs::write(place.path(b"README"), b"in the clear").unwrap();
    let file = File::options().read(true).write(true).open(place.path(b"README")).unwrap();
    let mut other = contents(&place, Some(c"README"), &file);
    assert_eq!(other.len(), 12);
    let mut buf = vec![1; 100];
    for (offset, len, expected) in [
        (0, 100, &b"in the clear"[..]),
        (3, 3, b"the"),
        (11, 5, b"r"),
        (12, 1, b""),
        (u64::MAX, 1, b""),
    ] {
        other.read_at(file.as_fd(), offset, len, &mut buf).unwrap();
        assert_eq!(buf, expected);
    }
    let fd = file.as_fd();
    let refused = [
        other.write_at(fd, 0, b"x"),
        other.resize(fd, 0),
        other.zero(fd, 0, 1),
        other.allocate(fd, 0, 1),
    ];
    for result in refused {
        assert_eq!(result.unwrap_err().errno(), Errno::ROFS);
    }
    assert_eq!(other.seek(fd, 3, SeekTo::Data).unwrap(), 3);
    assert_eq!(other.seek(fd, 3, SeekTo::Hole).unwrap(), 12);
    other.sync(fd, Durability::Data).unwrap();
    other.release();
    assert!(!other.has_pending());
    assert_eq!(fs::read(place.path(b"README")).unwrap(), b"in the clear");
    // The same bytes as an encrypted file, or as one that has lost its name, are none.
    for stored in [Some(c"README.enc"), None] {
        let misfit = contents(&place, stored, &file);
        assert_eq!(misfit.read_at(fd, 0, 1, &mut buf).unwrap_err().errno(), Errno::IO);
    }
}
