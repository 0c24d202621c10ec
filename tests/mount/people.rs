//! Who does things: root, or the ordinary user `pvtest` that `scripts/setup.sh` makes. Commands and closures run as either.

use rustix::fs::{Gid, Uid};
use std::ffi::OsStr;
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{PoisonError, RwLock};
use std::time::{Duration, Instant};

/// The ordinary user's name.
pub(crate) const USER: &str = "pvtest";

/// How long a command may take.
const LONGEST_COMMAND: Duration = Duration::from_secs(300);
/// How long a new process may take to its exec.
const LONGEST_START: Duration = Duration::from_secs(10);

/// Who does something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    /// Root.
    Root,
    /// An ordinary user: `pvtest` when the tests run as root, else the one who runs them.
    User,
}

/// What is known of a person.
struct Person {
    uid: u32,
    gid: u32,
    name: String,
    home: PathBuf,
}

/// Whether the tests run as root.
pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Says loudly that a test is skipped, past the test runner's capture. Fails in CI, where nothing may be missing.
pub(crate) fn skipped(reason: &str) {
    let thread = std::thread::current();
    let line = format!("SKIPPED {}: {reason}\n", thread.name().unwrap_or("?"));
    std::io::stderr().write_all(line.as_bytes()).unwrap();
    assert!(
        std::env::var("CI").as_deref() != Ok("true"),
        "in CI nothing may be skipped: {reason}"
    );
}

/// Whether the tests run as root; if not, says that this one is skipped.
pub(crate) fn root_or_skip() -> bool {
    if !is_root() {
        skipped("needs root");
    }
    is_root()
}

impl Who {
    /// Who runs the tests.
    pub(crate) fn me() -> Self {
        if is_root() { Self::Root } else { Self::User }
    }

    /// Both, or only the one that there is; says SKIPPED for root then.
    pub(crate) fn both() -> Vec<Self> {
        if root_or_skip() {
            vec![Self::Root, Self::User]
        } else {
            vec![Self::User]
        }
    }

    /// The user id.
    pub(crate) fn uid(self) -> u32 {
        self.person().uid
    }

    /// The group id.
    pub(crate) fn gid(self) -> u32 {
        self.person().gid
    }

    fn person(self) -> Person {
        let passwd = std::fs::read_to_string("/etc/passwd").unwrap();
        let me = rustix::process::geteuid().as_raw();
        let wanted = |fields: &[&str]| match self {
            Self::Root => fields[2] == "0",
            Self::User if is_root() => fields[0] == USER,
            Self::User => fields[2] == me.to_string(),
        };
        let found = passwd
            .lines()
            .map(|line| line.split(':').collect::<Vec<_>>())
            .find(|fields| fields.len() > 5 && wanted(fields));
        let fields = found.unwrap_or_else(|| panic!("no such user: {self:?}; scripts/setup.sh makes {USER}"));
        Person {
            uid: fields[2].parse().unwrap(),
            gid: fields[3].parse().unwrap(),
            name: fields[0].to_owned(),
            home: PathBuf::from(fields[5]),
        }
    }

    /// A command that runs as this person, in `/`, with their HOME and without standard input.
    pub(crate) fn command(self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir("/").stdin(Stdio::null());
        if self != Self::me() {
            // std also drops root's other groups here.
            let person = self.person();
            command.uid(person.uid).gid(person.gid);
            command
                .env("HOME", &person.home)
                .env("USER", &person.name)
                .env("LOGNAME", &person.name);
            // Root's own programs are in its home, where the user cannot go.
            command.env("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin");
        }
        command
    }

    /// A shell script that runs as this person, with `set -eu` and `$1` .. being `args`.
    pub(crate) fn shell(self, script: &str, args: &[&Path]) -> Command {
        let mut command = self.command("bash");
        command.arg("-c").arg(format!("set -euo pipefail\n{script}")).arg("test").args(args);
        command
    }

    /// Runs `work` as this person, on a thread of its own whose credentials are theirs: system calls in it are checked as theirs.
    pub(crate) fn run<T: Send>(self, work: impl FnOnce() -> T + Send) -> T {
        let me = std::thread::current().name().unwrap_or("test").to_owned();
        std::thread::scope(|scope| {
            let thread = std::thread::Builder::new().name(me).spawn_scoped(scope, || {
                self.become_this_thread();
                work()
            });
            thread.unwrap().join().unwrap_or_else(|panic| resume_unwind(panic))
        })
    }

    /// Gives the calling thread, and no other, this person's credentials for good.
    fn become_this_thread(self) {
        if self == Self::me() {
            return;
        }
        let person = self.person();
        let (uid, gid) = (Uid::from_raw(person.uid), Gid::from_raw(person.gid));
        rustix::thread::set_thread_groups(&[]).unwrap();
        rustix::thread::set_thread_res_gid(gid, gid, gid).unwrap();
        rustix::thread::set_thread_res_uid(uid, uid, uid).unwrap();
    }
}

/// What a finished command said.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The exit code; -1 when a signal ended it.
    pub(crate) code: i32,
    /// Standard output.
    pub(crate) out: String,
    /// Standard error.
    pub(crate) err: String,
    /// The command, for messages.
    command: String,
}

impl Answer {
    /// What the finished command `command` said.
    pub(crate) fn of(output: Output, command: &str) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
            command: command.to_owned(),
        }
    }

    /// Checks the exit code.
    #[track_caller]
    pub(crate) fn code(self, expected: i32) -> Self {
        assert_eq!(self.code, expected, "{}\nstdout: {}\nstderr: {}", self.command, self.out, self.err);
        self
    }

    /// Checks that it went well, and returns its standard output.
    #[track_caller]
    pub(crate) fn ok(self) -> String {
        self.code(0).out
    }

    /// Checks that standard error contains each of `parts`.
    #[track_caller]
    pub(crate) fn says(self, parts: &[&str]) -> Self {
        for part in parts {
            assert!(
                self.err.contains(part),
                "{}: no {part:?} in\nstderr: {}\nstdout: {}",
                self.command,
                self.err,
                self.out
            );
        }
        self
    }
}

/// Held for reading while a process is being started, and for writing where none may be.
static STARTING: RwLock<()> = RwLock::new(());

/// Starts `command`.
pub(crate) fn start(command: &mut Command) -> std::io::Result<Child> {
    let _starting = STARTING.read().unwrap_or_else(PoisonError::into_inner);
    command.spawn()
}

/// Runs `work` while no test starts a process: until its exec, a new one holds open what this one has open, and then closes it. Filesystems are told of each close, and a
/// recipe folder's stores what was written so far. So `work` must not start any, either.
pub(crate) fn without_new_processes<T>(work: impl FnOnce() -> T) -> T {
    let _nothing_starts = STARTING.write().unwrap_or_else(PoisonError::into_inner);
    work()
}

/// Runs `command` to its end.
#[track_caller]
pub(crate) fn run(command: &mut Command) -> Answer {
    run_with_input(command, b"")
}

/// As [`run`] for a command that unmounts. Again while the mount is in use: a child process that another test is just starting holds, until its exec, what
/// this one had open at that moment.
#[track_caller]
pub(crate) fn run_unmount(command: &mut Command) -> Answer {
    let deadline = Instant::now() + LONGEST_START;
    loop {
        let answer = run(command);
        let busy = ["in use", "busy"].iter().any(|word| answer.err.contains(word));
        if !busy || Instant::now() > deadline {
            return answer;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Runs `command` to its end with `input` on its standard input, which is a pipe. The end is that nobody holds its output open any more.
#[track_caller]
pub(crate) fn run_with_input(command: &mut Command, input: &[u8]) -> Answer {
    let text = format!("{command:?}");
    let spawned = start(command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()));
    let mut child = spawned.unwrap_or_else(|error| panic!("{text}: {error}"));
    // A command that does not want its input may be gone already.
    let _ = child.stdin.take().unwrap().write_all(input);
    let (out, err) = (collect(child.stdout.take().unwrap()), collect(child.stderr.take().unwrap()));
    let (Ok(out), Ok(err)) = (out.recv_timeout(LONGEST_COMMAND), err.recv_timeout(LONGEST_COMMAND)) else {
        let _ = child.kill();
        panic!("{text}: not done after {LONGEST_COMMAND:?}");
    };
    let code = child.wait().unwrap().code().unwrap_or(-1);
    Answer {
        code,
        out,
        err,
        command: text,
    }
}

/// Reads `from` to its end on a thread of its own.
fn collect(mut from: impl Read + Send + 'static) -> Receiver<String> {
    let (send, receive) = channel();
    std::thread::spawn(move || {
        let mut bytes = vec![];
        let _ = from.read_to_end(&mut bytes);
        let _ = send.send(String::from_utf8_lossy(&bytes).into_owned());
    });
    receive
}
