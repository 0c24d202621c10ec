//! A file that is saved by writing another one and renaming that over it.

use super::bytes::pattern;
use super::findings::{Findings, Harm};
use super::history::{History, Promise, Window};
use super::workload::{Workload, sync_dir, write_synced};
use rand::RngExt;
use rand::rngs::StdRng;
use std::fs;
use std::io;
use std::path::Path;

/// Whether the new file is synced before it is renamed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    /// It is: then what has the name is always whole.
    Synced,
    /// It is not: then a beginning of it may be there, with zeros in it.
    Unsynced,
}

#[derive(Clone, Copy, Debug)]
struct Save {
    version: u64,
    len: u64,
    /// Whether the directory is synced after it.
    dir_synced: bool,
}

/// A workload of one manner.
pub(super) struct Saves {
    manner: Manner,
    salt: u64,
    history: History<Save>,
}

impl Saves {
    pub(super) fn new(manner: Manner, salt: u64) -> Self {
        Self {
            manner,
            salt,
            history: History::new(),
        }
    }

    fn save(&self, dir: &Path, save: Save) -> io::Result<()> {
        self.history.perform(save, || {
            let bytes = pattern(save.version, 0, save.len);
            match self.manner {
                Manner::Synced => write_synced(&dir.join("new"), &bytes)?,
                Manner::Unsynced => fs::write(dir.join("new"), &bytes)?,
            }
            fs::rename(dir.join("new"), dir.join("file"))?;
            if save.dir_synced { sync_dir(dir) } else { Ok(()) }
        })
    }

    fn is_part(found: &[u8], save: Save) -> bool {
        let whole = pattern(save.version, 0, save.len);
        found.len() <= whole.len() && found.iter().zip(&whole).all(|(found, byte)| found == byte || *found == 0)
    }

    fn is_whole(found: &[u8], save: Save) -> bool {
        found == pattern(save.version, 0, save.len)
    }
}

impl Workload for Saves {
    fn name(&self) -> String {
        format!("saves {:?}", self.manner)
    }

    fn prepare(&self, dir: &Path) -> io::Result<()> {
        let first = Save {
            version: self.salt,
            len: 5000,
            dir_synced: true,
        };
        self.save(dir, first)?;
        fs::File::open(dir.join("file"))?.sync_all()
    }

    fn step(&self, dir: &Path, rng: &mut StdRng) -> io::Result<()> {
        let save = Save {
            version: self.salt.wrapping_add(rng.random_range(1..u64::MAX / 2)),
            len: match rng.random_range(0..9) {
                0..3 => rng.random_range(1..100),
                3..8 => rng.random_range(100..80_000),
                // It takes a while to write: there are cuts in the middle of it.
                _ => rng.random_range(1_000_000..6_000_000),
            },
            dir_synced: rng.random_range(0..3) == 0,
        };
        self.save(dir, save)
    }

    fn done(&self) -> usize {
        self.history.done()
    }

    fn begun(&self) -> usize {
        self.history.begun()
    }

    fn check(&self, dir: &Path, window: &Window, findings: &mut Findings) {
        let saves = self.history.up_to(window.begun);
        let synced = saves[..window.done]
            .iter()
            .rposition(|save| save.dir_synced)
            .map_or(0, |index| index + 1);
        // The last one that has surely happened, and those after it.
        let candidates = &saves[window.sure(synced).saturating_sub(1)..];
        let fits = match (self.manner, window.promise) {
            (Manner::Synced, _) | (Manner::Unsynced, Promise::Everything) => Self::is_whole,
            (Manner::Unsynced, Promise::Synced) => Self::is_part,
        };
        let path = dir.join("file");
        match findings.read(&path) {
            Some(found) if candidates.iter().any(|save| fits(&found, *save)) => {}
            Some(found) => findings.add(
                Harm::Lost,
                format!(
                    "{}: its {} bytes are none of the last {} versions",
                    path.display(),
                    found.len(),
                    candidates.len()
                ),
            ),
            None if path.exists() => {}
            None => findings.add(Harm::Lost, format!("{}: is not there", path.display())),
        }
        if let Some(found) = findings.read(&dir.join("new"))
            && !candidates.iter().any(|save| Self::is_part(&found, *save))
        {
            findings.add(Harm::Wrong, format!("{}: was never written", dir.join("new").display()));
        }
    }
}
