//! A mounted vault, and the daemon behind it: watched, checked at the unmount, and cleaned up whatever happens.

use crate::harness::{PATIENCE, Vault, wait_for};
use crate::people::{Who, run_unmount, start};
use crate::places::{detach, mount_at};
use rustix::mount::{MountFlags, mount_remount};
use rustix::process::{Pid, Signal, kill_process};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// How long a mount may last. Then its daemon is killed, so that a test that hangs in the kernel fails instead.
const LONGEST_MOUNT: Duration = Duration::from_secs(600);
/// The type that statfs(2) tells for a FUSE mount.
const FUSE_SUPER_MAGIC: i64 = 0x6573_5546;

/// A running `plainview mount -f`, which is killed when it takes too long, and when dropped.
struct Daemon {
    child: Arc<Mutex<Child>>,
    pid: u32,
    /// Dropped to end the watch.
    _watch: Sender<()>,
}

impl Daemon {
    fn start(command: &mut Command) -> Self {
        let child = start(command.stdin(Stdio::null())).unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let pid = child.id();
        let child = Arc::new(Mutex::new(child));
        let (watch, ended) = channel();
        let watched = Arc::clone(&child);
        std::thread::spawn(move || {
            if ended.recv_timeout(LONGEST_MOUNT) == Err(RecvTimeoutError::Timeout) {
                eprintln!("the mount took longer than {LONGEST_MOUNT:?}: killing its daemon {pid}");
                let _ = watched.lock().unwrap().kill();
            }
        });
        Self { child, pid, _watch: watch }
    }

    fn kill(&self) {
        let mut child = self.child.lock().unwrap();
        // Both fail only when it has ended already.
        let _ = child.kill();
        let _ = child.wait();
    }

    fn ended(&self) -> Option<ExitStatus> {
        self.child.lock().unwrap().try_wait().unwrap()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A mounted vault. Dropped without [`unmount`](Self::unmount), it is detached and its daemon killed, unchecked.
pub(crate) struct Mounted<'v> {
    vault: &'v Vault,
    who: Who,
    daemon: Daemon,
    log: PathBuf,
    expected: Vec<String>,
    allowed: Vec<String>,
    /// How many descriptors the daemon had open when it began to answer; `None` where that cannot be known.
    before: Option<usize>,
    /// Whether the mount stays when this value is dropped.
    abandoned: bool,
}

impl<'v> Mounted<'v> {
    /// Starts `command`, which mounts `vault` in the foreground as `who` and logs to `log`, and waits until the mount answers.
    pub(crate) fn start(vault: &'v Vault, who: Who, mut command: Command, log: PathBuf) -> Self {
        let daemon = Daemon::start(&mut command);
        let mut mounted = Self {
            vault,
            who,
            daemon,
            log,
            expected: vec![],
            allowed: vec![],
            before: None,
            abandoned: false,
        };
        mounted.wait_until_it_answers();
        mounted.before = mounted.idle_descriptors();
        mounted
    }

    /// The mount point.
    pub(crate) fn path(&self) -> &Path {
        self.vault.point()
    }

    /// The directory with the ciphertext.
    pub(crate) fn vault_path(&self) -> &Path {
        self.vault.path()
    }

    /// Process id of the daemon.
    pub(crate) fn pid(&self) -> u32 {
        self.daemon.pid
    }

    /// Sends the daemon a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.daemon.pid).ok().and_then(Pid::from_raw).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Runs `work` as the one who mounted it: only they may enter a FUSE mount, not even root.
    pub(crate) fn enter<T: Send>(&self, work: impl FnOnce(&Path) -> T + Send) -> T {
        self.who.run(|| work(self.vault.point()))
    }

    /// A shell script, as [`Who::shell`], that runs as the one who mounted it, with the mount point as current directory and as `$MNT`.
    pub(crate) fn shell(&self, script: &str, args: &[&Path]) -> Command {
        let mut command = self.who.shell(&format!("cd \"$MNT\"\n{script}"), args);
        command.env("MNT", self.vault.point());
        command
    }

    /// Announces that the log will contain `pattern` in a warning or an error; if not, the unmount fails the test.
    pub(crate) fn expect_log(&mut self, pattern: &str) {
        self.expected.push(pattern.to_owned());
    }

    /// Lets the log contain `pattern` in warnings and errors, without asking for it.
    pub(crate) fn allow_log(&mut self, pattern: &str) {
        self.allowed.push(pattern.to_owned());
    }

    /// What the daemon has logged until now.
    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap()).into_owned()
    }

    /// How many descriptors the daemon has open; `None` where that cannot be known.
    pub(crate) fn descriptors(&self) -> Option<usize> {
        let open = std::fs::read_dir(format!("/proc/{}/fd", self.daemon.pid)).ok()?;
        // The journal is opened when something is changed, and stays.
        let is_journal = |link: PathBuf| link.ends_with("plainview.journal");
        let links = open.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
        Some(links.filter(|link| !is_journal(link.clone())).count())
    }

    /// Makes the kernel forget every inode of this mount that is not in use. Needs root; else it does nothing and returns false.
    pub(crate) fn forget_all(&self) -> bool {
        let Some(info) = mount_at(self.path()).filter(|_| Who::me() == Who::Root) else {
            return false;
        };
        // A remount drops the mount's directory cache first of all, and changes nothing when it asks for what is there.
        let flag = |option| match option {
            "ro" => MountFlags::RDONLY,
            "nosuid" => MountFlags::NOSUID,
            "nodev" => MountFlags::NODEV,
            "noexec" => MountFlags::NOEXEC,
            "noatime" => MountFlags::NOATIME,
            "relatime" => MountFlags::RELATIME,
            _ => MountFlags::empty(),
        };
        let flags = info.options.split(',').map(flag).fold(MountFlags::empty(), |all, one| all | one);
        mount_remount(self.path(), flags, c"").unwrap();
        true
    }

    /// Unmounts with `plainview umount`, waits for the daemon to end, and checks how it behaved.
    #[track_caller]
    pub(crate) fn unmount(self) {
        self.check_descriptors();
        run_unmount(self.vault.plainview(self.who, &["umount"]).arg(self.path())).ok();
        self.wait_for_end();
    }

    /// Waits until the daemon has ended, which something else has brought about, and checks its exit code and its log.
    #[track_caller]
    pub(crate) fn wait_for_end(self) {
        let status = self.ended();
        assert!(status.success(), "the daemon ended with {status:?}\n{}", self.log());
        self.check_log();
    }

    /// Waits until the daemon has ended, which something else has brought about; returns how, and its log, unchecked.
    #[track_caller]
    pub(crate) fn end(self) -> (ExitStatus, String) {
        (self.ended(), self.log())
    }

    /// How the daemon has ended, if it has.
    pub(crate) fn has_ended(&self) -> Option<ExitStatus> {
        self.daemon.ended()
    }

    #[track_caller]
    fn ended(&self) -> ExitStatus {
        let mut status = None;
        wait_for("the daemon's end after the unmount", || {
            status = self.daemon.ended();
            status.is_some()
        });
        assert_eq!(mount_at(self.path()), None, "something is still mounted\n{}", self.log());
        status.unwrap()
    }

    /// Kills the daemon as `kill -9` does, and leaves the dead mount where it is.
    pub(crate) fn kill(mut self) {
        self.daemon.kill();
        self.abandoned = true;
    }

    fn wait_until_it_answers(&self) {
        wait_for("the mount's first answer", || {
            if let Some(status) = self.daemon.ended() {
                panic!("the daemon ended with {status} before it answered\n{}", self.log());
            }
            // One question, for in between a dead mount may go and this one come.
            self.enter(|path| rustix::fs::statfs(path).is_ok_and(|stat| stat.f_type == FUSE_SUPER_MAGIC))
        });
    }

    /// How many descriptors the daemon has open when the kernel knows nothing but the root, once that number stands still.
    fn idle_descriptors(&self) -> Option<usize> {
        if !self.forget_all() {
            return None;
        }
        let mut last = self.descriptors();
        wait_for("an idle daemon", || {
            std::thread::sleep(Duration::from_millis(20));
            let now = self.descriptors();
            std::mem::replace(&mut last, now) == now
        });
        last
    }

    #[track_caller]
    fn check_descriptors(&self) {
        let Some(before) = self.before.filter(|_| self.forget_all()) else {
            return;
        };
        let deadline = Instant::now() + PATIENCE;
        // The kernel keeps an inode that it is writing back, so it is asked again.
        while self.descriptors() != Some(before) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(20));
            rustix::fs::sync();
            self.forget_all();
        }
        if self.descriptors() == Some(before) {
            return;
        }
        let links = std::fs::read_dir(format!("/proc/{}/fd", self.daemon.pid)).unwrap();
        let links: Vec<_> = links.filter_map(|entry| std::fs::read_link(entry.unwrap().path()).ok()).collect();
        let some = &links[..links.len().min(40)];
        panic!(
            "the daemon has {} descriptors open, and had {before} at the beginning, among them {some:#?}\n{}",
            links.len(),
            self.log()
        );
    }

    #[track_caller]
    fn check_log(&self) {
        let log = self.log();
        let loud: Vec<_> = log
            .lines()
            .filter(|line| ["WARN", "ERROR", "panicked"].iter().any(|word| line.contains(word)))
            .collect();
        for pattern in &self.expected {
            assert!(
                loud.iter().any(|line| line.contains(pattern)),
                "no warning or error with {pattern:?} in the log:\n{log}"
            );
        }
        let announced = |line: &&&str| self.expected.iter().chain(&self.allowed).any(|pattern| line.contains(pattern));
        let surprises: Vec<_> = loud.iter().filter(|line| !announced(line)).collect();
        assert!(surprises.is_empty(), "warnings or errors in the log: {surprises:#?}");
    }
}

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("log of the daemon {}:\n{}", self.daemon.pid, self.log());
        }
        if !self.abandoned && mount_at(self.vault.point()).is_some() {
            detach(self.vault.point());
        }
    }
}
