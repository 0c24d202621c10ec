//! The contents of entries: written, and compared.

use super::known::Known;
use super::{Event, Halt, Import, Problem};
use crate::view::{Origin, Privileges};
use rustix::fs::FileType;

/// Bytes that are read and written at a time.
const PIECE: usize = 1 << 20;

impl Import<'_> {
    /// Writes the contents of a regular file.
    pub(super) fn write_contents(&mut self, original: &Known<'_>, made: &Known<'_>) -> Result<(), Halt> {
        let mut piece = Vec::new();
        let mut offset = 0;
        loop {
            read(original, offset, &mut piece).map_err(Problem::Unreadable)?;
            if piece.is_empty() {
                return Ok(());
            }
            self.change()?;
            let written = self.vault.write(made.node(), offset, &piece, Privileges::Keep, Origin::Application);
            written.map_err(Problem::Unwritable)?;
            offset += self.tell_bytes(&piece, 1)?;
        }
    }

    /// Whether an entry of the vault is what the original is, in kind and contents. Each of its bytes is announced `times` times.
    pub(super) fn is_same(&mut self, original: &Known<'_>, there: &Known<'_>, times: u64) -> Result<bool, Halt> {
        if original.attr.kind != there.attr.kind {
            return Ok(false);
        }
        match original.attr.kind {
            FileType::RegularFile => self.has_same_bytes(original, there, times),
            FileType::Symlink => {
                let target = original.view().readlink(original.node()).map_err(Problem::Unreadable)?;
                Ok(there.view().readlink(there.node()).map_err(Problem::Unverifiable)? == target)
            }
            FileType::CharacterDevice | FileType::BlockDevice => Ok(original.attr.rdev == there.attr.rdev),
            FileType::Directory | FileType::Fifo | FileType::Socket | FileType::Unknown => Ok(true),
        }
    }

    fn has_same_bytes(&mut self, original: &Known<'_>, there: &Known<'_>, times: u64) -> Result<bool, Halt> {
        let (mut one, mut other) = (Vec::new(), Vec::new());
        let mut offset = 0;
        loop {
            read(original, offset, &mut one).map_err(Problem::Unreadable)?;
            read(there, offset, &mut other).map_err(Problem::Unverifiable)?;
            if one != other {
                return Ok(false);
            }
            if one.is_empty() {
                return Ok(true);
            }
            offset += self.tell_bytes(&one, times)?;
        }
    }

    /// Announces a piece; its length.
    fn tell_bytes(&mut self, piece: &[u8], times: u64) -> Result<u64, Halt> {
        let len = u64::try_from(piece.len()).unwrap_or(0);
        self.tell(Event::Bytes(len * times))?;
        Ok(len)
    }
}

/// The piece at `offset`; an empty one at the end of the file.
fn read(file: &Known<'_>, offset: u64, piece: &mut Vec<u8>) -> crate::error::Result<()> {
    file.view().read(file.node(), offset, PIECE, piece)
}
