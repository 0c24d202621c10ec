//! Bars that show how far something has come: at a terminal, when it takes more than a second, and nowhere else.

use crate::corpus::noise;
use crate::harness::{Options, Vault};
use crate::people::{Who, run};
use crate::places::detach;
use crate::terminal::{Seen, Slow, at_terminal, with_slow_disk};
use std::fs;
use std::os::unix::fs::FileExt;
use std::process::Command;
use std::time::{Duration, Instant};

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

/// A vault with 60 files, which are beside it, too.
fn scene_of_many() -> Vault {
    let vault = Vault::new(Options::default());
    let original = vault.scratch().dir("original", Who::me());
    for number in 0..60 {
        fs::write(original.join(format!("{number}")), "text").unwrap();
    }
    run(&mut command(&vault, "import vault original /")).ok();
    vault
}

fn at_terminal_with(slow: Slow, command: &Command) -> Seen {
    at_terminal(&with_slow_disk(command, slow), &[])
}

/// `command`, whose standard output goes to the file `name`.
fn into_file(command: &Command, name: &str) -> Command {
    let mut shell = Who::me().command("sh");
    shell.args(["-c", "exec \"$0\" \"$@\" > \"$OUT\""]).arg(command.get_program());
    shell.args(command.get_args()).env("OUT", name);
    shell.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    shell.current_dir(command.get_current_dir().unwrap());
    shell
}

/// With a rate and the time that is left.
fn shows_a_bar(seen: &Seen, what: &str) -> bool {
    let mut lines = seen.text.split(['\r', '\n']);
    lines.any(|line| {
        line.contains(what) && line.contains("] ") && line.contains("MiB, ") && line.contains("/s, ") && line.ends_with(" left")
    })
}

/// Whether the last line with `mark` was wiped.
fn is_gone(seen: &Seen, mark: &str) -> bool {
    seen.text.rsplit(mark).next().unwrap().contains("\x1b[2K")
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
        let seen = at_terminal_with(Slow::Reads, &command(&vault, words)).code(0);
        assert!(shows_a_bar(&seen, what), "{words}: {seen:?}");
        assert!(is_gone(&seen, "/s, "), "{words}: {seen:?}");
    }
    at_terminal_with(Slow::Reads, &command(&vault, "-q export vault / quietly"))
        .code(0)
        .hides(&["exporting", " left"]);
    let exported = |to: &str| fs::read(vault.scratch().path().join(to).join("file")).unwrap();
    assert!(exported("out") == noise(1, 24 << 20) && exported("quietly") == exported("out"));
}

/// It is standard error that has to be a terminal, and standard output that must be none.
#[test]
fn what_is_printed_elsewhere_shows_how_far_it_has_come() {
    let vault = scene(24 << 20);
    let cat = command(&vault, "cat vault /file /file");
    let seen = at_terminal_with(Slow::Reads, &into_file(&cat, "printed")).code(0);
    assert!(shows_a_bar(&seen, "reading"), "{seen:?}");
    assert!(is_gone(&seen, "/s, "), "{seen:?}");
    let printed = fs::read(vault.scratch().path().join("printed")).unwrap();
    assert!(printed == noise(1, 24 << 20).repeat(2));
    let quietly = command(&vault, "-q cat vault /file /file");
    at_terminal_with(Slow::Reads, &into_file(&quietly, "printed"))
        .code(0)
        .hides(&["reading", " left"]);
    // Not the whole of it in a message.
    let seen = at_terminal_with(Slow::Reads, &cat);
    assert!(seen.code == 0 && !seen.text.contains("reading ["), "a bar in what is printed");
}

#[test]
fn many_files_are_counted() {
    let vault = scene_of_many();
    let counts = |seen: &Seen, what: &str| {
        let mut lines = seen.text.split(['\r', '\n']);
        lines.any(|line| line.contains(what) && line.trim_end().ends_with(" files"))
    };
    for words in ["import vault original /", "export vault / out"] {
        let seen = at_terminal_with(Slow::Looks, &command(&vault, words)).code(0);
        assert!(counts(&seen, "counting: "), "{words}: {seen:?}");
    }
    let ls = command(&vault, "ls -R vault");
    let seen = at_terminal_with(Slow::Looks, &into_file(&ls, "listed")).code(0);
    assert!(counts(&seen, "listing: "), "{seen:?}");
    assert!(is_gone(&seen, " files"), "{seen:?}");
    let listed = fs::read_to_string(vault.scratch().path().join("listed")).unwrap();
    assert_eq!(listed.lines().count(), 64, "{listed}");
    at_terminal_with(Slow::Looks, &ls).code(0).hides(&["listing: "]);
}

#[test]
fn off_a_terminal_nothing_is_shown() {
    let vault = scene(24 << 20);
    for words in [
        "export vault / out",
        "import vault original /again",
        "check vault",
        "salvage vault /file saved",
        "cat vault /file",
    ] {
        let begin = Instant::now();
        let command = into_file(&command(&vault, words), "printed");
        let answer = run(&mut with_slow_disk(&command, Slow::Reads)).code(0);
        // At a terminal there would be a bar.
        assert!(begin.elapsed() > Duration::from_millis(1200), "{words}: it was quick");
        assert_eq!(answer.err, "", "{words}");
    }
    let vault = scene_of_many();
    let ls = into_file(&command(&vault, "ls -R vault"), "printed");
    assert_eq!(run(&mut with_slow_disk(&ls, Slow::Looks)).code(0).err, "");
}

#[test]
fn what_is_done_at_once_shows_none() {
    let vault = scene(10_000);
    for words in ["export vault / out", "check vault"] {
        at_terminal(&command(&vault, words), &[])
            .code(0)
            .hides(&["exporting", "counting", "checking", "/s, "]);
    }
}

/// Each step has its words, also one in which one file takes all the time.
#[test]
fn a_slow_recovery_shows_how_far_it_has_come() {
    let vault = scene(24 << 20);
    let mounted = vault.mount(&["--journal-size", "1G"]);
    mounted.enter(|path| {
        let file = fs::File::options().write(true).open(path.join("file")).unwrap();
        file.write_all_at(&noise(2, 24 << 20), 0).unwrap();
        file.sync_all().unwrap();
        // It is not synced, so all of it is looked at.
        fs::write(path.join("new"), noise(3, 24 << 20)).unwrap();
    });
    mounted.kill();
    detach(vault.point());
    let journal = fs::metadata(vault.path().join("plainview.journal")).unwrap().len();
    assert!(journal > 24 << 20, "a checkpoint was made: {journal}");
    // It leaves the journal as it is.
    let begin = Instant::now();
    let ls = command(&vault, "ls vault");
    let off = into_file(&ls, "printed");
    assert!(
        !run(&mut with_slow_disk(&off, Slow::Reads))
            .code(0)
            .err
            .contains("reading the journal")
    );
    assert!(begin.elapsed() > Duration::from_millis(1200), "it was quick");
    let seen = at_terminal_with(Slow::Reads, &ls).code(0);
    assert!(shows_a_bar(&seen, "reading the journal"), "{seen:?}");
    // Drawn while nothing is reported.
    let drawn = seen.text.matches("looking for what was not finished: ").count();
    assert!(drawn > 5, "{drawn} times: {seen:?}");
    assert!(is_gone(&seen, "finished: 2 files"), "{seen:?}");
    at_terminal_with(Slow::Reads, &command(&vault, "import vault original/file /again"))
        .code(0)
        .says(&["reading the journal", "writing what the journal has into the files"]);
}
