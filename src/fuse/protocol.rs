//! What of the protocol is asked for, and what follows from what the kernel offers.

use super::{Acls, MAX_BACKGROUND, MAX_BACKGROUND_REPLACED, MAX_WRITE};
use crate::view::View;
use fuser::{Errno, FileHandle, FopenFlags, InitFlags, KernelConfig, ReplyOpen};
use std::io;

/// What makes it fast, asked for bit by bit since fuser takes all of a set or nothing:
///
/// * lookups and listings of a directory side by side, and direct I/O without waiting for each request;
/// * attributes along with the names, when the kernel thinks that they will be used, and symlink targets kept;
/// * written data kept in the page cache, and handed over in large pieces;
/// * files and directories that need no open; listings and pages kept until the modification time says otherwise;
/// * set-user-id, set-group-id and capabilities are taken away when told so, which spares a question after them at every write.
const CAPABILITIES: [InitFlags; 10] = [
    InitFlags::FUSE_PARALLEL_DIROPS,
    InitFlags::FUSE_ASYNC_DIO,
    InitFlags::FUSE_DO_READDIRPLUS,
    InitFlags::FUSE_READDIRPLUS_AUTO,
    InitFlags::FUSE_CACHE_SYMLINKS,
    InitFlags::FUSE_WRITEBACK_CACHE,
    InitFlags::FUSE_NO_OPEN_SUPPORT,
    InitFlags::FUSE_NO_OPENDIR_SUPPORT,
    InitFlags::FUSE_AUTO_INVAL_DATA,
    InitFlags::FUSE_HANDLE_KILLPRIV_V2,
];

/// What ACLs need that are to be enforced: that the kernel does so, and that it leaves callers' masks to us, which count only where no default ACL does.
const ENFORCING: InitFlags = InitFlags::FUSE_POSIX_ACL.union(InitFlags::FUSE_DONT_MASK);

/// Whether the kernel can be told that something need not be opened.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Opening {
    /// It can: ENOSYS, once, and it never asks again.
    NotNeeded,
    /// It is too old for that, so each open is answered.
    Answered,
    /// The view has to know of each.
    Counted,
}

impl Opening {
    /// Answers an open, with `flags` where it needs an answer.
    pub(super) fn reply(self, flags: FopenFlags, reply: ReplyOpen) {
        match self {
            Self::NotNeeded => reply.error(Errno::ENOSYS),
            Self::Answered | Self::Counted => reply.opened(NO_HANDLE, flags),
        }
    }
}

/// There are no handles: an inode is all that a request needs.
pub(super) const NO_HANDLE: FileHandle = FileHandle(0);

/// Takes what the kernel offers of what is wanted. Whether files and directories need an answer to open then; files do where `view` counts their openers.
///
/// # Errors
/// EOPNOTSUPP when `acls` cannot be what they are to be: without them the wrong people would get in.
pub(super) fn negotiate(config: &mut KernelConfig, view: &View, acls: Acls) -> io::Result<(Opening, Opening)> {
    let offered = config.capabilities();
    match acls {
        Acls::Absent | Acls::Stored => {}
        Acls::Enforced => config.add_capabilities(ENFORCING).map_err(|_| rustix::io::Errno::OPNOTSUPP)?,
    }
    for capability in CAPABILITIES.into_iter().filter(|&capability| offered.contains(capability)) {
        // Cannot be refused: it is offered.
        let _ = config.add_capabilities(capability);
    }
    // Both are within what fuser takes. Times have nanoseconds and readahead is as large as offered unless one says otherwise.
    let _ = config.set_max_write(MAX_WRITE);
    let background = if view.counts_openers() {
        MAX_BACKGROUND_REPLACED
    } else {
        MAX_BACKGROUND
    };
    let _ = config.set_max_background(background);
    let opening = |capability| {
        if offered.contains(capability) {
            Opening::NotNeeded
        } else {
            Opening::Answered
        }
    };
    let files = if view.counts_openers() {
        Opening::Counted
    } else {
        opening(InitFlags::FUSE_NO_OPEN_SUPPORT)
    };
    Ok((files, opening(InitFlags::FUSE_NO_OPENDIR_SUPPORT)))
}
