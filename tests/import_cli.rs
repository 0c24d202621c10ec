//! `plainview import --recipe` as it is typed. Nothing is mounted: what is in the vault afterwards is read by the library.

#![allow(clippy::unwrap_used, reason = "a test ends where something is wrong")]

use plainview::keys::Config;
use plainview::mount::Lock;
use plainview::password::{self, Asking, Source};
use plainview::recipe::{self, RecipeKey};
use plainview::vault::Vault;
use plainview::view::{Access, Fill, NodeId, Options, Ownership, View};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rustix::fs::{FileType, Mode, OFlags};
use rustix::process::Signal;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::Duration;
use tempfile::TempDir;

const PASSWORD: &str = "of the recipe";
const VAULT_PASSWORD: &str = "of the vault";
const INCOMPLETE: i32 = 17;

/// Contents by path; those of a directory are `None`.
type Tree = BTreeMap<String, Option<Vec<u8>>>;

/// A recipe folder and an empty vault.
struct Scene {
    dir: TempDir,
}

impl Scene {
    fn new(tree: &Tree) -> Self {
        let scene = Self {
            dir: TempDir::new().unwrap(),
        };
        for (name, password) in [("recipe-pass", PASSWORD), ("vault-pass", VAULT_PASSWORD)] {
            fs::write(scene.path(name), password).unwrap();
        }
        let init = ["init", "--kdf-memory", "8M", "--kdf-passes", "1", "--passfile"];
        let made = plainview(&init).arg(scene.path("vault-pass")).arg(scene.vault()).output().unwrap();
        assert!(made.status.success(), "{made:?}");
        scene.fill(tree, &scene.key());
        scene
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn folder(&self) -> PathBuf {
        self.path("folder")
    }

    fn vault(&self) -> PathBuf {
        self.path("vault")
    }

    fn key(&self) -> RecipeKey {
        let password = password::get(&Source::File(&self.path("recipe-pass")), Asking::Existing).unwrap();
        RecipeKey::of_password(&password)
    }

    /// Encrypts a tree into the folder.
    fn fill(&self, tree: &Tree, key: &RecipeKey) {
        fs::create_dir_all(self.folder()).unwrap();
        for (path, contents) in tree {
            let Some(contents) = contents else {
                fs::create_dir(self.folder().join(path)).unwrap();
                continue;
            };
            let plain = self.path("plain");
            fs::write(&plain, contents).unwrap();
            let encrypted = File::create(self.folder().join(format!("{path}.enc"))).unwrap();
            let (from, size) = (File::open(&plain).unwrap(), contents.len() as u64);
            recipe::encrypt(key, from.as_fd(), size, encrypted.as_fd(), &mut |_| {}).unwrap();
            fs::remove_file(plain).unwrap();
        }
    }

    /// `plainview import --recipe MORE FOLDER VAULT`, with both passwords from files.
    fn import(&self, more: &[&str]) -> Command {
        let mut command = self.import_without_passwords(more);
        command.arg("--recipe-passfile").arg(self.path("recipe-pass"));
        command.arg("--passfile").arg(self.path("vault-pass"));
        command
    }

    fn import_without_passwords(&self, more: &[&str]) -> Command {
        let mut command = plainview(&["import", "--recipe"]);
        command.args(more).arg(self.folder()).arg(self.vault());
        command
    }

    /// What is in the vault.
    fn imported(&self) -> Tree {
        tree_of(&self.view())
    }

    fn view(&self) -> View {
        let root = open(&self.vault());
        let config = Config::read(root.as_fd()).unwrap();
        let password = password::get(&Source::File(&self.path("vault-pass")), Asking::Existing).unwrap();
        let master = config.unlock(&password).unwrap();
        let options = Options {
            access: Access::ReadOnly,
            ownership: Ownership::Daemon,
            descriptors: 100,
        };
        View::new(Box::new(Vault::new(&master, config.names())), root, options).unwrap()
    }

    /// Every file and directory in the folder, as it is on disk.
    fn stored(&self) -> Tree {
        let mut tree = Tree::new();
        let mut dirs = vec![self.folder()];
        while let Some(dir) = dirs.pop() {
            for entry in fs::read_dir(dir).unwrap() {
                let path = entry.unwrap().path();
                let name = path.strip_prefix(self.folder()).unwrap().to_str().unwrap().to_owned();
                let contents = (!path.is_dir()).then(|| fs::read(&path).unwrap());
                if contents.is_none() {
                    dirs.push(path);
                }
                tree.insert(name, contents);
            }
        }
        tree
    }
}

fn plainview(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_plainview"));
    command.args(args).env_remove("RUST_LOG").stdin(Stdio::null());
    command
}

fn open(path: &Path) -> std::os::fd::OwnedFd {
    rustix::fs::open(path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).unwrap()
}

fn tree_of(view: &View) -> Tree {
    let mut tree = Tree::new();
    let mut dirs = vec![(NodeId::ROOT, String::new())];
    while let Some((dir, path)) = dirs.pop() {
        let mut names = Vec::new();
        view.readdir(dir, 0, &mut |entry| {
            names.push(String::from_utf8(entry.name.to_vec()).unwrap());
            Fill::Taken
        })
        .unwrap();
        for name in names.iter().filter(|name| !matches!(name.as_str(), "." | "..")) {
            let attr = view.lookup(dir, name.as_bytes()).unwrap().attr;
            let path = format!("{path}{name}");
            let contents = if attr.kind == FileType::Directory {
                dirs.push((attr.node, format!("{path}/")));
                None
            } else {
                let mut bytes = Vec::new();
                view.read(attr.node, 0, usize::try_from(attr.size).unwrap() + 1, &mut bytes)
                    .unwrap();
                Some(bytes)
            };
            tree.insert(path, contents);
        }
    }
    tree
}

/// How a command ended: code, standard output, standard error.
#[derive(Debug)]
struct Ended {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Ended {
    fn of(output: Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    fn expect(&self, code: i32, words: &[&str]) -> &Self {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert!(words.iter().all(|word| self.err.contains(word)), "{self:?}");
        self
    }
}

fn run(command: &mut Command) -> Ended {
    Ended::of(command.output().unwrap())
}

fn run_with_input(command: &mut Command, input: &str) -> Ended {
    let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = child.unwrap();
    // It may have ended without reading it.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    Ended::of(child.wait_with_output().unwrap())
}

fn file(len: usize) -> Option<Vec<u8>> {
    Some((0..len).map(|at| at.to_le_bytes()[0] ^ at.to_le_bytes()[1] ^ 0xa5).collect())
}

fn tree(entries: &[(&str, Option<Vec<u8>>)]) -> Tree {
    entries
        .iter()
        .map(|(path, contents)| ((*path).to_owned(), contents.clone()))
        .collect()
}

/// Six files of 5001 bytes in all, and two directories.
fn small() -> Tree {
    tree(&[
        ("a", file(0)),
        ("b.txt", file(1)),
        ("c", file(16)),
        ("sub", None),
        ("sub/deep", None),
        ("sub/deep/d", file(4000)),
        ("sub/deep/e", file(17)),
        ("sub/f.enc", file(967)),
    ])
}

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

/// The seed of a random test, and whether it was given.
fn seed() -> u64 {
    let given = std::env::var("PLAINVIEW_TEST_SEED").ok();
    let seed = given.map_or_else(rand::random, |seed| seed.parse().unwrap());
    println!("PLAINVIEW_TEST_SEED={seed}");
    seed
}

/// Enough to be killed in.
fn large() -> Tree {
    let mut tree = small();
    for number in 0..40 {
        tree.insert(format!("sub/number {number}"), file(number * 1001));
    }
    tree.insert("large".to_owned(), file((5 << 20) + 3));
    tree
}

fn spawn(command: &mut Command) -> Child {
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn killed_again_and_again(more: &[&str]) -> Scene {
    let mut rng = StdRng::seed_from_u64(seed());
    let scene = Scene::new(&large());
    let mut kills = 0;
    for patience in 1.. {
        let mut child = spawn(&mut scene.import(more));
        thread::sleep(Duration::from_micros(rng.random_range(0..5_000 * patience)));
        // It may have ended: then it is not gone before it is waited for.
        child.kill().unwrap();
        let ended = Ended::of(child.wait_with_output().unwrap());
        if ended.code.is_some() {
            ended.expect(0, &[]);
            break;
        }
        kills += 1;
    }
    println!("killed {kills} times");
    run(&mut scene.import(more)).expect(0, &[]);
    assert_eq!(scene.imported(), large());
    scene
}

#[test]
fn killed_at_random_moments_it_gets_done() {
    let scene = killed_again_and_again(&[]);
    assert_eq!(scene.stored().len(), large().len());
    let ended = run(&mut scene.import(&[]));
    assert!(ended.out.contains("It can be removed now"), "{ended:?}");
}

#[test]
fn killed_at_random_moments_while_it_removes_it_gets_done() {
    // What is left of the folder may have nothing that could tell whether the password is right.
    let scene = killed_again_and_again(&["--remove", "--force"]);
    assert_eq!(scene.stored(), Tree::new());
}

#[test]
fn a_signal_stops_it_and_it_can_be_run_again() {
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let scene = Scene::new(&large());
        let child = spawn(&mut scene.import(&[]));
        // From here on it knows what to do with signals.
        while fs::read_dir(scene.vault()).unwrap().count() < 2 {
            thread::sleep(Duration::from_millis(1));
        }
        rustix::process::kill_process(rustix::process::Pid::from_child(&child), signal).unwrap();
        let ended = Ended::of(child.wait_with_output().unwrap());
        ended.expect(INCOMPLETE, &["stopped; run it again"]);
        assert!(ended.out.contains(" 0 conflicts, 0 failed\n"), "{ended:?}");
        let done = scene.imported();
        assert!(done.len() < large().len(), "{signal:?}");
        assert!(done.iter().all(|(path, contents)| large()[path] == *contents));
        run(&mut scene.import(&[])).expect(0, &[]);
        assert_eq!(scene.imported(), large());
    }
}
