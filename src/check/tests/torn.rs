//! Which files are cut, and to what.

use super::scene::{master, noise, sealed, unnamed};
use crate::check::records::{Opener, read_header};
use crate::check::torn::{Cut, cut};
use crate::keys::ContentKey;
use crate::record::{End, HEADER_LEN, Holes, RecordCipher, RecordNo, SEALED_LEN};
use std::os::fd::AsFd;

/// Three full records and 900 bytes.
const LEN: usize = 3 * 4096 + 900;

/// What is done about the file `bytes`, whose first bad record is `bad`.
fn judged(bytes: &[u8], bad: u64) -> Option<Cut> {
    let file = unnamed(bytes);
    let header = read_header(&file.as_fd()).unwrap();
    let opener = Opener::of_header(&header, &ContentKey::derive(&master())).unwrap();
    cut(&file.as_fd(), u64::try_from(bytes.len()).unwrap(), bad, &opener).unwrap()
}

/// The plaintext of a file that must be whole.
fn opened(bytes: &[u8]) -> Vec<u8> {
    let header = bytes.first_chunk::<HEADER_LEN>().unwrap();
    let (header, keys) = crate::record::Header::open(header, &ContentKey::derive(&master())).unwrap();
    let sealed = &bytes[HEADER_LEN..];
    let mut plain = vec![0; crate::record::opened_len(sealed.len(), End::Last).unwrap()];
    RecordCipher::new(&keys)
        .open(RecordNo::new(0), sealed, End::Last, header.holes, &mut plain)
        .unwrap();
    plain
}

fn applied(bytes: &[u8], cut: &Cut) -> Vec<u8> {
    [&bytes[..usize::try_from(cut.keep).unwrap()], &cut.end].concat()
}

#[test]
fn a_file_cut_anywhere_keeps_its_good_records() {
    let plain = noise(LEN);
    let whole = sealed(&plain, Holes::Forbidden);
    for len in HEADER_LEN..whole.len() {
        let bytes = &whole[..len];
        let good = (len - HEADER_LEN) / SEALED_LEN;
        let cut = judged(bytes, u64::try_from(good).unwrap());
        match good {
            0 => assert_eq!(cut, None, "{len}: nothing of it would be left"),
            _ => assert_eq!(opened(&applied(bytes, &cut.unwrap())), plain[..good * 4096], "{len}"),
        }
    }
}

#[test]
fn what_was_never_written_is_cut() {
    let plain = noise(LEN);
    let whole = sealed(&plain, Holes::Forbidden);
    let last = HEADER_LEN + 3 * SEALED_LEN;
    // Sectors of the last record that did not come to disk, and all from the middle of record 1 on.
    for (from, to, good) in [
        (last, whole.len(), 3),
        (last.next_multiple_of(512), last.next_multiple_of(512) + 512, 3),
        (HEADER_LEN + SEALED_LEN + 2000, whole.len(), 1),
    ] {
        let mut bytes = whole.clone();
        bytes[from..to].fill(0);
        let cut = judged(&bytes, good).unwrap();
        assert_eq!(
            opened(&applied(&bytes, &cut)),
            plain[..usize::try_from(good).unwrap() * 4096],
            "{from}..{to}"
        );
    }
}

#[test]
fn an_old_last_record_ends_the_file() {
    let plain = noise(LEN);
    let old = sealed(&plain[..4096 + 50], Holes::Forbidden);
    for garbage in [0, 0x55] {
        let torn = [&old[..], &[garbage; 6000]].concat();
        let cut = judged(&torn, 1).unwrap();
        assert_eq!(applied(&torn, &cut), old);
    }
    let only = sealed(&plain[..50], Holes::Forbidden);
    let torn = [&only[..], &[0; 6000]].concat();
    assert_eq!(applied(&torn, &judged(&torn, 0).unwrap()), only);
}

#[test]
fn a_changed_last_record_is_left_alone() {
    let whole = sealed(&noise(LEN), Holes::Forbidden);
    for at in [HEADER_LEN + 3 * SEALED_LEN + 8, HEADER_LEN + 3 * SEALED_LEN + 500, whole.len() - 1] {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        assert_eq!(judged(&bytes, 3), None, "byte {at}");
    }
}

#[test]
fn a_file_with_a_genuine_record_behind_the_bad_one_is_left_alone() {
    let whole = sealed(&noise(LEN), Holes::Forbidden);
    let mut zeroed = whole.clone();
    zeroed[HEADER_LEN + SEALED_LEN..][..SEALED_LEN].fill(0);
    assert_eq!(judged(&zeroed, 1), None);
    // Also where bytes were put in or taken out, and nothing is in its place; the length fits no file then.
    let at = HEADER_LEN + SEALED_LEN + 100;
    let longer = [&whole[..at], b"inserted", &whole[at..]].concat();
    assert_eq!(judged(&longer, 1), None);
    let shorter = [&whole[..at], &whole[at + 3000..]].concat();
    assert_eq!(judged(&shorter, 1), None);
}
