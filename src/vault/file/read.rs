//! Reading: which records a range needs, and one read for all of them.

use super::run::{Run, bytes};
use super::scratch::Scratch;
use super::unlocked::Unlocked;
use super::{VaultFile, cut};
use crate::error::Result;
use crate::record::{Damage, End, HEADER_LEN, Holes, Place, Position, Reason, RecordNo, SEALED_LEN, Size};
use crate::sys::disk::Disk;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Up to where records are read together with the header, in bytes on disk, when the header is not known yet: reading more at once costs less than
/// reading twice.
const NEAR: u64 = 128 << 10;

impl VaultFile {
    /// Up to `len` bytes from `offset` into `buf`.
    pub(super) fn read(&self, disk: &dyn Disk, offset: u64, len: usize, buf: &mut Vec<u8>) -> Result<()> {
        let result = self.read_range(disk, offset, len, buf);
        if result.is_err() {
            buf.clear();
        }
        result
    }

    fn read_range(&self, disk: &dyn Disk, offset: u64, len: usize, buf: &mut Vec<u8>) -> Result<()> {
        if len == 0 {
            buf.clear();
            return Ok(());
        }
        let wanted = offset.saturating_add(bytes(len));
        let (to, run) = match self.size {
            Size::Cut(shown) if wanted >= shown => return Err(cut(shown).into()),
            Size::Cut(shown) => (wanted, Run::touched(offset, wanted, shown)),
            Size::Whole(end) if offset >= end => {
                buf.clear();
                return Ok(());
            }
            // An end that was not verified is not returned.
            Size::Whole(end) if wanted >= end => (end, Run::to_end(offset, end)),
            Size::Whole(end) => (wanted, Run::touched(offset, wanted, end)),
        };
        // Not cleared first: what is in it already need not be filled with zeros.
        buf.resize(run.len, 0);
        self.open_run(disk, run, buf)?;
        let within = Position::of(offset).within;
        let got = usize::try_from(to - offset).expect("at most len");
        if within > 0 {
            buf.copy_within(within..within + got, 0);
        }
        buf.truncate(got);
        Ok(())
    }

    /// The plaintext of the last record; empty in an empty file.
    pub(super) fn open_tail(&mut self, disk: &dyn Disk) -> Result<&[u8]> {
        let tail = match self.tail.take() {
            Some(tail) => tail,
            None if self.length() == 0 => Vec::new(),
            None => {
                let run = Run::to_end(self.length(), self.length());
                let mut tail = vec![0; run.len];
                self.open_run(disk, run, &mut tail)?;
                tail
            }
        };
        Ok(self.tail.insert(tail))
    }

    /// Opens the records of `run` into `out`, which is as long as their plaintext.
    pub(super) fn open_run(&self, disk: &dyn Disk, run: Run, out: &mut [u8]) -> Result<()> {
        self.open_in(disk, run, &mut Scratch::take(), out).map(|_| ())
    }

    /// As [`open_run`](Self::open_run); what was opened is in `scratch` at the range that is returned.
    pub(super) fn open_in(
        &self,
        disk: &dyn Disk,
        run: Run,
        scratch: &mut Scratch,
        out: &mut [u8],
    ) -> Result<(Arc<Unlocked>, Range<usize>)> {
        let (unlocked, at) = self.fetch(disk, run, scratch)?;
        self.see_end(disk, run, &unlocked)?;
        let Err(damage) = unlocked.open_run(run, &scratch.of(at.end)[at.clone()], out) else {
            if run.end == End::Last {
                self.end_seen.store(true, Ordering::Relaxed);
            }
            return Ok((unlocked, at));
        };
        // Perhaps another program has put another file's bytes into this one. Then the records are good, and only the keys are not theirs.
        let keys_may_be_wrong = matches!(damage.reason, Reason::Tag | Reason::Word | Reason::Hole);
        if !(keys_may_be_wrong && self.header_was_replaced(disk, &unlocked)) {
            return Err(damage.into());
        }
        let (unlocked, at) = self.fetch(disk, run, scratch)?;
        unlocked.open_run(run, &scratch.of(at.end)[at.clone()], out)?;
        Ok((unlocked, at))
    }

    /// Opens the last record of a file that may have holes, if it was not opened yet: a hole carries no tag, so what was appended to such a file would pass for
    /// holes where nobody reads on to its end.
    fn see_end(&self, disk: &dyn Disk, run: Run, unlocked: &Unlocked) -> Result<()> {
        let seen = run.end == End::Last || self.tail.is_some() || self.end_seen.load(Ordering::Relaxed);
        match (unlocked.holes(), self.size) {
            (Holes::Allowed, Size::Cut(shown)) => Err(cut(shown).into()),
            (Holes::Allowed, Size::Whole(len)) if !seen => {
                let end = Run::to_end(len, len);
                self.open_run(disk, end, &mut vec![0; end.len])
            }
            (Holes::Allowed, Size::Whole(_)) | (Holes::Forbidden, _) => Ok(()),
        }
    }

    /// Reads the records of `run` from disk, and the header with them if it is not known yet. They are in `scratch` at the range that is returned.
    pub(super) fn fetch(&self, disk: &dyn Disk, run: Run, scratch: &mut Scratch) -> Result<(Arc<Unlocked>, Range<usize>)> {
        let known = match self.known() {
            None if run.cipher_offset() > NEAR => Some(self.unlock(disk)?),
            known => known,
        };
        let from = known.as_ref().map_or(0, |_| run.cipher_offset());
        let within = usize::try_from(run.cipher_offset() - from).expect("at most NEAR");
        let sealed = scratch.of(within + run.sealed_len());
        let got = read_full(disk, sealed, from)?;
        if got < sealed.len() {
            return Err(short(from + bytes(got)).into());
        }
        // In front of the first record is the header if it was not known. Then nothing is pending.
        self.pending.lay_over(run.first, &mut sealed[within..]);
        let unlocked = match (known, sealed.first_chunk()) {
            (Some(known), _) => known,
            (None, Some(header)) => self.remember(Unlocked::open(header, &self.content)?),
            (None, None) => return Err(short(0).into()),
        };
        Ok((unlocked, within..within + run.sealed_len()))
    }

    /// The header and keys of a file that is not empty; read if they are not known yet.
    pub(super) fn unlock(&self, disk: &dyn Disk) -> Result<Arc<Unlocked>> {
        match self.known() {
            Some(known) => Ok(known),
            None => Ok(self.remember(self.read_header(disk)?)),
        }
    }

    pub(super) fn known(&self) -> Option<Arc<Unlocked>> {
        self.unlocked.read().clone()
    }

    pub(super) fn remember(&self, unlocked: Unlocked) -> Arc<Unlocked> {
        let unlocked = Arc::new(unlocked);
        *self.unlocked.write() = Some(Arc::clone(&unlocked));
        unlocked
    }

    fn read_header(&self, disk: &dyn Disk) -> Result<Unlocked> {
        let mut header = [0; HEADER_LEN];
        let got = read_full(disk, &mut header, 0)?;
        if got < HEADER_LEN {
            return Err(short(bytes(got)).into());
        }
        Ok(Unlocked::open(&header, &self.content)?)
    }

    /// Whether the header on disk is a good one other than `known`. Remembers it then.
    ///
    /// Not looked at while bytes of the file are kept in memory: they would end up among those of another file.
    fn header_was_replaced(&self, disk: &dyn Disk, known: &Unlocked) -> bool {
        if self.tail.is_some() || !self.pending.is_empty() {
            return false;
        }
        match self.read_header(disk) {
            Ok(header) if !header.is_same(known) => {
                self.remember(header);
                true
            }
            Ok(_) | Err(_) => false,
        }
    }
}

/// Reads all of `buf` from `offset` on; fewer bytes only at the end of the file.
pub(super) fn read_full(disk: &dyn Disk, buf: &mut [u8], offset: u64) -> rustix::io::Result<usize> {
    let mut got = 0;
    while got < buf.len() {
        match disk.read_at(&mut buf[got..], offset + bytes(got))? {
            0 => break,
            more => got += more,
        }
    }
    Ok(got)
}

/// The damage of a file that ends at `cipher_offset`, where it should go on.
fn short(cipher_offset: u64) -> Damage {
    let place = match cipher_offset.checked_sub(bytes(HEADER_LEN)) {
        None => Place::Header,
        Some(records) => Place::Record(RecordNo::new(records / bytes(SEALED_LEN))),
    };
    Damage {
        place,
        reason: Reason::Short,
    }
}
