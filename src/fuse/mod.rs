//! The kernel's side: the only module that names fuser. Each method of the adapter unpacks a request, makes one call into the [`View`], and replies.
//!
//! Knows the protocol and what of it to ask for; does not know how anything is stored, nor how the device came to be connected to a mount point. Keeps
//! true: every request gets exactly one reply, whatever happens, a panic included; and no plaintext name is ever logged.

mod adapter;
mod convert;
mod listings;
mod protocol;
mod reply;
mod seeker;
mod tally;
#[cfg(test)]
mod tests;
mod told;
mod unsupported;

use crate::error::Result;
use crate::view::{NodeId, View};
use adapter::Adapter;
use listings::Listings;
use reply::Answer;
use seeker::Seeker;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::Duration;
pub use tally::{Tally, Totals};
pub use told::{STATUS, Told};

/// Largest request, in bytes: the kernel's own limit unless an administrator raises it.
const MAX_WRITE: u32 = 1 << 20;
/// How many requests for readahead and write-back may be under way.
const MAX_BACKGROUND: u16 = 64;
/// The same where changed files are replaced. The first change of a file copies it, and the others wait for that, each in a thread: some must be left.
const MAX_BACKGROUND_REPLACED: u16 = 12;
/// Threads beyond those that may wait so.
const THREADS_LEFT: usize = 8;
/// The device.
const DEVICE: &str = "/dev/fuse";

/// What POSIX ACLs are in a mount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acls {
    /// There are none: to ask for one, or to set one, is EOPNOTSUPP. Those that are stored stay as they are.
    Absent,
    /// Kept and shown. Permissions are those of the mode, whose group bits are an ACL's mask.
    Stored,
    /// What counts: the kernel asks for the ACL of what has one when somebody wants in, and default ACLs count instead of the callers' masks.
    Enforced,
}

/// What the kernel is told besides the files.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// What ACLs are to be.
    pub acls: Acls,
    /// How long the kernel may believe what it was told of names and attributes, a missing name included: as long as a change underneath, by a sync client, may go unseen.
    pub lifetime: Duration,
}

/// A running conversation with the kernel: it goes on in its own threads until the mount is gone.
pub struct Session {
    conversation: fuser::BackgroundSession,
    helpers: [JoinHandle<()>; 2],
}

impl Session {
    /// Answers the kernel on `device`, which a mount is connected to, out of `view`, with that many threads, and tells what it is to tell. When this returns, the protocol is agreed on.
    ///
    /// # Errors
    /// What the operating system says, or that the kernel's protocol is too old, for the ACLs perhaps.
    pub fn start(view: Arc<View>, device: OwnedFd, threads: usize, terms: Terms, told: Told) -> io::Result<Self> {
        let mut config = fuser::Config::default();
        // The kernel has checked who may come in. fuser's own check would refuse what kernel threads and changed user ids send on behalf of those who may.
        config.acl = fuser::SessionACL::All;
        let waiting = if view.counts_openers() {
            usize::from(MAX_BACKGROUND_REPLACED)
        } else {
            0
        };
        config.n_threads = Some(threads.max(waiting + THREADS_LEFT));
        // A descriptor for each thread spares them a shared queue. Where only fusermount3 may open the device, they share the one it gave us.
        config.clone_fd = File::options().read(true).write(true).open(DEVICE).is_ok();
        // The device comes without a mount point, so fuser cannot unmount anything, which it would do at the end, and then perhaps somebody else's mount.
        let (seeker, seeks) = Seeker::new();
        let (listings, listed) = Listings::new();
        let notifier = Arc::new(OnceLock::new());
        let adapter = Adapter::new(view.clone(), (seeker, listings), terms, notifier.clone(), told);
        let session = fuser::Session::from_fd(adapter, device, config.acl, config)?;
        // Nothing is asked before the session is spawned, and this is the only one to set it.
        let _ = notifier.set(session.notifier());
        let helpers = [
            seeks.serve(view, session.notifier())?,
            listed.serve(terms.lifetime, session.notifier())?,
        ];
        let conversation = session.spawn()?;
        Ok(Self { conversation, helpers })
    }

    /// Waits until the mount is gone.
    ///
    /// # Errors
    /// What ended the conversation otherwise.
    pub fn wait(self) -> io::Result<()> {
        let ended = match self.conversation.join() {
            // So the kernel ends a request that it was just handing over when the mount went.
            Err(error) if rustix::io::Errno::from_io_error(&error) == Some(rustix::io::Errno::CONNABORTED) => Ok(()),
            ended => ended,
        };
        for helper in self.helpers {
            // With the conversation the last one who could ask it has ended, and it has logged a panic.
            let _ = helper.join();
        }
        ended
    }
}

/// Makes the one call into the view. What goes wrong is logged by what was asked of which inode, never with a name, and a panic becomes EIO: it would end this
/// thread otherwise, and the others, one by one, with it.
fn call<T>(view: &View, what: &str, ino: fuser::INodeNo, call: impl FnOnce(&View, NodeId) -> Result<T>) -> Answer<T> {
    match catch_unwind(AssertUnwindSafe(|| call(view, convert::node(ino)))) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => {
            log::log!(error.level(), "{what} inode {ino}: {error}");
            Err(convert::errno(error.errno()))
        }
        Err(_) => {
            log::error!("{what} inode {ino}: panic");
            Err(fuser::Errno::EIO)
        }
    }
}
