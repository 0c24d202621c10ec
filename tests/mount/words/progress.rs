//! Bars that show how far something has come: at a terminal, when it takes more than a second, and nowhere else.

use crate::corpus::noise;
use crate::harness::{Options, Vault};
use crate::people::{Who, run};
use crate::terminal::{Seen, at_terminal, at_terminal_with_slow_disk};
use std::fs;
use std::process::Command;

/// A vault with a file of that many bytes, which is beside it, too.
fn scene(len: usize) -> Vault {
    let vault = Vault::new(Options::default());
    let original = vault.scratch().dir("original", Who::me());
    Who::me().run(|| fs::write(original.join("file"), noise(1, len)).unwrap());
    run(&mut command(&vault, "import vault original/file /")).ok();
    vault
}

fn command(vault: &Vault, words: &str) -> Command {
    let mut command = vault.plainview(Who::me(), &words.split(' ').collect::<Vec<_>>());
    command
        .arg("--passfile")
        .arg(vault.passfile())
        .current_dir(vault.scratch().path())
        .env("TERM", "xterm")
        .env("NO_COLOR", "1");
    command
}

/// With a rate and the time that is left.
fn shows_a_bar(seen: &Seen, what: &str) -> bool {
    let mut lines = seen.text.split(['\r', '\n']);
    lines.any(|line| {
        line.contains(what) && line.contains("] ") && line.contains("MiB, ") && line.contains("/s, ") && line.ends_with(" left")
    })
}

#[test]
fn what_takes_long_shows_how_far_it_has_come() {
    let vault = scene(24 << 20);
    for (words, what) in [
        ("export vault / out", "exporting"),
        ("import vault original /again", "importing"),
        ("check vault", "checking"),
        ("salvage vault /file saved", "salvaging"),
    ] {
        let seen = at_terminal_with_slow_disk(&command(&vault, words)).code(0);
        assert!(shows_a_bar(&seen, what), "{words}: {seen:?}");
        // It is gone at the end.
        let last = seen.text.rsplit('\n').find(|line| !line.trim().is_empty());
        assert!(!last.is_some_and(|line| line.ends_with(" left")), "{words}: {seen:?}");
    }
    at_terminal_with_slow_disk(&command(&vault, "-q export vault / quietly"))
        .code(0)
        .hides(&["exporting", " left"]);
    let exported = |to: &str| fs::read(vault.scratch().path().join(to).join("file")).unwrap();
    assert!(exported("out") == noise(1, 24 << 20) && exported("quietly") == exported("out"));
}

#[test]
fn what_is_done_at_once_shows_none() {
    let vault = scene(10_000);
    at_terminal(&command(&vault, "export vault / out"), &[])
        .code(0)
        .hides(&["exporting", " left"]);
    let answer = run(&mut command(&vault, "check vault")).code(0);
    assert!(!answer.err.contains(" left"), "{answer:?}");
}
