//! What is done with extended attributes.

use super::op::{Target, XattrOp};
use super::side::{Outcome, Seen, Side};
use rustix::fs::{self, XattrFlags};
use rustix::io::{self, Errno};
use std::collections::BTreeMap;
use std::ffi::{CStr, CString};

/// Most bytes of a list of names.
const LIST_ROOM: usize = 65_536;

pub(super) fn perform(side: &Side, target: &Target, what: &XattrOp) -> Outcome {
    match what {
        XattrOp::Set { name, value, flags } => set(side, target, name, &value.bytes(), *flags)?,
        XattrOp::SetAcl { name, value } => set(side, target, name, value, XattrFlags::empty())?,
        XattrOp::Get { name, room } => return get(side, target, name, *room).map(Seen::Bytes),
        XattrOp::List => return list(side, target).map(Seen::List),
        XattrOp::Remove { name } => match target {
            Target::Path(path) => fs::removexattr(side.absolute(&path.0), name)?,
            Target::NoFollow(path) => fs::lremovexattr(side.absolute(&path.0), name)?,
            Target::Slot(slot) => fs::fremovexattr(side.slot(*slot)?, name)?,
        },
    }
    Ok(Seen::Nothing)
}

fn set(side: &Side, target: &Target, name: &CStr, value: &[u8], flags: XattrFlags) -> io::Result<()> {
    match target {
        Target::Path(path) => fs::setxattr(side.absolute(&path.0), name, value, flags),
        Target::NoFollow(path) => fs::lsetxattr(side.absolute(&path.0), name, value, flags),
        Target::Slot(slot) => fs::fsetxattr(side.slot(*slot)?, name, value, flags),
    }
}

/// The value; with no room, as many zeros as it is long, which is what the kernel is asked for then.
fn get(side: &Side, target: &Target, name: &CStr, room: usize) -> io::Result<Vec<u8>> {
    let mut value = vec![0; room];
    let len = match target {
        Target::Path(path) if room == 0 => fs::getxattr_query(side.absolute(&path.0), name)?,
        Target::NoFollow(path) if room == 0 => fs::lgetxattr_query(side.absolute(&path.0), name)?,
        Target::Slot(slot) if room == 0 => fs::fgetxattr_query(side.slot(*slot)?, name)?,
        Target::Path(path) => fs::getxattr(side.absolute(&path.0), name, value.as_mut_slice())?,
        Target::NoFollow(path) => fs::lgetxattr(side.absolute(&path.0), name, value.as_mut_slice())?,
        Target::Slot(slot) => fs::fgetxattr(side.slot(*slot)?, name, value.as_mut_slice())?,
    };
    value.resize(len, 0);
    Ok(value)
}

/// Every attribute with its value, or why it cannot be read.
pub(super) fn all(side: &Side, target: &Target) -> io::Result<BTreeMap<Vec<u8>, io::Result<Vec<u8>>>> {
    let names = list(side, target)?.into_iter();
    Ok(names
        .map(|name| {
            let value = CString::new(name.clone())
                .map_err(|_| Errno::INVAL)
                .and_then(|name| get(side, target, &name, LIST_ROOM));
            (name, value)
        })
        .collect())
}

/// The names, in order.
fn list(side: &Side, target: &Target) -> io::Result<Vec<Vec<u8>>> {
    let mut names = vec![0_u8; LIST_ROOM];
    let len = match target {
        Target::Path(path) => fs::listxattr(side.absolute(&path.0), names.as_mut_slice())?,
        Target::NoFollow(path) => fs::llistxattr(side.absolute(&path.0), names.as_mut_slice())?,
        Target::Slot(slot) => fs::flistxattr(side.slot(*slot)?, names.as_mut_slice())?,
    };
    names.truncate(len);
    let mut names: Vec<_> = names
        .split(|byte| *byte == 0)
        // XFS shows root what it keeps ACLs in.
        .filter(|name| !name.is_empty() && !name.starts_with(b"trusted.SGI_ACL_"))
        .map(<[u8]>::to_vec)
        .collect();
    names.sort();
    Ok(names)
}
