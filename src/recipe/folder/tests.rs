//! Tests of names, symlinks and what becomes of each entry.

use super::*;
use crate::error::Error;
use crate::name::NameError;
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

fn names<const N: usize>(names: [&[u8]; N]) -> BTreeSet<Vec<u8>> {
    names.map(<[u8]>::to_vec).into()
}

const FILE: Option<FileType> = Some(FileType::RegularFile);
const DIRECTORY: Option<FileType> = Some(FileType::Directory);

#[test]
fn everything_but_a_directory_has_the_suffix() {
    let place = place(Others::Hidden);
    for name in [
        &b"a"[..],
        b"a.enc",
        b".enc",
        b"..enc",
        b"...",
        b"....enc",
        b" ",
        b"\xff\x01\n",
        b"*?\"\\",
        &[b'x'; 251],
    ] {
        let suffixed = [name, b".enc"].concat();
        for kind in [
            FileType::RegularFile,
            FileType::Symlink,
            FileType::Fifo,
            FileType::Socket,
            FileType::CharacterDevice,
            FileType::BlockDevice,
        ] {
            assert_eq!(place.seal(name, Some(kind)).unwrap(), suffixed);
            assert_eq!(place.open(&suffixed, kind).unwrap(), name);
        }
        assert_eq!(place.seal(name, DIRECTORY).unwrap(), name);
        assert_eq!(place.open(name, FileType::Directory).unwrap(), name);
        assert_eq!(place.find(name), Err(Errno::NOENT));
        place.file(&suffixed);
        assert_eq!(place.find(name).unwrap(), suffixed);
        fs::remove_file(place.path(&suffixed)).unwrap();
        place.directory(name);
        assert_eq!(place.find(name).unwrap(), name);
        fs::remove_dir(place.path(name)).unwrap();
    }
}

#[test]
fn what_is_not_encrypted_is_hidden_or_shown() {
    let fill = |place: &Place| {
        place.file(b"a.enc").file(b"README").directory(b"sub").directory(b"photos.enc");
        place
            .file(b".enc")
            .file(b"..enc")
            .file(b"...enc")
            .file(b"...")
            .file(b"plainview.toml");
        std::os::unix::fs::symlink("x.enc", place.path(b"link.enc")).unwrap();
        std::os::unix::fs::symlink("x", place.path(b"other")).unwrap();
    };
    let hidden = place(Others::Hidden);
    fill(&hidden);
    assert_eq!(hidden.list(), names([b"a", b"sub", b"photos.enc", b"link"]));
    for name in [
        &b"README"[..],
        b".enc",
        b"..enc",
        b"...enc",
        b"...",
        b"other",
        b"a.enc",
        b"link.enc",
        b"photos",
    ] {
        assert_eq!(hidden.find(name), Err(Errno::NOENT));
    }
    let shown = place(Others::Shown);
    fill(&shown);
    let others: [&[u8]; 7] = [b"README", b".enc", b"..enc", b"...enc", b"...", b"other", b"plainview.toml"];
    let mut all = names([b"a", b"sub", b"photos.enc", b"link"]);
    all.extend(names(others));
    assert_eq!(shown.list(), all);
    let is_read_only = |stored: &[u8], kind| shown.recipe.is_read_only(&CipherName::Short(CString::new(stored).unwrap()), kind);
    for name in others {
        assert!(is_read_only(name, FileType::RegularFile) && is_read_only(name, FileType::Symlink));
        assert!(!is_read_only(name, FileType::Directory));
    }
    assert!(!is_read_only(b"a.enc", FileType::RegularFile) && !is_read_only(b"sub", FileType::Directory));
}

#[test]
fn of_two_forms_the_one_with_the_suffix_is_shown() {
    for others in [Others::Hidden, Others::Shown] {
        let place = place(others);
        place.directory(b"a").file(b"a.enc");
        place.directory(b"b.enc").file(b"b.enc.enc");
        // A directory with the suffix is not that of another name.
        place.directory(b"c").directory(b"c.enc");
        place.file(b"d").file(b"d.enc").file(b"d.enc.enc");
        place.file(b"e").directory(b"e.enc");
        let mut shown = names([b"a", b"b.enc", b"c", b"c.enc", b"d", b"d.enc", b"e.enc"]);
        if others == Others::Shown {
            shown.extend(names([b"e"]));
        }
        assert_eq!(place.list(), shown);
        assert_eq!(place.find(b"a").unwrap(), b"a.enc");
        assert_eq!(place.find(b"b"), Err(Errno::NOENT));
        assert_eq!(place.find(b"c").unwrap(), b"c");
        assert_eq!(place.recipe.logged.lock().len(), if others == Others::Shown { 3 } else { 2 });
    }
}

#[test]
fn what_is_to_be_made_does_not_get_in_the_way_of_what_is_shown() {
    for others in [Others::Hidden, Others::Shown] {
        let place = place(others);
        place.file(b"file.enc").directory(b"dir").directory(b"photos.enc").file(b"README");
        assert_eq!(place.seal(b"file", FILE).unwrap(), b"file.enc");
        assert_eq!(place.seal(b"file", DIRECTORY), Err(Errno::EXIST));
        assert_eq!(place.seal(b"dir", DIRECTORY).unwrap(), b"dir");
        assert_eq!(place.seal(b"dir", FILE), Err(Errno::EXIST));
        assert_eq!(place.seal(b"photos", FILE), Err(Errno::EXIST));
        assert_eq!(place.seal(b"photos", DIRECTORY).unwrap(), b"photos");
        assert_eq!(place.seal(b"photos.enc", FILE), Err(Errno::EXIST));
        let beside_other = match others {
            Others::Hidden => Ok(b"README.enc".to_vec()),
            Others::Shown => Err(Errno::EXIST),
        };
        assert_eq!(place.seal(b"README", FILE), beside_other);
    }
}

#[test]
fn names_too_long_for_the_suffix_are_those_of_directories() {
    let place = place(Others::Hidden);
    assert_eq!(place.recipe.name_max(), 251);
    for len in 252..=255 {
        let name = vec![b'x'; len];
        let error = place
            .recipe
            .seal_name(NO_ID, &PlainName::new(&name).unwrap(), FILE, place.root.as_fd());
        assert!(matches!(error, Err(Error::Name(NameError::TooLong))));
        assert_eq!(place.seal(&name, DIRECTORY).unwrap(), name);
        assert_eq!(place.find(&name), Err(Errno::NOENT));
        place.directory(&name);
        assert_eq!(place.find(&name).unwrap(), name);
        assert_eq!(place.open(&name, FileType::Directory).unwrap(), name);
        fs::remove_dir(place.path(&name)).unwrap();
        // One that is no directory is none of ours, unless it has the suffix.
        place.file(&name);
        assert_eq!(place.find(&name), Err(Errno::NOENT));
        assert_eq!(place.open(&name, FileType::RegularFile), None);
    }
    let longest = [&[b'y'; 251][..], b".enc"].concat();
    place.file(&longest);
    assert_eq!(place.open(&longest, FileType::RegularFile).unwrap(), [b'y'; 251]);
    assert_eq!(place.find(&[b'y'; 251]).unwrap(), longest);
}

#[test]
fn our_own_files_are_never_shown_and_never_made() {
    for others in [Others::Hidden, Others::Shown] {
        let place = place(others);
        place
            .file(b"plainview.tmp.0")
            .file(b"plainview.tmp.x.enc")
            .file(b"plainview.tmp.enc")
            .directory(b"plainview.tmp.d");
        place.directory(b"plainview.tmp");
        assert_eq!(place.list(), names([b"plainview.tmp"]));
        for name in [
            &b"plainview.tmp.0"[..],
            b"plainview.tmp.x",
            b"plainview.tmp.d",
            b"plainview.tmp.new",
        ] {
            assert_eq!(place.find(name), Err(Errno::PERM));
            assert_eq!(place.seal(name, FILE), Err(Errno::PERM));
            assert_eq!(place.seal(name, DIRECTORY), Err(Errno::PERM));
        }
        // Its stored form would be one of ours.
        assert_eq!(place.seal(b"plainview.tmp", FILE), Err(Errno::PERM));
        assert!(place.recipe.is_own(c"plainview.tmp.0") && !place.recipe.is_own(c"plainview.tmp"));
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
fn what_cannot_be_looked_at_is_told() {
    let place = place(Others::Hidden);
    let file = File::open(place.file(b"a.enc").path(b"a.enc")).unwrap();
    let name = PlainName::new(b"x").unwrap();
    for kind in [None, FILE, DIRECTORY] {
        let error = place.recipe.seal_name(NO_ID, &name, kind, file.as_fd()).unwrap_err();
        assert_eq!(error.errno(), Errno::NOTDIR);
    }
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
