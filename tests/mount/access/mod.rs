//! What works without mounting: ls, cat, export, import and path, as people type them.

mod beside;
mod copying;
mod interrupted;
mod paths;
mod reading;
mod verified;

use crate::harness::{Options, Vault};
use crate::people::{Answer, Who, run};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// `plainview COMMAND --passfile F OPTIONS VAULT PATHS`, to be run by the vault's owner.
fn command(vault: &Vault, words: &[&str], paths: &[&Path]) -> Command {
    command_as(vault.owner(), vault, vault.path(), words, paths)
}

/// The same of the vault seen at `at`, by `who`.
fn command_as(who: Who, vault: &Vault, at: &Path, words: &[&str], paths: &[&Path]) -> Command {
    let mut command = vault.plainview(who, words);
    command.arg("--passfile").arg(vault.passfile()).arg(at).args(paths);
    command
}

fn answer(vault: &Vault, words: &[&str], paths: &[&Path]) -> Answer {
    run(&mut command(vault, words, paths))
}

/// A path in the vault.
fn plain(path: &str) -> &Path {
    Path::new(OsStr::new(path))
}

/// A vault of `who`, and beside it a directory that `fill` has filled as them, imported to its root.
fn imported(who: Who, fill: impl FnOnce(&Path) + Send) -> (Vault, PathBuf) {
    let vault = Vault::new(Options::of(who));
    let original = vault.scratch().dir("original", who);
    who.run(|| fill(&original));
    answer(&vault, &["import"], &[&original.join("."), plain("/")]).ok();
    (vault, original)
}
