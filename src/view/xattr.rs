//! Extended attributes: by a path through a descriptor's link, so that it works for any kind of inode, also for unlinked ones.

use super::inode::Inode;
use super::{NodeId, SetXattr, View};
use crate::error::{Error, Result};
use crate::sys::descriptor;
use rustix::fs::{Mode, XattrFlags};
use rustix::io::Errno;
use std::ffi::{CStr, CString};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::Arc;

/// Largest value and largest list of names that Linux knows (XATTR_SIZE_MAX, XATTR_LIST_MAX).
const SIZE_MAX: usize = 65536;
/// How often a value may be replaced while it is read, before who reads it is told to come again.
const REPLACED_MAX: u32 = 16;

impl View {
    /// The value of an attribute.
    ///
    /// # Errors
    /// ENODATA when it is not there; damage.
    pub fn getxattr(&self, node: NodeId, name: &[u8]) -> Result<Vec<u8>> {
        let inode = self.inode(node)?;
        let name = attribute_name(name)?;
        let stored_name = match self.folder.seal_attribute_name(&name) {
            // One that cannot be there is not there. ERANGE would ask for a larger buffer.
            Err(Error::Os(Errno::RANGE)) => return Err(Errno::NODATA.into()),
            stored_name => stored_name?,
        };
        let read = |stored_name: &CStr| self.with_path(&inode, |path| read_whole(|buf| path.get(stored_name, buf)));
        let stored = match read(&stored_name) {
            // What is stored as a user attribute needs permission to read the file. Others, which `ls` asks for on every file, do not, and only root can have set them.
            Err(Error::Os(Errno::ACCESS)) if !name.to_bytes().starts_with(b"user.") => return Err(Errno::NODATA.into()),
            stored => stored?,
        };
        if self.folder.attribute_rest(&name, &stored).is_some() {
            return self.getxattr_in_two(&inode, &name, &stored_name);
        }
        self.report(&inode, self.folder.open_attribute(&name, &stored))
    }

    /// A value that may have a rest: read from the inode itself, whatever is renamed meanwhile.
    fn getxattr_in_two(&self, inode: &Arc<Inode>, name: &CStr, stored_name: &CStr) -> Result<Vec<u8>> {
        let read = |stored_name: &CStr| self.with_own_path(inode, |path| read_whole(|buf| path.get(stored_name, buf)));
        let mut stored = read(stored_name)?;
        for _ in 0..REPLACED_MAX {
            let rest = match self.folder.attribute_rest(name, &stored).map(|rest| read(&rest)) {
                None | Some(Err(Error::Os(Errno::NODATA))) => Vec::new(),
                Some(rest) => rest?,
            };
            let whole = self.folder.open_attribute(name, &[&stored[..], &rest].concat());
            // With a rest that is not its own it is whole without.
            let value = whole.or_else(|_| self.folder.open_attribute(name, &stored));
            // It may have been replaced between its two parts.
            let again = if value.is_err() { read(stored_name)? } else { Vec::new() };
            if value.is_ok() || again == stored {
                return self.report(inode, value);
            }
            stored = again;
        }
        Err(Errno::AGAIN.into())
    }

    /// The names of all attributes, each followed by a NUL.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn listxattr(&self, node: NodeId) -> Result<Vec<u8>> {
        let inode = self.inode(node)?;
        let stored = self.with_path(&inode, |path| read_whole(|buf| path.list(buf)))?;
        let mut names = Vec::new();
        for stored in stored
            .split_inclusive(|byte| *byte == 0)
            .filter_map(|name| CStr::from_bytes_with_nul(name).ok())
        {
            // One that does not decode is logged and left out, so that the others can be listed.
            if let Ok(Some(name)) = self.report(&inode, self.folder.open_attribute_name(stored)) {
                names.extend_from_slice(&name);
                names.push(0);
            }
        }
        Ok(names)
    }

    /// Sets an attribute.
    ///
    /// # Errors
    /// EEXIST or ENODATA as `how` asks; what the operating system says.
    pub fn setxattr(&self, node: NodeId, name: &[u8], value: &[u8], how: SetXattr) -> Result<()> {
        let inode = self.inode(node)?;
        self.changeable(&inode)?;
        let name = attribute_name(name)?;
        let stored_name = self.folder.seal_attribute_name(&name)?;
        let stored = self.folder.seal_attribute(&name, value)?;
        let flags = match how {
            SetXattr::Any => XattrFlags::empty(),
            SetXattr::Create => XattrFlags::CREATE,
            SetXattr::Replace => XattrFlags::REPLACE,
        };
        let (first, rest) = stored.split_at(stored.len().min(SIZE_MAX));
        let rest = self
            .folder
            .attribute_rest(&name, first)
            .filter(|_| !rest.is_empty())
            .map(|name| (name, rest));
        let _change = inode.change();
        // The kernel lets nobody else change attributes of this inode meanwhile. Whatever is interrupted, the old value or the new one is whole.
        self.change_attribute(&inode, &name, |fd, path| {
            let old_rest = self.rest_of(fd, path, &name, &stored_name);
            if let Some((rest_name, rest)) = &rest {
                path.set(rest_name, rest, XattrFlags::empty())?;
            }
            let set = path.set(&stored_name, first, flags);
            let rests = old_rest.into_iter().chain(rest.map(|(name, _)| name));
            self.remove_needless(fd, path, &name, &stored_name, rests.collect());
            set
        })
    }

    /// Removes an attribute.
    ///
    /// # Errors
    /// ENODATA when it is not there.
    pub fn removexattr(&self, node: NodeId, name: &[u8]) -> Result<()> {
        let inode = self.inode(node)?;
        self.changeable(&inode)?;
        let name = attribute_name(name)?;
        let stored_name = self.folder.seal_attribute_name(&name)?;
        let _change = inode.change();
        self.change_attribute(&inode, &name, |fd, path| {
            let rest = self.rest_of(fd, path, &name, &stored_name);
            let removed = path.remove(&stored_name);
            self.remove_needless(fd, path, &name, &stored_name, rest.into_iter().collect());
            removed
        })
    }

    /// Removes those of `rests` that the value of the attribute `name` does not have now, whatever was said of its last change. One that cannot be removed does no harm.
    fn remove_needless(&self, fd: BorrowedFd<'_>, path: &Path, name: &CStr, stored_name: &CStr, mut rests: Vec<CString>) {
        if rests.is_empty() {
            return;
        }
        let needed = self.rest_of(fd, path, name, stored_name);
        rests.retain(|rest| Some(rest) != needed.as_ref());
        for rest in rests {
            let _ = path.remove(&rest);
        }
    }

    /// The name of the attribute that may have the rest of the value that the attribute `name` has now.
    fn rest_of(&self, fd: BorrowedFd<'_>, path: &Path, name: &CStr, stored_name: &CStr) -> Option<CString> {
        // Most are short, which the kernel says without reading them. Who may change it may not always read it.
        let read = || match path.len(stored_name)? {
            0..SIZE_MAX => Ok(Vec::new()),
            _ => read_whole(|buf| path.get(stored_name, buf)),
        };
        let stored = descriptor::with_permission(fd, Mode::RUSR, read).ok()?;
        self.folder.attribute_rest(name, &stored)
    }

    /// Calls `action`, which changes the attribute `name`, with a path to the inode.
    fn change_attribute(
        &self,
        inode: &Arc<Inode>,
        name: &CStr,
        action: impl FnOnce(BorrowedFd<'_>, &Path) -> rustix::io::Result<()>,
    ) -> Result<()> {
        self.with_handle(inode, |fd| {
            let path = Path::Link(descriptor::link(fd));
            match name == ACCESS_ACL {
                // The mode shows its mask.
                true => descriptor::setting_mode(fd, || action(fd, &path))?,
                false => action(fd, &path)?,
            }
            Ok(())
        })
    }

    /// The `mode` of what a caller whose mask is `umask` makes in the directory `parent`: where that has a default ACL, it counts instead of the mask.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn masked(&self, parent: NodeId, mode: u32, umask: u32) -> Result<u32> {
        let inode = self.inode(parent)?;
        match self.with_path(&inode, |path| path.get(DEFAULT_ACL, &mut [0; 1])) {
            Ok(_) | Err(Error::Os(Errno::RANGE)) => Ok(mode),
            Err(Error::Os(Errno::NODATA | Errno::OPNOTSUPP)) => Ok(mode & !umask),
            Err(error) => Err(error),
        }
    }

    /// Calls `action`, which reads, with a path to the inode.
    ///
    /// Nothing needs to be opened for the entry's, and the kernel asks for attributes often; but it may be renamed meanwhile.
    fn with_path<T>(&self, inode: &Arc<Inode>, mut action: impl FnMut(&Path) -> rustix::io::Result<T>) -> Result<T> {
        if let Some(place) = inode.place() {
            let dir = self.directory_of(&place.parent)?;
            let result = dir.search(|fd| {
                let mut path = format!("/proc/self/fd/{}/", fd.as_raw_fd()).into_bytes();
                path.extend_from_slice(place.name.entry().to_bytes());
                action(&Path::Entry(CString::new(path).map_err(|_| Errno::INVAL)?))
            });
            if !matches!(result, Err(Errno::NOENT)) {
                return Ok(result?);
            }
        }
        self.with_own_path(inode, action)
    }

    /// Calls `action` with a path to the inode itself, whatever its entries are now.
    fn with_own_path<T>(&self, inode: &Arc<Inode>, mut action: impl FnMut(&Path) -> rustix::io::Result<T>) -> Result<T> {
        self.with_handle(inode, |fd| Ok(action(&Path::Link(descriptor::link(fd)))?))
    }
}

/// How to get to an inode by a path.
enum Path {
    /// Its entry in a directory's link: a symlink is meant itself.
    Entry(CString),
    /// The link of its own descriptor, which has to be followed, and leads to the inode itself whatever it is.
    Link(CString),
}

impl Path {
    fn get(&self, name: &CStr, buf: &mut [u8]) -> rustix::io::Result<usize> {
        match self {
            Self::Entry(path) => rustix::fs::lgetxattr(path, name, buf),
            Self::Link(path) => rustix::fs::getxattr(path, name, buf),
        }
    }

    fn len(&self, name: &CStr) -> rustix::io::Result<usize> {
        match self {
            Self::Entry(path) => rustix::fs::lgetxattr_query(path, name),
            Self::Link(path) => rustix::fs::getxattr_query(path, name),
        }
    }

    fn list(&self, buf: &mut [u8]) -> rustix::io::Result<usize> {
        match self {
            Self::Entry(path) => rustix::fs::llistxattr(path, buf),
            Self::Link(path) => rustix::fs::listxattr(path, buf),
        }
    }

    fn set(&self, name: &CStr, value: &[u8], flags: XattrFlags) -> rustix::io::Result<()> {
        match self {
            Self::Entry(path) => rustix::fs::lsetxattr(path, name, value, flags),
            Self::Link(path) => rustix::fs::setxattr(path, name, value, flags),
        }
    }

    fn remove(&self, name: &CStr) -> rustix::io::Result<()> {
        match self {
            Self::Entry(path) => rustix::fs::lremovexattr(path, name),
            Self::Link(path) => rustix::fs::removexattr(path, name),
        }
    }
}

/// What an attribute's name may begin with; anything else no filesystem has. Of `system.` there are only the two POSIX ACLs.
const NAMESPACES: [&[u8]; 3] = [b"user.", b"trusted.", b"security."];
const ACLS: [&[u8]; 2] = [ACCESS_ACL.to_bytes(), DEFAULT_ACL.to_bytes()];
/// The ACL that counts for what has it.
const ACCESS_ACL: &CStr = c"system.posix_acl_access";
/// The ACL that what is made in a directory gets.
const DEFAULT_ACL: &CStr = c"system.posix_acl_default";

/// The name of an attribute, with the errors that the kernel has for it where it knows a filesystem's namespaces; FUSE's it does not know.
fn attribute_name(name: &[u8]) -> Result<CString> {
    let rest = NAMESPACES.iter().find_map(|namespace| name.strip_prefix(*namespace));
    if rest.is_some_and(<[u8]>::is_empty) {
        return Err(Errno::INVAL.into());
    }
    if rest.is_none() && !ACLS.contains(&name) {
        return Err(Errno::OPNOTSUPP.into());
    }
    Ok(CString::new(name).map_err(|_| Errno::INVAL)?)
}

/// All bytes that `read` gives: asked once with room for most, and once more with room for all.
fn read_whole(read: impl Fn(&mut [u8]) -> rustix::io::Result<usize>) -> rustix::io::Result<Vec<u8>> {
    let mut buf = vec![0; 512];
    let len = match read(&mut buf) {
        Err(Errno::RANGE) => {
            buf = vec![0; SIZE_MAX];
            read(&mut buf)?
        }
        result => result?,
    };
    buf.truncate(len);
    Ok(buf)
}
