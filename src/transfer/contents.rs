//! The contents of entries: written, and compared. Holes stay holes.

use super::{Engine, Event, Halt, Problem};
use crate::error::{self, Error};
use crate::folder::SeekTo;
use crate::view::{Caller, Origin, Privileges, SetAttr};
use crate::walk::Known;
use rustix::fs::FileType;
use rustix::io::Errno;

/// Bytes that are read and written at a time.
const PIECE: u64 = 1 << 20;

impl Engine<'_> {
    /// Writes the contents of a regular file into an empty one.
    pub(super) fn write_contents(&mut self, original: &Known<'_>, made: &Known<'_>) -> Result<(), Halt> {
        let mut piece = Vec::new();
        let mut offset = 0;
        while let Some(data) = next(original, offset, SeekTo::Data).map_err(Problem::Unreadable)? {
            self.tell(Event::Bytes(data.saturating_sub(offset)))?;
            offset = data;
            let end = next(original, offset, SeekTo::Hole).map_err(Problem::Unreadable)?;
            let len = end.unwrap_or(u64::MAX).saturating_sub(offset).min(PIECE);
            read(original, offset, len, &mut piece).map_err(Problem::Unreadable)?;
            if piece.is_empty() {
                break;
            }
            self.change()?;
            let written = self
                .target
                .write(made.node(), offset, &piece, Privileges::Keep, Origin::Application);
            written.map_err(Problem::Unwritable)?;
            offset += self.tell_bytes(&piece, 1)?;
        }
        self.write_last_hole(original, made, offset)
    }

    /// Makes a file as long as the original is, all of whose data lies before `offset`.
    fn write_last_hole(&mut self, original: &Known<'_>, made: &Known<'_>, offset: u64) -> Result<(), Halt> {
        let size = size_now(original).map_err(Problem::Unreadable)?;
        if size <= offset {
            return Ok(());
        }
        self.change()?;
        let changes = SetAttr {
            size: Some(size),
            ..SetAttr::default()
        };
        let root = Caller { uid: 0, gid: 0 };
        self.target.setattr(root, made.node(), &changes).map_err(Problem::Unwritable)?;
        self.tell(Event::Bytes(size - offset))
    }

    /// Whether an entry of the target is what the original is, in kind and contents. Each of its bytes is announced `times` times.
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
            let data = next(original, offset, SeekTo::Data).map_err(Problem::Unreadable)?;
            let other_data = next(there, offset, SeekTo::Data).map_err(Problem::Unverifiable)?;
            // What is a hole in both is the same in both.
            let past_hole = match (data, other_data) {
                (Some(one), Some(other)) => one.min(other),
                (Some(one), None) | (None, Some(one)) => one,
                (None, None) => match has_same_end(original, there, offset)? {
                    Some(end) => end,
                    None => return Ok(false),
                },
            };
            self.tell(Event::Bytes(past_hole.saturating_sub(offset) * times))?;
            offset = offset.max(past_hole);
            read(original, offset, PIECE, &mut one).map_err(Problem::Unreadable)?;
            read(there, offset, PIECE, &mut other).map_err(Problem::Unverifiable)?;
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

/// Up to `len` bytes from `offset` on; none at the end of the file.
fn read(file: &Known<'_>, offset: u64, len: u64, piece: &mut Vec<u8>) -> error::Result<()> {
    let len = usize::try_from(len).unwrap_or(usize::MAX);
    file.view().read(file.node(), offset, len, piece)
}

/// The first byte from `offset` on that is data, or that is in a hole; none when there is none. A filesystem that does not know has data everywhere.
fn next(file: &Known<'_>, offset: u64, to: SeekTo) -> error::Result<Option<u64>> {
    match (file.view().seek(file.node(), offset, to), to) {
        (Ok(found), _) => Ok(Some(found)),
        (Err(Error::Os(Errno::NXIO)), _) | (Err(Error::Os(Errno::INVAL | Errno::OPNOTSUPP)), SeekTo::Hole) => Ok(None),
        (Err(Error::Os(Errno::INVAL | Errno::OPNOTSUPP)), SeekTo::Data) => Ok(Some(offset)),
        (Err(error), _) => Err(error),
    }
}

/// Where the last byte of two files is that have nothing but a hole, or nothing, from `offset` on; nothing if one is longer.
fn has_same_end(original: &Known<'_>, there: &Known<'_>, offset: u64) -> Result<Option<u64>, Problem> {
    let size = size_now(original).map_err(Problem::Unreadable)?;
    let other = size_now(there).map_err(Problem::Unverifiable)?;
    Ok((size == other).then(|| size.saturating_sub(1).max(offset)))
}

fn size_now(file: &Known<'_>) -> error::Result<u64> {
    Ok(file.view().getattr(file.node())?.size)
}
