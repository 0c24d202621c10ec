//! Changing a file's length.

use super::VaultFile;
use super::pending::{Pending, write_full};
use super::run::Run;
use super::scratch::Scratch;
use super::write::end_of;
use crate::error::Result;
use crate::record::{OVERHEAD, Position, Size, cipher_len};
use crate::sys::disk::Disk;
use std::cmp::Ordering;

impl VaultFile {
    /// Makes the file `len` bytes long. Where it is so already, nothing happens, also not to its times.
    pub(super) fn set_length(&mut self, disk: &dyn Disk, len: u64) -> Result<()> {
        end_of(len, 0)?;
        if len == 0 {
            return self.empty(disk);
        }
        match len.cmp(&self.ready(disk)?) {
            Ordering::Less => self.shrink(disk, len)?,
            Ordering::Equal => return Ok(()),
            Ordering::Greater => self.grow(disk, len, &[], None)?,
        }
        self.forbid_holes(disk);
        Ok(())
    }

    /// Makes the file empty, which heals any damage. The next write begins a new file, with a fresh salt.
    fn empty(&mut self, disk: &dyn Disk) -> Result<()> {
        disk.set_len(0)?;
        self.size = Size::Whole(0);
        *self.unlocked.write() = None;
        self.known_holes = None;
        self.tail = None;
        self.pending = Pending::default();
        Ok(())
    }

    /// Cuts the file to `len` bytes, which is less than it has and more than none.
    ///
    /// First the new last record is written over the beginning of the record that it comes from, then the file is cut behind it. In between the file on
    /// disk has a short record in the middle: who dies there leaves the bytes from the beginning of that record to `len` to be found by a repair
    /// only. This layer has no place to put them before; a journal has.
    fn shrink(&mut self, disk: &dyn Disk, len: u64) -> Result<()> {
        let (record, within) = (Position::of(len).record, Position::of(len).within);
        let new = Run::to_end(len, len);
        let begin = record.plain_offset();
        let old = Run::touched(begin, begin + 1, self.length());
        let (mut raw, mut opened, mut sealed) = (Scratch::take(), Scratch::take(), Scratch::take());
        let plain = opened.of(old.len);
        let (unlocked, at) = match within {
            0 => self.fetch(disk, old, &mut raw)?,
            _ => self.open_in(disk, old, &mut raw, plain)?,
        };
        let raw = &raw.of(at.end)[at];
        let sealed = sealed.of(within + OVERHEAD);
        unlocked.seal(new, &plain[..within], sealed);
        let done = match write_full(disk, sealed, record.cipher_offset()) {
            Ok(()) => disk.set_len(cipher_len(len)).map_err(|errno| (sealed.len(), errno)),
            Err(torn) => Err((torn.written, torn.errno)),
        };
        if let Err((written, errno)) = done {
            if written > 0 {
                self.put_back(disk, record, raw);
            }
            return Err(errno.into());
        }
        self.tail = Some(plain[..within].to_vec());
        self.size = Size::Whole(len);
        Ok(())
    }
}
