//! Where passwords come from when nobody sits at a terminal: scripts, programs, services.

use super::*;
use crate::cli::code;
use crate::harness::{PASSWORD, wait_for};
use crate::people::{run_unmount, run_with_input, skipped, start};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::process::Stdio;

#[test]
fn scripts_change_a_password() {
    let vault = vault();
    let old = text(vault.passfile());
    let new = passfile(&vault, "new", "another password");
    let told = run(&mut on(&vault, &["passwd", "--passfile", &old, "--new-passfile", &new])).ok();
    assert!(
        told.contains("Changed the password of slot 1") && told.contains(OLD_COPIES),
        "{told}"
    );
    assert_eq!(opens(&vault, &["--passfile", &old]), None);
    assert_eq!(opens(&vault, &["--passfile", &new]), Some(1));
    // Two lines of standard input, in that order; or a program.
    run_with_input(&mut on(&vault, &["passwd"]), format!("another password\n{PASSWORD}\n").as_bytes()).ok();
    assert_eq!(opens(&vault, &["--passfile", &old]), Some(1));
    run(&mut on(&vault, &["passwd", "--passfile", &old, "--new-extpass", "echo third"])).ok();
    assert_eq!(opens(&vault, &["--extpass", "echo third"]), Some(1));
}

#[test]
fn a_wrong_old_password_changes_nothing() {
    let vault = vault();
    let before = config(&vault);
    let (old, new) = (text(vault.passfile()), passfile(&vault, "new", "another password"));
    run(&mut on(&vault, &["passwd", "--passfile", &new, "--new-passfile", &new])).code(code::WRONG_PASSWORD);
    run(&mut on(&vault, &["passwd", "--passfile", &old, "--new-passfile", "/nonexistent"])).code(code::OTHER);
    run(&mut on(&vault, &["passwd", "--passfile", &old]))
        .code(code::OTHER)
        .says(&["empty"]);
    run(&mut on(&vault, &["passwd", "--passfile", &old, "--new-passfile", &old]))
        .code(code::OTHER)
        .says(&["nothing was changed"]);
    run(&mut on(
        &vault,
        &["passwd", "--passfile", &old, "--new-passfile", &new, "--slot", "1"],
    ))
    .code(code::USAGE);
    assert_eq!(config(&vault), before);
}

#[test]
fn who_forgot_the_password_sets_another_one() {
    let vault = vault();
    let (_, key) = beside(&vault, "key");
    add(&vault, &["--keyfile", &key, "--generate"]).ok();
    let new = passfile(&vault, "new", "another password");
    let passwd = |args: &[&str]| {
        run(&mut on(
            &vault,
            &[&["passwd", "--keyfile", &key, "--new-passfile", &new], args].concat(),
        ))
    };
    passwd(&[]).ok();
    assert_eq!(opens(&vault, &["--passfile", &new]), Some(1));
    let third = passfile(&vault, "third", "third password");
    run(&mut on(
        &vault,
        &[&["key", "add", "--unlock-keyfile", &key, "--new-passfile", &third][..], &CHEAP].concat(),
    ))
    .ok();
    passwd(&[]).code(code::USAGE).says(&["--slot"]);
    passwd(&["--slot", "2"]).code(code::OTHER).says(&["slot 2", "is no password's"]);
    passwd(&["--slot", "3"]).ok();
    assert_eq!(opens(&vault, &["--passfile", &third]), None);
    for slot in ["1", "3"] {
        run(on(&vault, &["key", "remove", "--keyfile", &key]).arg(slot)).ok();
    }
    passwd(&[]).code(code::OTHER).says(&["plainview key add"]);
}

#[test]
fn what_a_guess_costs_is_measured_shown_and_changed() {
    let vault = vault();
    let (path, _) = beside(&vault, "timed");
    let old = text(vault.passfile());
    let mut init = vault.plainview(
        Who::me(),
        &["init", "--kdf-time", "100ms", "--kdf-memory", "16M", "--passfile", &old],
    );
    let told = run(init.arg(&path)).ok();
    assert!(told.contains("A guess at the password costs Argon2id, 16 MiB, "), "{told}");
    assert!(told.contains(" s here."), "{told}");
    let cost = || {
        let list = run(vault.plainview(Who::me(), &["key", "list", "--json"]).arg(&path)).ok();
        let list: serde_json::Value = serde_json::from_str(&list).unwrap();
        (list[0]["memory_kib"].as_u64().unwrap(), list[0]["passes"].as_u64().unwrap())
    };
    let made = cost();
    assert_eq!(made.0, 16 << 10);
    let passwd = |args: &[&str]| {
        let mut passwd = vault.plainview(Who::me(), &[&["passwd", "--passfile", &old], args].concat());
        run(passwd.arg(&path)).ok()
    };
    passwd(&["--new-extpass", "echo x"]);
    assert_eq!(cost(), made, "it stays if nothing is said");
    let mut back = vault.plainview(Who::me(), &["passwd", "--extpass", "echo x", "--new-passfile", &old]);
    run(back.args(CHEAP).arg(&path)).ok();
    assert_eq!(cost(), (8 << 10, 1));
    // The password can stay.
    let told = passwd(&["--new-passfile", &old, "--kdf-time", "100ms", "--kdf-memory", "9M"]);
    assert!(told.contains("Argon2id, 9 MiB"), "{told}");
    assert_eq!(cost().0, 9 << 10);
}

#[test]
fn more_time_buys_more_passes() {
    let vault = vault();
    let old = text(vault.passfile());
    let passes = |time: &str| {
        let args = [
            "--passfile",
            &old,
            "--new-passfile",
            &old,
            "--kdf-memory",
            "16M",
            "--kdf-time",
            time,
        ];
        run(&mut on(&vault, &[&["passwd"][..], &args].concat())).ok();
        let list = run(&mut on(&vault, &["key", "list", "--json"])).ok();
        let list: serde_json::Value = serde_json::from_str(&list).unwrap();
        list[0]["passes"].as_u64().unwrap()
    };
    // What else runs here may slow one measurement down ten times, but not five in a row.
    let more = (0..5).any(|_| passes("100ms") < passes("1s"));
    assert!(more, "{} passes, whatever the time", passes("1s"));
}

/// As with `secret-tool lookup`, `pass show` and the like.
#[test]
fn a_program_looks_the_password_up() {
    let vault = vault();
    let tool = vault.scratch().file(
        "secret-tool",
        format!("#!/bin/sh\n[ \"$*\" = 'lookup vault my vault' ] && echo '{PASSWORD}'\n").as_bytes(),
        Who::me(),
    );
    fs::set_permissions(&tool, fs::Permissions::from_mode(0o755)).unwrap();
    let command = format!("{} lookup vault 'my vault'", tool.display());
    assert_eq!(opens(&vault, &["--extpass", &command]), Some(1));
    mount_with(&vault, &["--extpass", &command]).unmount();
    let other = format!("{} lookup vault another", tool.display());
    run(&mut on(&vault, &["key", "test", "--extpass", &other]))
        .code(code::OTHER)
        .says(&["failed"]);
}

#[test]
fn a_service_has_its_password_as_a_credential() {
    let vault = vault();
    let credentials = vault.scratch().dir("credentials", Who::me());
    let named = |name: &str| credentials.join(format!("plainview.{name}"));
    let test = |directory: &Path| {
        let mut command = on(&vault, &["key", "test"]);
        run(command.env("CREDENTIALS_DIRECTORY", directory))
    };
    // It has nothing for this vault, and standard input is empty.
    fs::write(named("another"), PASSWORD).unwrap();
    test(&credentials).code(code::OTHER).says(&["standard input", "empty"]);
    fs::write(named("vault"), PASSWORD).unwrap();
    test(&credentials).ok();
    test(Path::new("relative")).code(code::OTHER);
    // As the service's program starts: in the background, with nothing else.
    let mut mount = vault.plainview(Who::me(), &["mount"]);
    mount.args([vault.path(), vault.point()]).env("CREDENTIALS_DIRECTORY", &credentials);
    run(&mut mount).ok();
    run_unmount(vault.plainview(Who::me(), &["umount"]).arg(vault.point())).ok();
    // Whatever leads there, the name is that of the directory itself.
    let link = vault.scratch().path().join("link");
    std::os::unix::fs::symlink(vault.path(), &link).unwrap();
    let mut by_link = vault.plainview(Who::me(), &["key", "test"]);
    run(by_link.arg(link.join(".")).env("CREDENTIALS_DIRECTORY", &credentials)).ok();

    fs::write(named("vault"), "wrong\n").unwrap();
    test(&credentials).code(code::WRONG_PASSWORD);
    fs::remove_file(named("vault")).unwrap();
    std::os::unix::fs::symlink("nowhere", named("vault")).unwrap();
    test(&credentials)
        .code(code::OTHER)
        .says(&["cannot open the password file", "plainview.vault"]);
    // What is asked for explicitly, and a new password, does not come from there.
    fs::remove_file(named("vault")).unwrap();
    fs::write(named("vault"), PASSWORD).unwrap();
    let mut passwd = on(&vault, &["passwd"]);
    passwd.env("CREDENTIALS_DIRECTORY", &credentials);
    run_with_input(&mut passwd, b"another\n").ok();
    assert_eq!(opens(&vault, &["--extpass", "echo another"]), Some(1));
    let mut explicit = on(&vault, &["key", "test", "--extpass", "echo another"]);
    run(explicit.env("CREDENTIALS_DIRECTORY", &credentials)).ok();
}

/// Where systemd's questions wait.
const QUESTIONS: &str = "/run/systemd/ask-password";

/// The question about `vault` that waits for an agent: its text.
fn question(vault: &Vault) -> Option<String> {
    let id = format!("Id=plainview:{}", vault.path().display());
    let files = fs::read_dir(QUESTIONS).unwrap().filter_map(|entry| Some(entry.ok()?.path()));
    let asked = files.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("ask."));
    let mut texts = asked.filter_map(|path| fs::read_to_string(path).ok());
    texts.find(|text| text.lines().any(|line| line == id))
}

/// Runs `key test` where there is no terminal and nothing on standard input, and answers systemd's question as an agent does.
fn answered(vault: &Vault, args: &[&str], answer: &str) -> (Answer, String) {
    let plain = on(vault, &[&["key", "test"], args].concat());
    let mut command = Who::me().command("setsid");
    command.arg("--wait").arg(plain.get_program()).args(plain.get_args());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = start(&mut command).unwrap();
    let mut asked = None;
    wait_for("the question", || {
        asked = question(vault);
        asked.is_some()
    });
    let asked = asked.unwrap();
    let socket = asked.lines().find_map(|line| line.strip_prefix("Socket=")).unwrap();
    UnixDatagram::unbound().unwrap().send_to(answer.as_bytes(), socket).unwrap();
    (Answer::of(child.wait_with_output().unwrap(), "key test, asked by an agent"), asked)
}

#[test]
fn an_agent_is_asked_where_there_is_no_terminal() {
    let has_systemd = run(Who::me().command("sh").args(["-c", "command -v systemd-ask-password"])).code == 0;
    if Who::me() != Who::Root || !has_systemd {
        skipped("systemd's questions are asked by root, with systemd-ask-password");
        return;
    }
    fs::create_dir_all(QUESTIONS).unwrap();
    let vault = vault();
    let (answer, asked) = answered(&vault, &[], &format!("+{PASSWORD}"));
    answer.ok();
    assert!(
        asked.contains(&format!("Message=Password of {}:", vault.path().display())),
        "{asked}"
    );
    assert!(!asked.contains(PASSWORD));
    answered(&vault, &[], "+wrong").0.code(code::WRONG_PASSWORD);
    // The person cancelled.
    answered(&vault, &[], "-").0.code(code::OTHER).says(&["systemd-ask-password"]);
    let key = recovery_key(&add(&vault, &["--recovery"]).ok());
    let (answer, asked) = answered(&vault, &["--recovery"], &format!("+{}", key.to_lowercase()));
    answer.ok();
    assert!(asked.contains("Message=Recovery key of"), "{asked}");
}
