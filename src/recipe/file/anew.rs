//! Writing all of a file anew: a fresh IV, a fresh encryptor, from its beginning to its end.

use super::PIECE;
use crate::error::Result;
use crate::recipe::disk::{bytes, reserve};
use crate::recipe::{BLOCK_LEN, Encryptor, Header, PADDING, RecipeKey, size_on_disk};
use crate::sys::temporary::write_all;
use rustix::io::Errno;
use std::os::fd::BorrowedFd;
use zeroize::Zeroizing;

/// What reading takes on top of the bytes that are read: whole blocks, or records, around them.
const SLACK: usize = 16 << 10;

/// The header of a new file of `size` bytes. Its IV is random, from the thread's cryptographic generator.
pub(in crate::recipe) fn fresh_header(size: u64) -> Header {
    Header { size, iv: rand::random() }
}

/// Calls `action` for `size` bytes, a piece after the other, with the offset and the length of each and a buffer, which is zeroed at the end.
pub(super) fn in_pieces(size: u64, mut action: impl FnMut(u64, usize, &mut Vec<u8>) -> Result<()>) -> Result<()> {
    let mut buf = Zeroizing::new(Vec::new());
    let mut at = 0;
    while at < size {
        let len = usize::try_from(size - at).map_or(PIECE, |rest| rest.min(PIECE));
        // At once, lest it be moved and leave copies behind.
        buf.reserve(len + SLACK);
        action(at, len, &mut buf)?;
        at += bytes(len);
    }
    Ok(())
}

/// Writes the file that begins with `header`, and whose contents are what `read` gives (from an offset, so many, into a buffer), to the empty file `into`.
pub(super) fn write(
    key: &RecipeKey,
    header: Header,
    into: BorrowedFd<'_>,
    read: impl Fn(u64, usize, &mut Vec<u8>) -> Result<()>,
) -> Result<()> {
    let on_disk = size_on_disk(header.size).ok_or(Errno::FBIG)?;
    // Of a large file it is told before it is written that there is no room; one with holes may have been made much larger than the disk.
    if on_disk > bytes(PIECE) {
        reserve(into, on_disk)?;
    }
    write_all(into, &header.to_bytes())?;
    let mut encryptor = Encryptor::new(key, &header.iv);
    in_pieces(header.size, |offset, len, buf| {
        read(offset, len, buf)?;
        if buf.len() != len {
            return Err(Errno::IO.into());
        }
        // A piece is whole blocks, but for the last one.
        buf.resize(len.next_multiple_of(BLOCK_LEN), PADDING);
        encryptor.encrypt(buf.as_chunks_mut().0);
        Ok(write_all(into, buf)?)
    })
}
