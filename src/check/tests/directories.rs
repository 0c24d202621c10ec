//! Damage to directories: their ids, their names, and trees that are deeper than any path.

use super::oracle::Seen;
use super::repairs::{RECORDS, at, flip, named, only, rename, repaired};
use super::scene::Scene;
use crate::check::trail::open_directory;
use crate::check::{Deed, Depth, Mode, What};
use crate::keys::Names;
use crate::record::cipher_len;
use crate::sys::descriptor;
use rustix::fs::{AtFlags, CWD, OFlags};
use std::fs::File;
use std::io::Write as _;
use std::os::fd::AsFd;
use std::os::unix::fs::symlink;
use std::process::Command;

#[test]
fn an_entry_without_its_long_name_is_moved() {
    let scene = Scene::full();
    let name = named(&scene, "plainview.name.").into_iter().next().unwrap();
    std::fs::remove_file(name).unwrap();
    let finding = only(&scene);
    assert_eq!((finding.what, finding.path.clone()), (What::Name, Err(b"?".to_vec())), "{finding}");
    assert!(finding.reason.contains("missing"), "{finding}");
    assert_eq!(repaired(&scene), [Deed::Move]);
}

#[test]
fn a_damaged_directory_id_is_written_anew() {
    let template = Scene::full();
    let ids = named(&template, "plainview.dirid").len();
    assert_eq!(ids, 2);
    for index in 0..ids {
        // The tag, the id, and neither all there: what follows from the place does not fit a directory that was renamed, but the written id may.
        for (byte, deed) in [(20, Deed::WriteId), (3, Deed::Move)] {
            let scene = template.copy();
            let before = Seen::of(&scene.view());
            flip(&named(&scene, "plainview.dirid")[index], byte);
            let finding = only(&scene);
            assert_eq!(finding.what, What::DirectoryId, "{finding}");
            assert_eq!(repaired(&scene), [deed], "byte {byte}");
            assert_eq!(Seen::of(&scene.view()) == before, deed == Deed::WriteId);
        }
        // Without it the names in it are lost.
        let scene = template.copy();
        std::fs::remove_file(&named(&scene, "plainview.dirid")[index]).unwrap();
        assert_eq!(only(&scene).what, What::DirectoryId);
        assert_eq!(repaired(&scene), [Deed::Move]);
    }
}

#[test]
fn a_directory_id_that_follows_from_the_place_is_found() {
    let scene = Scene::full();
    let before = Seen::of(&scene.view());
    let inside = scene.stored(RECORDS);
    let dir = inside.parent().unwrap();
    // Another directory's, garbage, and no file at all.
    let other = named(&scene, "plainview.dirid").into_iter().next().unwrap();
    let id = dir.join("plainview.dirid");
    for damage in [0, 1, 2] {
        match damage {
            0 => drop(std::fs::copy(&other, &id).unwrap()),
            1 => std::fs::write(&id, b"garbage").unwrap(),
            _ => {
                std::fs::remove_file(&id).unwrap();
                symlink("nowhere", &id).unwrap();
            }
        }
        assert_eq!(only(&scene).what, What::DirectoryId);
        assert_eq!(scene.repair(Mode::Act).len(), 1);
        assert_eq!(scene.check(Depth::Full).0, []);
        assert_eq!(Seen::of(&scene.view()), before);
    }
}

#[test]
fn a_moved_directory_keeps_together() {
    let scene = Scene::full();
    let inside = scene.stored(RECORDS);
    flip(&inside, at(1));
    rename(inside.parent().unwrap());
    let deeds = repaired(&scene);
    assert_eq!(deeds, [Deed::Move]);
    assert!(
        scene
            .entries()
            .iter()
            .all(|path| path.symlink_metadata().unwrap().len() != cipher_len(RECORDS))
    );
}

#[test]
fn a_tree_deeper_than_any_path_is_checked_and_repaired() {
    const DEEP: u64 = 1500;
    let scene = Scene::new(Names::Plain);
    let mut dir = scene.root();
    for _ in 0..DEEP {
        rustix::fs::mkdirat(&dir, c"directory", rustix::fs::Mode::RWXU).unwrap();
        dir = open_directory(dir.as_fd(), c"directory").unwrap();
        rustix::fs::mkdirat(&dir, c"beside", rustix::fs::Mode::RWXU).unwrap();
    }
    let mut file = File::from(descriptor::reopen(dir.as_fd(), OFlags::RDWR | OFlags::TMPFILE).unwrap());
    file.write_all(b"no file of a vault").unwrap();
    let link = descriptor::link(file.as_fd());
    rustix::fs::linkat(CWD, &link, &dir, c"file", AtFlags::SYMLINK_FOLLOW).unwrap();
    let (found, summary) = scene.check(Depth::Full);
    assert_eq!((found.len(), summary.directories, summary.files), (1, 2 * DEEP, 1));
    assert!(found[0].vault_path.len() > 14_000);
    assert_eq!(scene.repair(Mode::Act).len(), 1);
    assert_eq!(scene.check(Depth::Full).0, []);
    // What the standard library has takes a descriptor for each directory on the way.
    assert!(Command::new("rm").arg("-rf").arg(scene.path()).status().unwrap().success());
}
