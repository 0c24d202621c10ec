//! SEEK_DATA and SEEK_HOLE, on a thread of their own.
//!
//! The kernel does not write its cache back before it asks where data is, so what is a hole to us may be data that has not come here yet; who then copies only
//! data, as cp does, would lose it. So before a hole is reported the kernel is told to drop what it has cached there, which makes it write first. That waits for
//! WRITE requests, so it cannot be done by the threads that answer those.

use super::convert::seek;
use crate::error::Result;
use crate::folder::SeekTo;
use crate::view::View;
use fuser::{INodeNo, Notifier, ReplyLseek};
use rustix::io::Errno;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{Builder, JoinHandle};

struct Seek {
    ino: INodeNo,
    offset: i64,
    whence: i32,
    reply: ReplyLseek,
}

/// Where requests are handed over.
pub(super) struct Seeker(Sender<Seek>);

/// Where they come out.
pub(super) struct Seeks(Receiver<Seek>);

impl Seeker {
    pub(super) fn new() -> (Self, Seeks) {
        let (give, take) = channel();
        (Self(give), Seeks(take))
    }

    /// Has the request answered. If that could not be done, dropping it answers EIO.
    pub(super) fn seek(&self, ino: INodeNo, offset: i64, whence: i32, reply: ReplyLseek) {
        // It fails only when the thread has ended, which it does when this is dropped.
        let _ = self.0.send(Seek {
            ino,
            offset,
            whence,
            reply,
        });
    }
}

impl Seeks {
    /// Answers out of `view` until the [`Seeker`] is dropped.
    ///
    /// # Errors
    /// That no thread could be made.
    pub(super) fn serve(self, view: Arc<View>, notifier: Notifier) -> io::Result<JoinHandle<()>> {
        Builder::new().name("seeker".into()).spawn(move || {
            for request in self.0 {
                request.answer(&view, &notifier);
            }
        })
    }
}

impl Seek {
    fn answer(self, view: &View, notifier: &Notifier) {
        let found = super::call(view, "lseek", self.ino, |view, node| {
            let offset = u64::try_from(self.offset).map_err(|_| Errno::NXIO)?;
            let to = seek(self.whence)?;
            let find = || view.seek(node, offset, to);
            let found = match (find(), to) {
                // No hole is reported: there cannot be more data than that.
                (Ok(found), SeekTo::Data) if found == offset => Ok(found),
                _ => self.write_back(notifier).and_then(|()| find()),
            };
            i64::try_from(found?).map_err(|_| Errno::OVERFLOW.into())
        });
        match found {
            Ok(offset) => self.reply.offset(offset),
            Err(error) => self.reply.error(error),
        }
    }

    /// Makes the kernel write what it has of the file from `offset` on.
    fn write_back(&self, notifier: &Notifier) -> Result<()> {
        let written = notifier.inval_inode(self.ino, self.offset, 0);
        Ok(written.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?)
    }
}
