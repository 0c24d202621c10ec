//! A mount point, checked before anything else happens.

use super::options::{Covering, Options};
use super::table::{self, Mount};
use super::{Error, detach};
use rustix::fs::FileType;
use rustix::io::Errno;
use std::io;
use std::path::{Path, PathBuf};

/// A directory that a vault can be shown on: an absolute path without symlinks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MountPoint(PathBuf);

impl MountPoint {
    /// Checks `path` for a mount of `vault`, whose path is absolute and without symlinks. What a killed daemon has left there is removed.
    ///
    /// # Errors
    /// Why it cannot be mounted on.
    pub fn check(path: &Path, vault: &Path, options: &Options) -> Result<Self, Error> {
        let point = canonical(path).map_err(|error| inaccessible(path, &error))?;
        let mounts = table::read().map_err(Error::NoTable)?;
        let there = table::at(&mounts, &point).filter(|mount| mount.is_ours());
        check_kind(&point, there)?;
        // It may have been a dead mount, and not be there any more.
        if let Some(mount) = table::at(&table::read().map_err(Error::NoTable)?, &point).filter(|mount| mount.is_ours()) {
            return Err(Error::AlreadyMounted {
                point,
                shown: mount.source.clone(),
            });
        }
        if point.starts_with(vault) || vault.starts_with(&point) {
            return Err(Error::Nested {
                point,
                vault: vault.to_owned(),
            });
        }
        match options.covering {
            Covering::Nothing => check_empty(&point)?,
            Covering::Anything => {}
        }
        Ok(Self(point))
    }

    /// The path.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

/// Makes sure that there is a directory. The only thing of ours that stat does not find one in is a mount whose daemon is gone: away with that.
fn check_kind(point: &Path, there: Option<&Mount>) -> Result<(), Error> {
    // What stat says of a mount's root the kernel remembers for a while, also when the daemon is gone. This it asks each time.
    let answers = there.map_or(Ok(()), |_| rustix::fs::statfs(point).map(drop));
    match (answers.and_then(|()| rustix::fs::stat(point)), there) {
        (Ok(stat), _) if FileType::from_raw_mode(stat.st_mode) == FileType::Directory => Ok(()),
        (Ok(_), _) => Err(Error::NotADirectory(point.to_owned())),
        (Err(Errno::NOTCONN | Errno::CONNABORTED), Some(_)) => {
            let is_there = || table::read().is_ok_and(|mounts| table::at(&mounts, point).is_some_and(Mount::is_ours));
            match detach::unmount(point, detach::How::Lazily) {
                // Unless somebody else has just done so.
                Err(why) if is_there() => Err(Error::DeadMount(point.to_owned(), why.to_string())),
                Ok(()) | Err(_) => check_kind(point, None),
            }
        }
        (Err(errno), _) => Err(inaccessible(point, &errno.into())),
    }
}

fn check_empty(point: &Path) -> Result<(), Error> {
    match std::fs::read_dir(point).map(|mut entries| entries.next()) {
        Ok(None) => Ok(()),
        Ok(Some(_)) => Err(Error::NotEmpty(point.to_owned())),
        Err(error) => Err(inaccessible(point, &error)),
    }
}

fn inaccessible(path: &Path, error: &io::Error) -> Error {
    match Errno::from_io_error(error) {
        Some(Errno::NOENT) => Error::NoMountPoint(path.to_owned()),
        Some(Errno::NOTDIR) => Error::NotADirectory(path.to_owned()),
        Some(errno) => Error::Inaccessible(path.to_owned(), errno),
        None => Error::Inaccessible(path.to_owned(), Errno::IO),
    }
}

/// The absolute path without symlinks, also of a directory whose mount does not answer: unless it is a symlink itself, only what is above it is asked.
pub(super) fn canonical(path: &Path) -> io::Result<PathBuf> {
    let absolute = std::path::absolute(path)?;
    let (Some(parent), Some(name)) = (absolute.parent(), absolute.file_name()) else {
        return absolute.canonicalize();
    };
    let entry = parent.canonicalize()?.join(name);
    // The kernel knows without asking whether this is a symlink.
    if rustix::fs::readlink(&entry, Vec::new()).is_ok() {
        entry.canonicalize()
    } else {
        Ok(entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir()
                .canonicalize()
                .unwrap()
                .join(format!("plainview-point-{name}-{}", std::process::id()));
            std::fs::create_dir(&path).unwrap();
            for directory in ["vault", "vault/in", "point", "full", "full/x"] {
                std::fs::create_dir(path.join(directory)).unwrap();
            }
            std::fs::write(path.join("file"), "").unwrap();
            symlink("point", path.join("link")).unwrap();
            Self(path)
        }

        fn check(&self, point: &str, options: &str) -> Result<MountPoint, Error> {
            MountPoint::check(&self.0.join(point), &self.0.join("vault"), &Options::parse([options]).unwrap())
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            std::fs::remove_dir_all(&self.0).unwrap();
        }
    }

    #[test]
    fn an_empty_directory_is_taken() {
        let scratch = Scratch::new("empty");
        let point = scratch.0.join("point");
        for path in ["point", "link", "link/", "point/", "./full/../point", "point/.", "point/../link"] {
            assert_eq!(scratch.check(path, "").unwrap().path(), point, "{path}");
        }
    }

    #[test]
    fn each_refusal_says_why() {
        let scratch = Scratch::new("refusals");
        assert!(matches!(scratch.check("none", ""), Err(Error::NoMountPoint(_))));
        assert!(matches!(scratch.check("none/none", ""), Err(Error::NoMountPoint(_))));
        assert!(matches!(scratch.check("file", ""), Err(Error::NotADirectory(_))));
        assert!(matches!(scratch.check("file/x", ""), Err(Error::NotADirectory(_))));
        assert!(matches!(scratch.check("full", ""), Err(Error::NotEmpty(_))));
        assert!(scratch.check("full", "nonempty").is_ok());
    }

    #[test]
    fn vault_and_mount_point_lie_apart() {
        let scratch = Scratch::new("nesting");
        for point in ["vault", "vault/in", "", "link/../vault"] {
            assert!(matches!(scratch.check(point, "nonempty"), Err(Error::Nested { .. })), "{point}");
        }
        std::fs::create_dir(scratch.0.join("vault2")).unwrap();
        assert!(scratch.check("vault2", "").is_ok(), "a name that begins alike is not inside");
    }
}
