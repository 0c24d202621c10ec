//! Random paths: mostly to what is there, sometimes to what is not, now and then with something odd about them.

use super::op::{Base, Place};
use super::side::{Side, list};
use super::values::Values;
use rand::RngExt;
use rustix::fs::{self, FileType, Mode, OFlags};
use std::os::fd::{AsFd, OwnedFd};

/// How deep directories are made.
const DEPTH: usize = 5;

/// What a path should lead to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Want {
    Existing,
    /// A directory that exists, and a name in it that may.
    Fresh,
    Either,
}

impl Values {
    /// A path from the root or from a descriptor.
    pub(super) fn place(&mut self, plain: &Side, want: Want) -> Place {
        let used = plain.used();
        if used.is_empty() || !self.chance(12) {
            return Place {
                base: Base::Root,
                path: self.path(plain, want),
            };
        }
        let slot = self.pick(&used, 0);
        let dir = plain
            .slot(slot)
            .and_then(|fd| fs::openat(fd, ".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()));
        let path = if let (Ok(dir), Want::Existing | Want::Either) = (&dir, want) {
            self.entry(dir).map(|(name, _)| name)
        } else {
            None
        };
        Place {
            base: Base::Slot(slot),
            path: path.unwrap_or_else(|| self.name()),
        }
    }

    /// A path from the root, now and then with something odd about it.
    pub(super) fn path(&mut self, plain: &Side, want: Want) -> Vec<u8> {
        let want = if want == Want::Either {
            self.pick(&[Want::Existing, Want::Fresh], Want::Fresh)
        } else {
            want
        };
        let mut path = self.walk(plain, want);
        match self.rng.random_range(0..200) {
            0..5 => path.push(b'/'),
            5..7 => path.extend(b"/."),
            7..9 => path.extend(b"/.."),
            9..15 => path = [path.as_slice(), b"/", &self.name()].concat(), // through what may be a file
            15..17 => path = [b"./".as_slice(), &path].concat(),
            17..19 => {
                path = path
                    .iter()
                    .flat_map(|byte| if *byte == b'/' { b"//".to_vec() } else { vec![*byte] })
                    .collect()
            }
            19..22 => path = [self.name().as_slice(), b"/../", &path].concat(),
            22 => path.clear(),
            23 => path = b".".to_vec(),
            _ => {}
        }
        path
    }

    /// Down the plain tree.
    fn walk(&mut self, plain: &Side, want: Want) -> Vec<u8> {
        let open = |parent: &dyn AsFd, name: &[u8]| {
            fs::openat(
                parent.as_fd(),
                name,
                OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC,
                Mode::empty(),
            )
        };
        let mut path: Vec<Vec<u8>> = Vec::new();
        let mut dir = open(&plain.root(), b".");
        while let Ok(parent) = &dir
            && path.len() < DEPTH
            && self.chance(if want == Want::Fresh && path.is_empty() { 80 } else { 65 })
        {
            let Some((name, kind)) = self.entry(parent) else { break };
            if want == Want::Fresh && kind != FileType::Directory {
                break;
            }
            let next = open(parent, &name);
            path.push(name);
            dir = next;
        }
        if want == Want::Existing
            && let Ok(parent) = &dir
            && let Some((name, _)) = self.entry(parent)
        {
            path.push(name);
        } else if want == Want::Fresh || path.is_empty() {
            path.push(self.name());
        }
        path.join(&b'/')
    }

    /// An entry of a directory.
    fn entry(&mut self, dir: &OwnedFd) -> Option<(Vec<u8>, FileType)> {
        let mut names = list(dir.as_fd(), 32_768).ok()?;
        names.retain(|(name, _)| name != b"." && name != b"..");
        if names.is_empty() {
            return None;
        }
        let index = self.rng.random_range(0..names.len());
        Some(names.swap_remove(index))
    }
}
