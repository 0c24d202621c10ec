//! Where tests work: scratch directories, and small filesystems that can be filled or made read-only. All are taken away when dropped.

use crate::people::{Who, run, run_unmount};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// The program under test.
const PROGRAM: &str = env!("CARGO_BIN_EXE_plainview");

/// A temporary directory.
pub(crate) struct Scratch {
    path: PathBuf,
    program: PathBuf,
}

impl Scratch {
    /// A new directory that belongs to `owner`, below `base`, or below the system's temporary directory.
    pub(crate) fn new(owner: Who, base: Option<&Path>) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let base = base.map_or_else(std::env::temp_dir, Path::to_owned);
        let path = base.join(format!(
            "plainview-test-{}-{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        ));
        std::fs::create_dir(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let scratch = Self {
            program: reachable_program(&path),
            path,
        };
        scratch.give(&scratch.path, owner);
        scratch
    }

    /// The directory.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Makes a directory in it that belongs to `owner`.
    pub(crate) fn dir(&self, name: &str, owner: Who) -> PathBuf {
        let path = self.path.join(name);
        std::fs::create_dir(&path).unwrap();
        self.give(&path, owner);
        path
    }

    /// Makes a file in it that belongs to `owner`.
    pub(crate) fn file(&self, name: &str, contents: &[u8], owner: Who) -> PathBuf {
        let path = self.path.join(name);
        std::fs::write(&path, contents).unwrap();
        self.give(&path, owner);
        path
    }

    fn give(&self, path: &Path, owner: Who) {
        if owner != Who::me() {
            chown(path, Some(owner.uid()), Some(owner.gid())).unwrap();
        }
    }

    /// `plainview` with the arguments `args`, to be run by `who`.
    pub(crate) fn plainview(&self, who: Who, args: &[&str]) -> Command {
        let mut command = who.command(&self.program);
        command.args(args);
        command
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // A mount that was left behind must not be emptied by the removal.
        for info in mounts().into_iter().filter(|info| info.point.starts_with(&self.path)) {
            detach(&info.point);
        }
        if let Err(error) = std::fs::remove_dir_all(&self.path) {
            eprintln!("{}: cannot be removed: {error}", self.path.display());
        }
    }
}

/// The program under test, or a copy in `dir` where the ordinary user cannot reach the original, for instance in root's home.
fn reachable_program(dir: &Path) -> PathBuf {
    let program = PathBuf::from(PROGRAM);
    if everyone_reaches(&program) {
        return program;
    }
    let copy = dir.join("plainview");
    if std::fs::hard_link(&program, &copy).is_err() {
        std::fs::copy(&program, &copy).unwrap();
    }
    std::fs::set_permissions(&copy, PermissionsExt::from_mode(0o755)).unwrap();
    copy
}

/// Whether everyone may execute or enter `path`.
pub(crate) fn everyone_reaches(path: &Path) -> bool {
    path.ancestors().all(|path| std::fs::metadata(path).unwrap().mode() & 0o001 != 0)
}

/// Detaches whatever is mounted at `point`, also when it is in use or its daemon is gone.
pub(crate) fn detach(point: &Path) {
    let mut command = match Who::me() {
        Who::Root => Who::Root.command("umount"),
        Who::User => Who::User.command("fusermount3"),
    };
    let args: &[&str] = if Who::me() == Who::Root { &["-l"] } else { &["-u", "-z"] };
    run(command.args(args).arg(point));
}

/// A filesystem of limited size, mounted for the life of this value. Needs root.
pub(crate) struct SmallFilesystem {
    scratch: Scratch,
    point: PathBuf,
}

impl SmallFilesystem {
    /// A tmpfs that holds `mib` MiB.
    pub(crate) fn tmpfs(mib: u32) -> Self {
        let scratch = Scratch::new(Who::Root, None);
        let point = scratch.dir("tmpfs", Who::Root);
        let size = format!("size={mib}m,mode=777");
        run(Who::Root
            .command("mount")
            .args(["-t", "tmpfs", "-o", &size, "plainview-test"])
            .arg(&point))
        .ok();
        Self { scratch, point }
    }

    /// An ext4 filesystem in a file of `mib` MiB, with blocks as large ones have, which limit targets and attributes.
    pub(crate) fn ext4(mib: u32) -> Self {
        Self::in_file(&["mkfs.ext4", "-q", "-m", "0", "-b", "4096"], mib)
    }

    /// An XFS filesystem. It has to be larger than 300 MiB, of which the file that it is in takes few.
    pub(crate) fn xfs() -> Self {
        Self::in_file(&["mkfs.xfs", "-q"], 400)
    }

    /// A btrfs filesystem in a file of `mib` MiB, at least 128.
    pub(crate) fn btrfs(mib: u32) -> Self {
        Self::in_file(&["mkfs.btrfs", "-q"], mib)
    }

    /// A filesystem that the command `make` makes in a file of `mib` MiB.
    fn in_file(make: &[&str], mib: u32) -> Self {
        let scratch = Scratch::new(Who::Root, None);
        let image = new_image(&scratch, mib);
        run(Who::Root.command(make[0]).args(&make[1..]).arg(&image)).ok();
        Self::in_image(scratch, &image, &[])
    }

    /// The filesystem in the file `image`, mounted in `scratch` with the further `options`.
    pub(crate) fn in_image(scratch: Scratch, image: &Path, options: &[&str]) -> Self {
        let point = scratch.dir("filesystem", Who::Root);
        // mount(8) makes a loop device that detaches itself with the unmount.
        let options = [&["loop"], options].concat().join(",");
        run(Who::Root.command("mount").arg("-o").arg(options).args([image, &point])).ok();
        std::fs::set_permissions(&point, PermissionsExt::from_mode(0o777)).unwrap();
        Self { scratch, point }
    }

    /// An overlay of the directory `lower`, which stays as it is, and an empty one in `upper`.
    pub(crate) fn overlay(lower: &Path, upper: &Path) -> Self {
        let scratch = Scratch::new(Who::Root, Some(upper));
        let point = scratch.dir("overlay", Who::Root);
        let dirs = [lower.to_owned(), scratch.dir("upper", Who::Root), scratch.dir("work", Who::Root)];
        let [lower, upper, work] = dirs.map(|dir| dir.to_str().unwrap().to_owned());
        let options = format!("index=on,lowerdir={lower},upperdir={upper},workdir={work}");
        run(Who::Root
            .command("mount")
            .args(["-t", "overlay", "-o", &options, "plainview-test"])
            .arg(&point))
        .ok();
        Self { scratch, point }
    }

    /// Where it is mounted.
    pub(crate) fn path(&self) -> &Path {
        &self.point
    }

    /// Makes it read-only (`ro`), or writable again (`rw`).
    pub(crate) fn remount(&self, mode: &str) {
        run_unmount(Who::Root.command("mount").arg("-o").arg(format!("remount,{mode}")).arg(&self.point)).ok();
    }
}

impl Drop for SmallFilesystem {
    fn drop(&mut self) {
        detach(&self.point);
        debug_assert!(self.point.starts_with(self.scratch.path()));
    }
}

/// A file of `mib` MiB, all holes, in `scratch`.
fn new_image(scratch: &Scratch, mib: u32) -> PathBuf {
    let image = scratch.file("image", b"", Who::Root);
    let file = std::fs::File::options().write(true).open(&image).unwrap();
    file.set_len(u64::from(mib) << 20).unwrap();
    image
}

/// Another place for the directory `original`, where everyone can reach it; it cannot be changed there. Needs root.
pub(crate) fn read_only_view(scratch: &Scratch, original: &Path) -> PathBuf {
    let point = scratch.dir("view", Who::Root);
    run(Who::Root.command("mount").args(["-o", "bind,ro"]).args([original, &point])).ok();
    point
}

/// A line of `/proc/self/mountinfo`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MountInfo {
    /// Where it is mounted.
    pub(crate) point: PathBuf,
    /// Options of the mount, such as `rw,nosuid`.
    pub(crate) options: String,
    /// The filesystem type, such as `fuse.plainview`.
    pub(crate) kind: String,
    /// The source.
    pub(crate) source: String,
}

/// Everything that is mounted, in order.
pub(crate) fn mounts() -> Vec<MountInfo> {
    let text = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    let parse = |line: &str| {
        let (mount, filesystem) = line.split_once(" - ")?;
        let mount: Vec<_> = mount.split(' ').collect();
        let filesystem: Vec<_> = filesystem.split(' ').collect();
        Some(MountInfo {
            point: PathBuf::from(unescape(mount.get(4)?)),
            options: (*mount.get(5)?).to_owned(),
            kind: unescape(filesystem.first()?),
            source: unescape(filesystem.get(1)?),
        })
    };
    text.lines().filter_map(parse).collect()
}

/// What is mounted at `point`, if anything: the uppermost.
pub(crate) fn mount_at(point: &Path) -> Option<MountInfo> {
    mounts().into_iter().rfind(|info| info.point == point)
}

/// The kernel writes blanks, backslashes and line ends as `\040`.
fn unescape(field: &str) -> String {
    let mut out = field.to_owned();
    for (code, text) in [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")] {
        out = out.replace(code, text);
    }
    out
}
