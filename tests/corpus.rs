//! The inputs that fuzzing found worth keeping (`scripts/fuzz.sh`), each fed to its target once more: what was mended once does not come back.
#![allow(clippy::unwrap_used, clippy::panic, reason = "here a panic is how a failure is reported")]

#[path = "fuzz/targets/mod.rs"]
mod targets;

use std::path::{Path, PathBuf};

/// Most bytes of all that is kept: this is a repository, and not a store.
const SIZE_MAX: u64 = 600 << 10;

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus")
}

fn inputs(name: &str) -> Vec<PathBuf> {
    let dir = corpus().join(name);
    let entries = std::fs::read_dir(&dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
    let inputs: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    assert!(!inputs.is_empty(), "{} is empty", dir.display());
    inputs
}

fn feed(name: &str) {
    let (_, target) = targets::ALL.iter().find(|(other, _)| *other == name).unwrap();
    for input in inputs(name) {
        let bytes = std::fs::read(&input).unwrap();
        let fed = std::panic::catch_unwind(|| target(&bytes));
        assert!(fed.is_ok(), "{}", input.display());
    }
    // What a fuzzer begins with.
    target(b"");
}

#[test]
fn config() {
    feed("config");
}

#[test]
fn header() {
    feed("header");
}

#[test]
fn journal() {
    feed("journal");
}

#[test]
fn name() {
    feed("name");
}

#[test]
fn recipe() {
    feed("recipe");
}

#[test]
fn record() {
    feed("record");
}

#[test]
fn the_corpus_is_small_and_has_a_directory_for_each_target() {
    let mut names: Vec<_> = std::fs::read_dir(corpus())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, targets::ALL.map(|(name, _)| name));
    let size: u64 = names
        .iter()
        .flat_map(|name| inputs(name))
        .map(|input| input.metadata().unwrap().len())
        .sum();
    assert!(size < SIZE_MAX, "{size} bytes");
}
