//! What a check finds, in words.

use super::place::Place;
use std::fmt::{self, Write as _};

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Something that was written cannot be shown any more.
    Damage,
    /// The operating system does not let it be read, so nothing is known of it.
    Unreadable,
    /// Something of ours that is of no use any more and does no harm.
    Leftover,
    /// Somebody else's file, which plainview does not show.
    Foreign,
}

/// What a finding is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    /// Records of a file.
    Record,
    /// A file's header.
    Header,
    /// A file or directory as a whole.
    Entry,
    /// An entry's name.
    Name,
    /// The id of a directory.
    DirectoryId,
    /// The target of a symlink.
    Target,
    /// An extended attribute.
    Attribute,
    /// A file of the vault's own: the journal, a name file, a temporary one.
    Own,
}

/// Records of a file that lie side by side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first of them.
    pub first: u64,
    /// How many.
    pub count: u64,
}

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What it is about.
    pub what: What,
    /// The path in the clear, from the root of the view; `Err` when not all names in it are known: up to the first that is not, for which `?` stands.
    pub path: Result<Vec<u8>, Vec<u8>>,
    /// The path in the vault, from its root.
    pub vault_path: Vec<u8>,
    /// Which records.
    pub records: Option<Span>,
    /// Where in the file in the vault: offset and length in bytes.
    pub bytes: Option<(u64, u64)>,
    /// What is wrong.
    pub reason: String,
}

impl Finding {
    /// A finding about `place`, or about the root.
    pub(super) fn at(place: Option<&Place>, severity: Severity, what: What, reason: impl Into<String>) -> Self {
        Self {
            severity,
            what,
            path: place.map_or_else(|| Ok(Vec::new()), Place::plain_path),
            vault_path: place.map(Place::stored_path).unwrap_or_default(),
            records: None,
            bytes: None,
            reason: reason.into(),
        }
    }

    /// That `plainview.toml`, without which there are no keys and nothing can be looked at, is not as it should be.
    pub fn config() -> Self {
        Self {
            vault_path: b"plainview.toml".to_vec(),
            ..Self::at(
                None,
                Severity::Damage,
                What::Own,
                "damaged or forged, so nothing else can be looked at",
            )
        }
    }
}

impl Severity {
    /// One word, which stays.
    pub fn word(self) -> &'static str {
        match self {
            Self::Damage => "damage",
            Self::Unreadable => "unreadable",
            Self::Leftover => "leftover",
            Self::Foreign => "foreign",
        }
    }

    /// Whether there is, or may be, something that cannot be shown.
    pub fn is_damage(self) -> bool {
        match self {
            Self::Damage | Self::Unreadable => true,
            Self::Leftover | Self::Foreign => false,
        }
    }
}

impl What {
    /// One word, which stays.
    pub fn word(self) -> &'static str {
        match self {
            Self::Record => "record",
            Self::Header => "header",
            Self::Entry => "entry",
            Self::Name => "name",
            Self::DirectoryId => "directory-id",
            Self::Target => "symlink-target",
            Self::Attribute => "attribute",
            Self::Own => "own-file",
        }
    }
}

/// One line: severity, path, records, bytes, path in the vault, reason.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Ok(path) | Err(path)) = &self.path;
        write!(f, "{}: /{}: ", self.severity.word(), escaped(path))?;
        match self.records {
            Some(Span { first, count: 1 }) => write!(f, "record {first}, ")?,
            Some(Span { first, count }) => write!(f, "records {first} to {}, ", first + count.saturating_sub(1))?,
            None => {}
        }
        if let Some((offset, len)) = self.bytes {
            write!(f, "{len} bytes at {offset} of ")?;
        }
        write!(f, "{}: {}", escaped(&self.vault_path), self.reason)
    }
}

/// `bytes` as text on one line that a terminal does not obey: control characters, backslashes and what is no UTF-8 are escaped, and [`unescaped`] finds them again.
pub fn escaped(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for char in chunk.valid().chars() {
            match char {
                '\\' => out.push_str("\\\\"),
                char if char.is_control() => char.to_string().bytes().for_each(|byte| hex(&mut out, byte)),
                char => out.push(char),
            }
        }
        chunk.invalid().iter().for_each(|byte| hex(&mut out, *byte));
    }
    out
}

fn hex(out: &mut String, byte: u8) {
    // Writing to a string does not fail.
    let _ = write!(out, "\\x{byte:02x}");
}

/// What [`escaped`] made `text` of; nothing when it did not make it.
pub fn unescaped(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        match (byte, after) {
            (b'\\', [b'\\', after @ ..]) => {
                out.push(b'\\');
                rest = after;
            }
            (b'\\', [b'x', high, low, after @ ..]) => {
                let digits = [*high, *low];
                out.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
                rest = after;
            }
            (b'\\', _) => return None,
            (byte, _) => out.push(*byte),
        }
    }
    Some(out)
}
