//! Every directory of a vault, from the root down: names, directory ids, symlinks; the regular files go to those who look at files.

use super::file::Part;
use super::finding::{Finding, Severity, What};
use super::look::Look;
use super::place::Place;
use super::sink::{Action, Sink, named};
use super::trail::{Trail, open_directory};
use super::{Depth, Vault, attributes};
use crate::journal::Damage;
use crate::name::DirId;
use rustix::fs::Dir;
use rustix::io::{Errno, Result};
use std::collections::HashMap;
use std::ffi::CStr;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;

/// The journal's name in the root.
const JOURNAL: &CStr = c"plainview.journal";
/// A directory where the scan is, or has been on its way.
struct Here {
    /// Nothing for the root.
    place: Option<Arc<Place>>,
    /// Its id, if that is known.
    id: Option<DirId>,
    /// What is still to be visited in it.
    directories: Vec<Sub>,
}

/// An entry; of those that are directories the ones that are still to be visited are kept.
pub(super) struct Sub {
    pub(super) place: Arc<Place>,
    /// Its encoded name, if that is known.
    pub(super) encoded: Option<Box<[u8]>>,
}

/// A scan of a vault.
pub(super) struct Scan<'a> {
    trail: Trail<Here>,
    look: Look<'a>,
}

impl<'a> Scan<'a> {
    /// A scan that sends files to `send`.
    ///
    /// # Errors
    /// As open(2).
    pub(super) fn new(vault: &'a Vault, depth: Depth, sink: &'a Sink<'a>, send: SyncSender<Part>) -> Result<Self> {
        let here = Here {
            place: None,
            id: Some(vault.keys.names.root()),
            directories: Vec::new(),
        };
        let look = Look {
            vault,
            keys: &vault.keys,
            depth,
            sink,
            send,
            linked: HashMap::new(),
        };
        let trail = Trail::new(vault.root.as_fd(), here)?;
        Ok(Self { trail, look })
    }

    /// Scans everything.
    ///
    /// # Errors
    /// As [`Vault::check`](super::Vault::check).
    pub(super) fn run(mut self) -> Result<()> {
        let look = &self.look;
        let reason = match look.vault.damage {
            Damage::None => None,
            Damage::Missing => Some("the journal is damaged: changes that were synced are missing in it"),
            Damage::Unreadable => Some("nothing in the journal can be read: it is damaged or another vault's"),
        };
        if let Some(reason) = reason {
            look.find_own(None, JOURNAL, Severity::Damage, reason, Action::Move);
        }
        if look.depth == Depth::Full {
            attributes::check(self.trail.here(), &named(None), &look.keys.names, look.sink);
        }
        // Nothing is known if the root cannot be listed.
        drop(Dir::read_from(self.trail.here())?);
        self.list();
        loop {
            match self.trail.what().directories.pop() {
                Some(sub) => self.visit(sub)?,
                None if self.trail.ascend()? => {}
                None => return Ok(()),
            }
        }
    }

    /// Goes into a directory, and lists it.
    fn visit(&mut self, sub: Sub) -> Result<()> {
        let fd = match open_directory(self.trail.here(), sub.place.stored()) {
            Ok(fd) => fd,
            Err(Errno::NOENT) => return Ok(()),
            Err(errno) => {
                self.look.unreadable(&sub.place, "the directory cannot be opened", errno);
                return Ok(());
            }
        };
        let parent = self.trail.what().id;
        let id = self.look.directory(&fd, parent, &sub);
        let here = Here {
            place: Some(sub.place),
            id,
            directories: Vec::new(),
        };
        self.trail.descend(fd, here)?;
        self.list();
        Ok(())
    }

    fn list(&mut self) {
        let here = self.trail.what();
        let (place, id) = (here.place.clone(), here.id);
        let mut directories = Vec::new();
        let fd = self.trail.here();
        let listed = Dir::read_from(fd).and_then(|entries| {
            for entry in entries {
                directories.extend(self.look.entry(fd, place.as_ref(), id, &entry?));
            }
            Ok(())
        });
        if let Err(errno) = listed {
            let finding = Finding::at(
                place.as_deref(),
                Severity::Unreadable,
                What::Entry,
                format!("the directory cannot be listed: {errno}"),
            );
            self.look.sink.tell(&finding);
        }
        self.trail.what().directories = directories;
    }
}
