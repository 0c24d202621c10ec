//! What an entry has besides its contents: owner, mode, times, extended attributes, ACLs.

use super::Problem;
use crate::error::{self, Error};
use crate::view::{Attr, Caller, SetAttr, SetTime, SetXattr, Time};
use crate::walk::Known;
use rustix::fs::FileType;
use rustix::io::Errno;

/// POSIX ACLs. An access ACL has a part in the mode, and is set after it.
const ACLS: [&[u8]; 2] = [b"system.posix_acl_access", b"system.posix_acl_default"];
/// The label that SELinux gives to each file by where it is and who made it.
const LABEL: &[u8] = b"security.selinux";
/// Permission bits that only mean what they should with the right owner and group.
const SETID: u16 = 0o6000;

/// When an entry was last read and written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Times {
    accessed: Time,
    modified: Time,
}

impl Times {
    /// Those of an entry.
    pub(super) fn of(attr: &Attr) -> Self {
        Self {
            accessed: attr.atime,
            modified: attr.mtime,
        }
    }

    /// Those that were first.
    pub(super) fn or_earlier(self, other: Self) -> Self {
        if other.modified < self.modified { other } else { self }
    }

    /// Gives them to an entry.
    pub(super) fn set(self, entry: &Known<'_>) -> Result<(), Problem> {
        set(entry, &self.added_to(SetAttr::default())).map_err(Problem::Unwritable)
    }

    fn added_to(self, changes: SetAttr) -> SetAttr {
        SetAttr {
            atime: Some(SetTime::To(self.accessed)),
            mtime: Some(SetTime::To(self.modified)),
            ..changes
        }
    }
}

/// Gives `to`, an entry of the target, the attributes of the original `from`, and these times; returns the names of the extended attributes that it cannot have.
///
/// The order matters: who is not root must set extended attributes before the mode takes the right to, and a new owner takes set-user-id and capabilities away.
pub(super) fn copy(from: &Known<'_>, to: &Known<'_>, times: Times) -> Result<Vec<Vec<u8>>, Problem> {
    let names = attribute_names(from).map_err(Problem::Unreadable)?;
    let is_acl = |name: &&Vec<u8>| ACLS.contains(&name.as_slice());
    let owner = change_owner(from, to).map_err(Problem::Unwritable)?;
    let mut without = Vec::new();
    let mut copy = |name: &Vec<u8>| match copy_attribute(from, to, name)? {
        Taken::Yes => Ok::<(), Problem>(()),
        Taken::No => {
            without.push(name.clone());
            Ok(())
        }
    };
    names
        .iter()
        .filter(|name| !is_acl(name) && name.as_slice() != LABEL)
        .try_for_each(&mut copy)?;
    // It may have got them from the directory that it is in.
    let inherited = attribute_names(to).map_err(Problem::Unwritable)?;
    for name in inherited.iter().filter(|name| is_acl(name) && !names.contains(name)) {
        to.view().removexattr(to.node(), name).map_err(Problem::Unwritable)?;
    }
    set_mode_and_times(from, to, owner, times)?;
    names.iter().filter(is_acl).try_for_each(&mut copy)?;
    Ok(without)
}

/// Whether an entry belongs to whom the original does.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Owner {
    Same,
    Other,
}

/// Gives an entry the original's owner and group, as far as we may, and the filesystem can: root may.
fn change_owner(from: &Known<'_>, to: &Known<'_>) -> error::Result<Owner> {
    let now = to.view().getattr(to.node())?;
    let (uid, gid) = (from.attr.uid, from.attr.gid);
    if (now.uid, now.gid) == (uid, gid) {
        return Ok(Owner::Same);
    }
    let is_root = rustix::process::geteuid().is_root();
    let changes = SetAttr {
        uid: is_root.then_some(uid),
        gid: Some(gid),
        ..SetAttr::default()
    };
    match set(to, &changes) {
        // Also what filesystems say that know no owners, or not these.
        Err(Error::Os(Errno::PERM | Errno::INVAL | Errno::OPNOTSUPP)) => {}
        changed => changed?,
    }
    let now = to.view().getattr(to.node())?;
    Ok(if (now.uid, now.gid) == (uid, gid) {
        Owner::Same
    } else {
        Owner::Other
    })
}

/// Symlinks have no mode of their own. Where the filesystem knows no modes, the times are set all the same.
fn set_mode_and_times(from: &Known<'_>, to: &Known<'_>, owner: Owner, times: Times) -> Result<(), Problem> {
    let perm = match owner {
        Owner::Same => from.attr.perm,
        Owner::Other => from.attr.perm & !SETID,
    };
    let changes = SetAttr {
        mode: (from.attr.kind != FileType::Symlink).then_some(u32::from(perm)),
        ..SetAttr::default()
    };
    match set(to, &times.added_to(changes)) {
        Err(Error::Os(Errno::PERM | Errno::OPNOTSUPP)) => times.set(to),
        set => set.map_err(Problem::Unwritable),
    }
}

fn set(entry: &Known<'_>, changes: &SetAttr) -> error::Result<()> {
    // Root, so that nothing is taken away that was asked for: who asks does not matter to anything else.
    let root = Caller { uid: 0, gid: 0 };
    entry.view().setattr(root, entry.node(), changes).map(drop)
}

/// Whether a filesystem could take an attribute.
enum Taken {
    Yes,
    No,
}

fn copy_attribute(from: &Known<'_>, to: &Known<'_>, name: &[u8]) -> Result<Taken, Problem> {
    let value = match from.view().getxattr(from.node(), name) {
        // Removed meanwhile, or not for us to read.
        Err(Error::Os(Errno::NODATA)) => return Ok(Taken::Yes),
        value => value.map_err(Problem::Unreadable)?,
    };
    if to.view().getxattr(to.node(), name).is_ok_and(|there| there == value) {
        return Ok(Taken::Yes);
    }
    match to.view().setxattr(to.node(), name, &value, SetXattr::Any) {
        Err(Error::Os(Errno::OPNOTSUPP)) => Ok(Taken::No),
        // What only root may set, and on anything but files and directories nobody.
        Err(Error::Os(Errno::PERM)) => Ok(Taken::No),
        set => set.map(|()| Taken::Yes).map_err(Problem::Unwritable),
    }
}

/// The names of an entry's extended attributes.
fn attribute_names(entry: &Known<'_>) -> error::Result<Vec<Vec<u8>>> {
    let list = match entry.view().listxattr(entry.node()) {
        Err(Error::Os(Errno::OPNOTSUPP)) => Vec::new(),
        list => list?,
    };
    let names = list.split(|byte| *byte == 0).filter(|name| !name.is_empty());
    Ok(names.map(<[u8]>::to_vec).collect())
}
