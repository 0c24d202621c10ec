//! An export, and an import, that are killed or stopped at any moment, and run again.

use super::{answer, command, imported, plain};
use crate::corpus::noise;
use crate::harness::{Options, Vault, wait_for};
use crate::people::{Who, start};
use crate::tree::Tree;
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};

const FILES: usize = 300;

fn fill(dir: &Path) {
    for number in 0..FILES {
        let sub = dir.join(format!("{}", number % 7));
        fs::create_dir_all(&sub).unwrap();
        fs::write(sub.join(format!("{number}")), noise(number as u64, 100 * number)).unwrap();
    }
}

/// How many entries there are below `dir`.
fn count(dir: &Path) -> usize {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.map(|path| 1 + if path.is_dir() { count(&path) } else { 0 }).sum()
}

/// Runs `command` until there are `enough` entries below `dir`, and then sends it a signal; whether that came in time.
fn interrupted(command: &mut Command, dir: &Path, enough: usize, signal: Signal) -> (bool, Option<i32>) {
    let mut child: Child = start(command.stdout(Stdio::null()).stderr(Stdio::null())).unwrap();
    wait_for("files to appear", || count(dir) >= enough || child.try_wait().unwrap().is_some());
    let in_time = child.try_wait().unwrap().is_none();
    if in_time {
        kill_process(Pid::from_child(&child), signal).unwrap();
    }
    (in_time, child.wait().unwrap().code())
}

#[test]
fn a_killed_export_goes_on_where_it_was() {
    let (vault, original) = imported(Who::me(), fill);
    let out = vault.scratch().dir("out", Who::me());
    let paths = [plain("/"), &*out];
    let (mut kills, mut enough) = (0, 1);
    while enough < FILES {
        let (in_time, _) = interrupted(&mut command(&vault, &["export"], &paths), &out, enough, Signal::KILL);
        kills += u32::from(in_time);
        // What is there is whole.
        for number in 0..FILES {
            let name = format!("{}/{number}", number % 7);
            if let Ok(bytes) = fs::read(out.join(&name)) {
                assert!(bytes == noise(number as u64, 100 * number), "{name}");
            }
        }
        enough = count(&out).max(enough) + 40;
    }
    assert!(kills >= 3, "only {kills} kills came in time");
    let said = answer(&vault, &["export"], &paths).ok();
    assert!(said.ends_with(" 0 conflicts, 0 failed\n") && !said.contains(" 0 skipped"), "{said}");
    Tree::of(&original).without_root().assert_same(&Tree::of(&out).without_root());
}

#[test]
fn a_signal_stops_it_and_leaves_nothing_half_made() {
    let (vault, original) = imported(Who::me(), fill);
    let out = vault.scratch().dir("out", Who::me());
    let paths = [plain("/"), &*out];
    let (in_time, code) = interrupted(&mut command(&vault, &["export"], &paths), &out, 20, Signal::INT);
    assert_eq!((in_time, code), (true, Some(17)));
    let here = Tree::of(&out);
    assert!(here.len() < FILES, "{}", here.len());
    let names = String::from_utf8(std::process::Command::new("find").arg(&out).output().unwrap().stdout).unwrap();
    assert!(!names.contains(".plainview"), "{names}");
    answer(&vault, &["export"], &paths).ok();
    Tree::of(&original).without_root().assert_same(&Tree::of(&out).without_root());
}

#[test]
fn a_killed_import_goes_on_where_it_was() {
    let vault = Vault::new(Options::default());
    let original = vault.scratch().dir("original", Who::me());
    fill(&original);
    let paths = [&*original.join("."), plain("/")];
    let mut kills = 0;
    for enough in [5, 100, 250] {
        let (in_time, _) = interrupted(&mut command(&vault, &["import"], &paths), vault.path(), enough, Signal::KILL);
        kills += u32::from(in_time);
    }
    assert!(kills >= 2, "only {kills} kills came in time");
    answer(&vault, &["import"], &paths).ok();
    let mounted = vault.mount(&[]);
    let inside = Tree::of(mounted.path()).without_root();
    mounted.unmount();
    Tree::of(&original).without_root().assert_same(&inside);
}

#[test]
fn two_exports_into_one_directory_do_not_meet() {
    let (vault, original) = imported(Who::me(), fill);
    let out = vault.scratch().dir("out", Who::me());
    let paths = [plain("/"), &*out];
    let mut first = start(command(&vault, &["export"], &paths).stdout(Stdio::null())).unwrap();
    wait_for("files to appear", || count(&out) > 0);
    kill_process(Pid::from_child(&first), Signal::STOP).unwrap();
    answer(&vault, &["export"], &paths).code(8).says(&["is in use by process"]);
    kill_process(Pid::from_child(&first), Signal::CONT).unwrap();
    assert!(first.wait().unwrap().success());
    Tree::of(&original).without_root().assert_same(&Tree::of(&out).without_root());
}
