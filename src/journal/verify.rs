//! How far a file that was being written when the power failed is good: a new one, which was never synced, so that any of its bytes may be missing.

use super::overlay::{index, length};
use crate::keys::{ContentKey, FileKeys};
use crate::record::{
    Damage, End, HEADER_LEN, Header, Holes, OVERHEAD, Place, Position, RECORD_LEN, RecordCipher, RecordNo, SEALED_LEN, Size, sealed_len,
    size_on_disk,
};
use crate::sys::disk::{Disk, SeekTo, read_full_at};
use rustix::io::{Errno, Result};

/// Records that are looked at together.
const TOGETHER: usize = 256;

/// How a file becomes one that can be read: `keep` bytes of it stay, and `end` comes behind them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Repair {
    pub(super) keep: u64,
    pub(super) end: Vec<u8>,
}

impl Repair {
    const EMPTY: Self = Self { keep: 0, end: Vec::new() };

    /// The length of the file then.
    pub(super) fn len(&self) -> u64 {
        self.keep + length(self.end.len())
    }
}

/// How much of a file is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Care {
    /// All of it.
    Thorough,
    /// Its end; and if that is bad, whether anything is good behind the first that is bad, for then the file is damaged, which is not for us to cut.
    EndOnly,
}

/// What is to be done to a file of `len` bytes on disk so that its good prefix can be read; nothing when all of it can.
///
/// # Errors
/// What the operating system says.
pub(super) fn repair(disk: &dyn Disk, len: u64, content: &ContentKey, care: Care) -> Result<Option<Repair>> {
    if len == 0 {
        return Ok(None);
    }
    let mut header = [0; HEADER_LEN];
    read_full_at(disk, &mut header, 0)?;
    let Ok((header, keys)) = Header::open(&header, content) else {
        // What of a new file never came to disk is zeros. Anything else is not ours, or damage.
        let never_came = header.iter().all(|byte| *byte == 0) && care == Care::Thorough;
        return Ok(never_came.then_some(Repair::EMPTY));
    };
    let file = File {
        disk,
        len,
        holes: header.holes,
        cipher: RecordCipher::new(&keys),
    };
    if care == Care::EndOnly && file.ends_well()? {
        return Ok(None);
    }
    match file.first_bad()? {
        None => Ok(None),
        Some(bad) if care == Care::EndOnly && file.is_good_behind(bad)? => Ok(None),
        Some(bad) => Ok(Some(file.cut(bad, &keys)?)),
    }
}

struct File<'a> {
    disk: &'a dyn Disk,
    len: u64,
    holes: Holes,
    cipher: RecordCipher,
}

impl File<'_> {
    /// The first record that is not whole; nothing when all are, and the last one is a last one.
    fn first_bad(&self) -> Result<Option<RecordNo>> {
        let (plain, is_whole) = match size_on_disk(self.len) {
            Size::Whole(plain) => (plain, true),
            // All full records that may be there; the one behind them is bad.
            Size::Cut(shown) => (Position::of(shown - 1).record.plain_offset(), false),
        };
        let last = Position::of(plain).record;
        let mut sealed = vec![0; TOGETHER * SEALED_LEN];
        let mut out = vec![0; TOGETHER * RECORD_LEN];
        let mut at = RecordNo::new(0);
        while at < last {
            if self.holes == Holes::Allowed {
                at = self.next_data(at)?.min(last);
            }
            let count = index((last.get() - at.get()).min(length(TOGETHER)));
            let (sealed, out) = (&mut sealed[..count * SEALED_LEN], &mut out[..count * RECORD_LEN]);
            let got = read_full_at(self.disk, sealed, at.cipher_offset())?;
            sealed[got..].fill(0xff);
            if let Err(damage) = self.cipher.open(at, sealed, End::Inner, self.holes, out) {
                return Ok(Some(place(damage, at)));
            }
            at = RecordNo::new(at.get() + length(count));
        }
        if !is_whole {
            return Ok(Some(last));
        }
        let rest = index(plain % length(RECORD_LEN));
        let is_good = self.open_last(last, rest)?;
        Ok((!is_good).then_some(last))
    }

    /// The first record at `at` or behind of which the disk holds anything: where it holds nothing there are zeros, however many.
    fn next_data(&self, at: RecordNo) -> Result<RecordNo> {
        let data = match self.disk.seek(at.cipher_offset(), SeekTo::Data) {
            Ok(data) => data,
            Err(Errno::NXIO) => self.len,
            // Not every filesystem knows where its holes are.
            Err(_) => return Ok(at),
        };
        let record = data.saturating_sub(length(HEADER_LEN)) / length(SEALED_LEN);
        Ok(at.max(RecordNo::new(record)))
    }

    /// Whether the file's last record is one.
    fn ends_well(&self) -> Result<bool> {
        match size_on_disk(self.len) {
            Size::Whole(plain) => self.open_last(Position::of(plain).record, index(plain % length(RECORD_LEN))),
            Size::Cut(_) => Ok(false),
        }
    }

    /// Whether any full record behind `bad` is one.
    fn is_good_behind(&self, bad: RecordNo) -> Result<bool> {
        let (mut sealed, mut out) = (vec![0; SEALED_LEN], vec![0; RECORD_LEN]);
        let mut at = RecordNo::new(bad.get() + 1);
        while at.cipher_offset() + length(SEALED_LEN) <= self.len {
            at = self.next_data(at)?;
            let got = read_full_at(self.disk, &mut sealed, at.cipher_offset())?;
            // A hole says nothing.
            let is_data = sealed.iter().any(|byte| *byte != 0);
            if got == sealed.len() && is_data && self.cipher.open(at, &sealed, End::Inner, self.holes, &mut out).is_ok() {
                return Ok(true);
            }
            at = RecordNo::new(at.get() + 1);
        }
        Ok(false)
    }

    /// Whether the record at `last`'s place is a last record of `plain` bytes.
    fn open_last(&self, last: RecordNo, plain: usize) -> Result<bool> {
        let mut sealed = vec![0; sealed_len(plain, End::Last)];
        let got = read_full_at(self.disk, &mut sealed, last.cipher_offset())?;
        let opened = || self.cipher.open(last, &sealed, End::Last, self.holes, &mut vec![0; plain]);
        Ok(got == sealed.len() && opened().is_ok())
    }

    /// The file up to its first bad record. Where that was a last record once, of which an append has not overwritten everything, it is one again.
    fn cut(&self, bad: RecordNo, keys: &FileKeys) -> Result<Repair> {
        let at = bad.cipher_offset();
        let mut word = [0; 8];
        let got = read_full_at(self.disk, &mut word, at)?;
        let plain = usize::from(u16::from_le_bytes([word[0], word[1]]));
        if got == word.len() && plain < RECORD_LEN && self.open_last(bad, plain)? && (plain > 0 || bad.get() > 0) {
            return Ok(Repair {
                keep: at + length(plain + OVERHEAD),
                end: Vec::new(),
            });
        }
        if bad.get() == 0 {
            return Ok(Repair::EMPTY);
        }
        let mut end = vec![0; OVERHEAD];
        RecordCipher::new(keys).seal(bad, &[], End::Last, &mut rand::rng(), &mut end);
        Ok(Repair { keep: at, end })
    }
}

fn place(damage: Damage, first: RecordNo) -> RecordNo {
    match damage.place {
        Place::Record(record) => record,
        Place::Header => first,
    }
}
