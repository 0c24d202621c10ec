//! What stands between the programs and the disk.

use crate::harness::{PASSWORD, PATIENCE};
use crate::people::{Who, run, run_unmount, start};
use crate::places::{Scratch, detach};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::str::FromStr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// The type that statfs(2) tells for a FUSE mount.
const FUSE_SUPER_MAGIC: i64 = 0x6573_5546;

/// Which one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// This program.
    Plainview,
    /// This program with `--no-journal`.
    NoJournal,
    /// gocryptfs, as it is when nobody says anything.
    Gocryptfs,
    /// Nothing: the disk's own filesystem. Shows whether what we ask can be had.
    Ext4,
}

impl Kind {
    /// Its name on the command line.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Plainview => "plainview",
            Self::NoJournal => "no-journal",
            Self::Gocryptfs => "gocryptfs",
            Self::Ext4 => "ext4",
        }
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let all = [Self::Plainview, Self::NoJournal, Self::Gocryptfs, Self::Ext4];
        let found = all.into_iter().find(|kind| kind.name() == name);
        found.ok_or_else(|| format!("there is no kind {name}: it is one of {:?}", all.map(Self::name)))
    }
}

/// How much room its journal has, if it has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    /// As much as when nobody says anything: a checkpoint comes every few seconds.
    Ordinary,
    /// As little as can be: checkpoints come all the time.
    Little,
}

/// A folder on a disk, and on its copies.
pub(super) struct Subject {
    pub(super) kind: Kind,
    room: Room,
    scratch: Scratch,
    passfile: PathBuf,
    mounts: AtomicU32,
}

impl Subject {
    /// Makes the folder on the disk that is mounted at `disk`.
    pub(super) fn make(kind: Kind, room: Room, disk: &Path) -> Self {
        let scratch = Scratch::new(Who::Root, None);
        let passfile = scratch.file("passfile", format!("{PASSWORD}\n").as_bytes(), Who::Root);
        let folder = folder(disk);
        std::fs::create_dir(&folder).unwrap();
        match kind {
            Kind::Plainview | Kind::NoJournal => {
                let mut init = scratch.plainview(Who::Root, &["init", "--kdf-memory", "8M", "--kdf-passes", "1", "--passfile"]);
                run(init.arg(&passfile).arg(&folder)).ok();
            }
            Kind::Gocryptfs => {
                let mut init = Who::Root.command("gocryptfs");
                run(init
                    .args(["-init", "-q", "-scryptn", "10", "-passfile"])
                    .arg(&passfile)
                    .arg(&folder))
                .ok();
            }
            Kind::Ext4 => {}
        }
        // As everything that was there before the load.
        rustix::fs::syncfs(File::open(&folder).unwrap()).unwrap();
        Self {
            kind,
            room,
            scratch,
            passfile,
            mounts: AtomicU32::new(0),
        }
    }

    /// Begins to mount the folder on the disk, or on the copy of one, that is mounted at `disk`.
    pub(super) fn start(&self, disk: &Path) -> Running<'_> {
        let number = self.mounts.fetch_add(1, Ordering::Relaxed);
        let log = self.scratch.path().join(format!("log {number}"));
        let mut running = Running {
            subject: self,
            daemon: None,
            point: folder(disk),
            log,
        };
        let folder = folder(disk);
        let mut command = match self.kind {
            Kind::Plainview => self
                .scratch
                .plainview(Who::Root, &["mount", "-f", "--journal-size", self.journal_size(), "--passfile"]),
            Kind::NoJournal => self.scratch.plainview(Who::Root, &["mount", "-f", "--no-journal", "--passfile"]),
            Kind::Gocryptfs => {
                let mut command = Who::Root.command("gocryptfs");
                command.args(["-fg", "-passfile"]);
                command
            }
            Kind::Ext4 => return running,
        };
        running.point = self.scratch.dir(&format!("mount {number}"), Who::Root);
        command.arg(&self.passfile).arg(folder).arg(&running.point);
        running.daemon = Some(start_logging(&mut command, &running.log));
        running
    }

    /// Looks at every byte of the folder without mounting it, as it was left.
    pub(super) fn check(&self, disk: &Path) -> Result<(), String> {
        let mut command = self.scratch.plainview(Who::Root, &["check", "--passfile"]);
        let answer = run(command.arg(&self.passfile).arg(folder(disk)));
        match answer.code {
            0 => Ok(()),
            code => Err(format!("check: exit code {code}: {} {}", answer.out, answer.err)),
        }
    }

    fn journal_size(&self) -> &'static str {
        match self.room {
            Room::Ordinary => "64MiB",
            Room::Little => "4MiB",
        }
    }
}

fn start_logging(command: &mut Command, log: &Path) -> Child {
    let log = File::create(log).unwrap();
    start(command.stdout(log.try_clone().unwrap()).stderr(log)).unwrap()
}

/// The folder on a disk.
pub(super) fn folder(disk: &Path) -> PathBuf {
    disk.join("folder")
}

/// A mounted folder, or one that is being mounted. Detached and killed when dropped.
pub(super) struct Running<'s> {
    subject: &'s Subject,
    daemon: Option<Child>,
    point: PathBuf,
    log: PathBuf,
}

impl Running<'_> {
    /// Where the programs work.
    pub(super) fn path(&self) -> &Path {
        &self.point
    }

    /// What it is.
    pub(super) fn kind(&self) -> Kind {
        self.subject.kind
    }

    /// What the daemon has said.
    pub(super) fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// Waits until it answers.
    pub(super) fn wait(&mut self) -> Result<(), String> {
        let Some(daemon) = &mut self.daemon else { return Ok(()) };
        let point = &self.point;
        let mut ended = None;
        let answered = wait(|| {
            ended = daemon.try_wait().unwrap();
            ended.is_some() || rustix::fs::statfs(point).is_ok_and(|stat| stat.f_type == FUSE_SUPER_MAGIC)
        });
        match (answered, ended) {
            (true, None) => Ok(()),
            (true, Some(status)) => Err(format!("the daemon ended with {status}: {}", self.log())),
            (false, _) => Err(format!("no answer after {PATIENCE:?}: {}", self.log())),
        }
    }

    /// Unmounts it, and waits until the daemon has ended.
    pub(super) fn stop(&mut self) -> Result<(), String> {
        let Some(mut daemon) = self.daemon.take() else { return Ok(()) };
        let mut command = match self.subject.kind {
            Kind::Plainview | Kind::NoJournal => self.subject.scratch.plainview(Who::Root, &["umount"]),
            Kind::Gocryptfs | Kind::Ext4 => Who::Root.command("umount"),
        };
        let answer = run_unmount(command.arg(&self.point));
        let mut status: Option<ExitStatus> = None;
        let ended = wait(|| {
            status = daemon.try_wait().unwrap();
            status.is_some()
        });
        if !ended {
            kill(&mut daemon);
        }
        match (answer.code, status) {
            (0, Some(status)) if status.success() => Ok(()),
            (code, status) => Err(format!(
                "unmounting: {code} {}, the daemon ended with {status:?}: {}",
                answer.err,
                self.log()
            )),
        }
    }

    /// Kills the daemon as `kill -9` does; what is at the mount point is dead then.
    pub(super) fn kill(&mut self) {
        if let Some(daemon) = &mut self.daemon {
            kill(daemon);
        }
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            kill(&mut daemon);
            detach(&self.point);
        }
    }
}

fn kill(daemon: &mut Child) {
    // Both fail only when it has ended already.
    let _ = daemon.kill();
    let _ = daemon.wait();
}

/// Waits for a condition, [`PATIENCE`] at most; whether it came true.
fn wait(mut condition: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        if Instant::now() > deadline {
            return false;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    true
}
