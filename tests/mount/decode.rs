//! What plainview wrote, read by an independent program that was written from `docs/format.md` alone: `scripts/decode.py`.

use crate::corpus;
use crate::harness::{Names, Options, Vault};
use crate::people::{Who, run, skipped};
use crate::tree::Tree;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// A Python with the packages of `scripts/requirements.txt`: the one that `scripts/setup.sh` makes, or the system's if it has them.
fn python() -> Option<PathBuf> {
    static FOUND: OnceLock<Option<PathBuf>> = OnceLock::new();
    let ours = || Some(Path::new(env!("CARGO_TARGET_TMPDIR")).parent()?.join("venv/bin/python3"));
    let has_packages = |python: &PathBuf| {
        let mut import = Who::me().command(python);
        python.exists() && run(import.args(["-c", "import blake3, argon2, Crypto"])).code == 0
    };
    let pythons = || [ours(), Some(PathBuf::from("/usr/bin/python3"))].into_iter().flatten();
    FOUND.get_or_init(|| pythons().find(has_packages)).clone()
}

/// [`python`]; if there is none, says that this test is skipped.
pub(crate) fn python_or_skip() -> Option<PathBuf> {
    let python = python();
    if python.is_none() {
        skipped("no Python with blake3, argon2-cffi and pycryptodome; scripts/setup.sh makes one");
    }
    python
}

fn decodes(options: Options) {
    let Some(python) = python_or_skip() else { return };
    let vault = Vault::new(options);
    let source = vault.scratch().dir("source", Who::me());
    corpus::fill(&source);
    // Not a copy: the same calls, so that the vault sees the renames, the cuts and the holes.
    let mounted = vault.mount(&[]);
    corpus::fill(mounted.path());
    Tree::of(&source)
        .without_root()
        .assert_same(&Tree::of(mounted.path()).without_root());
    mounted.unmount();

    let decoded = vault.scratch().path().join("decoded");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/decode.py");
    let mut decode = Who::me().command(python);
    decode
        .arg(script)
        .args([vault.path(), &decoded])
        .arg("--passfile")
        .arg(vault.passfile());
    run(&mut decode).ok();
    Tree::of(&source).without_root().assert_same(&Tree::of(&decoded).without_root());
}

#[test]
fn an_independent_program_decodes_a_vault() {
    decodes(Options::default());
}

#[test]
fn an_independent_program_decodes_a_vault_with_plain_names() {
    decodes(Options {
        names: Names::Plain,
        ..Options::default()
    });
}
