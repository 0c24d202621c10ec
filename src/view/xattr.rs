//! Extended attributes. What must be a path is the descriptor's own link, so that it works for any kind of inode, also for unlinked ones.

use super::inode::{Inode, Place};
use super::{NodeId, SetXattr, View};
use crate::error::{Error, Result};
use crate::sys::descriptor;
use rustix::fs::{FileType, XattrFlags};
use rustix::io::Errno;
use std::ffi::{CStr, CString};
use std::os::fd::AsRawFd;
use std::sync::Arc;

/// Largest value and largest list of names that Linux knows (XATTR_SIZE_MAX, XATTR_LIST_MAX).
const SIZE_MAX: usize = 65536;

impl View {
    /// The value of an attribute.
    ///
    /// # Errors
    /// ENODATA when it is not there; damage.
    pub fn getxattr(&self, node: NodeId, name: &[u8]) -> Result<Vec<u8>> {
        let inode = self.inode(node)?;
        let name = attribute_name(name)?;
        let stored_name = self.folder.seal_attribute_name(&name)?;
        let stored = match self.with_path(&inode, |path| read_whole(|buf| rustix::fs::lgetxattr(path, &stored_name, buf))) {
            // What is stored as a user attribute needs permission to read the file. Others, which `ls` asks for on every file, do not, and only root can have set them.
            Err(Error::Os(Errno::ACCESS)) if !name.to_bytes().starts_with(b"user.") => return Err(Errno::NODATA.into()),
            stored => stored?,
        };
        let value = self.folder.open_attribute(&name, &stored);
        self.report(&inode, value)
    }

    /// The names of all attributes, each followed by a NUL.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn listxattr(&self, node: NodeId) -> Result<Vec<u8>> {
        let inode = self.inode(node)?;
        let stored = self.with_path(&inode, |path| read_whole(|buf| rustix::fs::llistxattr(path, buf)))?;
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
        self.writable()?;
        let inode = self.inode(node)?;
        let name = attribute_name(name)?;
        let stored_name = self.folder.seal_attribute_name(&name)?;
        let stored = self.folder.seal_attribute(&name, value)?;
        let flags = match how {
            SetXattr::Any => XattrFlags::empty(),
            SetXattr::Create => XattrFlags::CREATE,
            SetXattr::Replace => XattrFlags::REPLACE,
        };
        let _change = inode.change();
        self.with_path(&inode, |path| rustix::fs::lsetxattr(path, &stored_name, &stored, flags))
    }

    /// Removes an attribute.
    ///
    /// # Errors
    /// ENODATA when it is not there.
    pub fn removexattr(&self, node: NodeId, name: &[u8]) -> Result<()> {
        self.writable()?;
        let inode = self.inode(node)?;
        let stored_name = self.folder.seal_attribute_name(&attribute_name(name)?)?;
        let _change = inode.change();
        self.with_path(&inode, |path| rustix::fs::lremovexattr(path, &stored_name))
    }

    /// Calls `action` with a path to the inode itself that does not follow it if it is a symlink.
    ///
    /// The link of a descriptor must be followed to get to its file, which the `l` calls do not do; so the last step is the entry in its directory's link. Where there is no entry
    /// any more, or it is the root, the descriptor's own link and a trailing `/.` or the file's open descriptor serve.
    fn with_path<T>(&self, inode: &Arc<Inode>, action: impl FnOnce(&CStr) -> rustix::io::Result<T>) -> Result<T> {
        match inode.place() {
            Place::At { parent, name } => {
                let dir = self.directory_of(&parent)?;
                let mut path = format!("/proc/self/fd/{}/", dir.fd().as_raw_fd()).into_bytes();
                path.extend_from_slice(name.entry().to_bytes());
                let path = CString::new(path).map_err(|_| Errno::INVAL)?;
                Ok(action(&path)?)
            }
            Place::Root => Ok(action(
                &CString::new(format!("/proc/self/fd/{}/.", self.root.as_raw_fd())).map_err(|_| Errno::INVAL)?,
            )?),
            Place::Gone if inode.kind == FileType::RegularFile => self.with_handle(inode, |fd| Ok(action(&descriptor::link(fd))?)),
            Place::Gone => Err(Errno::NODATA.into()),
        }
    }
}

fn attribute_name(name: &[u8]) -> Result<CString> {
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
