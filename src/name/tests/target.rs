use super::*;
use data_encoding::BASE64URL_NOPAD;

#[test]
fn targets_are_as_documented_and_open() {
    let mut rng = seeded();
    let key = SymlinksKey::derive(&master());
    for len in (0..100).chain([255, 1000, 3039]) {
        let target = random_bytes(&mut rng, len);
        let stored = cipher().seal_target(&target, &mut rng);
        let sealed = BASE64URL_NOPAD.decode(&stored).unwrap();
        let (nonce, sealed) = sealed.split_at(16);
        assert_eq!(sealed, reference_siv(key.expose(), &[nonce], &target));
        assert_eq!(cipher().open_target(&stored), Ok(target));
    }
}

#[test]
fn the_length_of_a_target_is_known_from_that_of_its_stored_form() {
    let mut rng = seeded();
    let mut lens: Vec<Option<u64>> = vec![None; 700];
    for len in 0..400 {
        let stored = cipher().seal_target(&vec![b'x'; len], &mut rng).len();
        lens[stored] = Some(u64::try_from(len).unwrap());
    }
    for (stored, len) in (0..560).zip(lens) {
        assert_eq!(NameCipher::target_len(stored), len.unwrap_or(0), "{stored} stored");
    }
    assert_eq!(NameCipher::target_len(4095), 3039);
    assert_eq!(NameCipher::target_len(u64::MAX), u64::MAX / 4 * 3 + 2 - 32);
}

#[test]
fn equal_targets_look_different() {
    let rng = &mut rand::rng();
    assert_ne!(cipher().seal_target(b"/etc", rng), cipher().seal_target(b"/etc", rng));
}

#[test]
fn an_altered_target_does_not_open() {
    let stored = cipher().seal_target(b"../somewhere/else", &mut rand::rng());
    for altered in altered(&stored) {
        assert_eq!(cipher().open_target(&altered), Err(Undecodable));
    }
    for cut in 0..stored.len() {
        assert_eq!(cipher().open_target(&stored[..cut]), Err(Undecodable));
    }
    assert_eq!(NameCipher::new(&MasterKey::random()).open_target(&stored), Err(Undecodable));
}
