//! What a mount tells of itself: the value of an extended attribute of its root, which is not stored, not listed, and not to be changed.
//!
//! So who asks needs no socket and no file that outlives the daemon. The kernel asks nobody whether attributes of `system.` may be read, so root gets an answer, too, where it
//! may not enter.

use super::Tally;
use crate::error::Result;
use crate::view::NodeId;
use rustix::io::Errno;
use std::ffi::{CStr, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

/// The attribute's name.
pub const STATUS: &CStr = c"system.plainview.status";

/// What is told, and to whom.
pub struct Told {
    /// Where requests are counted.
    pub tally: Arc<Tally>,
    /// The user who may ask, besides root.
    pub owner: u32,
    /// The answer. It waits for nothing, so that who asks never has to wait.
    pub answer: Box<dyn Fn() -> Vec<u8> + Send + Sync>,
}

impl Told {
    /// Whether the attribute `name` of `node` is what is told, and not one that is stored.
    pub(super) fn is_asked(&self, node: NodeId, name: &OsStr) -> bool {
        node == NodeId::ROOT && name.as_bytes() == STATUS.to_bytes()
    }

    /// The answer for the user `uid`: EACCES where it is not for them.
    ///
    /// # Errors
    /// That.
    pub(super) fn to(&self, uid: u32) -> Result<Vec<u8>> {
        match uid == self.owner || uid == 0 {
            true => Ok((self.answer)()),
            false => Err(Errno::ACCESS.into()),
        }
    }
}
