//! A recipe folder, a vault, and what is said and done between them.

use plainview::keys::Config;
use plainview::password::{self, Asking, Source};
use plainview::recipe::{self, RecipeKey};
use plainview::vault::Vault;
use plainview::view::{Access, Fill, NodeId, Options, Ownership, View};
use rustix::fs::{FileType, Mode, OFlags};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

pub(crate) const PASSWORD: &str = "of the recipe";
pub(crate) const VAULT_PASSWORD: &str = "of the vault";
pub(crate) const INCOMPLETE: i32 = 17;

/// Contents by path; those of a directory are `None`.
pub(crate) type Tree = BTreeMap<String, Option<Vec<u8>>>;

/// A recipe folder and an empty vault.
pub(crate) struct Scene {
    pub(crate) dir: TempDir,
}

impl Scene {
    pub(crate) fn new(tree: &Tree) -> Self {
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

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn folder(&self) -> PathBuf {
        self.path("folder")
    }

    pub(crate) fn vault(&self) -> PathBuf {
        self.path("vault")
    }

    pub(crate) fn key(&self) -> RecipeKey {
        let password = password::get(&Source::File(&self.path("recipe-pass")), Asking::Existing).unwrap();
        RecipeKey::of_password(&password)
    }

    /// Encrypts a tree into the folder.
    pub(crate) fn fill(&self, tree: &Tree, key: &RecipeKey) {
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
    pub(crate) fn import(&self, more: &[&str]) -> Command {
        let mut command = self.import_without_passwords(more);
        command.arg("--recipe-passfile").arg(self.path("recipe-pass"));
        command.arg("--passfile").arg(self.path("vault-pass"));
        command
    }

    pub(crate) fn import_without_passwords(&self, more: &[&str]) -> Command {
        let mut command = plainview(&["import", "--recipe"]);
        command.args(more).arg(self.folder()).arg(self.vault());
        command
    }

    /// What is in the vault.
    pub(crate) fn imported(&self) -> Tree {
        tree_of(&self.view())
    }

    pub(crate) fn view(&self) -> View {
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
    pub(crate) fn stored(&self) -> Tree {
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

pub(crate) fn plainview(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_plainview"));
    command.args(args).env_remove("RUST_LOG").stdin(Stdio::null());
    command
}

pub(crate) fn open(path: &Path) -> std::os::fd::OwnedFd {
    rustix::fs::open(path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).unwrap()
}

pub(crate) fn tree_of(view: &View) -> Tree {
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
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ended {
    pub(crate) fn of(output: Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    pub(crate) fn expect(&self, code: i32, words: &[&str]) -> &Self {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert!(words.iter().all(|word| self.err.contains(word)), "{self:?}");
        self
    }
}

pub(crate) fn run(command: &mut Command) -> Ended {
    Ended::of(command.output().unwrap())
}

pub(crate) fn run_with_input(command: &mut Command, input: &str) -> Ended {
    let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = child.unwrap();
    // It may have ended without reading it.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    Ended::of(child.wait_with_output().unwrap())
}

pub(crate) fn file(len: usize) -> Option<Vec<u8>> {
    Some((0..len).map(|at| at.to_le_bytes()[0] ^ at.to_le_bytes()[1] ^ 0xa5).collect())
}

pub(crate) fn tree(entries: &[(&str, Option<Vec<u8>>)]) -> Tree {
    entries
        .iter()
        .map(|(path, contents)| ((*path).to_owned(), contents.clone()))
        .collect()
}

/// Six files of 5001 bytes in all, and two directories.
pub(crate) fn small() -> Tree {
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
