//! What may happen to a vault while it is used: the daemon killed at any instant, calls of the operating system that fail, a disk that is full. Nothing that was
//! synced is lost, everything opens, and who wrote hears of it.

mod full;
mod injected;
mod kills;
mod model;
mod strace;
mod work;

use crate::harness::Vault;
pub(crate) use strace::strace_or_skip;

/// Names in the vault's root that are not there for good.
fn leftovers(vault: &Vault) -> Vec<String> {
    let names = std::fs::read_dir(vault.path()).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names
        .filter(|name| {
            name.starts_with("plainview.")
                && !matches!(name.as_str(), "plainview.toml")
                && !name.starts_with("plainview.name.")
                && !name.starts_with("plainview.long.")
        })
        .collect()
}
