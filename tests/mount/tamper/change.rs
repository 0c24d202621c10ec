//! Ways to change what is in a vault, and to look at what became of it.

use crate::harness::{Mounted, Options, Vault};
use rand::RngExt;
use rand::rngs::StdRng;
use rustix::io::Errno;
use std::collections::BTreeSet;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// `bytes`, all base64url, with another character at `at`: all that differ in one bit of its value.
pub(super) fn flipped(bytes: &[u8], at: usize) -> Vec<Vec<u8>> {
    let value = ALPHABET.iter().position(|byte| *byte == bytes[at]).unwrap();
    let flip = |bit: usize| {
        let mut changed = bytes.to_vec();
        changed[at] = ALPHABET[value ^ (1 << bit)];
        changed
    };
    (0..6).map(flip).collect()
}

/// `bytes` with one bit of each byte in turn flipped, cut to each length and with more bytes after them.
pub(super) fn changed(bytes: &[u8], rng: &mut StdRng) -> Vec<Vec<u8>> {
    let flips = (0..bytes.len()).map(|at| {
        let mut changed = bytes.to_vec();
        changed[at] ^= 1 << rng.random_range(0..8);
        changed
    });
    let cuts = (0..bytes.len()).map(|len| bytes[..len].to_vec());
    flips
        .chain(cuts)
        .chain([[bytes, b"A"].concat(), [bytes, b"\0"].concat(), [bytes, &[0; 100]].concat()])
        .collect()
}

pub(super) fn file_name(path: &Path) -> &[u8] {
    path.file_name().unwrap().as_bytes()
}

pub(super) fn beside(path: &Path, name: &[u8]) -> PathBuf {
    path.with_file_name(std::ffi::OsStr::from_bytes(name))
}

pub(super) fn listed(dir: &Path) -> BTreeSet<String> {
    std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

pub(super) fn errno<T>(result: std::io::Result<T>) -> Option<Errno> {
    result.err().and_then(|error| Errno::from_io_error(&error))
}

/// A vault to be changed while no daemon runs.
pub(super) fn vault_with(make: impl FnOnce(&Mounted<'_>)) -> Vault {
    let vault = Vault::new(Options::default());
    let mounted = vault.mount(&[]);
    make(&mounted);
    mounted.unmount();
    vault
}
