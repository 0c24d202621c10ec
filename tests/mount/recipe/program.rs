//! The independent program: `scripts/recipe.py`.

use crate::decode::python_or_skip;
use crate::harness::{Key, Kind, Vault};
use crate::people::{Answer, Who, run};
use crate::places::Scratch;
use crate::tree::Tree;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The program, with the Python that it runs on. It runs as whoever runs the tests.
pub(super) struct Program {
    python: PathBuf,
    /// For what it decrypts: not on the folder's own disk, which may be full.
    scratch: Scratch,
}

impl Program {
    /// Says that the test is skipped where there is no Python for it.
    pub(super) fn or_skip() -> Option<Self> {
        Some(Self {
            python: python_or_skip()?,
            scratch: Scratch::new(Who::me(), None),
        })
    }

    fn run(&self, vault: &Vault, mode: &str, paths: &[&Path]) -> Answer {
        let secret = match vault.kind() {
            Kind::Vault | Kind::Recipe(Key::Password) => "--password-file",
            Kind::Recipe(Key::Raw(_)) => "--key-hex-file",
        };
        let mut command = Command::new(&self.python);
        command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/recipe.py"));
        run(command.args([mode, secret]).arg(vault.passfile()).args(paths))
    }

    /// Encrypts files of the folder: what was `path` is then `path.enc`, of the folder's owner.
    pub(super) fn encrypt(&self, vault: &Vault, paths: &[&Path]) {
        self.run(vault, "encrypt", paths).ok();
        for path in paths {
            fs::remove_file(path).unwrap();
            std::os::unix::fs::chown(with_suffix(path), Some(vault.owner().uid()), Some(vault.owner().gid())).unwrap();
        }
    }

    /// Makes the recipe file that is shown as `name` in the root of the folder.
    pub(super) fn make(&self, vault: &Vault, name: &str, contents: &[u8]) {
        fs::write(vault.path().join(name), contents).unwrap();
        self.encrypt(vault, &[&vault.path().join(name)]);
    }

    /// The contents of the recipe file that is shown as `name`.
    #[track_caller]
    pub(super) fn contents(&self, vault: &Vault, name: &str) -> Vec<u8> {
        let copy = self.scratch.path().join("copy");
        fs::copy(vault.path().join(format!("{name}.enc")), with_suffix(&copy)).unwrap();
        self.run(vault, "decrypt", &[&with_suffix(&copy)]).ok();
        fs::read(copy).unwrap()
    }

    /// Decrypts the recipe file `path`, which ends in `.enc`, beside it.
    pub(super) fn decrypt(&self, vault: &Vault, path: &Path) {
        self.run(vault, "decrypt", &[path]).ok();
    }

    /// Decrypts all of `folder`, in which every file must be a recipe file, and calls `check` with where that is.
    #[track_caller]
    pub(super) fn decrypt_tree(&self, vault: &Vault, folder: &Path, check: impl FnOnce(&Path)) {
        let to = self.scratch.path().join("tree");
        self.run(vault, "tree", &[folder, &to]).ok();
        check(&to);
        fs::remove_dir_all(&to).unwrap();
    }

    /// Checks that the program makes of the folder what is `shown`, its root aside.
    #[track_caller]
    pub(super) fn assert_makes(&self, vault: &Vault, shown: &Tree) {
        self.decrypt_tree(vault, vault.path(), |dir| {
            shown.clone().without_root().assert_same(&Tree::of(dir).without_root())
        });
    }
}

fn with_suffix(path: &Path) -> PathBuf {
    PathBuf::from([path.as_os_str(), OsStr::new(".enc")].into_iter().collect::<std::ffi::OsString>())
}
