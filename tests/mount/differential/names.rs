//! The names that are used, besides short ones, and what else depends on the kind of folder.

/// Which names may be used, and what else is left out since the folder cannot hold it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taste {
    /// Any.
    AnyName,
    /// Those that a folder with plain names keeps for itself are left out.
    NothingReserved,
    /// Those that a recipe folder can hold: none of its own, and none that has no room for the suffix. Nor are there hard links, and a directory and a file do not change places.
    Recipe,
}

impl Taste {
    /// Longest name of a file, in bytes.
    pub(super) fn longest(self) -> usize {
        match self {
            Self::AnyName | Self::NothingReserved => 255,
            Self::Recipe => 251,
        }
    }
}

/// Names of all lengths around the cipher's block, around the longest that is no long name on disk (160), and the longest; and odd ones.
pub(super) fn names(taste: Taste) -> Vec<Vec<u8>> {
    let mut names: Vec<Vec<u8>> = [15, 16, 17, 31, 32, 33, 143, 159, 160, 161, 175, 176, 177, 240, 254, 255]
        .iter()
        .map(|len| vec![b'l'; *len])
        .collect();
    let odd: [&[u8]; 12] = [
        b"file.txt",
        b"a name with spaces",
        b"-rf",
        b"...",
        b".hidden",
        b"\xff\xfe\x01",
        b"new\nline",
        "\u{e9}t\u{e9} \u{1f512}".as_bytes(),
        b"e\xcc\x81",
        b"%s%n",
        b"\\",
        b"A",
    ];
    names.extend(odd.iter().map(|name| name.to_vec()));
    if taste == Taste::AnyName {
        names.extend([&b"plainview.toml"[..], b"plainview.dirid", b"plainview.long.x", b"plainview.tmp.1"].map(<[u8]>::to_vec));
    }
    names.extend([b"plainview".to_vec(), vec![b'\xfe'; 255]]);
    names.iter_mut().for_each(|name| name.truncate(taste.longest()));
    names
}
