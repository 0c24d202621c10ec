//! Files that are stored anew as a whole ([`Storage::Replaced`](crate::folder::Storage::Replaced)): when that is done, and how the new file takes the old one's place without anybody noticing.
//!
//! The kernel tells when such a file is opened, flushed and released; without an opener (truncate(2)) a change is stored at once. The new file is made and synced
//! beside the old one, gets all that the old one has but its bytes, and replaces it with a rename, so that a crash at any instant leaves one of the two. The inode stays
//! what it is to the kernel, with another file behind it.

use super::descriptors::{Body, Open, OpenFile};
use super::inode::Inode;
use super::live::{Change, Live, Mark};
use super::places::Place;
use super::resolve::Directory;
use super::{NodeId, View};
use crate::error::{Error, Result};
use crate::name::PlainName;
use crate::sys::descriptor;
use crate::sys::metadata;
use crate::sys::temporary::{Existing, Unnamed, sync_directory};
use parking_lot::MutexGuard;
use rand::Rng;
use rustix::fs::{FileType, Mode, Stat};
use rustix::io::Errno;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// From how many bytes on a new file is synced once before the old one is locked, so that those who read that one need not wait for the disk.
const LARGE: u64 = 1 << 20;

/// A file's places, with their directories, locked so that they stay.
struct Settled<'v, 'l> {
    places: Vec<(Place, Directory<'v>)>,
    _moving: MutexGuard<'l, ()>,
}

impl View {
    /// Stores what was changed in a file, if anything was.
    pub(super) fn store(&self, inode: &Arc<Inode>) -> Result<()> {
        self.store_if(inode, || true)
    }

    /// As [`store`](Self::store), unless `condition`, which is asked when nobody can change the file, is false.
    pub(super) fn store_if(&self, inode: &Arc<Inode>, condition: impl FnOnce() -> bool) -> Result<()> {
        let Some(open) = self.descriptors.get(inode) else { return Ok(()) };
        let Open::File(file) = &*open else { return Ok(()) };
        let write = |body: &Body| {
            let new = if condition() { self.write_new(inode, body) } else { Ok(None) };
            if !matches!(new, Ok(Some(_))) {
                self.keep_known(inode, body);
            }
            new
        };
        let stored = file.replace(write, |body, new| {
            let put = self.put_new(inode, body, new);
            self.keep_known(inode, body);
            put
        });
        self.keep_no_longer(inode, file);
        stored
    }

    /// Stores what was changed in any file.
    pub(super) fn store_all(&self) -> Result<()> {
        let mut pending: Vec<_> = self.descriptors.all();
        pending.retain(|(_, open)| matches!(&**open, Open::File(file) if file.has_pending()));
        let mut nodes: Vec<_> = pending.into_iter().map(|(node, _)| node).collect();
        // Those that there is no room for once more, when the others have given theirs back.
        nodes.retain(|node| {
            self.inode(*node).map_or(true, |inode| {
                self.store(&inode).is_err() || {
                    self.let_go(&inode);
                    false
                }
            })
        });
        let mut result = Ok(());
        for node in nodes {
            let Ok(inode) = self.inode(node) else {
                log::error!("changes of a file that is not known any more are lost");
                result = result.and(Err(Error::Stale));
                continue;
            };
            let stored = self.store(&inode);
            if let Err(error) = &stored {
                log::error!("cannot be stored, its changes are lost: {}: {error}", self.path(&inode).display());
            }
            result = result.and(stored);
        }
        result
    }

    /// Tries to store a change of an inode that stays known for that only.
    pub(super) fn retry_held(&self, node: NodeId) {
        if self.counts_openers()
            && let Ok(inode) = self.inode(node)
            && inode.is_held()
        {
            // Or else later, at the unmount at the latest.
            let _ = self.store(&inode);
            if self.inode(node).is_ok() {
                self.let_go(&inode);
            }
        }
    }

    /// Sees to it that an inode stays known as long as only its state, which the caller has locked, knows a change that is to be stored. Such are counted: each takes a second
    /// descriptor.
    fn keep_known(&self, inode: &Inode, body: &Body) {
        if !body.contents.has_pending() || inode.is_held() {
            return;
        }
        self.change_table(|table| {
            // Its last entry may have gone while it was tried: then nothing is to be stored any more.
            if !inode.is_gone() && !inode.live().held.swap(true, Ordering::SeqCst) {
                table.hold(inode.node);
                self.writers.fetch_add(1, Ordering::SeqCst);
            }
        });
    }

    /// Undoes [`keep_known`](Self::keep_known) where nothing is to be stored any more. The caller has not locked the file, which this may close.
    pub(super) fn keep_no_longer(&self, inode: &Inode, file: &OpenFile) {
        if !inode.is_held() {
            return;
        }
        self.change_table(|table| {
            if !file.has_pending() && inode.live().held.swap(false, Ordering::SeqCst) {
                table.forget(inode.node, 1);
                self.writers.fetch_sub(1, Ordering::SeqCst);
            }
        });
    }

    /// Makes the entries of a file durable.
    pub(super) fn sync_entries(&self, inode: &Inode) -> Result<()> {
        for place in inode.places() {
            let dir = self.directory_of(&place.parent)?;
            match sync_directory(dir.fd()) {
                // Not every filesystem syncs directories, and not every directory may be read by us.
                Err(Errno::INVAL | Errno::ACCESS) => rustix::fs::syncfs(&self.root)?,
                synced => synced?,
            }
        }
        Ok(())
    }

    /// A new file with the contents of `body`; none where the file has no name. Nothing at all where nothing was changed.
    fn write_new(&self, inode: &Inode, body: &Body) -> Result<Option<Option<Unnamed>>> {
        if !body.contents.has_pending() {
            return Ok(None);
        }
        let Some(place) = inode.place() else { return Ok(Some(None)) };
        let dir = self.directory_of(&place.parent)?;
        let new = dir.alter(|fd| Unnamed::new(fd, Mode::RUSR | Mode::WUSR))?;
        body.contents.write_anew(body.fd.as_fd(), new.fd())?;
        if body.contents.len() >= LARGE {
            rustix::fs::fdatasync(new.fd())?;
        }
        Ok(Some(Some(new)))
    }

    /// Puts the new file in the place of the old one.
    fn put_new(&self, inode: &Arc<Inode>, body: &mut Body, new: Option<Unnamed>) -> Result<()> {
        let live = inode.live();
        let (Some(mut new), Some(settled)) = (new, self.settled(inode, &live)?) else {
            // Links that nobody has looked up keep the old file.
            body.contents.abandon();
            return Ok(());
        };
        let change = inode.change();
        metadata::copy(body.fd.as_fd(), new.fd())?;
        rustix::fs::fsync(new.fd())?;
        let stat = rustix::fs::fstat(new.fd())?;
        // What another program has written into the old file is not ours to remove.
        let old = match body.contents.is_overwritten(body.fd.as_fd())? {
            true => Existing::Kept,
            false => Existing::Replaced,
        };
        self.change_table(|table| table.expect(inode, &stat));
        let mut put = Vec::new();
        let mut failed = None;
        let is_there = |(place, dir): &&(Place, Directory<'_>)| dir.stat(&place.name).is_ok();
        let (there, gone): (Vec<_>, Vec<_>) = settled.places.iter().partition(is_there);
        for (place, dir) in there.into_iter().chain(gone) {
            // An entry that another program has moved away is where that has moved it.
            if !put.is_empty() && dir.stat(&place.name).is_err() {
                continue;
            }
            match self.put_at(inode, &mut new, place, dir, old) {
                Ok(place) => put.push(place),
                Err(error) => failed = Some(error),
            }
        }
        match failed {
            Some(error) if put.is_empty() => {
                self.change_table(|table| table.not_replaced(inode, &stat));
                return Err(error);
            }
            // Others of its entries lead to the old file, and are another file from now on.
            Some(error) => log::error!("not all entries of a file could be replaced: {error}"),
            None => {}
        }
        self.change_table(|table| table.replaced(inode, &put));
        drop(settled);
        body.fd = new.into_fd();
        body.contents.written_anew();
        let mark: Mark = change.mark();
        change.settle(mark, &rustix::fs::fstat(&body.fd)?);
        Ok(())
    }

    /// All places of a file, and that they stay what they are; nothing when there are none.
    fn settled<'v, 'l>(&'v self, inode: &Inode, live: &'l Live) -> Result<Option<Settled<'v, 'l>>> {
        loop {
            let mut places = Vec::new();
            for place in inode.places() {
                let dir = self.directory_of(&place.parent)?;
                places.push((place, dir));
            }
            let moving = live.moving.lock();
            if places.is_empty() && inode.is_gone() {
                return Ok(None);
            }
            let now = inode.places();
            let is_same = |(one, other): (&(Place, Directory<'_>), &Place)| one.0.is(&other.parent, &other.name);
            if now.len() == places.len() && places.iter().zip(&now).all(is_same) {
                return Ok(Some(Settled { places, _moving: moving }));
            }
        }
    }

    /// Puts the new file at one of the file's places, where `old` becomes of the old one; where that is.
    ///
    /// Where another program has put another file there meanwhile, both are kept: ours gets a name of its own.
    fn put_at(&self, inode: &Arc<Inode>, new: &mut Unnamed, place: &Place, dir: &Directory<'_>, old: Existing) -> Result<Place> {
        let existing = match dir.stat(&place.name) {
            Ok(stat) if inode.is(&stat) => old,
            Ok(_) | Err(Error::Os(Errno::NOENT)) => Existing::Kept,
            Err(error) => return Err(error),
        };
        let put = match existing {
            Existing::Replaced => keeping_times(dir, |change| {
                Ok(dir.alter_within(change, |fd| new.put(fd, place.name.entry(), existing))?)
            }),
            // An entry that has gone is made again, which changes the directory.
            Existing::Kept => dir.alter(|fd| new.put(fd, place.name.entry(), existing)).map_err(Error::from),
        };
        match put {
            Err(Error::Os(Errno::EXIST)) => self.put_beside(inode, new, place, dir),
            put => put.map(|()| place.clone()),
        }
    }

    fn put_beside(&self, inode: &Arc<Inode>, new: &mut Unnamed, place: &Place, dir: &Directory<'_>) -> Result<Place> {
        let name = self.name_beside(place, dir)?;
        let name = self.folder.seal_name(dir.id, &name, Some(FileType::RegularFile), dir.fd())?;
        dir.alter(|fd| new.put(fd, name.entry(), Existing::Kept))?;
        let (path, other) = (descriptor::path(dir.fd()), place.name.entry().to_string_lossy());
        log::error!(
            "{}/{other} was replaced by another program while it was being changed here; the changes are in {}",
            path.display(),
            name.entry().to_string_lossy()
        );
        let beside = Place {
            parent: Arc::clone(&place.parent),
            name,
        };
        self.change_table(|table| table.add_place(inode, beside.clone()));
        Ok(beside)
    }

    /// A name for the file that was at `place`: `NAME.conflict-XXXXXXXX`.
    fn name_beside(&self, place: &Place, dir: &Directory<'_>) -> Result<PlainName> {
        let (plain, _) = self
            .folder
            .open_name(dir.id, place.name.entry(), FileType::RegularFile, dir.fd())
            .ok_or(Error::Stale)?;
        let suffix = format!(".conflict-{:08x}", rand::rng().next_u32());
        let room = self.folder.name_max().saturating_sub(suffix.len());
        let kept = plain.as_bytes().get(..room).unwrap_or(plain.as_bytes());
        Ok(PlainName::new(&[kept, suffix.as_bytes()].concat())?)
    }
}

/// Runs `action`, which replaces an entry of a directory, and gives that the times back that it had, where nobody else has changed it meanwhile: to the application, no
/// entry has changed.
fn keeping_times(dir: &Directory<'_>, action: impl FnOnce(&Change<'_>) -> Result<()>) -> Result<()> {
    let live = dir.inode.live();
    let _replacing = live.replacing.lock();
    let change = dir.inode.change();
    let (mark, before) = (change.mark(), rustix::fs::fstat(dir.fd())?);
    action(&change)?;
    if change.is_alone_since(mark) {
        // A directory that is not ours keeps the new times.
        let _ = restore_times(dir.fd(), &before);
    }
    Ok(())
}

fn restore_times(dir: BorrowedFd<'_>, before: &Stat) -> rustix::io::Result<()> {
    descriptor::set_times(dir, &metadata::times(before))
}
