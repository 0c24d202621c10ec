use super::*;

fn hash(message: &[u8]) -> [u8; 16] {
    let hash = blake3::keyed_hash(DirectoriesKey::derive(&master()).expose(), message);
    *hash.as_bytes().first_chunk().unwrap()
}

#[test]
fn ids_are_as_documented() {
    assert_eq!(cipher().root().as_bytes(), &hash(b"root"));
    let parent = directory();
    let expected = hash(&[parent.as_bytes(), &b"encoded"[..]].concat());
    assert_eq!(cipher().child(parent, b"encoded"), DirId::from_bytes(expected));
}

#[test]
fn ids_differ_by_parent_name_and_vault() {
    let id = cipher().child(directory(), b"encoded");
    assert_ne!(cipher().child(cipher().root(), b"encoded"), id);
    assert_ne!(cipher().child(directory(), b"encodee"), id);
    assert_ne!(NameCipher::new(&MasterKey::random()).child(directory(), b"encoded"), id);
}

#[test]
fn a_kept_id_is_as_documented_and_opens() {
    let id = directory();
    let kept = cipher().seal_dirid(id);
    let tag = hash(&[b"dirid", &id.as_bytes()[..]].concat());
    assert_eq!(kept.to_vec(), [*id.as_bytes(), tag].concat());
    assert_eq!(cipher().open_dirid(&kept), Ok(id));
}

#[test]
fn an_altered_id_does_not_open() {
    let kept = cipher().seal_dirid(directory());
    for bit in 0..8 * DIRID_LEN {
        let mut bytes = kept;
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(cipher().open_dirid(&bytes), Err(Undecodable), "bit {bit}");
    }
    for len in 0..DIRID_LEN {
        assert_eq!(cipher().open_dirid(&kept[..len]), Err(Undecodable));
    }
    assert_eq!(cipher().open_dirid(&[&kept[..], b"\n"].concat()), Err(Undecodable));
    assert_eq!(NameCipher::new(&MasterKey::random()).open_dirid(&kept), Err(Undecodable));
}
