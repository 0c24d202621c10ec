//! Wrong places, wrong secrets, wrong paths, wrong words.

use super::{plainview, scene, try_all};
use crate::cli::code::{CANNOT_MOUNT, DAMAGE_FOUND, EXISTS, INCOMPLETE, NOT_A_VAULT, NOT_EMPTY, OTHER, USAGE, WRONG_PASSWORD};
use crate::people::{Who, run, run_with_input};
use std::fs;

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
