//! A git repository to which commits are made.

use super::findings::{Findings, Harm};
use super::history::{History, Window};
use super::workload::{Workload, sync_dir, sync_tree};
use crate::people::{Answer, Who, run};
use rand::RngExt;
use rand::rngs::StdRng;
use std::fs;
use std::io;
use std::path::Path;

/// The workload.
pub(super) struct Repository {
    history: History<()>,
}

impl Repository {
    pub(super) fn new() -> Self {
        Self { history: History::new() }
    }

    fn git(dir: &Path, args: &[&str]) -> Answer {
        let mut command = Who::me().command("git");
        for setting in [
            "core.fsync=all",
            "core.fsyncMethod=fsync",
            "gc.auto=0",
            "user.name=test",
            "user.email=test@example.org",
            "safe.directory=*",
        ] {
            command.args(["-c", setting]);
        }
        run(command.arg("-C").arg(dir).args(args))
    }

    fn done_well(answer: &Answer) -> io::Result<()> {
        if answer.code == 0 {
            Ok(())
        } else {
            Err(io::Error::other(format!("git: {}{}", answer.out, answer.err)))
        }
    }

    fn commit(dir: &Path, number: usize) -> io::Result<()> {
        fs::write(dir.join("number"), number.to_string())?;
        Self::done_well(&Self::git(dir, &["add", "--all"]))?;
        Self::done_well(&Self::git(dir, &["commit", "-q", "-m", &number.to_string()]))?;
        // git syncs its files, but not the directories in which it renames them.
        [".git/objects", ".git/refs/heads", ".git"]
            .into_iter()
            .try_for_each(|at| sync_dir(&dir.join(at)))
    }
}

impl Workload for Repository {
    fn name(&self) -> String {
        "repository".to_owned()
    }

    fn prepare(&self, dir: &Path) -> io::Result<()> {
        Self::done_well(&Self::git(dir, &["init", "-q", "-b", "main"]))?;
        Self::commit(dir, 0)?;
        sync_tree(dir)
    }

    fn step(&self, dir: &Path, rng: &mut StdRng) -> io::Result<()> {
        let number = self.history.begun() + 1;
        fs::write(
            dir.join(format!("file {}", number % 7)),
            super::bytes::pattern(rng.random(), 0, 2000),
        )?;
        self.history.perform((), || Self::commit(dir, number))
    }

    fn done(&self) -> usize {
        self.history.done()
    }

    fn begun(&self) -> usize {
        self.history.begun()
    }

    fn check(&self, dir: &Path, window: &Window, findings: &mut Findings) {
        let check = Self::git(dir, &["fsck", "--full", "--no-dangling"]);
        if check.code != 0 {
            findings.add(Harm::Repository, format!("git fsck: {}{}", check.out, check.err));
        }
        let log = Self::git(dir, &["log", "--format=%s"]);
        let numbers: Vec<usize> = log.out.lines().filter_map(|line| line.parse().ok()).collect();
        let whole = numbers.iter().rev().copied().eq(0..numbers.len());
        let last = numbers.len().wrapping_sub(1);
        if log.code != 0 || !whole || !(window.done..=window.begun).contains(&last) {
            findings.add(
                Harm::Repository,
                format!(
                    "between {} and {} commits: {:?} {}",
                    window.done,
                    window.begun,
                    numbers.first(),
                    log.err
                ),
            );
        }
        let shown = Self::git(dir, &["show", "HEAD:number"]);
        if shown.out != last.to_string() {
            findings.add(Harm::Repository, format!("commit {last} has {:?} {}", shown.out, shown.err));
        }
    }
}
