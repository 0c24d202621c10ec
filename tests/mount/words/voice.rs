//! How much is said: `--quiet`, `--verbose`; and in what colour.

use super::{plainview, scene};
use crate::cli::code::{NOT_A_VAULT, OTHER};
use crate::people::{Who, run, run_unmount};
use crate::terminal::at_terminal;
use std::fs;

#[test]
fn quiet_leaves_only_what_was_asked_for() {
    let vault = scene();
    let scratch = vault.scratch();
    let here = |words: &str| run(&mut plainview(&vault, Who::me(), words)).code(0);
    let silent = |words: &str| {
        let answer = here(words);
        assert_eq!((answer.out.as_str(), answer.err.as_str()), ("", ""), "{words}");
    };
    silent("init --quiet --kdf-memory 8M --kdf-time 100ms @ other");
    silent("import --quiet @ vault file /");
    silent("export @ vault / out -q");
    silent("-q check @ vault");
    silent("salvage -q @ vault file saved");
    silent("key add -q @ --keyfile new --generate vault");
    silent("key remove -q --keyfile new vault 2");
    silent("passwd -q @ --new-passfile wrong vault");
    silent("passwd -q --passfile wrong --new-passfile passfile vault");
    silent("mount -q @ vault mnt");
    run_unmount(&mut plainview(&vault, Who::me(), "umount -q mnt")).ok();
    assert_eq!(here("ls -q @ vault").out, "file\n");
    assert_eq!(here("--quiet cat @ vault file").out, "something\n");
    assert!(here("info -q vault").out.contains("slot 1"));
    // It is the only chance to see it.
    assert!(here("key add -q --recovery @ vault").out.contains("write it down"));
    run(&mut plainview(&vault, Who::me(), "ls -q @ vault nothing")).one_message(OTHER, &["/nothing"]);
    assert!(scratch.path().join("out/file").exists());
}

#[test]
fn verbose_tells_how_on_standard_error() {
    let vault = scene();
    let here = |words: &str| run(&mut plainview(&vault, Who::me(), words)).code(0);
    let told = here("import -v @ vault file full /");
    told.says(&["slot 1", "imported file", "imported full/a"]);
    let told = here("--verbose ls @ vault");
    assert_eq!(told.out, "file\nfull\n");
    assert!(told.err.contains("slot 1") && !told.err.contains("full"), "{told:?}");
    // The log of a mount has no names, however much it says.
    let mounted = vault.mount(&["-v"]);
    fs::write(mounted.path().join("a secret name"), b"a secret").unwrap();
    assert!(fs::metadata(mounted.path().join("another secret name")).is_err());
    let log = mounted.log();
    mounted.unmount();
    assert!(log.contains("slot 1") && log.contains("lookup"), "{log}");
    assert!(!log.contains("secret"), "{log}");
    // Also where it starts in the background, whatever stands before the command.
    here("-v mount @ vault mnt").says(&["slot 1"]);
    run_unmount(&mut plainview(&vault, Who::me(), "umount -v mnt")).says(&["unmounted"]);
}

/// At a terminal, and nowhere else.
#[test]
fn colours_can_be_taken_away() {
    let vault = scene();
    let red = "\u{1b}[31m";
    let told = |variable: (&str, &str)| {
        let mut command = plainview(&vault, Who::me(), "info missing");
        at_terminal(
            command
                .current_dir("/")
                .env("TERM", "xterm")
                .env_remove("NO_COLOR")
                .env(variable.0, variable.1),
            &[],
        )
    };
    told(("LANG", "C")).code(NOT_A_VAULT).says(&[red, "missing"]);
    told(("NO_COLOR", "1"))
        .code(NOT_A_VAULT)
        .says(&["plainview: missing"])
        .hides(&["\u{1b}"]);
    told(("TERM", "dumb"))
        .code(NOT_A_VAULT)
        .says(&["plainview: missing"])
        .hides(&["\u{1b}"]);
    for words in ["info missing", "frobnicate"] {
        let answer = run(plainview(&vault, Who::me(), words).env("TERM", "xterm"));
        assert!(!answer.err.contains('\u{1b}'), "{answer:?}");
    }
}
