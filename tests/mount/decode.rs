//! What plainview wrote, read by an independent program that was written from `docs/format.md` alone: `scripts/decode.py`.

use crate::corpus;
use crate::harness::{Names, Options, Vault};
use crate::people::{Who, run, skipped};
use crate::tree::Tree;
use std::os::unix::fs::FileExt;
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

#[test]
fn an_independent_program_decodes_a_vault_that_was_left_with_its_journal() {
    let Some(python) = python_or_skip() else { return };
    let vault = Vault::new(Options::default());
    let decode = |to: &str| {
        let decoded = vault.scratch().path().join(to);
        let mut decode = Who::me().command(&python);
        decode
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/decode.py"))
            .args([vault.path(), &decoded])
            .arg("--passfile")
            .arg(vault.passfile());
        run(&mut decode).ok();
        decoded
    };
    let committed = ["overwritten", "cut", "grown", "rewritten", "punched", "emptied", "grown much"];
    let mounted = vault.mount(&[]);
    for name in committed {
        std::fs::write(mounted.path().join(name), corpus::noise(1, 300_000)).unwrap();
    }
    std::fs::write(mounted.path().join("empty"), b"").unwrap();
    mounted.unmount();
    let mounted = vault.mount(&[]);
    let mut synced = Vec::new();
    for name in committed.into_iter().chain(["empty"]) {
        let file = std::fs::File::options().write(true).open(mounted.path().join(name)).unwrap();
        let write = |offset: u64, len| file.write_all_at(&corpus::noise(offset, len), offset).unwrap();
        match name {
            "cut" => file.set_len(123_456).unwrap(),
            "grown" => write(300_000, 5000),
            "grown much" => write(290_000, 500_000),
            "emptied" => file.set_len(0).unwrap(),
            "rewritten" => {
                file.set_len(0).unwrap();
                write(0, 10_000);
            }
            "punched" => {
                let flags = rustix::fs::FallocateFlags::PUNCH_HOLE | rustix::fs::FallocateFlags::KEEP_SIZE;
                rustix::fs::fallocate(&file, flags, 8192, 100_000).unwrap();
            }
            _ => write(1000, 10_000),
        }
        file.sync_all().unwrap();
        synced.push((name, std::fs::read(mounted.path().join(name)).unwrap()));
        synced.sort();
        // Not committed.
        file.write_all_at(b"more", 50).unwrap();
    }
    mounted.kill();
    crate::places::detach(vault.point());
    assert!(vault.path().join("plainview.journal").exists());
    let check = |decoded: &Path| {
        for (name, expected) in &synced {
            let found = std::fs::read(decoded.join(name)).unwrap();
            // What was not synced may be there or not.
            let later = |found: &[u8]| found.len() >= 54 && found[50..54] == *b"more" && found[54..] == expected[54.min(expected.len())..];
            assert!(found == *expected || later(&found), "{name}: {} bytes", found.len());
        }
    };
    let left = decode("left");
    check(&left);
    let mounted = vault.mount(&[]);
    check(mounted.path());
    for (name, _) in &synced {
        assert!(
            std::fs::read(mounted.path().join(name)).unwrap() == std::fs::read(left.join(name)).unwrap(),
            "{name}"
        );
        // The journal has it, where the kernel's cache handed it over.
        let modified = |path: &Path| path.join(name).metadata().unwrap().modified().unwrap();
        assert_eq!(modified(mounted.path()), modified(&left), "{name}");
    }
    mounted.unmount();
    check(&decode("recovered"));
}
