//! Making a file longer: appending, gaps that become holes, and taking it all back when the disk is full.

use super::VaultFile;
use super::ahead::Ahead;
use super::known::KnownHoles;
use super::pending::write_full;
use super::run::{Run, bytes, further};
use super::scratch::Scratch;
use super::unlocked::Unlocked;
use super::write::tail_of;
use crate::error::Result;
use crate::record::{End, HEADER_LEN, Holes, OVERHEAD, Position, RECORD_LEN, RecordNo, SEALED_LEN, Size, cipher_len};
use crate::sys::disk::Disk;
use std::cmp::Ordering;

/// How the records to be written lie to the old last record.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Gap {
    /// They replace it, or follow it directly.
    None,
    /// There are holes in between.
    Holes,
}

impl VaultFile {
    /// Writes `data` at `offset`, where it ends beyond the end of the file. Zeros fill what lies between; `data` may be nothing but them. It may have been sealed `ahead`.
    pub(super) fn grow(&mut self, disk: &dyn Disk, offset: u64, data: &[u8], ahead: Option<&Ahead>) -> Result<()> {
        let len = offset + bytes(data.len());
        // Opened before it is replaced (as in `store`), merged with what is appended, and put back if that fails.
        let mut tail = self.open_tail(disk)?.to_vec();
        let (run, gap) = self.shape(&tail, offset, len);
        let mut scratch = Scratch::take();
        let plain = match run.plain_offset() == offset {
            true => data,
            false => self.merge(disk, run, &tail, offset, data, &mut scratch)?,
        };
        match gap {
            Gap::None => {
                self.append(disk, run, plain, &tail, ahead)?;
                self.are_written(run);
            }
            Gap::Holes => self.leap(disk, run, plain, &tail, ahead)?,
        }
        tail.clear();
        tail.extend_from_slice(tail_of(plain));
        self.tail = Some(tail);
        self.size = Size::Whole(len);
        Ok(())
    }

    /// The records to be written when the file grows to `len` bytes by data at `offset`, up to the new last record.
    fn shape(&self, tail: &[u8], offset: u64, len: u64) -> (Run, Gap) {
        let last = self.last_record();
        let first = Position::of(offset).record;
        // The old last record becomes a full one, unless it has no byte: then it becomes a hole.
        let next_to_last = !tail.is_empty() && first.get() == last.get() + 1;
        match first <= last || next_to_last {
            true => (Run::to_end(first.min(last).plain_offset(), len), Gap::None),
            false => (Run::to_end(offset, len), Gap::Holes),
        }
    }

    /// The number of the last record; 0 in an empty file.
    pub(super) fn last_record(&self) -> RecordNo {
        Position::of(self.length()).record
    }

    /// The plaintext of `run`: old bytes up to `offset` or the end, zeros up to `offset`, then `data`.
    fn merge<'a>(&self, disk: &dyn Disk, run: Run, tail: &[u8], offset: u64, data: &[u8], scratch: &'a mut Scratch) -> Result<&'a [u8]> {
        let plain = scratch.of(run.len);
        let (head, rest) = plain.split_at_mut(run.len - data.len());
        rest.copy_from_slice(data);
        let old = match run.first.cmp(&self.last_record()) {
            Ordering::Less => {
                // Begins in a full record, so `head` is a part of that one.
                let mut record = Scratch::take();
                let record = record.of(RECORD_LEN);
                self.open_run(disk, Run::touched(offset, offset + 1, self.length()), record)?;
                head.copy_from_slice(&record[..head.len()]);
                head.len()
            }
            Ordering::Equal => {
                let old = tail.len().min(head.len());
                head[..old].copy_from_slice(&tail[..old]);
                old
            }
            Ordering::Greater => 0,
        };
        head[old..].fill(0);
        Ok(plain)
    }

    /// Writes the records of `run`, which begins with the old last record or before it, or at the beginning of an empty file: with one write.
    fn append(&mut self, disk: &dyn Disk, run: Run, plain: &[u8], tail: &[u8], ahead: Option<&Ahead>) -> Result<()> {
        if self.length() == 0 {
            let unlocked = Unlocked::fresh(&self.content, Holes::Forbidden);
            let mut scratch = Scratch::take();
            let sealed = scratch.of(HEADER_LEN + run.sealed_len());
            let (header, records) = sealed.split_at_mut(HEADER_LEN);
            header.copy_from_slice(&unlocked.header(&self.content));
            unlocked.seal(run, plain, records);
            self.write_beyond(disk, sealed, 0)?;
            self.remember(unlocked);
            return Ok(());
        }
        let unlocked = self.unlock(disk)?;
        let block = unlocked.sealed_to_end(run, plain, ahead);
        let sealed = block.bytes();
        write_full(disk, sealed, run.cipher_offset()).map_err(|torn| {
            if torn.written > 0 {
                self.cut_back(disk);
            }
            if run.cipher_offset() + bytes(torn.written) > self.last_record().cipher_offset() {
                self.put_last_back(disk, &unlocked, tail);
            } else {
                self.mend(disk, run.first, sealed, torn.written);
            }
            torn.errno.into()
        })
    }

    /// Writes the records of `run`, which begins beyond the old last record, so that there are holes in between.
    ///
    /// The old last record is replaced last: until then the file needs only to be cut to be what it was.
    fn leap(&mut self, disk: &dyn Disk, run: Run, plain: &[u8], tail: &[u8], ahead: Option<&Ahead>) -> Result<()> {
        if self.length() == 0 {
            let unlocked = Unlocked::fresh(&self.content, Holes::Allowed);
            self.write_beyond(disk, &unlocked.header(&self.content), 0)?;
            let sealed = unlocked.sealed_to_end(run, plain, None);
            self.write_beyond(disk, sealed.bytes(), run.cipher_offset())?;
            let unlocked = self.remember(unlocked);
            self.known_holes = Some(KnownHoles::none(unlocked));
            self.are_holes(RecordNo::new(0)..run.first);
            return Ok(());
        }
        let unlocked = self.allow_holes(disk)?;
        let last = self.last_record();
        self.are_holes(further(last, usize::from(!tail.is_empty()))..run.first);
        let sealed = unlocked.sealed_to_end(run, plain, ahead);
        self.write_beyond(disk, sealed.bytes(), run.cipher_offset())?;
        let mut scratch = Scratch::take();
        let filled = fill_up(&unlocked, last, tail, scratch.of(SEALED_LEN));
        write_full(disk, filled, last.cipher_offset()).map_err(|torn| {
            self.cut_back(disk);
            if torn.written > 0 {
                self.put_last_back(disk, &unlocked, tail);
            }
            torn.errno.into()
        })
    }

    /// Writes what no old byte is overwritten by. If that fails, the length is what it was.
    fn write_beyond(&mut self, disk: &dyn Disk, data: &[u8], offset: u64) -> Result<()> {
        write_full(disk, data, offset).map_err(|torn| {
            self.cut_back(disk);
            torn.errno.into()
        })
    }

    /// Cuts the file on disk to the length that this state has.
    fn cut_back(&mut self, disk: &dyn Disk) {
        self.set_len_back(disk, cipher_len(self.length()));
    }

    /// Writes the old last record again, whose plaintext is `tail`.
    fn put_last_back(&mut self, disk: &dyn Disk, unlocked: &Unlocked, tail: &[u8]) {
        let run = Run::to_end(self.length(), self.length());
        let mut scratch = Scratch::take();
        let sealed = scratch.of(run.sealed_len());
        unlocked.seal(run, tail, sealed);
        self.put_back(disk, run.first, sealed);
    }
}

/// What takes the place of the old last record `last`, whose plaintext is `tail`, when a hole follows: a full record, or the beginning of a hole.
fn fill_up<'a>(unlocked: &Unlocked, last: RecordNo, tail: &[u8], out: &'a mut [u8]) -> &'a [u8] {
    if tail.is_empty() {
        let out = &mut out[..OVERHEAD];
        out.fill(0);
        return out;
    }
    let mut plain = [0; RECORD_LEN];
    plain[..tail.len()].copy_from_slice(tail);
    let run = Run {
        first: last,
        len: RECORD_LEN,
        end: End::Inner,
    };
    unlocked.seal(run, &plain, out);
    out
}
