//! What POSIX and Linux promise of files, call by call, where the differential test and the suites of others (`scripts/suites.sh`) do not reach: several processes,
//! mappings, locks, ACLs, groups, very many and very deep, and other filesystems than ext4 below and above.
//!
//! Where a plain directory is the measure, a script does its steps in the mount and beside it on the same filesystem, and must print the same.

mod acls;
mod attributes;
mod calls;
mod filesystems;
mod groups;
mod links;
mod many;
mod memory;
mod missing;
mod opening;
mod processes;
mod renames;
mod times;

use crate::harness::{Options, Vault, assert_same_steps};
use crate::people::{Who, run};
use std::path::Path;

/// What a script is written in.
#[derive(Clone, Copy)]
enum Language {
    Bash,
    Python,
}

/// Runs `script` as `who` in a new directory of a mount with the arguments `args`, and in a new directory beside it; both must end well and print the same lines.
#[track_caller]
fn same_in_mount_and_beside(who: Who, args: &[&str], language: Language, script: &str) {
    let vault = Vault::new(Options::of(who));
    let plain = vault.scratch().dir("plain", who);
    let file = vault.scratch().file("script", script.as_bytes(), who);
    let mounted = vault.mount(args);
    let inside = mounted.enter(|point| {
        let inside = point.join("dir");
        std::fs::create_dir(&inside).map(|()| inside).unwrap()
    });
    let lines = |dir: &Path| {
        let interpreter = match language {
            Language::Bash => "bash -euo pipefail",
            Language::Python => "python3",
        };
        let command = format!("cd \"$1\" && {interpreter} \"$2\"");
        let said = run(&mut who.shell(&command, &[dir, &file])).ok();
        assert!(!said.is_empty(), "the script says nothing");
        said.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_same_steps(&lines(&inside), &lines(&plain));
    mounted.unmount();
}
