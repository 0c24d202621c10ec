//! What opens a vault: passwords, keyfiles and recovery keys, added, changed, removed and used as people and scripts do.

mod slots;
mod sources;
mod terminal;
mod trouble;

use crate::harness::{Mounted, Options, Vault};
use crate::people::{Answer, Who, run};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The cheapest key derivation.
const CHEAP: [&str; 4] = ["--kdf-memory", "8M", "--kdf-passes", "1"];
/// What every message about a removed slot or a changed password says.
const OLD_COPIES: &str = "Who kept a copy of the old plainview.toml and knows the old password still opens the vault";

fn vault() -> Vault {
    Vault::new(Options::default())
}

/// `plainview COMMAND ARGS... VAULT`.
fn on(vault: &Vault, args: &[&str]) -> Command {
    let mut command = vault.plainview(Who::me(), args);
    command.arg(vault.path());
    command
}

/// `plainview key add ARGS... VAULT`, unlocked with the vault's first password.
fn add(vault: &Vault, args: &[&str]) -> Answer {
    let mut command = on(vault, &[&["key", "add"], args].concat());
    run(command.arg("--passfile").arg(vault.passfile()))
}

/// Which slot `args` open, as `key test` tells it; `None` when they open none.
fn opens(vault: &Vault, args: &[&str]) -> Option<u32> {
    let answer = run(&mut on(vault, &[&["key", "test"], args].concat()));
    match answer.code {
        0 => Some(answer.out.split_whitespace().nth(1).unwrap().parse().unwrap()),
        _ => {
            answer.code(crate::cli::code::WRONG_PASSWORD);
            None
        }
    }
}

fn config(vault: &Vault) -> Vec<u8> {
    fs::read(vault.path().join("plainview.toml")).unwrap()
}

/// A file with a password, beside the vault.
fn passfile(vault: &Vault, name: &str, password: &str) -> String {
    text(&vault.scratch().file(name, format!("{password}\n").as_bytes(), Who::me()))
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

fn beside(vault: &Vault, name: &str) -> (PathBuf, String) {
    let path = vault.scratch().path().join(name);
    let name = text(&path);
    (path, name)
}

/// The recovery key in what a command printed.
fn recovery_key(out: &str) -> String {
    let line = out
        .lines()
        .map(str::trim)
        .find(|line| line.len() == 47 && line.split('-').count() == 8);
    line.unwrap_or_else(|| panic!("no recovery key in {out}")).to_owned()
}

/// Mounts `vault` with what `args` say.
fn mount_with<'v>(vault: &'v Vault, args: &[&str]) -> Mounted<'v> {
    let mut command = vault.plainview(Who::me(), &[&["mount", "-f"], args].concat());
    command.args([vault.path(), vault.point()]);
    vault.mount_by(Who::me(), command)
}
