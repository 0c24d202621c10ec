//! What opens a recipe folder, what does not, and what is said about it.

use super::program::Program;
use super::{folder, list, stored};
use crate::cli::code;
use crate::harness::{Key, Kind, Options, Vault, errno};
use crate::people::{Answer, Who, run};
use crate::tree::Tree;
use rustix::io::Errno;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// `plainview mount` with these arguments and the folder's paths, which must fail.
#[track_caller]
fn mount_fails(vault: &Vault, args: &[&OsStr], code: i32) -> Answer {
    let mut mount = vault.plainview(Who::me(), &["mount"]);
    let answer = run(mount.args(args).args([vault.path(), vault.point()])).code(code);
    assert!(crate::places::mount_at(vault.point()).is_none());
    answer
}

/// The weakness of the format is told with each mount, in one sentence; nothing else is.
#[test]
fn the_mount_says_what_is_weak() {
    let Some(program) = Program::or_skip() else { return };
    let vault = folder();
    program.make(&vault, "file", b"contents");
    let mounted = vault.mount(&[]);
    let log = mounted.log();
    let told: Vec<_> = log.lines().filter(|line| line.contains("authenticat")).collect();
    assert_eq!(told.len(), 1, "{log}");
    assert!(["hash", "names"].iter().all(|word| told[0].contains(word)), "{log}");
    mounted.unmount();
}

/// The format has no check of a password, but the padding of the files tells.
#[test]
fn a_wrong_password_is_warned_of_and_a_right_one_is_not() {
    let Some(program) = Program::or_skip() else { return };
    let vault = folder();
    for size in [1, 100, 1000, 10_001, 70_000] {
        program.make(&vault, &format!("{size} bytes"), &crate::corpus::noise(1, size));
    }
    vault.mount(&[]).unmount();
    let before = Tree::of(vault.path());
    let wrong = vault.scratch().file("wrong", b"another password\n", Who::me());
    let mut command = vault.plainview(Who::me(), &["mount", "-f", "--recipe", "--passfile"]);
    command.args([&wrong, vault.path(), vault.point()]);
    let mut mounted = vault.mount_by(Who::me(), command);
    mounted.expect_log("password");
    assert_ne!(
        fs::read(mounted.path().join("100 bytes")).unwrap(),
        crate::corpus::noise(1, 100),
        "garbage, as the format has it"
    );
    mounted.unmount();
    before.assert_same(&Tree::of(vault.path()));
}

/// Programs that pad with zeros were right, too.
#[test]
fn padding_of_zeros_is_as_good() {
    let Some(program) = Program::or_skip() else { return };
    let vault = folder();
    program.make(&vault, "zeros", b"12345\0\0\0\0\0\0\0\0\0\0\0");
    let mut bytes = fs::read(stored(&vault, "zeros")).unwrap();
    bytes[0] = 5;
    fs::write(stored(&vault, "zeros"), bytes).unwrap();
    let mounted = vault.mount(&[]);
    assert_eq!(fs::read(mounted.path().join("zeros")).unwrap(), b"12345");
    mounted.unmount();
}

/// Where no file has padding nothing can be known, and nothing is said.
#[test]
fn an_empty_folder_mounts_with_any_password() {
    let vault = folder();
    let mounted = vault.mount(&[]);
    assert!(list(mounted.path()).is_empty());
    fs::write(mounted.path().join("file"), b"contents").unwrap();
    mounted.unmount();
    assert_eq!(list(vault.path()), ["file.enc".to_owned()].into());
}

#[test]
fn keys_of_other_lengths_are_refused() {
    let vault = folder();
    let digits = |len: usize| "0123456789abcdef".repeat(5)[..len].to_owned();
    for text in [
        digits(0),
        digits(30),
        digits(33),
        digits(34),
        digits(62),
        digits(66),
        "xyzw".repeat(8),
        digits(31) + "g",
    ] {
        let file = vault.scratch().file("key", text.as_bytes(), Who::me());
        let args = [OsStr::new("--recipe"), OsStr::new("--key-hex-file"), file.as_os_str()];
        mount_fails(&vault, &args, code::OTHER).says(&["hexadecimal"]);
    }
    let args = ["--recipe", "--key-hex-file", "/nonexistent"].map(OsStr::new);
    mount_fails(&vault, &args, code::OTHER).says(&["/nonexistent"]);
    let args = [OsStr::new("--key-hex-file"), vault.passfile().as_os_str()];
    mount_fails(&vault, &args, code::USAGE).says(&["--recipe"]);
    let args = ["--recipe", "--key-hex-file", "/nonexistent", "--passfile", "/nonexistent"].map(OsStr::new);
    mount_fails(&vault, &args, code::USAGE);
}

#[test]
fn vaults_and_recipe_folders_are_not_taken_for_each_other() {
    let Some(program) = Program::or_skip() else { return };
    let vault = Vault::new(Options::default());
    let before = Tree::of(vault.path());
    let args = [OsStr::new("--recipe"), OsStr::new("--passfile"), vault.passfile().as_os_str()];
    mount_fails(&vault, &args, code::USAGE).says(&["vault", "--recipe"]);
    before.assert_same(&Tree::of(vault.path()));

    let vault = folder();
    program.make(&vault, "file", b"contents");
    let args = [OsStr::new("--passfile"), vault.passfile().as_os_str()];
    mount_fails(&vault, &args, code::NOT_A_VAULT).says(&["--recipe"]);
    assert_eq!(list(vault.path()), ["file.enc".to_owned()].into());

    let (file, missing) = (stored(&vault, "file"), vault.path().join("missing"));
    for path in [file, missing] {
        let mut mount = vault.plainview(Who::me(), &["mount", "--recipe", "--passfile"]);
        let answer = run(mount.args([vault.passfile(), Path::new(&path), vault.point()]));
        assert_ne!(answer.code, 0);
        answer.says(&[path.to_str().unwrap()]);
    }
}

#[test]
fn a_folder_is_mounted_once() {
    let vault = folder();
    let mounted = vault.mount(&[]);
    let again = Vault::at(vault.path(), &Options::recipe(Who::me(), Key::Password));
    assert_eq!(again.kind(), Kind::Recipe(Key::Password));
    let answer = run(&mut again.mount_command(Who::me(), &[])).code(code::IN_USE);
    answer.says(&[&mounted.pid().to_string(), vault.point().to_str().unwrap()]);
    mounted.unmount();
    vault.mount(&[]).unmount();
}

#[test]
fn a_read_only_mount_changes_nothing() {
    let Some(program) = Program::or_skip() else { return };
    let vault = folder();
    fs::create_dir(vault.path().join("dir")).unwrap();
    for name in ["file", "dir/file"] {
        program.make(&vault, name, b"contents");
    }
    let before = Tree::of(vault.path());
    let mounted = vault.mount(&["--ro"]);
    let at = |name: &str| mounted.path().join(name);
    assert_eq!(fs::read(at("dir/file")).unwrap(), b"contents");
    let refused = [
        errno(fs::write(at("file"), b"new")),
        errno(fs::write(at("new"), b"new")),
        errno(fs::OpenOptions::new().append(true).open(at("file"))),
        errno(fs::remove_file(at("file"))),
        errno(fs::rename(at("file"), at("other"))),
        errno(fs::create_dir(at("new"))),
        errno(fs::remove_dir_all(at("dir"))),
        errno(fs::set_permissions(at("file"), fs::Permissions::from_mode(0o600))),
        errno(std::os::unix::fs::symlink("file", at("link"))),
    ];
    assert_eq!(refused, [Some(Errno::ROFS); 9]);
    mounted.unmount();
    before.assert_same(&Tree::of(vault.path()));
}
