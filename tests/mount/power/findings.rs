//! What a check has found, in words and in numbers.

use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

/// How many findings of one cut are shown.
const SHOWN: usize = 12;

/// What kind of damage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Harm {
    /// It could not be mounted.
    CannotMount,
    /// A file or a directory that is there cannot be read.
    Unreadable,
    /// What was synced is not there, or is older than that.
    Lost,
    /// A directory that was synced, with what is in it.
    LostDirectory,
    /// What was never written, or two things of which there can be one.
    Wrong,
    /// A database.
    Database,
    /// A repository.
    Repository,
    /// Warnings, a bad exit, something left over.
    Conduct,
}

impl Display for Harm {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(match self {
            Self::CannotMount => "could not be mounted",
            Self::Unreadable => "unreadable files",
            Self::Lost => "lost synced data",
            Self::LostDirectory => "lost directories",
            Self::Wrong => "what was never written",
            Self::Database => "damaged databases",
            Self::Repository => "damaged repositories",
            Self::Conduct => "warnings or remains",
        })
    }
}

/// What was found after one power cut.
#[derive(Default)]
pub(super) struct Findings(Vec<(Harm, String)>);

impl Findings {
    pub(super) fn add(&mut self, harm: Harm, what: impl Into<String>) {
        self.0.push((harm, what.into()));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What the file `path` holds; nothing when it is not there, or cannot be read, which is a finding.
    pub(super) fn read(&mut self, path: &Path) -> Option<Vec<u8>> {
        match fs::read(path) {
            Ok(found) => Some(found),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => {
                self.add(Harm::Unreadable, format!("{}: {error}", path.display()));
                None
            }
        }
    }

    /// The names in the directory `path`, sorted; nothing when it is not there, or cannot be listed, which is a finding.
    pub(super) fn list(&mut self, path: &Path) -> Option<Vec<String>> {
        let names = fs::read_dir(path).and_then(|entries| {
            let name = |entry: fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
            entries.map(|entry| entry.map(name)).collect::<Result<Vec<_>, _>>()
        });
        match names {
            Ok(mut names) => {
                names.sort();
                Some(names)
            }
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => {
                self.add(Harm::Unreadable, format!("{}: {error}", path.display()));
                None
            }
        }
    }
}

impl Display for Findings {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (harm, what) in self.0.iter().take(SHOWN) {
            writeln!(to, "    {harm}: {}", what.lines().take(3).collect::<Vec<_>>().join(" / "))?;
        }
        match self.0.len().checked_sub(SHOWN) {
            None | Some(0) => Ok(()),
            Some(more) => writeln!(to, "    and {more} more"),
        }
    }
}

/// What was found after many.
#[derive(Default)]
pub(super) struct Tally {
    pub(super) cuts: u32,
    pub(super) damaged: u32,
    kinds: BTreeMap<Harm, u32>,
}

impl Tally {
    /// One more cut.
    pub(super) fn count(&mut self, findings: &Findings) {
        self.cuts += 1;
        self.found(findings);
    }

    /// What was found after something else, which is no cut.
    pub(super) fn found(&mut self, findings: &Findings) {
        self.damaged += u32::from(!findings.is_empty());
        let mut kinds: Vec<_> = findings.0.iter().map(|(harm, _)| *harm).collect();
        kinds.sort();
        kinds.dedup();
        for kind in kinds {
            *self.kinds.entry(kind).or_default() += 1;
        }
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.cuts += other.cuts;
        self.damaged += other.damaged;
        for (kind, count) in &other.kinds {
            *self.kinds.entry(*kind).or_default() += count;
        }
    }
}

impl Display for Tally {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "{} cuts, {} with damage", self.cuts, self.damaged)?;
        let kinds: Vec<_> = self.kinds.iter().map(|(harm, count)| format!("{harm}: {count}")).collect();
        if kinds.is_empty() {
            Ok(())
        } else {
            write!(to, " ({})", kinds.join(", "))
        }
    }
}
