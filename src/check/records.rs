//! The records of a file, each looked at, whatever is wrong with those around it.

use crate::keys::{ContentKey, FileKeys, SALT_LEN};
use crate::record::{
    Damage, End, HEADER_LEN, Header, Holes, Position, RECORD_LEN, Reason, RecordCipher, RecordNo, SEALED_LEN, Size, sealed_len,
    size_on_disk,
};
use crate::sys::disk::{Disk, SeekTo, read_full_at};
use rustix::io::{Errno, Result};
use std::ops::Range;

/// Records that are looked at together: what is read of them and what they open to stay in the second-level cache.
const TOGETHER: usize = 64;
/// Where the salt lies in a header.
const SALT: Range<usize> = 8..8 + SALT_LEN;

/// Why a record is bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// Its bytes are not what was written.
    Damage(Reason),
    /// The operating system says this instead of its bytes.
    Unreadable(Errno),
}

impl Why {
    pub(super) fn is_unreadable(self) -> bool {
        match self {
            Self::Damage(_) => false,
            Self::Unreadable(_) => true,
        }
    }

    /// Whether both may be told of as one.
    pub(super) fn goes_with(self, other: Self) -> bool {
        self.is_unreadable() == other.is_unreadable()
    }

    /// In words.
    pub(super) fn words(self) -> String {
        match self {
            Self::Damage(reason) => reason.to_string(),
            Self::Unreadable(errno) => format!("cannot be read: {errno}"),
        }
    }
}

/// What is seen of records side by side.
pub(super) enum Seen<'a> {
    /// They are good, and this is their plaintext.
    Good(&'a [u8]),
    /// So many are holes.
    Holes(u64),
    /// So many are bad.
    Bad(u64, Why),
}

/// What opens a file.
pub(super) struct Opener {
    pub(super) cipher: RecordCipher,
    pub(super) holes: Holes,
}

impl Opener {
    /// What the header says.
    ///
    /// # Errors
    /// Damage.
    pub(super) fn of_header(bytes: &[u8; HEADER_LEN], content: &ContentKey) -> std::result::Result<Self, Damage> {
        let (header, keys) = Header::open(bytes, content)?;
        Ok(Self::with(&keys, header.holes))
    }

    /// What the salt alone, where it lies in a header, says: nothing is taken for a hole.
    pub(super) fn of_salt(bytes: &[u8; HEADER_LEN], content: &ContentKey) -> Self {
        let salt = bytes[SALT].try_into().expect("the range is as long as a salt");
        Self::with(&FileKeys::derive(content, salt), Holes::Forbidden)
    }

    fn with(keys: &FileKeys, holes: Holes) -> Self {
        let cipher = RecordCipher::new(keys);
        Self { cipher, holes }
    }
}

/// Room for records, used again and again.
#[derive(Default)]
pub(super) struct Room {
    sealed: Vec<u8>,
    plain: Vec<u8>,
}

/// How the length of a file on disk divides into records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    /// How many full records come before the last one, which has this number.
    pub(super) full: u64,
    /// Plaintext bytes in the last one; nothing where the length has no room for it.
    pub(super) last: Option<usize>,
}

impl Shape {
    /// That of a file of `len` bytes on disk, which is not 0.
    pub(super) fn of(len: u64) -> Self {
        match size_on_disk(len) {
            Size::Whole(plain) => {
                let end = Position::of(plain);
                Self {
                    full: end.record.get(),
                    last: Some(end.within),
                }
            }
            Size::Cut(shown) => Self {
                full: Position::of(shown.saturating_sub(1)).record.get(),
                last: None,
            },
        }
    }
}

/// The records of one file.
pub(super) struct Records<'a> {
    pub(super) disk: &'a dyn Disk,
    pub(super) opener: &'a Opener,
}

impl Records<'_> {
    /// Looks at the full records `range`, in order.
    pub(super) fn full(&self, range: Range<u64>, room: &mut Room, each: &mut dyn FnMut(u64, Seen<'_>)) {
        room.sealed.resize(TOGETHER * SEALED_LEN, 0);
        room.plain.resize(TOGETHER * RECORD_LEN, 0);
        let mut at = range.start;
        while at < range.end {
            let empty = self.empty(at, range.end);
            if empty > 0 {
                each(at, self.seen_empty(empty));
                at += empty;
                continue;
            }
            let count = (range.end - at).min(u64::try_from(TOGETHER).expect("64"));
            self.together(at, usize::try_from(count).expect("at most 64"), room, each);
            at += count;
        }
    }

    /// How many full records from `at` on, up to `end`, lie in a hole of the file on disk, so that they need not be read.
    fn empty(&self, at: u64, end: u64) -> u64 {
        let data = match self.disk.seek(RecordNo::new(at).cipher_offset(), SeekTo::Data) {
            Ok(data) => data,
            // Nothing but a hole comes.
            Err(Errno::NXIO) => u64::MAX,
            // Not every filesystem can tell.
            Err(_) => return 0,
        };
        let header = RecordNo::new(0).cipher_offset();
        let sealed = u64::try_from(SEALED_LEN).expect("4152");
        (data.saturating_sub(header) / sealed).clamp(at, end) - at
    }

    fn seen_empty(&self, count: u64) -> Seen<'static> {
        match self.opener.holes {
            Holes::Allowed => Seen::Holes(count),
            Holes::Forbidden => Seen::Bad(count, Why::Damage(Reason::Hole)),
        }
    }

    fn together(&self, at: u64, count: usize, room: &mut Room, each: &mut dyn FnMut(u64, Seen<'_>)) {
        let (sealed, plain) = (&mut room.sealed[..count * SEALED_LEN], &mut room.plain[..count * RECORD_LEN]);
        let first = RecordNo::new(at);
        let read = read_full_at(self.disk, sealed, first.cipher_offset());
        if read == Ok(sealed.len()) && self.open(first, sealed, End::Inner, plain).is_ok() {
            return each(at, Seen::Good(plain));
        }
        for number in at..at + u64::try_from(count).expect("at most 64") {
            let (sealed, plain) = (&mut sealed[..SEALED_LEN], &mut plain[..RECORD_LEN]);
            match self.one(RecordNo::new(number), End::Inner, sealed, plain) {
                Ok(()) => each(number, Seen::Good(plain)),
                Err(why) => each(number, Seen::Bad(1, why)),
            }
        }
    }

    /// Opens one record.
    pub(super) fn one(&self, record: RecordNo, end: End, sealed: &mut [u8], plain: &mut [u8]) -> std::result::Result<(), Why> {
        match read_full_at(self.disk, sealed, record.cipher_offset()) {
            Ok(got) if got == sealed.len() => self.open(record, sealed, end, plain).map_err(|damage| Why::Damage(damage.reason)),
            Ok(_) => Err(Why::Damage(Reason::Short)),
            Err(errno) => Err(Why::Unreadable(errno)),
        }
    }

    /// The plaintext of the last record, which has the number `record` and `plain` bytes.
    pub(super) fn last(&self, record: RecordNo, plain: usize) -> std::result::Result<Vec<u8>, Why> {
        let mut sealed = vec![0; sealed_len(plain, End::Last)];
        let mut out = vec![0; plain];
        self.one(record, End::Last, &mut sealed, &mut out).map(|()| out)
    }

    fn open(&self, first: RecordNo, sealed: &[u8], end: End, plain: &mut [u8]) -> std::result::Result<(), Damage> {
        self.opener.cipher.open(first, sealed, end, self.opener.holes, plain)
    }
}

/// The header of a file; what is behind its end is zeros.
///
/// # Errors
/// What the operating system says.
pub(super) fn read_header(disk: &dyn Disk) -> Result<[u8; HEADER_LEN]> {
    let mut header = [0; HEADER_LEN];
    read_full_at(disk, &mut header, 0)?;
    Ok(header)
}
