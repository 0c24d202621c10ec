//! When `mount` refuses: each reason with its exit code and a sentence of its own.

use crate::cli::code;
use crate::harness::{Options, PASSWORD, Vault};
use crate::people::{Answer, Who, root_or_skip, run};
use std::collections::HashSet;
use std::fs;
use std::path::Path;

fn vault() -> Vault {
    Vault::new(Options::default())
}

/// Tries to mount `vault` with its password and expects to fail with `code`.
#[track_caller]
fn mount_fails(vault: &Vault, code: i32) -> Answer {
    run(&mut vault.mount_command(Who::me(), &[])).code(code)
}

#[test]
fn a_wrong_password_is_told_apart() {
    let vault = vault();
    let wrong = vault.scratch().file("wrong", format!("{PASSWORD} \n").as_bytes(), Who::me());
    let mut mount = vault.plainview(Who::me(), &["mount", "--passfile"]);
    run(mount.args([&wrong, vault.path(), vault.point()]))
        .code(code::WRONG_PASSWORD)
        .says(&["password"]);
    let mut mount = vault.plainview(Who::me(), &["mount", "--extpass", "false"]);
    run(mount.args([vault.path(), vault.point()])).code(code::OTHER);
    let mut mount = vault.plainview(Who::me(), &["mount", "--passfile", "/nonexistent"]);
    run(mount.args([vault.path(), vault.point()]))
        .code(code::OTHER)
        .says(&["/nonexistent"]);
}

#[test]
fn what_is_no_vault_is_told_apart() {
    let vault = vault();
    let empty = vault.scratch().dir("empty", Who::me());
    let file = vault.scratch().file("file", b"", Who::me());
    let missing = vault.scratch().path().join("missing");
    for path in [&empty, &file, &missing] {
        let mut mount = vault.plainview(Who::me(), &["mount", "--passfile"]);
        run(mount.args([vault.passfile(), path, vault.point()]))
            .code(code::NOT_A_VAULT)
            .says(&[path.to_str().unwrap()]);
        run(vault.plainview(Who::me(), &["info"]).arg(path)).code(code::NOT_A_VAULT);
    }
}

/// Replaces `from`, which is there, by `to` in the vault's configuration.
fn edit_config(vault: &Vault, from: &str, to: &str) {
    let path = vault.path().join("plainview.toml");
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{text}");
    fs::write(&path, text.replacen(from, to, 1)).unwrap();
}

#[test]
fn a_changed_configuration_is_seen() {
    let edits = [
        ("names = \"encrypted\"", "names = \"plain\""),
        ("label = \"\"", "label = \"x\""),
        ("id = 1\n", "id = 2\n"),
        ("[seal]\n", "# nothing\n[seal]\n"),
        ("lanes = 4", "lanes = 400"),
        ("memory_kib = 8192", "memory_kib = 4294967295"),
        ("memory_kib = 8192", "memory_kib = 1"),
        ("[seal]", "[sealed]"),
        ("[[slot]]", "[[slot"),
        ("kind = \"password\"", "kind = \"Magic!\""),
    ];
    for (from, to) in edits {
        let vault = vault();
        edit_config(&vault, from, to);
        mount_fails(&vault, code::DAMAGED).says(&["plainview.toml"]);
    }
    // A kind that a newer version may know.
    let other = vault();
    edit_config(&other, "kind = \"password\"", "kind = \"magic\"");
    mount_fails(&other, code::WRONG_PASSWORD).says(&["is opened by a password"]);
    let vault = vault();
    fs::write(vault.path().join("plainview.toml"), b"").unwrap();
    mount_fails(&vault, code::DAMAGED);
    fs::write(vault.path().join("plainview.toml"), [0xff; 100_000]).unwrap();
    mount_fails(&vault, code::DAMAGED);
}

#[test]
fn a_newer_format_is_told_apart() {
    let vault = vault();
    edit_config(&vault, "format = 1", "format = 2\nnew = \"thing\"");
    mount_fails(&vault, code::NEWER).says(&["newer"]);
    run(vault.plainview(Who::me(), &["info"]).arg(vault.path())).code(code::NEWER);
}

#[test]
fn a_vault_in_use_says_who_holds_it_and_where() {
    let vault = vault();
    let mounted = vault.mount(&[]);
    let elsewhere = vault.scratch().dir("elsewhere", Who::me());
    let mut mount = vault.plainview(Who::me(), &["mount", "--passfile"]);
    let answer = run(mount.args([vault.passfile(), vault.path(), &elsewhere])).code(code::IN_USE);
    answer.says(&[&mounted.pid().to_string(), vault.point().to_str().unwrap()]);
    mounted.unmount();
    vault.mount(&[]).unmount();
}

#[test]
fn each_reason_not_to_mount_has_its_own_sentence() {
    let vault = vault();
    let scratch = vault.scratch();
    let fails_at = |point: &Path| {
        let mut mount = vault.plainview(Who::me(), &["mount", "--passfile"]);
        run(mount.args([vault.passfile(), vault.path(), point])).code(code::CANNOT_MOUNT)
    };
    let missing = fails_at(&scratch.path().join("missing"));
    let a_file = fails_at(&scratch.file("file", b"", Who::me()));
    let full = scratch.dir("full", Who::me());
    fs::write(full.join("file"), b"").unwrap();
    let not_empty = fails_at(&full);
    let other = self::vault();
    let mounted = other.mount(&[]);
    let busy = fails_at(mounted.path());
    mounted.unmount();

    let sentences = [
        ("missing", missing),
        ("file", a_file),
        ("full", not_empty),
        (other.point().to_str().unwrap(), busy),
    ];
    let mut seen = HashSet::new();
    for (place, answer) in sentences {
        let sentence = answer.err.replace(place, "");
        assert!(seen.insert(sentence.clone()), "said twice: {sentence}");
        answer.says(&[place]);
    }
}

#[test]
fn without_fuse_it_says_what_is_missing() {
    if !root_or_skip() {
        return;
    }
    let vault = vault();
    // An empty /dev, in a mount namespace of its own.
    let script = "mount -t tmpfs none /dev; exec \"$@\"";
    let mut mount = Who::Root.command("unshare");
    mount
        .args(["-m", "bash", "-c", script, "bash"])
        .arg(vault.plainview(Who::Root, &[]).get_program());
    run(mount
        .args(["mount", "--passfile"])
        .args([vault.passfile(), vault.path(), vault.point()]))
    .one_message(code::CANNOT_MOUNT, &["/dev/fuse", "modprobe"]);
}

#[test]
fn without_fusermount_it_says_what_is_missing() {
    let vault = Vault::new(Options::of(Who::User));
    let mut mount = vault.mount_command(Who::User, &[]);
    run(mount.env("PATH", "/nonexistent")).one_message(code::CANNOT_MOUNT, &["fusermount3", "install"]);
}
