//! Reading the file on disk: `size u64 . IV . C_1 . C_2 ...`, from any block on.

use crate::error::{Error, Result};
use crate::recipe::disk::{bytes, read_full};
use crate::recipe::{BLOCK_LEN, Decryptor, HEADER_LEN, Header, RecipeKey, size_on_disk};
use std::os::fd::BorrowedFd;

/// Bytes of a block, for arithmetic with offsets.
const BLOCK: u64 = 16;
/// Bytes of the header, for arithmetic with offsets.
const HEADER: u64 = 24;

/// What a file on disk was when it was looked at: its length, and the bytes it begins with. Who writes such a file anew gives it another IV, so two that are equal
/// have the same contents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stored {
    on_disk: u64,
    /// Zeros where the file is shorter.
    header: [u8; HEADER_LEN],
}

impl Stored {
    /// What the file is, which has `on_disk` bytes.
    pub(super) fn of(file: BorrowedFd<'_>, on_disk: u64) -> Result<Self> {
        let mut header = [0; HEADER_LEN];
        read_full(file, &mut header, 0)?;
        Ok(Self { on_disk, header })
    }

    /// What a file is that begins with `header` and was written whole.
    pub(super) fn written(header: Header) -> Option<Self> {
        Some(Self {
            on_disk: size_on_disk(header.size)?,
            header: header.to_bytes(),
        })
    }

    /// Whether the file is still what it was.
    pub(super) fn is(&self, file: BorrowedFd<'_>) -> Result<bool> {
        // A negative length cannot be.
        let on_disk = u64::try_from(rustix::fs::fstat(file)?.st_size).unwrap_or(0);
        Ok(on_disk == self.on_disk && Self::of(file, on_disk)? == *self)
    }

    /// The size of the contents, if the length fits the header.
    fn size(&self) -> Option<u64> {
        let size = Header::from_bytes(&self.header).size;
        (size_on_disk(size) == Some(self.on_disk)).then_some(size)
    }

    /// The size to show.
    pub(super) fn shown(&self) -> u64 {
        self.size().unwrap_or(self.on_disk.saturating_sub(HEADER))
    }

    /// The size of the contents.
    ///
    /// # Errors
    /// That there are none: it is another program's file, or one that was cut.
    pub(super) fn whole(&self) -> Result<u64> {
        self.size().ok_or(Error::Recipe(
            "not an encrypted file, or a cut one: its length does not fit its header",
        ))
    }

    /// Up to `len` bytes of the contents from `offset` on into `buf`, with one read of the file.
    pub(super) fn read(&self, key: &RecipeKey, file: BorrowedFd<'_>, offset: u64, len: usize, buf: &mut Vec<u8>) -> Result<()> {
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
