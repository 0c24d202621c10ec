//! Which entry is shown under which name.

use super::*;
use crate::error::Error;
use crate::name::NameError;

const FILE: Option<FileType> = Some(FileType::RegularFile);
const DIRECTORY: Option<FileType> = Some(FileType::Directory);

fn names<const N: usize>(names: [&[u8]; N]) -> BTreeSet<Vec<u8>> {
    names.map(<[u8]>::to_vec).into()
}

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
    for name in [&b"a.enc"[..], b"link.enc", b"photos"] {
        assert_eq!(shown.find(name), Err(Errno::NOENT));
    }
    assert_eq!(shown.seal(b"a.enc", FILE).unwrap(), b"a.enc.enc");
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
fn what_cannot_be_looked_at_is_told() {
    let place = place(Others::Hidden);
    let file = File::open(place.file(b"a.enc").path(b"a.enc")).unwrap();
    let name = PlainName::new(b"x").unwrap();
    for kind in [None, FILE, DIRECTORY] {
        let error = place.recipe.seal_name(NO_ID, &name, kind, file.as_fd()).unwrap_err();
        assert_eq!(error.errno(), Errno::NOTDIR);
    }
}
