//! A vault and its mount, for one test: made, mounted, watched, checked at the unmount, and cleaned up whatever happens. A recipe folder is the same
//! to a test, but for its [`Kind`].
//!
//! A test uses [`Vault::new`], [`Vault::mount`], [`Mounted::path`], [`Mounted::unmount`]. The unmount is where the daemon's conduct is checked: its exit
//! code, its log (a warning or an error fails the test unless it was announced), and its descriptors (as many at the end as at the beginning).

use crate::corpus::noise;
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

/// What is mounted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// What `plainview init` makes.
    Vault,
    /// A directory of recipe files.
    Recipe(Key),
}

/// What opens a recipe folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    /// [`PASSWORD`].
    Password,
    /// So many bytes, in a file in hexadecimal.
    Raw(usize),
}

/// What kind of vault.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// Who makes it, and mounts it by default.
    pub(crate) owner: Who,
    /// Whether it is one.
    pub(crate) kind: Kind,
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
            kind: Kind::Vault,
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

    /// A recipe folder of `owner`.
    pub(crate) fn recipe(owner: Who, key: Key) -> Self {
        Self {
            kind: Kind::Recipe(key),
            directory: "folder",
            ..Self::of(owner)
        }
    }
}

/// A vault in a temporary directory, which also holds the mount point and the file with the password or key.
pub(crate) struct Vault {
    scratch: Scratch,
    owner: Who,
    kind: Kind,
    path: PathBuf,
    point: PathBuf,
    passfile: PathBuf,
    /// Where the daemons log: never on the vault's own disk, which may be full or read-only.
    logs: Scratch,
    mounts: AtomicU32,
}

impl Vault {
    /// Makes a vault with the cheapest key derivation there is, or an empty recipe folder.
    pub(crate) fn new(options: Options) -> Self {
        let scratch = Scratch::new(options.owner, options.base.as_deref());
        let path = scratch.dir(options.directory, options.owner);
        let vault = Self::around(scratch, path, &options);
        if options.kind == Kind::Vault {
            let mut init = vault.plainview(options.owner, &["init", "--kdf-memory", "8M", "--kdf-passes", "1"]);
            if options.names == Names::Plain {
                init.arg("--plain-names");
            }
            run(init.arg("--passfile").arg(&vault.passfile).arg(&vault.path)).ok();
        }
        vault
    }

    /// What is at `path` already, to be mounted in a temporary directory of its own.
    pub(crate) fn at(path: &Path, options: &Options) -> Self {
        Self::around(Scratch::new(options.owner, options.base.as_deref()), path.to_owned(), options)
    }

    fn around(scratch: Scratch, path: PathBuf, options: &Options) -> Self {
        let owner = options.owner;
        let secret = match options.kind {
            Kind::Vault | Kind::Recipe(Key::Password) => PASSWORD.to_owned(),
            Kind::Recipe(Key::Raw(len)) => noise(7, len).iter().map(|byte| format!("{byte:02x}")).collect(),
        };
        Self {
            owner,
            kind: options.kind,
            path,
            point: scratch.dir("mnt", owner),
            passfile: scratch.file("passfile", format!("{secret}\n").as_bytes(), owner),
            scratch,
            logs: Scratch::new(Who::me(), None),
            mounts: AtomicU32::new(0),
        }
    }

    /// The directory with the ciphertext.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The mount point, whether or not something is mounted there.
    pub(crate) fn point(&self) -> &Path {
        &self.point
    }

    /// Who made it, and mounts it by default.
    pub(crate) fn owner(&self) -> Who {
        self.owner
    }

    /// Whether it is a vault.
    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    /// A file with the password, or with the key.
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
        let secret: &[&str] = match self.kind {
            Kind::Vault => &["--passfile"],
            Kind::Recipe(Key::Password) => &["--recipe", "--passfile"],
            Kind::Recipe(Key::Raw(_)) => &["--recipe", "--key-hex-file"],
        };
        command.args(args).args(secret);
        command.args([&self.passfile, &self.path, &self.point]);
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
