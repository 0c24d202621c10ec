//! Export and import read back what they wrote: a write that was never done, and a read that gave something else, are seen before the copy has its name.

use super::{answer, command, imported, plain};
use crate::corpus::noise;
use crate::faults::strace_or_skip;
use crate::harness::{Options, Vault};
use crate::people::{Answer, Who, run};
use std::fs;
use std::path::Path;
use std::process::Command;

/// Two pieces are copied, and a little more.
const LEN: usize = (2 << 20) + 12_345;

/// Runs `command`, where the second `call` on the file `at`, or on any, says it has done 4096 bytes and has not; the rest is done as it should be.
fn lying(vault: &Vault, command: &Command, call: &str, at: Option<&Path>) -> Answer {
    let log = vault.scratch().path().join("strace");
    let mut strace = vault.owner().command("strace");
    strace
        .args(["-f", "-qq", "-e", "signal=none", "-e", &format!("trace={call}"), "-o"])
        .arg(&log);
    strace.args(["-e", &format!("inject={call}:retval=4096:when=2")]);
    if let Some(at) = at {
        strace.arg("-P").arg(at);
    }
    let answer = run(strace.arg(command.get_program()).args(command.get_args()));
    let log = fs::read_to_string(&log).unwrap();
    assert_eq!(log.matches("(INJECTED)").count(), 1, "{log}");
    answer
}

#[test]
fn an_export_that_was_not_written_has_no_name() {
    if !strace_or_skip() {
        return;
    }
    let (vault, _) = imported(Who::me(), |dir| fs::write(dir.join("file"), noise(1, LEN)).unwrap());
    let out = vault.scratch().dir("out", Who::me());
    let paths = [plain("/file"), &*out];
    let said = lying(&vault, &command(&vault, &["export"], &paths), "pwrite64", None).code(17);
    assert!(said.out.starts_with("0 files, ") && said.out.ends_with(" 1 failed\n"), "{said:?}");
    said.says(&["/file: what was read back differs", "not everything was exported"]);
    assert_eq!(fs::read_dir(&out).unwrap().count(), 0);
    answer(&vault, &["export"], &paths).ok();
    assert!(fs::read(out.join("file")).unwrap() == noise(1, LEN));
}

#[test]
fn an_import_that_was_not_written_has_no_name() {
    if !strace_or_skip() {
        return;
    }
    let vault = Vault::new(Options::default());
    let file = vault.scratch().file("file", &noise(1, LEN), Who::me());
    let paths = [&*file, plain("/")];
    let import = command(&vault, &["import"], &paths);
    // What was read wrongly is sealed as well as anything: only by comparing it with the original is it seen.
    for (call, at, why) in [
        ("pwrite64", None, "file: cannot be read back: "),
        ("pread64", Some(&*file), "file: what was read back differs"),
    ] {
        let said = lying(&vault, &import, call, at).code(17);
        assert!(said.out.starts_with("0 files, ") && said.out.ends_with(" 1 failed\n"), "{said:?}");
        said.says(&[why, "not everything was imported"]);
        let names = fs::read_dir(vault.path()).unwrap().map(|entry| entry.unwrap().file_name());
        assert_eq!(names.collect::<Vec<_>>(), ["plainview.toml"], "{call}");
    }
    answer(&vault, &["import"], &paths).ok();
    let out = vault.scratch().dir("out", Who::me());
    answer(&vault, &["export"], &[plain("/file"), &out]).ok();
    assert!(fs::read(out.join("file")).unwrap() == noise(1, LEN));
}
