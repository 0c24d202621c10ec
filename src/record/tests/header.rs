use super::*;

fn damaged_header(reason: Reason) -> Option<Damage> {
    Some(Damage {
        place: Place::Header,
        reason,
    })
}

fn sealed_header() -> [u8; HEADER_LEN] {
    let header = Header::fresh(&mut rand::rng());
    header.seal(&FileKeys::derive(&content_key(), &header.salt))
}

#[test]
fn there_and_back() {
    for holes in [Holes::Forbidden, Holes::Allowed] {
        let header = Header {
            holes,
            ..Header::fresh(&mut rand::rng())
        };
        let bytes = header.seal(&FileKeys::derive(&content_key(), &header.salt));
        let (opened, keys) = Header::open(&bytes, &content_key()).unwrap();
        assert_eq!(opened, header);
        assert_eq!(opened.seal(&keys), bytes);
    }
}

#[test]
fn bytes_are_as_documented() {
    let (salt, keys) = ([9; SALT_LEN], file_keys(9));
    for (holes, flags) in [(Holes::Forbidden, [0, 0, 0, 0]), (Holes::Allowed, [1, 0, 0, 0])] {
        let tagged = [&b"PLV1"[..], &flags, &salt].concat();
        let tag = blake3::keyed_hash(keys.header_mac(), &tagged);
        let expected = [&tagged[..], &tag.as_bytes()[..16]].concat();
        assert_eq!(Header { salt, holes }.seal(&keys).to_vec(), expected);
    }
}

#[test]
fn a_new_file_has_a_new_salt_and_no_holes() {
    let (one, two) = (Header::fresh(&mut rand::rng()), Header::fresh(&mut rand::rng()));
    assert_ne!(one.salt, two.salt);
    assert_eq!(one.holes, Holes::Forbidden);
}

#[test]
fn every_flipped_bit_is_seen() {
    let header = sealed_header();
    for bit in 0..8 * HEADER_LEN {
        let mut bytes = header;
        bytes[bit / 8] ^= 1 << (bit % 8);
        let reason = if bit < 32 { Reason::NotAHeader } else { Reason::Tag };
        assert_eq!(Header::open(&bytes, &content_key()).err(), damaged_header(reason), "bit {bit}");
    }
}

#[test]
fn another_vaults_key_does_not_open_it() {
    let other = ContentKey::derive(&MasterKey::random());
    assert_eq!(Header::open(&sealed_header(), &other).err(), damaged_header(Reason::Tag));
}

#[test]
fn unknown_flags_are_refused_though_their_tag_is_right() {
    for flags in [2_u32, 3, 1 << 31] {
        let mut bytes = [0; HEADER_LEN];
        bytes[..4].copy_from_slice(b"PLV1");
        bytes[4..8].copy_from_slice(&flags.to_le_bytes());
        bytes[8..32].fill(9);
        let tag = blake3::keyed_hash(file_keys(9).header_mac(), &bytes[..32]);
        bytes[32..].copy_from_slice(&tag.as_bytes()[..16]);
        assert_eq!(Header::open(&bytes, &content_key()).err(), damaged_header(Reason::NotAHeader));
    }
}

#[test]
fn zeros_are_no_header() {
    assert_eq!(
        Header::open(&[0; HEADER_LEN], &content_key()).err(),
        damaged_header(Reason::NotAHeader)
    );
}
