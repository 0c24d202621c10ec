//! What is said to somebody who did something wrong: one sentence on standard error, with the file and what to do, and the exit code that the README has for it.
//!
//! And what is said otherwise: `--quiet`, `--verbose`, colours, and how far something has come.

mod circumstances;
mod mistakes;
mod progress;
mod voice;

use crate::harness::{Options, Vault};
use crate::people::{Answer, Who, run};
use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

/// What nobody should be shown who only made a mistake: a panic, Rust's own way to show an error, a number where there are words.
const UGLY: [&str; 9] = ["panic", "backtrace", "src/", "Os {", "Error(", "Err(", "Some(", "os error", "kind:"];

impl Answer {
    /// Checks that it failed with `code` and one message, in which each of `parts` is.
    #[track_caller]
    pub(crate) fn one_message(self, code: i32, parts: &[&str]) {
        let answer = self.code(code);
        let said = answer.says(parts);
        // The parser of arguments adds how they are spelled.
        let starts = ["plainview: ", "error: "];
        let messages = said
            .err
            .lines()
            .filter(|line| starts.iter().any(|start| line.starts_with(start)))
            .count();
        let is_usage = said.err.starts_with("error: ");
        assert!(
            messages == 1 && (is_usage || said.err.lines().count() == 1),
            "not one message: {said:#?}"
        );
        let (ugly, text) = (UGLY.iter().find(|ugly| said.err.contains(**ugly)), &said.err);
        assert!(ugly.is_none(), "{ugly:?} in {text}");
        assert_eq!(said.out, "", "what fails has nothing to print");
    }
}

/// A vault, and beside it what can be named by mistake; commands run there.
fn scene() -> Vault {
    let vault = Vault::new(Options::default());
    let scratch = vault.scratch();
    let me = Who::me();
    for (name, contents) in [
        ("file", &b"something\n"[..]),
        ("empty", b""),
        ("wrong", b"wrong password\n"),
        ("short", b"too short"),
        ("keyfile", &[7; 64]),
        ("notes.enc", b"not a recipe file"),
    ] {
        scratch.file(name, contents, me);
    }
    let huge = scratch.file("huge", b"", me);
    fs::File::options().write(true).open(huge).unwrap().set_len((1 << 30) + 1).unwrap();
    scratch.dir("bare", me);
    fs::write(scratch.dir("full", me).join("a"), b"").unwrap();
    symlink("loop", scratch.path().join("loop")).unwrap();
    vault
}

/// `plainview` in the directory where the vault lies; its words are parted by blanks, and `@` stands for the right password.
fn plainview(vault: &Vault, who: Who, words: &str) -> Command {
    let words = words.replace('@', "--passfile passfile");
    let mut command = vault.plainview(who, &words.split_whitespace().collect::<Vec<_>>());
    command.current_dir(vault.scratch().path()).env("RUST_BACKTRACE", "1");
    command
}

#[track_caller]
fn try_all(vault: &Vault, cases: &[(&str, i32, &[&str])]) {
    for (words, code, parts) in cases {
        run(&mut plainview(vault, Who::me(), words)).one_message(*code, parts);
    }
}
