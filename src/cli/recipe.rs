//! `plainview recipe`: single files of the Python recipe's format.

use super::advice::advised;
use super::exit::{Code, Failure, warn};
use super::progress::Progress;
use super::{RecipeArgs, RecipeCommand};
use crate::password::Asking;
use crate::recipe::{self, Output, Padding, RecipeKey, SUFFIX, StreamError};
use crate::sys::temporary::Existing;
use rustix::fs::{FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use std::collections::BTreeSet;
use std::ffi::{CString, OsStr, OsString};
use std::io::{self, IsTerminal};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// What is done to the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    Encrypt,
    Decrypt,
}

/// Where a file's output goes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Target {
    Standard,
    File(PathBuf),
}

/// Runs the command.
pub(super) fn run(command: &RecipeCommand) -> Result<(), Failure> {
    match command {
        RecipeCommand::Encrypt(args) => run_all(args, Direction::Encrypt),
        RecipeCommand::Decrypt(args) => run_all(args, Direction::Decrypt),
    }
}

/// Each file, whatever becomes of the others. What can be refused without the password is refused before it is asked for.
fn run_all(args: &RecipeArgs, direction: Direction) -> Result<(), Failure> {
    check_output(args, direction)?;
    let mut failures = Failures {
        count: args.files.len(),
        codes: Vec::new(),
    };
    let (mut files, mut targets) = (Vec::new(), BTreeSet::new());
    for file in &args.files {
        match Job::open(args, direction, file) {
            Ok(job) if targets.insert(job.target.clone()) => files.push(file),
            Ok(job) => failures.add(job.failure("another of the files is to become the same"))?,
            Err(failure) => failures.add(failure)?,
        }
    }
    if !files.is_empty() {
        let asking = match direction {
            Direction::Encrypt => Asking::New,
            Direction::Decrypt => Asking::Existing,
        };
        let key = args.key.ask(&args.password, asking)?;
        for file in files {
            // Once more, for all of them together could be more than may be open.
            if let Err(failure) = Job::open(args, direction, file).and_then(|job| job.run(&key)) {
                failures.add(failure)?;
            }
        }
    }
    failures.end()
}

/// What went wrong so far. A single file's failure is the command's; of several, each is told at once, and the command's says how many.
struct Failures {
    count: usize,
    codes: Vec<Code>,
}

impl Failures {
    fn add(&mut self, failure: Failure) -> Result<(), Failure> {
        if self.count == 1 {
            return Err(failure);
        }
        failure.report();
        self.codes.push(failure.code());
        Ok(())
    }

    /// The code is that of all failures, if they have the same.
    fn end(self) -> Result<(), Failure> {
        let Some(first) = self.codes.first() else { return Ok(()) };
        let code = if self.codes.iter().all(|code| code == first) {
            *first
        } else {
            Code::Other
        };
        Err(Failure::new(code, format!("{} of {} files failed", self.codes.len(), self.count)))
    }
}

/// That the output can be what was asked for, whatever the files.
fn check_output(args: &RecipeArgs, direction: Direction) -> Result<(), Failure> {
    let Some(output) = &args.output else { return Ok(()) };
    let standard = is_standard(output);
    if args.files.len() > 1 && (standard || !output.is_dir()) {
        return Err(Failure::new(
            Code::Usage,
            format!("{} can take one file; for several, give an existing directory", output.display()),
        ));
    }
    if standard && direction == Direction::Encrypt && io::stdout().is_terminal() {
        return Err(Failure::new(
            Code::Usage,
            "encrypted bytes are nothing for a terminal; redirect standard output",
        ));
    }
    Ok(())
}

fn is_standard(output: &Path) -> bool {
    output.as_os_str() == "-"
}

/// Where the output for `file` goes.
fn target(output: Option<&Path>, direction: Direction, file: &Path) -> Result<Target, Failure> {
    let named = || output_name(direction, file);
    match output {
        None => Ok(Target::File(file.with_file_name(named()?))),
        Some(output) if is_standard(output) => Ok(Target::Standard),
        Some(output) if output.is_dir() => Ok(Target::File(output.join(named()?))),
        // Path itself does not see it.
        Some(output) if output.as_os_str().as_bytes().ends_with(b"/") => Err(Failure::other(format!(
            "there is no directory {}; make that first",
            output.display()
        ))),
        Some(output) => Ok(Target::File(output.to_owned())),
    }
}

/// The name that the output for `file` has where none is given.
fn output_name(direction: Direction, file: &Path) -> Result<OsString, Failure> {
    let refused = |why: &str| Failure::other(format!("cannot tell what {} is to become: {why}", file.display()));
    let name = file.file_name().ok_or_else(|| refused("it has no name"))?.as_bytes();
    let name = match direction {
        Direction::Encrypt => [name, SUFFIX].concat(),
        Direction::Decrypt => {
            let plain = name.strip_suffix(SUFFIX).filter(|plain| !plain.is_empty());
            let plain = plain.ok_or_else(|| refused("its name does not end in .enc; name the output with -o"))?;
            plain.to_vec()
        }
    };
    Ok(OsStr::from_bytes(&name).to_owned())
}

/// One file, open, and where its output goes.
struct Job<'a> {
    direction: Direction,
    existing: Existing,
    path: &'a Path,
    file: OwnedFd,
    stat: Stat,
    target: Target,
}

impl<'a> Job<'a> {
    /// Opens the file and looks at where its output is to be.
    fn open(args: &RecipeArgs, direction: Direction, path: &'a Path) -> Result<Self, Failure> {
        let cannot_open = |errno: Errno| Failure::other(format!("cannot open {}: {}", path.display(), advised(errno)));
        // A fifo must not let us wait.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file = rustix::fs::open(path, flags, Mode::empty()).map_err(cannot_open)?;
        let stat = rustix::fs::fstat(&file).map_err(cannot_open)?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => {}
            FileType::Directory => {
                return Err(Failure::other(format!(
                    "{} is a directory; give the files in it, or mount it with --recipe",
                    path.display()
                )));
            }
            FileType::Symlink
            | FileType::Fifo
            | FileType::Socket
            | FileType::CharacterDevice
            | FileType::BlockDevice
            | FileType::Unknown => return Err(Failure::other(format!("{} is no regular file; give one", path.display()))),
        }
        let job = Self {
            direction,
            existing: if args.force { Existing::Replaced } else { Existing::Kept },
            path,
            file,
            stat,
            target: target(args.output.as_deref(), direction, path)?,
        };
        job.check_target()?;
        Ok(job)
    }

    /// That the output may be made. It may have changed by the time it is, when only that nothing is there counts.
    fn check_target(&self) -> Result<(), Failure> {
        let there = match &self.target {
            Target::Standard => rustix::fs::fstat(io::stdout()),
            Target::File(path) => rustix::fs::stat(path).or_else(|_| rustix::fs::lstat(path)),
        };
        let Ok(there) = there else { return Ok(()) };
        if (there.st_dev, there.st_ino) == (self.stat.st_dev, self.stat.st_ino) {
            return Err(self.failure("it is the same file as the output"));
        }
        let kind = FileType::from_raw_mode(there.st_mode);
        match (&self.target, self.existing) {
            (Target::Standard, _) => Ok(()),
            (Target::File(path), Existing::Kept) => Err(exists(path)),
            // A symlink that leads nowhere can be replaced.
            (Target::File(_), Existing::Replaced) if matches!(kind, FileType::RegularFile | FileType::Symlink) => Ok(()),
            (Target::File(path), Existing::Replaced) => {
                Err(self.failure(&format!("{} is there already and no regular file", path.display())))
            }
        }
    }

    fn run(&self, key: &RecipeKey) -> Result<(), Failure> {
        let progress = Progress::new(&self.path.display().to_string(), self.size());
        let done = self.convert(key, &mut |done| progress.set(done));
        drop(progress);
        if done? == Padding::Unusual {
            warn(&format!(
                "the password or key is probably wrong, in which case what became of {} is garbage: it does not end as it should",
                self.path.display()
            ));
        }
        Ok(())
    }

    /// What is at the end of a decrypted file; as good as nothing, where that is not to be looked at.
    fn convert(&self, key: &RecipeKey, progress: &mut dyn FnMut(u64)) -> Result<Padding, Failure> {
        match &self.target {
            Target::Standard => self.to_standard(key, progress),
            Target::File(path) => self.to_file(path, key, progress),
        }
    }

    fn to_standard(&self, key: &RecipeKey, progress: &mut dyn FnMut(u64)) -> Result<Padding, Failure> {
        let (from, to) = (self.file.as_fd(), io::stdout());
        let done = match self.direction {
            Direction::Encrypt => recipe::encrypt(key, from, self.size(), to.as_fd(), progress).map(|()| Padding::Absent),
            Direction::Decrypt => recipe::decrypt(key, from, to.as_fd(), progress),
        };
        done.or_else(|error| {
            // The reader has what it wanted.
            let gone = error == StreamError::Write(Errno::PIPE);
            if gone {
                Ok(Padding::Absent)
            } else {
                Err(self.failure(&error.to_string()))
            }
        })
    }

    fn to_file(&self, path: &Path, key: &RecipeKey, progress: &mut dyn FnMut(u64)) -> Result<Padding, Failure> {
        let (dir, name) = place(path)?;
        let output = Output {
            dir: dir.as_fd(),
            name: &name,
            existing: self.existing,
        };
        let from = self.file.as_fd();
        let done = match self.direction {
            Direction::Encrypt => recipe::encrypt_file(key, from, output, progress).map(|()| Padding::Absent),
            Direction::Decrypt => recipe::decrypt_file(key, from, output, progress),
        };
        done.map_err(|error| {
            if error == StreamError::Write(Errno::EXIST) {
                exists(path)
            } else {
                self.failure(&error.to_string())
            }
        })
    }

    fn size(&self) -> u64 {
        u64::try_from(self.stat.st_size).unwrap_or(0)
    }

    fn failure(&self, why: &str) -> Failure {
        let what = match self.direction {
            Direction::Encrypt => "encrypt",
            Direction::Decrypt => "decrypt",
        };
        Failure::other(format!("cannot {what} {}: {why}", self.path.display()))
    }
}

fn exists(path: &Path) -> Failure {
    Failure::new(Code::Exists, format!("{} is there already; --force replaces it", path.display()))
}

/// The directory that a path leads to, and the name there.
fn place(path: &Path) -> Result<(OwnedFd, CString), Failure> {
    let cannot_make = |why: &str| Failure::other(format!("cannot make {}: {why}", path.display()));
    let name = path.file_name().ok_or_else(|| cannot_make("that is no name"))?;
    let name = CString::new(name.as_bytes()).map_err(|_| cannot_make("that is no name"))?;
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let dir =
        rustix::fs::open(dir, flags, Mode::empty()).map_err(|errno| cannot_make(&format!("{}: {}", dir.display(), advised(errno))))?;
    Ok((dir, name))
}
