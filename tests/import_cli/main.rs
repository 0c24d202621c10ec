//! `plainview import --recipe` as it is typed. Nothing is mounted: what is in the vault afterwards is read by the library.

#![allow(clippy::unwrap_used, reason = "a test ends where something is wrong")]

mod interrupted;
mod scene;

use plainview::mount::Lock;
use plainview::recipe::RecipeKey;
use plainview::view::{Access, NodeId};
use rustix::fs::{FileType, Mode};
use scene::*;
use std::fs::{self, File};
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

#[test]
fn a_folder_is_imported_and_stays() {
    let scene = Scene::new(&small());
    let before = scene.stored();
    let ended = run(&mut scene.import(&[]));
    ended.expect(0, &[]);
    let (folder, lines) = (scene.folder().canonicalize().unwrap(), ended.out.lines().collect::<Vec<_>>());
    assert_eq!(
        lines,
        [
            "6 files, 2 directories, 5001 bytes imported, 0 skipped, 0 conflicts, 0 failed".to_owned(),
            format!("All of {} is in the vault. It can be removed now.", folder.display())
        ]
    );
    assert_eq!(ended.err, "");
    assert_eq!(scene.imported(), small());
    assert_eq!(scene.stored(), before);
    let again = run(&mut scene.import(&[]));
    again.expect(0, &[]);
    assert!(
        again
            .out
            .starts_with("0 files, 0 directories, 0 bytes imported, 6 skipped, 0 conflicts, 0 failed\n")
    );
}

#[test]
fn a_folder_is_imported_and_goes() {
    let scene = Scene::new(&small());
    let ended = run(&mut scene.import(&["--remove"]));
    ended.expect(0, &[]);
    assert!(ended.out.ends_with("is in the vault, and nothing is left there.\n"), "{ended:?}");
    assert_eq!(scene.imported(), small());
    assert_eq!(scene.stored(), Tree::new());
}

#[test]
fn what_is_not_of_the_recipe_is_left_and_told_of() {
    let scene = Scene::new(&small());
    // A file, and what nobody sees while c.enc is there.
    fs::write(scene.folder().join("sub/notes.txt"), "plain").unwrap();
    fs::create_dir(scene.folder().join("c")).unwrap();
    fs::write(scene.folder().join("c/x.enc"), "").unwrap();
    let ended = run(&mut scene.import(&[]));
    ended.expect(0, &["not shown", "c.enc is shown in its place"]);
    assert!(ended.out.ends_with(": 3 of its entries.\n"), "{ended:?}");
    assert_eq!(scene.imported(), small());
    run(&mut scene.import(&["--remove"])).expect(0, &[]);
    let left = scene.stored();
    assert_eq!(left.keys().collect::<Vec<_>>(), ["c", "c/x.enc", "sub", "sub/notes.txt"]);
}

#[test]
fn kinds_and_attributes_are_kept() {
    let scene = Scene::new(&tree(&[("a", file(100)), ("sub", None)]));
    let (folder, modified) = (scene.folder(), std::time::UNIX_EPOCH + Duration::new(1_000_000_007, 123_456_789));
    std::os::unix::fs::symlink("a.enc", folder.join("to a.enc")).unwrap();
    std::os::unix::fs::symlink("/elsewhere", folder.join("away.enc")).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        folder.join("fifo.enc"),
        FileType::Fifo,
        Mode::from_raw_mode(0o640),
        0,
    )
    .unwrap();
    rustix::fs::setxattr(folder.join("a.enc"), c"user.mood", b"good", rustix::fs::XattrFlags::empty()).unwrap();
    for (name, mode) in [("a.enc", 0o400), ("sub", 0o510)] {
        File::open(folder.join(name)).unwrap().set_modified(modified).unwrap();
        fs::set_permissions(folder.join(name), fs::Permissions::from_mode(mode)).unwrap();
    }
    run(&mut scene.import(&["--remove"])).expect(0, &[]);
    assert_eq!(scene.stored(), Tree::new());
    let vault = scene.view();
    let look = |name: &[u8]| vault.lookup(NodeId::ROOT, name).unwrap().attr;
    for (name, perm) in [(&b"a"[..], 0o400), (b"sub", 0o510)] {
        let attr = look(name);
        assert_eq!((attr.perm, attr.mtime.secs, attr.mtime.nanos), (perm, 1_000_000_007, 123_456_789));
    }
    assert_eq!(vault.getxattr(look(b"a").node, b"user.mood").unwrap(), b"good");
    assert_eq!(vault.readlink(look(b"to a").node).unwrap(), b"a");
    assert_eq!(vault.readlink(look(b"away").node).unwrap(), b"/elsewhere");
    let fifo = look(b"fifo");
    assert_eq!((fifo.kind, fifo.perm & !0o022), (FileType::Fifo, 0o640));
}

#[test]
fn passwords_come_from_where_one_says() {
    let both = format!("{PASSWORD}\n{VAULT_PASSWORD}\n");
    let scene = Scene::new(&small());
    run_with_input(&mut scene.import_without_passwords(&[]), &both).expect(0, &[]);
    assert_eq!(scene.imported(), small());

    let reversed = format!("{VAULT_PASSWORD}\n{PASSWORD}\n");
    run_with_input(&mut scene.import_without_passwords(&[]), &reversed).expect(12, &["probably wrong"]);

    let vault_pass = scene.path("vault-pass");
    let by_file = ["--passfile", vault_pass.to_str().unwrap()];
    run_with_input(&mut scene.import_without_passwords(&by_file), PASSWORD).expect(0, &[]);

    let (recipe, vault) = (format!("echo {PASSWORD}"), format!("echo {VAULT_PASSWORD}"));
    let by_programs = ["--recipe-extpass", &recipe, "--extpass", &vault];
    run(&mut scene.import_without_passwords(&by_programs)).expect(0, &[]);
}

#[test]
fn keys_of_all_lengths_come_from_a_file() {
    for len in [16, 24, 32] {
        let scene = Scene::new(&Tree::new());
        let hex = "5a".repeat(len);
        fs::write(scene.path("hex"), &hex).unwrap();
        scene.fill(&small(), &RecipeKey::read_hex(&mut hex.as_bytes()).unwrap());
        let hex = scene.path("hex");
        let args = ["--recipe-key-hex-file", hex.to_str().unwrap()];
        run_with_input(&mut scene.import_without_passwords(&args), VAULT_PASSWORD).expect(0, &[]);
        assert_eq!(scene.imported(), small());
    }
}

#[test]
fn a_wrong_password_imports_nothing() {
    let scene = Scene::new(&small());
    let before = scene.stored();
    fs::write(scene.path("vault-pass"), "wrong").unwrap();
    run(&mut scene.import(&["--remove"])).expect(12, &["wrong password for"]);
    fs::write(scene.path("vault-pass"), VAULT_PASSWORD).unwrap();
    fs::write(scene.path("recipe-pass"), "wrong").unwrap();
    run(&mut scene.import(&["--remove"])).expect(12, &["probably wrong", "nothing was imported", "--force"]);
    assert_eq!((scene.imported(), scene.stored()), (Tree::new(), before));
    run(&mut scene.import(&["--force"])).expect(0, &["warning", "probably wrong"]);
    let garbage = scene.imported();
    assert!(garbage.keys().eq(small().keys()) && garbage != small());
}

#[test]
fn nothing_is_removed_where_nothing_can_tell_whether_the_password_is_right() {
    let scene = Scene::new(&tree(&[("x", file(32)), ("y", file(1600))]));
    run(&mut scene.import(&["--remove"])).expect(12, &["can tell", "--force"]);
    run(&mut scene.import(&[])).expect(0, &[]);
    run(&mut scene.import(&["--remove", "--force"])).expect(0, &["warning"]);
    assert_eq!(scene.imported(), tree(&[("x", file(32)), ("y", file(1600))]));
    assert_eq!(scene.stored(), Tree::new());
}

#[test]
fn folders_that_cannot_be_meant_are_refused() {
    let scene = Scene::new(&small());
    fs::create_dir(scene.vault().join("inside")).unwrap();
    fs::create_dir(scene.path("empty")).unwrap();
    std::os::unix::fs::symlink("vault", scene.path("link")).unwrap();
    let cases = [
        ("vault/inside", "vault", 2, "must not"),
        ("vault", "vault", 2, "must not"),
        ("link/inside", "vault", 2, "must not"),
        (".", "vault", 2, "must not"),
        ("vault", "folder", 7, "is not a vault"),
        ("folder", "empty", 7, "is not a vault"),
        ("folder", "none", 7, "is not a vault"),
        ("none", "vault", 1, "cannot open"),
        ("recipe-pass", "vault", 1, "cannot open"),
    ];
    for (folder, vault, code, word) in cases {
        let mut command = plainview(&["import", "--recipe"]);
        run(command.args([scene.path(folder), scene.path(vault)])).expect(code, &[word]);
    }
    fs::copy(scene.vault().join("plainview.toml"), scene.folder().join("plainview.toml")).unwrap();
    run(&mut scene.import(&[])).expect(2, &["is a vault and no recipe folder"]);
    fs::remove_file(scene.folder().join("plainview.toml")).unwrap();
    fs::remove_dir(scene.vault().join("inside")).unwrap();
    assert_eq!(scene.imported(), Tree::new());
}

#[test]
fn paths_are_counted() {
    for (args, word) in [
        (&["import", "F", "V"][..], "--recipe"),
        (&["import", "--recipe", "F", "V", "W"], "FOLDER VAULT"),
    ] {
        run(&mut plainview(args)).expect(2, &[word]);
    }
}

#[test]
fn what_is_in_use_is_left_alone() {
    let scene = Scene::new(&small());
    let lock = |path: &Path, access| Lock::take(open(path).as_fd(), path, access).unwrap();
    let reader = lock(&scene.vault(), Access::ReadOnly);
    run(&mut scene.import(&[])).expect(8, &["vault is in use"]);
    drop(reader);
    let writer = lock(&scene.folder(), Access::ReadWrite);
    run(&mut scene.import(&[])).expect(8, &["folder is in use"]);
    drop(writer);
    let reader = lock(&scene.folder(), Access::ReadOnly);
    run(&mut scene.import(&["--remove"])).expect(8, &["folder is in use"]);
    assert_eq!(scene.imported(), Tree::new());
    run(&mut scene.import(&[])).expect(0, &[]);
    drop(reader);
    assert_eq!(scene.imported(), small());
}

#[test]
fn damage_and_conflicts_are_told_by_path_and_the_rest_goes_on() {
    let scene = Scene::new(&small());
    // What is in the vault already comes from another folder.
    fs::rename(scene.folder(), scene.path("first")).unwrap();
    scene.fill(&tree(&[("b.txt", file(2)), ("sub", None), ("sub/f.enc", None)]), &scene.key());
    run(&mut scene.import(&["--force"])).expect(0, &[]);
    fs::remove_dir_all(scene.folder()).unwrap();
    fs::rename(scene.path("first"), scene.folder()).unwrap();
    // Cut by a byte, without even a header, and longer than its header says.
    for (name, len) in [("sub/deep/d.enc", 4023), ("c.enc", 10), ("a.enc", 40)] {
        let file = File::options().write(true).open(scene.folder().join(name)).unwrap();
        file.set_len(len).unwrap();
    }
    for _ in 0..2 {
        let ended = run(&mut scene.import(&["--remove"]));
        ended.expect(INCOMPLETE, &["not everything was imported", "run it again"]);
        let folder = scene.folder().canonicalize().unwrap();
        for (name, what) in [
            ("sub/deep/d", "cannot be read: "),
            ("c", "cannot be read: "),
            ("a", "cannot be read: "),
            ("b.txt", "something else"),
            ("sub/f.enc", "something else"),
        ] {
            let line = format!("plainview: {}: ", folder.join(name).display());
            let told = ended.err.lines().find_map(|said| said.strip_prefix(&line));
            assert!(told.is_some_and(|told| told.contains(what)), "{name}: {ended:?}");
        }
        assert!(ended.out.ends_with(" 2 conflicts, 3 failed\n"), "{ended:?}");
    }
    let expected = tree(&[
        ("b.txt", file(2)),
        ("sub", None),
        ("sub/deep", None),
        ("sub/deep/e", file(17)),
        ("sub/f.enc", None),
    ]);
    assert_eq!(scene.imported(), expected);
    assert_eq!(scene.stored().values().filter(|contents| contents.is_some()).count(), 5);
}
