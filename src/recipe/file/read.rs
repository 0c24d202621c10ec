//! Reading the file on disk: `size u64 . IV . C_1 . C_2 ...`, from any block on.

use crate::error::{Error, Result};
use crate::recipe::disk::{bytes, read_full};
use crate::recipe::{BLOCK_LEN, Decryptor, HEADER_LEN, Header, RecipeKey, size_on_disk};
use std::os::fd::BorrowedFd;

/// Bytes of a block, for arithmetic with offsets.
const BLOCK: u64 = 16;
/// Bytes of the header, for arithmetic with offsets.
const HEADER: u64 = 24;

/// What a file on disk holds, by its header and its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stored {
    /// Contents of so many bytes.
    Whole(u64),
    /// What is none: another program's file, or one that was cut. The size to show.
    Misfit(u64),
}

impl Stored {
    /// What the file holds, which has `on_disk` bytes.
    pub(super) fn of(file: BorrowedFd<'_>, on_disk: u64) -> Result<Self> {
        let mut header = [0; HEADER_LEN];
        let got = read_full(file, &mut header, 0)?;
        let size = Header::from_bytes(&header).size;
        if got == HEADER_LEN && size_on_disk(size) == Some(on_disk) {
            Ok(Self::Whole(size))
        } else {
            Ok(Self::Misfit(on_disk.saturating_sub(HEADER)))
        }
    }

    /// The size to show.
    pub(super) fn shown(self) -> u64 {
        let (Self::Whole(size) | Self::Misfit(size)) = self;
        size
    }

    /// The size of the contents.
    ///
    /// # Errors
    /// That there are none.
    pub(super) fn whole(self) -> Result<u64> {
        match self {
            Self::Whole(size) => Ok(size),
            Self::Misfit(_) => Err(Error::Recipe(
                "not an encrypted file, or a cut one: its length does not fit its header",
            )),
        }
    }

    /// Up to `len` bytes of the contents from `offset` on into `buf`, with one read of the file.
    pub(super) fn read(self, key: &RecipeKey, file: BorrowedFd<'_>, offset: u64, len: usize, buf: &mut Vec<u8>) -> Result<()> {
        let result = self.whole().and_then(|size| {
            let end = offset.saturating_add(bytes(len)).min(size);
            decrypt(key, file, offset, end, buf)
        });
        if result.is_err() {
            buf.clear();
        }
        result
    }
}

/// The bytes from `offset` to `end` into `buf`.
///
/// P_i = D(C_i) ^ C_(i-1), so the block before the first one comes along. Before C_1 that is the IV, which lies where such a block would.
fn decrypt(key: &RecipeKey, file: BorrowedFd<'_>, offset: u64, end: u64, buf: &mut Vec<u8>) -> Result<()> {
    if offset >= end {
        buf.clear();
        return Ok(());
    }
    let first = offset - offset % BLOCK;
    let raw = end.next_multiple_of(BLOCK) - first + BLOCK;
    // Not cleared first: what is in it already need not be filled with zeros.
    buf.resize(usize::try_from(raw).expect("what was asked for is in memory"), 0);
    if read_full(file, buf, HEADER - BLOCK + first)? < buf.len() {
        return Err(Error::Recipe("another program has cut the file"));
    }
    let (blocks, _) = buf.as_chunks_mut::<BLOCK_LEN>();
    if let Some((previous, blocks)) = blocks.split_first_mut() {
        Decryptor::new(key, previous).decrypt(blocks);
    }
    let within = |at: u64| BLOCK_LEN + usize::try_from(at - first).expect("within buf");
    buf.copy_within(within(offset)..within(end), 0);
    buf.truncate(usize::try_from(end - offset).expect("within buf"));
    Ok(())
}
