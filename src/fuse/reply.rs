//! A result becomes a reply.

use super::convert::{attributes, bare_attributes};
use crate::view::{Attr, Entry, NodeId};
use fuser::{Errno, Generation, ReplyAttr, ReplyData, ReplyEmpty, ReplyEntry, ReplyWrite, ReplyXattr};
use rustix::fs::FileType;
use std::time::Duration;

/// What a call came to, with the error that the application sees.
pub(super) type Answer<T> = Result<T, Errno>;

/// Done, or why not.
pub(super) fn empty(reply: ReplyEmpty, result: Answer<()>) {
    match result {
        Ok(()) => reply.ok(),
        Err(error) => reply.error(error),
    }
}

/// An entry that is there, or why not.
pub(super) fn entry(reply: ReplyEntry, lifetime: Duration, result: Answer<Entry>) {
    match result {
        Ok(entry) => reply.entry(&lifetime, &attributes(&entry.attr), Generation(entry.generation)),
        Err(error) => reply.error(error),
    }
}

/// There is no such entry, and that may be remembered: inode 0 says so. An error would not be remembered.
pub(super) fn absent(reply: ReplyEntry, lifetime: Duration) {
    reply.entry(&lifetime, &bare_attributes(NodeId(0), FileType::RegularFile), Generation(0));
}

/// Attributes, or why not.
pub(super) fn attr(reply: ReplyAttr, lifetime: Duration, result: Answer<Attr>) {
    match result {
        Ok(attr) => reply.attr(&lifetime, &attributes(&attr)),
        Err(error) => reply.error(error),
    }
}

/// A value for a caller who has room for `room` bytes; 0 asks how many there are.
pub(super) fn xattr(reply: ReplyXattr, room: u32, result: Answer<Vec<u8>>) {
    match result.map(|value| (u32::try_from(value.len()), value)) {
        Ok((Ok(len), _)) if room == 0 => reply.size(len),
        Ok((Ok(len), value)) if len <= room => reply.data(&value),
        Ok((Ok(_) | Err(_), _)) => reply.error(Errno::ERANGE),
        Err(error) => reply.error(error),
    }
}

/// Bytes, or why not.
pub(super) fn data(reply: ReplyData, result: Answer<&[u8]>) {
    match result {
        Ok(bytes) => reply.data(bytes),
        Err(error) => reply.error(error),
    }
}

/// How many bytes it took, or why not.
pub(super) fn written(reply: ReplyWrite, result: Answer<u32>) {
    match result {
        Ok(len) => reply.written(len),
        Err(error) => reply.error(error),
    }
}
