//! Recipe folders, mounted: against an independent program (`scripts/recipe.py`), under ordinary programs, with files that fit nothing, and killed at any
//! moment. That a mount behaves like a plain directory is in `differential`, as for vaults.

mod applications;
mod crash;
mod full;
mod interop;
mod large;
mod misfits;
mod names;
mod open_files;
mod opening;
mod others;
mod program;
mod replacing;
mod saves;

use crate::harness::{Key, Options, Vault};
use crate::people::Who;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// An empty recipe folder of whoever runs the tests, for a password.
fn folder() -> Vault {
    Vault::new(Options::recipe(Who::me(), Key::Password))
}

/// The names in a directory.
fn list(dir: &Path) -> BTreeSet<String> {
    fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

/// Where the recipe file is that is shown as `name`.
fn stored(vault: &Vault, name: &str) -> PathBuf {
    vault.path().join(format!("{name}.enc"))
}

/// Checks that nothing lies below `dir` that no program asked for.
#[track_caller]
fn assert_nothing_left(dir: &Path) {
    for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap_or_default();
        assert!(!name.starts_with("plainview."), "{} is left in {}", name, dir.display());
        if entry.file_type().unwrap().is_dir() {
            assert_nothing_left(&entry.path());
        }
    }
}
