//! The command line: what each command accepts, what it says, and its exit code.

use crate::harness::{Options, Vault};
use crate::people::{Who, run, run_unmount, run_with_input};
use crate::places::Scratch;
use std::fs;
use std::path::Path;

/// Exit codes, as the README has them.
pub(crate) mod code {
    pub(crate) const OTHER: i32 = 1;
    pub(crate) const USAGE: i32 = 2;
    pub(crate) const NOT_EMPTY: i32 = 6;
    pub(crate) const NOT_A_VAULT: i32 = 7;
    pub(crate) const IN_USE: i32 = 8;
    pub(crate) const CANNOT_MOUNT: i32 = 9;
    pub(crate) const WRONG_PASSWORD: i32 = 12;
    pub(crate) const DAMAGED: i32 = 13;
    pub(crate) const NEWER: i32 = 14;
    pub(crate) const EXISTS: i32 = 16;
    pub(crate) const INCOMPLETE: i32 = 17;
    pub(crate) const DAMAGE_FOUND: i32 = 26;
}

const CHEAP: [&str; 5] = ["init", "--kdf-memory", "8M", "--kdf-passes", "1"];

fn vault() -> Vault {
    Vault::new(Options::default())
}

fn is_vault(path: &Path) -> bool {
    path.join("plainview.toml").exists()
}

#[test]
fn init_makes_the_directory_and_tells_what_to_do_next() {
    let scratch = Scratch::new(Who::me(), None);
    let passfile = scratch.file("passfile", b"secret\n", Who::me());
    let path = scratch.path().join("new vault");
    let out = run(scratch.plainview(Who::me(), &CHEAP).arg("--passfile").args([&passfile, &path])).ok();
    assert!(is_vault(&path));
    assert_eq!(out.lines().count(), 3, "{out}");
    assert!(out.contains("plainview mount"), "{out}");
    let names: Vec<_> = fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["plainview.toml"]);
}

#[test]
fn init_refuses_a_directory_that_is_not_empty() {
    let vault = vault();
    let before = fs::read(vault.path().join("plainview.toml")).unwrap();
    let again = run(vault
        .plainview(Who::me(), &CHEAP)
        .arg("--passfile")
        .args([vault.passfile(), vault.path()]));
    again.code(code::NOT_EMPTY).says(&["already"]);
    assert_eq!(fs::read(vault.path().join("plainview.toml")).unwrap(), before);

    let other = vault.scratch().dir("other", Who::me());
    fs::write(other.join(".hidden"), b"").unwrap();
    run(vault
        .plainview(Who::me(), &CHEAP)
        .arg("--passfile")
        .args([vault.passfile(), &other]))
    .code(code::NOT_EMPTY);
    assert!(!is_vault(&other));
}

#[test]
fn init_refuses_an_empty_password() {
    let scratch = Scratch::new(Who::me(), None);
    let path = scratch.path().join("vault");
    let empty = scratch.file("empty", b"", Who::me());
    let empty_line = scratch.file("empty-line", b"\nsecond\n", Who::me());
    for passfile in [&empty, &empty_line] {
        run(scratch.plainview(Who::me(), &CHEAP).arg("--passfile").args([passfile, &path]))
            .code(code::OTHER)
            .says(&["empty"]);
    }
    run(scratch.plainview(Who::me(), &CHEAP).args(["--extpass", "echo"]).arg(&path))
        .code(code::OTHER)
        .says(&["empty"]);
    for input in [&b""[..], b"\n", b"\nsecond\n"] {
        run_with_input(scratch.plainview(Who::me(), &CHEAP).arg(&path), input).code(code::OTHER);
    }
    assert!(!is_vault(&path));
}

#[test]
fn init_refuses_costs_out_of_bounds() {
    let scratch = Scratch::new(Who::me(), None);
    let passfile = scratch.file("passfile", b"secret\n", Who::me());
    let path = scratch.path().join("vault");
    for (memory, passes) in [("1M", "1"), ("5G", "1"), ("8M", "0"), ("8M", "1001"), ("lots", "1"), ("8M", "few")] {
        let args = ["init", "--kdf-memory", memory, "--kdf-passes", passes];
        run(scratch.plainview(Who::me(), &args).arg("--passfile").args([&passfile, &path])).code(code::USAGE);
    }
    assert!(!is_vault(&path));
}

/// Whatever way the password came in at `init`, every way gets in at `mount`.
#[test]
fn passwords_come_from_a_file_a_program_or_standard_input() {
    let scratch = Scratch::new(Who::me(), None);
    let me = Who::me();
    let passfile = scratch.file("passfile", b"pass word\nsecond line\n", me);
    let extpass = format!("cat {}", passfile.display());
    let ways: [(&[&str], &[u8]); 4] = [
        (&["--passfile", passfile.to_str().unwrap()], b""),
        (&["--extpass", &extpass], b""),
        (&[], b"pass word\npass word\n"),
        (&[], b"pass word"),
    ];
    let point = scratch.dir("mnt", me);
    for (number, (init_args, init_input)) in ways.iter().enumerate() {
        let path = scratch.path().join(format!("vault {number}"));
        run_with_input(scratch.plainview(me, &CHEAP).args(*init_args).arg(&path), init_input).ok();
        for (args, input) in ways {
            run_with_input(scratch.plainview(me, &["mount"]).args(args).args([&path, &point]), input).ok();
            run_unmount(scratch.plainview(me, &["umount"]).arg(&point)).ok();
        }
    }
    let (both, path) = (["mount", "--passfile", "x", "--extpass", "y"], scratch.path().join("vault 0"));
    run(scratch.plainview(me, &both).args([&path, &point])).code(code::USAGE);
}

#[test]
fn wrong_usage_is_told_apart() {
    let vault = vault();
    let wrong: [&[&str]; 6] = [
        &[],
        &["frobnicate"],
        &["mount"],
        &["mount", "--frobnicate", "a", "b"],
        &["init", "a", "b"],
        &["info", "--json"],
    ];
    for args in wrong {
        run(&mut vault.plainview(Who::me(), args)).code(code::USAGE);
    }
    for option in ["frobnicate", "frobnicate=1", "rw,frobnicate", "fsname"] {
        run(&mut vault.mount_command(Who::me(), &["-o", option]))
            .code(code::USAGE)
            .says(&[option.trim_start_matches("rw,")]);
    }
}

#[test]
fn help_has_an_example_for_each_command() {
    let scratch = Scratch::new(Who::me(), None);
    let plainview = |args: &[&str]| run(&mut scratch.plainview(Who::me(), args)).ok();
    assert!(plainview(&["--version"]).starts_with(concat!("plainview ", env!("CARGO_PKG_VERSION"))));
    let help = plainview(&["--help"]);
    for command in ["init", "mount", "umount", "info"] {
        assert!(help.contains(command), "{help}");
        let own = plainview(&[command, "--help"]);
        assert!(own.to_lowercase().contains("example"), "{own}");
        // Once in the usage line, and once in the example.
        assert!(own.matches(&format!("plainview {command}")).count() >= 2, "{own}");
    }
    // Said loudly, and with this option.
    let mount = plainview(&["mount", "--help"]);
    let said = mount.split_once("--no-journal").expect("the option is there").1;
    assert!(said.trim_start().starts_with("DANGEROUS: "), "{mount}");
}

#[test]
fn info_tells_what_the_vault_is_without_a_password() {
    let vault = vault();
    let text = run(vault.plainview(Who::me(), &["info"]).arg(vault.path())).ok();
    assert!(["encrypted", "password", "8"].iter().all(|word| text.contains(word)), "{text}");
    let json = run(vault.plainview(Who::me(), &["info", "--json"]).arg(vault.path())).ok();
    let script = "import json, sys; v = json.load(sys.stdin); s = json.dumps(v); assert '8192' in s and 'encrypted' in s and 'password' in s and v['format'] == 1, s";
    run_with_input(Who::me().command("python3").args(["-c", script]), json.as_bytes()).ok();
    let config = fs::read_to_string(vault.path().join("plainview.toml")).unwrap();
    let wrapped = config
        .lines()
        .find_map(|line| line.strip_prefix("wrapped = "))
        .unwrap()
        .trim_matches('"');
    assert!(!json.contains(wrapped) && !text.contains(wrapped));
}
