//! Who uses a mount: processes, and other mounts. Found without asking the mount's daemon for anything, which may be busy or dead.

mod scan;

use super::table::Mount;
use scan::{Found, Place, scan};
use std::fmt;
use std::path::PathBuf;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// How long to look. A process that hangs in the kernel can make who looks at its memory wait for it.
const PATIENCE: Duration = Duration::from_secs(10);
/// So many are named.
const NAMED: usize = 10;

/// Who uses a mount.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holders {
    /// Processes, by their ids.
    pub processes: Vec<Process>,
    /// Mounts on directories in it.
    pub mounts: Vec<PathBuf>,
    /// Whether there may be processes that could not be looked at: other users', which only root can see.
    pub hidden: bool,
}

/// A process that uses a mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Its id.
    pub pid: u32,
    /// Its command's name.
    pub name: String,
    /// How it does: at least one.
    pub uses: Vec<Use>,
}

/// How a process uses a mount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// It executes a program from there.
    Program,
    /// Its working directory is there.
    WorkingDirectory,
    /// Its root directory is there.
    RootDirectory,
    /// So many of its descriptors are of files or directories there.
    Open(usize),
    /// It has so many other files of it mapped into its memory.
    Mapped(usize),
}

impl fmt::Display for Use {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Program => f.write_str("program being executed"),
            Self::WorkingDirectory => f.write_str("working directory"),
            Self::RootDirectory => f.write_str("root directory"),
            Self::Open(1) => f.write_str("open file"),
            Self::Open(count) => write!(f, "{count} open files"),
            Self::Mapped(1) => f.write_str("mapped file"),
            Self::Mapped(count) => write!(f, "{count} mapped files"),
        }
    }
}

/// A line for each, with an indent, as many as are useful, each beginning with a line end.
impl fmt::Display for Holders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for process in self.processes.iter().take(NAMED) {
            let uses: Vec<_> = process.uses.iter().map(Use::to_string).collect();
            write!(f, "\n  {} {}: {}", process.pid, process.name, uses.join(", "))?;
        }
        for mount in self.mounts.iter().take(NAMED) {
            write!(f, "\n  mounted in it: {}", mount.display())?;
        }
        let left = self.processes.len().saturating_sub(NAMED) + self.mounts.len().saturating_sub(NAMED);
        if left > 0 {
            write!(f, "\n  and {left} more")?;
        }
        if self.hidden {
            f.write_str(match self.is_empty() {
                true => "\n  by processes of other users, which only root can see",
                false => "\n  and perhaps processes of other users, which only root can see",
            })?;
        }
        Ok(())
    }
}

impl Holders {
    fn is_empty(&self) -> bool {
        self.processes.is_empty() && self.mounts.is_empty()
    }

    /// How many descriptors and mappings there are.
    pub fn open_files(&self) -> usize {
        let uses = self.processes.iter().flat_map(|process| &process.uses);
        uses.map(|one| match one {
            Use::Open(count) | Use::Mapped(count) => *count,
            Use::Program => 1,
            Use::WorkingDirectory | Use::RootDirectory => 0,
        })
        .sum()
    }
}

/// Who uses each of `mounts`, which are out of the table `all` of all mounts.
pub(super) fn of(mounts: &[&Mount], all: &[Mount]) -> Vec<Holders> {
    let mut holders: Vec<_> = mounts.iter().map(|mount| on_it(mount, all)).collect();
    let places: Vec<_> = mounts.iter().map(|mount| Place::of(mount)).collect();
    let (send, found) = mpsc::channel();
    // Should it hang, it ends with the process.
    thread::spawn(move || scan(&places, &send));
    let end = Instant::now() + PATIENCE;
    let hidden = loop {
        match found.recv_timeout(end.saturating_duration_since(Instant::now())) {
            Ok(Found::Process(index, process)) => holders[index].processes.push(process),
            Ok(Found::Hidden) | Err(mpsc::RecvTimeoutError::Timeout) => break true,
            Err(mpsc::RecvTimeoutError::Disconnected) => break false,
        }
    };
    for (holders, mount) in holders.iter_mut().zip(mounts) {
        holders.processes.sort_by_key(|process| process.pid);
        // Where others may not enter, there is nobody to be suspected.
        holders.hidden = hidden && (mount.allows_others() || holders.is_empty());
    }
    holders
}

/// The mounts on directories of `mount`.
fn on_it(mount: &Mount, all: &[Mount]) -> Holders {
    let above = all.iter().filter(|other| other.parent == mount.id);
    Holders {
        mounts: above.map(|other| other.point.clone()).collect(),
        ..Holders::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(pid: u32, uses: &[Use]) -> Process {
        Process {
            pid,
            name: "vim".to_owned(),
            uses: uses.to_vec(),
        }
    }

    #[test]
    fn some_are_named_and_the_others_counted() {
        let mut holders = Holders {
            processes: vec![process(7, &[Use::WorkingDirectory, Use::Open(2)])],
            ..Holders::default()
        };
        assert_eq!(holders.to_string(), "\n  7 vim: working directory, 2 open files");
        assert_eq!(holders.open_files(), 2);
        holders.hidden = true;
        assert!(
            holders
                .to_string()
                .ends_with("\n  and perhaps processes of other users, which only root can see")
        );
        holders.processes = (0..13).map(|pid| process(pid, &[Use::Open(1)])).collect();
        let text = holders.to_string();
        assert_eq!(text.lines().count(), 1 + NAMED + 2);
        assert!(text.contains("\n  9 vim: open file\n  and 3 more\n"), "{text}");
        let hidden = Holders {
            hidden: true,
            ..Holders::default()
        };
        assert_eq!(hidden.to_string(), "\n  by processes of other users, which only root can see");
    }
}
