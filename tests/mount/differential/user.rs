//! Acting as somebody else for a while. Credentials belong to a thread on Linux, and an effective user can go back to the real one.

use crate::people::Who;
use rustix::fs::{Gid, Uid};
use rustix::io;
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};

/// Lets the calling thread, which is really root's, act as `who`.
pub(super) fn act_as(who: Who) -> io::Result<()> {
    // Only root may change its groups.
    set_thread_res_uid(None, Uid::ROOT, None)?;
    set_thread_groups(&[])?;
    set_thread_res_gid(None, Gid::from_raw(who.gid()), None)?;
    set_thread_res_uid(None, Uid::from_raw(who.uid()), None)
}
