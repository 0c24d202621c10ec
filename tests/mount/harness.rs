//! A vault and its mount, for one test: made, mounted, watched, checked at the unmount, and cleaned up whatever happens.
//!
//! A test uses [`Vault::new`], [`Vault::mount`], [`Mounted::path`], [`Mounted::unmount`]. The unmount is where the daemon's conduct is checked: its exit
//! code, its log (a warning or an error fails the test unless it was announced), and its descriptors (as many at the end as at the beginning).

pub(crate) use crate::mounted::Mounted;
use crate::people::{Who, run};
use crate::places::Scratch;
use rustix::io::Errno;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// How long a daemon may take to answer, to end, or to close descriptors.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// The password of every test vault.
pub(crate) const PASSWORD: &str = "correct horse battery staple";

/// Whether a vault encrypts names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Names {
    /// The default.
    Encrypted,
    /// `init --plain-names`.
    Plain,
}

/// What kind of vault.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// Who makes it, and mounts it by default.
    pub(crate) owner: Who,
    /// Whether it encrypts names.
    pub(crate) names: Names,
    /// Below which directory; the system's temporary one by default.
    pub(crate) base: Option<PathBuf>,
    /// The name of its directory.
    pub(crate) directory: &'static str,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            owner: Who::me(),
            names: Names::Encrypted,
            base: None,
            directory: "vault",
        }
    }
}

impl Options {
    /// An ordinary vault of `owner`.
    pub(crate) fn of(owner: Who) -> Self {
        Self { owner, ..Self::default() }
    }
}

/// A vault in a temporary directory, which also holds the mount point and the password file.
pub(crate) struct Vault {
    scratch: Scratch,
    owner: Who,
    path: PathBuf,
    point: PathBuf,
    passfile: PathBuf,
    /// Where the daemons log: never on the vault's own disk, which may be full or read-only.
    logs: Scratch,
    mounts: AtomicU32,
}

impl Vault {
    /// Makes a vault with the cheapest key derivation there is.
    pub(crate) fn new(options: Options) -> Self {
        let owner = options.owner;
        let scratch = Scratch::new(owner, options.base.as_deref());
        let (path, point) = (scratch.dir(options.directory, owner), scratch.dir("mnt", owner));
        let passfile = scratch.file("passfile", format!("{PASSWORD}\n").as_bytes(), owner);
        let vault = Self {
            scratch,
            owner,
            path,
            point,
            passfile,
            logs: Scratch::new(Who::me(), None),
            mounts: AtomicU32::new(0),
        };
        let mut init = vault.plainview(owner, &["init", "--kdf-memory", "8M", "--kdf-passes", "1"]);
        if options.names == Names::Plain {
            init.arg("--plain-names");
        }
        run(init.arg("--passfile").arg(&vault.passfile).arg(&vault.path)).ok();
        vault
    }

    /// The directory with the ciphertext.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The mount point, whether or not something is mounted there.
    pub(crate) fn point(&self) -> &Path {
        &self.point
    }

    /// A file with the password.
    pub(crate) fn passfile(&self) -> &Path {
        &self.passfile
    }

    /// The temporary directory around the vault, for other things the test needs.
    pub(crate) fn scratch(&self) -> &Scratch {
        &self.scratch
    }

    /// `plainview` with the arguments `args`, to be run by `who`.
    pub(crate) fn plainview(&self, who: Who, args: &[&str]) -> Command {
        self.scratch.plainview(who, args)
    }

    /// `plainview mount` of this vault with the further arguments `args`, not yet run.
    pub(crate) fn mount_command(&self, who: Who, args: &[&str]) -> Command {
        let mut command = self.plainview(who, &["mount"]);
        command
            .args(args)
            .arg("--passfile")
            .arg(&self.passfile)
            .args([&self.path, &self.point]);
        command
    }

    /// Mounts it as its owner.
    pub(crate) fn mount(&self, args: &[&str]) -> Mounted<'_> {
        self.mount_as(self.owner, args)
    }

    /// Mounts it as `who`, in the foreground, with the further arguments `args`; returns when the mount answers.
    pub(crate) fn mount_as(&self, who: Who, args: &[&str]) -> Mounted<'_> {
        self.mount_by(who, self.mount_command(who, &[&["-f"], args].concat()))
    }

    /// Runs `command`, which mounts the vault at [`point`](Self::point) in the foreground as `who`; returns when the mount answers.
    pub(crate) fn mount_by(&self, who: Who, mut command: Command) -> Mounted<'_> {
        let path = self
            .logs
            .path()
            .join(format!("log-{}", self.mounts.fetch_add(1, Ordering::Relaxed)));
        let log = File::create(&path).unwrap();
        command.stdout(log.try_clone().unwrap()).stderr(log);
        Mounted::start(self, who, command, path)
    }
}

/// The errno of a call that failed; `None` when it went well.
pub(crate) fn errno<T>(result: std::io::Result<T>) -> Option<Errno> {
    result.err().and_then(|error| Errno::from_io_error(&error))
}

/// Checks that what the steps said in the mount is what they said beside it.
#[track_caller]
pub(crate) fn assert_same_steps(in_mount: &[String], beside: &[String]) {
    let differ: Vec<_> = in_mount.iter().zip(beside).filter(|(one, other)| one != other).collect();
    assert!(
        differ.is_empty() && in_mount.len() == beside.len(),
        "in the mount and beside it: {differ:#?}"
    );
}

/// Waits until `condition` holds, [`PATIENCE`] at most.
#[track_caller]
pub(crate) fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "waited {PATIENCE:?} in vain for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
