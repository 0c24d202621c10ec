//! What a person at a terminal is asked, and sees.

use super::*;
use crate::cli::code;
use crate::harness::PASSWORD;
use crate::people::run_unmount;
use crate::terminal::{at_terminal, at_terminal_until};
use rustix::process::{Signal, kill_process_group};
use rustix::termios::tcgetpgrp;

#[test]
fn passwd_asks_once_for_the_old_and_twice_for_the_new() {
    let vault = vault();
    let passwd = on(&vault, &["passwd"]);
    let new = "a new one, pässword";
    at_terminal(
        &passwd,
        &[("Password: ", PASSWORD), ("New password: ", new), ("The same again: ", new)],
    )
    .code(0)
    .says(&["Changed the password of slot 1", &OLD_COPIES[..60]])
    .hides(&[PASSWORD, new]);
    let new = passfile(&vault, "new", new);
    assert_eq!(opens(&vault, &["--passfile", &new]), Some(1));
    assert_eq!(opens(&vault, &["--passfile", vault.passfile().to_str().unwrap()]), None);
}

#[test]
fn a_slip_at_the_terminal_changes_nothing() {
    let vault = vault();
    let before = config(&vault);
    at_terminal(&on(&vault, &["passwd"]), &[("Password: ", "wrong")])
        .code(code::WRONG_PASSWORD)
        .says(&["wrong password for"])
        .hides(&["New password"]);
    at_terminal(
        &on(&vault, &["passwd"]),
        &[("Password: ", PASSWORD), ("New password: ", "one"), ("The same again: ", "two")],
    )
    .code(code::OTHER)
    .says(&["the two passwords differ"]);
    at_terminal(&on(&vault, &["key", "add"]), &[("Password: ", PASSWORD), ("New password: ", "")]).code(code::OTHER);
    at_terminal(&on(&vault, &["key", "add", "--recovery"]), &[("Password: ", "wrong")])
        .code(code::WRONG_PASSWORD)
        .hides(&["recovery key"]);
    assert_eq!(config(&vault), before);
}

/// The terminal is not left mute.
#[test]
fn who_is_asked_can_leave() {
    let vault = vault();
    let type_key = |key: u8| move |terminal: &_| assert_eq!(rustix::io::write(terminal, &[key]), Ok(1));
    let passwd = on(&vault, &["passwd"]);
    let seen = at_terminal_until(&passwd, &[], false, type_key(3));
    assert_eq!((seen.signal, seen.has_echo), (Some(Signal::INT.as_raw()), true), "{seen:?}");
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let send = |terminal: &_| kill_process_group(tcgetpgrp(terminal).unwrap(), signal).unwrap();
        let seen = at_terminal_until(&passwd, &[], false, send);
        assert_eq!((seen.signal, seen.has_echo), (Some(signal.as_raw()), true), "{seen:?}");
    }
    // When the answer is there, Ctrl-C is a signal again: here after the last question, in a computation that would take minutes.
    let add = on(&vault, &["key", "add", "--kdf-memory", "1G", "--kdf-passes", "1000"]);
    let dialogue = [("Password: ", PASSWORD), ("New password: ", "x"), ("The same again: ", "x")];
    let seen = at_terminal_until(&add, &dialogue, true, type_key(3));
    assert_eq!((seen.signal, seen.has_echo), (Some(Signal::INT.as_raw()), true), "{seen:?}");
}

#[test]
fn a_second_person_gets_a_password() {
    let vault = vault();
    let add = on(&vault, &[&["key", "add", "--label", "anna"][..], &CHEAP].concat());
    at_terminal(
        &add,
        &[("Password: ", PASSWORD), ("New password: ", "hers"), ("The same again: ", "hers")],
    )
    .code(0)
    .says(&["Slot 2 of", "the new password"])
    .hides(&["hers"]);
    at_terminal(&on(&vault, &["key", "test"]), &[("Password: ", "hers")])
        .code(0)
        .says(&["slot 2  password \"anna\"", "opens"]);
}

/// From `init` to the day on which the password is forgotten.
#[test]
fn a_recovery_key_is_shown_once_written_down_and_typed_in() {
    let vault = vault();
    let (path, _) = beside(&vault, "mine");
    let mut init = vault.plainview(Who::me(), &[&["init", "--recovery-key"][..], &CHEAP].concat());
    init.arg(&path);
    let seen = at_terminal(&init, &[("New password: ", "forgotten"), ("The same again: ", "forgotten")]).code(0);
    let key = recovery_key(&seen.text);
    let mut mount = vault.plainview(Who::me(), &["mount", "--recovery"]);
    mount.args([&path, vault.point()]);

    let typed = key.to_lowercase().replace('-', " ");
    let fourth = if &typed[18..19] == "x" { "y" } else { "x" };
    let slip = format!("{}{fourth}{}", &typed[..18], &typed[19..]);
    at_terminal(&mount, &[("Recovery key: ", &slip), ("Recovery key: ", &typed)])
        .code(0)
        .says(&["group 4 is mistyped"])
        .hides(&[&typed, &slip]);
    run_unmount(vault.plainview(Who::me(), &["umount"]).arg(vault.point())).ok();

    let mut passwd = vault.plainview(Who::me(), &["passwd", "--recovery"]);
    let dialogue = [
        ("Recovery key: ", &*typed),
        ("New password: ", "remembered"),
        ("The same again: ", "remembered"),
    ];
    at_terminal(passwd.arg(&path), &dialogue).code(0);
    let mut test = vault.plainview(Who::me(), &["key", "test"]);
    at_terminal(test.arg(&path), &[("Password: ", "remembered")]).code(0);
    // Three slips are enough.
    let mut test = vault.plainview(Who::me(), &["key", "test", "--recovery"]);
    let slips = [("Recovery key: ", &*slip); 3];
    at_terminal(test.arg(&path), &slips).code(code::WRONG_PASSWORD);
}
