//! One record and one header: where it lies, how it is sealed, how it is opened. PURE: no I/O, no locks, no clock, no errno.
//!
//! Knows the keys of one file and the bytes of `docs/format.md`, "A regular file"; does not know where those bytes are kept. Keeps true: what is
//! opened is exactly what was sealed with these keys at this place, or it is [`Damage`].

mod cbc;
mod cipher;
mod header;
mod layout;
mod mac;
#[cfg(test)]
mod tests;

pub use cipher::{End, RecordCipher, opened_len, sealed_len};
pub use header::{Header, Holes};
pub use layout::{HEADER_LEN, MAX_PLAIN_LEN, OVERHEAD, Position, RECORD_LEN, RecordNo, SEALED_LEN, Size, cipher_len, size_on_disk};

/// What is wrong with bytes that were to be opened, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {reason}")]
pub struct Damage {
    /// The header, or which record.
    pub place: Place,
    /// What is wrong with it.
    pub reason: Reason,
}

/// The part of a file that is damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Place {
    /// The 48 bytes at the beginning.
    #[error("header")]
    Header,
    /// One record.
    #[error("record {0}")]
    Record(RecordNo),
}

/// Why bytes are damage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// A header that does not begin with `PLV1`, or has flags that this version does not know.
    #[error("not a plainview file header")]
    NotAHeader,
    /// The tag does not fit the bytes.
    #[error("authentication failed")]
    Tag,
    /// The tag is genuine, but bytes that pad the last block are not zero.
    #[error("padding is not zero")]
    Padding,
    /// The record says that it belongs elsewhere or has another length.
    #[error("belongs to another place")]
    Word,
    /// Zero bytes where no hole may be.
    #[error("a hole in a file that has none")]
    Hole,
    /// Fewer bytes than the file's length promised.
    #[error("cut short")]
    Short,
    /// A length on disk that no file has.
    #[error("the file's length fits no file")]
    Length,
}
