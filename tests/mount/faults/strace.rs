//! strace, which lets a system call of a running daemon fail without being made.

use crate::people::{Who, skipped, start};
use rustix::process::{Pid, Signal, kill_process};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

/// Which call fails how, counted in the thread that makes it, since each request is answered by one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Fault {
    pub(super) call: String,
    pub(super) errno: &'static str,
    pub(super) when: When,
}

/// Which of the calls of this kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum When {
    /// Only one, from 1 on.
    Nth(usize),
    /// All.
    Always,
}

impl Fault {
    /// strace's arguments.
    fn args(&self) -> Vec<String> {
        let Self { call, errno, when } = self;
        let when = match when {
            When::Nth(nth) => nth.to_string(),
            When::Always => "1+".to_owned(),
        };
        vec![
            "-e".to_owned(),
            format!("trace=execve,{call}"),
            "-e".to_owned(),
            format!("inject={call}:error={errno}:when={when}"),
        ]
    }
}

/// A running strace.
pub(super) struct Strace {
    child: Child,
    log: PathBuf,
}

impl Strace {
    /// Follows the process `pid` with all its threads, and lets its calls fail as `fault` says, from when this returns until it is [detached](Self::detach).
    pub(super) fn attach(pid: u32, fault: Option<&Fault>, log: &Path) -> Self {
        Self::try_attach(pid, fault, log).unwrap_or_else(|why| panic!("strace: {why}"))
    }

    fn try_attach(pid: u32, fault: Option<&Fault>, log: &Path) -> Result<Self, String> {
        let mut command = Who::me().command("strace");
        command.args(["-f", "-e", "signal=none", "-o"]).arg(log);
        command.args(fault.map(Fault::args).unwrap_or_default());
        command.args(["-p", &pid.to_string()]).stderr(Stdio::piped());
        let mut child = start(&mut command).map_err(|error| error.to_string())?;
        let said = BufReader::new(child.stderr.as_mut().unwrap()).lines().next();
        match said {
            Some(Ok(line)) if line.contains("attached") => {
                let log = log.to_owned();
                Ok(Self { child, log })
            }
            said => {
                let _ = child.wait();
                Err(format!("{said:?}"))
            }
        }
    }

    /// `command`, run under strace from the beginning.
    pub(super) fn around(command: &Command, fault: Option<&Fault>, log: &Path) -> Command {
        let mut strace = Who::me().command("strace");
        strace.args(["-f", "-q", "-e", "signal=none", "-o"]).arg(log);
        strace.args(fault.map(Fault::args).unwrap_or_default());
        strace.arg(command.get_program()).args(command.get_args());
        strace
    }

    /// Lets the process go on by itself; returns what it did.
    pub(super) fn detach(mut self) -> Log {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).unwrap();
        kill_process(pid, Signal::TERM).unwrap();
        self.child.wait().unwrap();
        Log::read(&self.log)
    }
}

impl Drop for Strace {
    fn drop(&mut self) {
        // It has ended, but for a test that failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What strace wrote.
pub(super) struct Log(String);

impl Log {
    /// What it wrote to `path`.
    pub(super) fn read(path: &Path) -> Self {
        Self(String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned())
    }

    /// The process that it began with.
    pub(super) fn process(&self) -> Pid {
        let first = self.0.split_once(' ').and_then(|(pid, _)| pid.parse().ok());
        first
            .and_then(Pid::from_raw)
            .unwrap_or_else(|| panic!("the log of strace begins with {:?}", self.0.lines().next()))
    }

    /// How many calls failed because of us.
    pub(super) fn injected(&self) -> usize {
        self.0.matches("(INJECTED)").count()
    }

    /// How many calls of each kind the thread made that made most of them.
    pub(super) fn most(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::<(&str, &str), usize>::new();
        for line in self.0.lines() {
            if let Some((thread, rest)) = line.split_once(' ')
                && let Some((call, _)) = rest.trim_start().split_once('(')
                && call.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            {
                *counts.entry((thread, call)).or_default() += 1;
            }
        }
        let mut most = BTreeMap::new();
        for ((_, call), count) in counts {
            let known = most.entry(call.to_owned()).or_default();
            *known = count.max(*known);
        }
        most
    }
}

/// Whether strace can be attached to a daemon; if not, says that this test is skipped.
pub(crate) fn strace_or_skip() -> bool {
    static WORKS: OnceLock<Result<(), String>> = OnceLock::new();
    let works = WORKS.get_or_init(|| {
        let mut sleep = start(Who::me().command("sleep").arg("30")).map_err(|error| error.to_string())?;
        let log = std::env::temp_dir().join(format!("plainview-test-strace-{}", std::process::id()));
        let attached = Strace::try_attach(sleep.id(), None, &log).map(|strace| drop(strace.detach()));
        let _ = sleep.kill();
        let _ = sleep.wait();
        let _ = std::fs::remove_file(&log);
        attached
    });
    if let Err(why) = works {
        skipped(&format!("no strace that can be attached: {why}"));
    }
    works.is_ok()
}
