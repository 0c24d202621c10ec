//! The header of a file: 48 bytes.

use super::{Input, bit, flip, master};
use plainview::keys::{ContentKey, FileKeys};
use plainview::record::{HEADER_LEN, Header, Holes};
use std::sync::LazyLock;

/// Bytes that the tag covers.
const TAGGED_LEN: usize = 32;

static CONTENT: LazyLock<ContentKey> = LazyLock::new(|| ContentKey::derive(&master()));

/// Either any 48 bytes, whose tag is right if bit 0 says so; or, with bit 1, a header that was sealed, and one byte of it changed.
pub(super) fn run(data: &[u8]) {
    let mut input = Input(data);
    let flags = input.byte();
    match bit(flags, 1) {
        false => any(input.take(), bit(flags, 0)),
        true => changed(&mut input),
    }
}

fn any(mut bytes: [u8; HEADER_LEN], with_tag: bool) {
    if with_tag {
        let (tagged, tag) = bytes.split_at_mut(TAGGED_LEN);
        let keys = FileKeys::derive(&CONTENT, &tagged[8..].try_into().unwrap());
        tag.copy_from_slice(&blake3::keyed_hash(keys.header_mac(), tagged).as_bytes()[..HEADER_LEN - TAGGED_LEN]);
    }
    if let Ok((header, keys)) = Header::open(&bytes, &CONTENT) {
        assert_eq!(header.seal(&keys), bytes, "it is sealed as it was");
    }
}

fn changed(input: &mut Input<'_>) {
    let holes = if input.byte() & 1 == 0 { Holes::Forbidden } else { Holes::Allowed };
    let (at, with) = (input.number(1), input.byte());
    let header = Header { salt: input.take(), holes };
    let mut bytes = header.seal(&FileKeys::derive(&CONTENT, &header.salt));
    let is_changed = flip(&mut bytes, at, with);
    match Header::open(&bytes, &CONTENT) {
        Ok((opened, _)) => assert!(!is_changed && opened == header, "byte {at} ^ {with} is not seen"),
        Err(damage) => assert!(is_changed, "{damage}"),
    }
}
