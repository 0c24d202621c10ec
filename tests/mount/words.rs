//! What is said to somebody who did something wrong: one sentence on standard error, with the file and what to do, and the exit code that the README has for it.
//!
//! And how much is said otherwise: `--quiet`, `--verbose`, and colours.

use crate::cli::code::{
    CANNOT_MOUNT, DAMAGE_FOUND, DAMAGED, EXISTS, IN_USE, INCOMPLETE, NEWER, NOT_A_VAULT, NOT_EMPTY, OTHER, USAGE, WRONG_PASSWORD,
};
use crate::harness::{Options, Vault};
use crate::people::{Answer, Who, root_or_skip, run, run_unmount, run_with_input};
use crate::places::SmallFilesystem;
use crate::terminal::at_terminal;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
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

const WRONG_PLACE: [(&str, i32, &[&str]); 24] = [
    ("info missing", NOT_A_VAULT, &["missing", "check the path"]),
    ("mount @ missing mnt", NOT_A_VAULT, &["missing", "plainview init"]),
    ("ls @ file", NOT_A_VAULT, &["file is not a vault", "not a directory"]),
    ("check @ bare", NOT_A_VAULT, &["bare", "plainview init"]),
    ("key list full", NOT_A_VAULT, &["full", "plainview.toml"]),
    ("passwd @ missing", NOT_A_VAULT, &["missing"]),
    ("info loop", OTHER, &["loop", "check the path"]),
    ("mount @ vault missing", CANNOT_MOUNT, &["missing", "make the directory"]),
    ("mount @ vault file", CANNOT_MOUNT, &["file", "give an empty directory"]),
    ("mount @ vault full", CANNOT_MOUNT, &["full", "use another directory"]),
    ("mount @ -o nonempty vault vault", CANNOT_MOUNT, &["vault", "elsewhere"]),
    ("mount @ -o nonempty vault .", CANNOT_MOUNT, &["vault", "elsewhere"]),
    ("umount bare", OTHER, &["bare", "fuse.plainview"]),
    ("umount missing", OTHER, &["missing", "fuse.plainview"]),
    ("umount /proc", OTHER, &["/proc", "fuse.plainview"]),
    ("init @ vault", NOT_EMPTY, &["vault", "already"]),
    ("init @ full", NOT_EMPTY, &["full", "empty directory"]),
    ("init @ file", OTHER, &["file", "give a new"]),
    ("init @ missing/new", OTHER, &["missing", "make that first"]),
    ("mount @ --recipe vault mnt", USAGE, &["vault", "leave --recipe out"]),
    ("import --recipe @ missing vault", OTHER, &["missing", "check the path"]),
    ("import --recipe @ vault vault", USAGE, &["vault", "elsewhere"]),
    ("import @ vault vault /", USAGE, &["vault", "elsewhere"]),
    ("export @ vault / vault/out", USAGE, &["vault/out", "another one"]),
];

#[test]
fn a_wrong_place_is_named() {
    try_all(&scene(), &WRONG_PLACE);
}

const WRONG_SECRET: [(&str, i32, &[&str]); 28] = [
    ("mount --passfile wrong vault mnt", WRONG_PASSWORD, &["vault", "try again"]),
    ("ls --passfile missing vault", OTHER, &["missing", "check the path"]),
    ("ls --passfile empty vault", OTHER, &["empty", "one line"]),
    ("ls --passfile bare vault", OTHER, &["bare", "give a file"]),
    ("ls --passfile huge vault", OTHER, &["huge", "one line"]),
    ("ls --extpass false vault", OTHER, &["false", "by hand"]),
    ("ls --extpass true vault", OTHER, &["true", "one line"]),
    ("ls --extpass no-such-program vault", OTHER, &["no-such-program", "check the path"]),
    ("ls --extpass ' vault", OTHER, &["check its quotes"]),
    ("ls --keyfile missing vault", OTHER, &["missing", "check the path"]),
    ("ls --keyfile empty vault", OTHER, &["empty", "the slot was made from"]),
    ("ls --keyfile huge vault", OTHER, &["huge", "1 GiB"]),
    ("ls --keyfile bare vault", OTHER, &["bare", "give a file"]),
    ("ls --keyfile keyfile vault", WRONG_PASSWORD, &["vault", "plainview key list"]),
    ("ls --recovery @ vault", WRONG_PASSWORD, &["not a recovery key"]),
    ("key remove @ vault 1", OTHER, &["vault", "plainview key add"]),
    ("key remove @ vault 9", OTHER, &["slot 9", "vault", "plainview key list"]),
    ("key remove @ vault one", USAGE, &["one"]),
    ("key add @ --keyfile short vault", OTHER, &["short", "--generate"]),
    ("key add @ --keyfile missing vault", OTHER, &["missing", "--generate"]),
    ("key add @ --keyfile file --generate vault", EXISTS, &["file", "without --generate"]),
    (
        "key add @ --keyfile missing/key --generate vault",
        OTHER,
        &["missing/key", "check the path"],
    ),
    ("key add @ --keyfile vault/key --generate vault", USAGE, &["vault/key", "elsewhere"]),
    ("key add @ --new-passfile empty vault", OTHER, &["empty", "one line"]),
    ("key test --passfile wrong vault", WRONG_PASSWORD, &["vault", "try again"]),
    (
        "passwd @ --new-passfile passfile vault",
        OTHER,
        &["nothing was changed", "--kdf-time"],
    ),
    (
        "passwd --passfile wrong --new-passfile file vault",
        WRONG_PASSWORD,
        &["vault", "try again"],
    ),
    ("passwd @ --slot 3 vault", USAGE, &["--slot", "--keyfile"]),
];

#[test]
fn a_wrong_secret_is_told_by_where_it_came_from() {
    let vault = scene();
    let before = fs::read(vault.path().join("plainview.toml")).unwrap();
    try_all(&vault, &WRONG_SECRET);
    assert_eq!(fs::read(vault.path().join("plainview.toml")).unwrap(), before);
    run_with_input(&mut plainview(&vault, Who::me(), "init new"), b"\n").one_message(OTHER, &["standard input", "one line"]);
    // Another keyfile than the one that there is.
    run(&mut plainview(&vault, Who::me(), "key add @ --keyfile right --generate vault")).ok();
    try_all(
        &vault,
        &[("ls --keyfile keyfile vault", WRONG_PASSWORD, &["keyfile", "use a copy"])],
    );
}

const WRONG_PATH: [(&str, i32, &[&str]); 22] = [
    ("ls @ vault nothing", OTHER, &["/nothing", "plainview ls"]),
    ("cat @ vault nothing", OTHER, &["/nothing", "plainview ls"]),
    ("cat @ vault /", OTHER, &["regular files", "plainview ls"]),
    ("path @ vault nothing", OTHER, &["/nothing", "plainview ls"]),
    ("path --reverse @ vault nothing", OTHER, &["nothing", "plainview path"]),
    ("path --reverse @ vault /etc", OTHER, &["/etc", "vault"]),
    ("export @ vault nothing bare", OTHER, &["/nothing", "plainview ls"]),
    ("export @ vault / file", OTHER, &["file", "give a directory"]),
    ("export @ vault / missing/out", OTHER, &["missing/out", "check the path"]),
    ("import @ vault missing /", OTHER, &["missing", "check the path"]),
    ("import @ vault file no/where", OTHER, &["/no/where", "plainview ls"]),
    ("import vault file", USAGE, &["VAULT SRC... PATH"]),
    ("salvage @ vault nothing out", OTHER, &["nothing", "plainview check"]),
    ("salvage @ vault / out", OTHER, &["regular file"]),
    ("salvage @ vault file wrong", EXISTS, &["wrong", "another name"]),
    ("salvage @ vault file missing/out", OTHER, &["missing/out", "check the path"]),
    ("recipe encrypt @ missing", OTHER, &["missing", "check the path"]),
    ("recipe encrypt @ bare", OTHER, &["bare", "give the files in it"]),
    ("recipe decrypt @ file", OTHER, &["file", "-o"]),
    ("recipe decrypt @ notes.enc", OTHER, &["notes.enc", "damaged"]),
    ("recipe encrypt --key-hex-file short file", OTHER, &["short", "hexadecimal"]),
    ("recipe encrypt @ file -o wrong", EXISTS, &["wrong", "--force"]),
];

#[test]
fn a_wrong_path_is_named() {
    let vault = scene();
    try_all(&vault, &WRONG_PATH);
    // Not one message, but each of its own.
    let here = |words: &str| run(&mut plainview(&vault, Who::me(), words));
    here("import @ vault file /").ok();
    fs::write(vault.scratch().path().join("file"), b"something else\n").unwrap();
    let over = here("import @ vault file /")
        .code(INCOMPLETE)
        .says(&["file", "left alone", "--force"]);
    assert_eq!(over.err.lines().count(), 2, "which one, and what to do: {over:?}");
    here("import @ vault wrong file").one_message(OTHER, &["/file", "not a directory"]);
    here("salvage @ vault file saved").ok();
    let foreign = here("salvage @ vault wrong foreign").code(DAMAGE_FOUND);
    assert!(
        foreign.err.contains("nothing in wrong") && foreign.err.lines().count() == 1,
        "{foreign:?}"
    );
    let several = here("ls @ vault one file two").code(OTHER).says(&["/one", "/two"]);
    assert_eq!((several.err.lines().count(), several.out.trim()), (2, "/file"), "{several:?}");
}

const WRONG_WORDS: [(&str, i32, &[&str]); 12] = [
    ("frobnicate", USAGE, &["frobnicate", "--help"]),
    ("mount vault", USAGE, &["MOUNTPOINT", "--help"]),
    ("mount --frobnicate vault mnt", USAGE, &["--frobnicate", "--help"]),
    ("mount @ -o frobnicate vault mnt", USAGE, &["frobnicate", "plainview mount --help"]),
    ("mount @ --idle never vault mnt", USAGE, &["never", "15m"]),
    ("mount @ --journal-size 3 vault mnt", USAGE, &["3", "64M"]),
    ("mount @ --keyfile k vault mnt", USAGE, &["--keyfile"]),
    ("mount --recipe --keyfile k vault mnt", USAGE, &["--keyfile", "--key-hex-file"]),
    ("mount --key-hex-file k vault mnt", USAGE, &["--key-hex-file"]),
    ("init --kdf-memory lots new", USAGE, &["lots", "256M"]),
    ("ls -q -v vault", USAGE, &["--quiet", "--verbose"]),
    ("-q ls -v vault", USAGE, &["--quiet", "--verbose"]),
];

#[test]
fn wrong_words_are_named() {
    try_all(&scene(), &WRONG_WORDS);
}

#[test]
fn a_configuration_that_is_none_is_named() {
    let vault = scene();
    let path = vault.path().join("plainview.toml");
    let good = fs::read_to_string(&path).unwrap();
    let cut = &good[..good.len() / 2];
    let newer = good.replace("format = 1", "format = 7");
    for (text, code, part) in [
        (cut, DAMAGED, "put back a copy"),
        ("", DAMAGED, "put back a copy"),
        ("\u{1b}[2J garbage", DAMAGED, "put back a copy"),
        (&newer, NEWER, "get a newer one"),
    ] {
        fs::write(&path, text).unwrap();
        for words in ["info vault", "mount @ vault mnt", "ls @ vault", "key add @ --recovery vault"] {
            run(&mut plainview(&vault, Who::me(), words)).one_message(code, &["vault/plainview.toml", part]);
        }
    }
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    try_all(&vault, &[("info vault", DAMAGED, &["vault/plainview.toml", "not a regular file"])]);
}

#[test]
fn a_vault_in_use_says_where_and_how_to_end_that() {
    let vault = scene();
    let mounted = vault.mount(&[]);
    let parts: &[&str] = &["plainview umount", vault.point().to_str().unwrap()];
    for words in [
        "mount @ vault bare",
        "mount @ vault mnt",
        "check @ vault",
        "salvage @ vault file out",
        "import @ vault file /",
    ] {
        run(&mut plainview(&vault, Who::me(), words)).one_message(IN_USE, parts);
    }
    let other = Vault::new(Options::default());
    let mut mount = other.plainview(Who::me(), &["mount", "--passfile"]);
    run(mount.args([other.passfile(), other.path(), vault.point()])).one_message(CANNOT_MOUNT, parts);
    let busy = fs::File::create(vault.point().join("busy")).unwrap();
    run(&mut plainview(&vault, Who::me(), "umount mnt"))
        .code(OTHER)
        .says(&["in use", "close", vault.point().to_str().unwrap()]);
    drop(busy);
    mounted.unmount();
}

#[test]
fn what_an_ordinary_user_may_not_do_is_told() {
    if !root_or_skip() {
        return;
    }
    let vault = scene();
    let private = |path: &str, mode| fs::set_permissions(vault.scratch().path().join(path), PermissionsExt::from_mode(mode)).unwrap();
    for (closed, mode, words, code, parts) in [
        ("passfile", 0o600, "ls @ vault", OTHER, ["passfile", "permit"]),
        (
            "vault/plainview.toml",
            0o600,
            "info vault",
            OTHER,
            ["vault/plainview.toml", "permit"],
        ),
        ("vault", 0o700, "info vault", OTHER, ["vault", "permit"]),
        ("keyfile", 0o600, "key add @ --keyfile keyfile vault", OTHER, ["keyfile", "permit"]),
        ("bare", 0o700, "init @ bare", OTHER, ["bare", "permit"]),
        ("bare", 0o755, "init @ bare/new", OTHER, ["bare/new", "permit"]),
        ("bare", 0o755, "export @ vault / bare/out", OTHER, ["bare/out", "permit"]),
        (
            "mnt",
            0o755,
            "passwd @ --new-passfile file vault",
            OTHER,
            ["plainview.toml", "permit"],
        ),
        ("mnt", 0o755, "mount @ --ro vault mnt", CANNOT_MOUNT, ["mnt", "mnt"]),
    ] {
        for open in ["passfile", "vault/plainview.toml", "keyfile"] {
            private(open, 0o644);
        }
        for open in ["vault", "bare", "mnt"] {
            private(open, 0o755);
        }
        private(closed, mode);
        run(&mut plainview(&vault, Who::User, words)).one_message(code, &parts);
    }
}

#[test]
fn a_disk_that_takes_nothing_is_told() {
    if !root_or_skip() {
        return;
    }
    let disk = SmallFilesystem::tmpfs(1);
    let options = Options {
        base: Some(disk.path().to_owned()),
        ..Options::of(Who::Root)
    };
    let vault = Vault::new(options);
    vault.scratch().file("new", b"another password\n", Who::Root);
    let here = |words: &str| run(&mut plainview(&vault, Who::Root, words));
    vault.scratch().dir("bare", Who::Root);
    let full = disk.path().join("full");
    let status = Who::Root
        .shell("dd if=/dev/zero of=\"$1\" bs=4k 2> /dev/null || true", &[&full])
        .status()
        .unwrap();
    assert!(status.success());
    for words in ["init --kdf-memory 8M @ bare", "passwd @ --new-passfile new vault"] {
        here(words).one_message(OTHER, &["plainview.toml", "make room"]);
    }
    assert_eq!(fs::read_dir(vault.scratch().path().join("bare")).unwrap().count(), 0);
    fs::remove_file(full).unwrap();

    disk.remount("ro");
    for words in [
        "init @ bare",
        "init @ new-one",
        "passwd @ --new-passfile new vault",
        "key add @ --recovery vault",
    ] {
        here(words).one_message(OTHER, &["can be written to"]);
    }
    here("ls @ vault").ok();
    disk.remount("rw");
}

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
