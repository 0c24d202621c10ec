use super::*;
use data_encoding::BASE64URL_NOPAD;

#[test]
fn names_are_as_documented_and_open() {
    let key = XattrsKey::derive(&master());
    for name in [
        &b"user.a"[..],
        b"user.",
        b"trusted.overlay.opaque",
        b"security.selinux",
        &[b'x'; 255],
    ] {
        let stored = cipher().seal_attribute_name(name);
        let sealed = reference_siv(key.expose(), &[b"name"], name);
        assert_eq!(
            stored.to_str().unwrap(),
            format!("user.plainview.{}", BASE64URL_NOPAD.encode(&sealed))
        );
        assert_eq!(cipher().open_attribute_name(stored.to_bytes()).as_deref(), Some(name));
    }
}

#[test]
fn other_names_are_not_ours() {
    let stored = cipher().seal_attribute_name(b"user.a");
    for other in [
        &b""[..],
        b"user.a",
        b"user.plainview",
        b"user.plainview.",
        b"user.plainview.AAAA",
        b"system.posix_acl_access",
    ] {
        assert_eq!(cipher().open_attribute_name(other), None);
    }
    for altered in altered(stored.to_bytes()) {
        assert_eq!(cipher().open_attribute_name(&altered), None);
    }
    assert_eq!(NameCipher::new(&MasterKey::random()).open_attribute_name(stored.to_bytes()), None);
    for no_name in [&b""[..], b"user.a\0", b"\0"] {
        let stored = cipher().seal_attribute_name(no_name);
        assert_eq!(cipher().open_attribute_name(stored.to_bytes()), None);
    }
}

#[test]
fn values_are_as_documented_and_open() {
    let mut rng = seeded();
    let key = XattrsKey::derive(&master());
    for len in (0..100).chain([255, 4096, 65000]) {
        let value = random_bytes(&mut rng, len);
        let stored = cipher().seal_attribute(b"user.a", &value, &mut rng);
        let (nonce, sealed) = stored.split_at(16);
        assert_eq!(sealed, reference_siv(key.expose(), &[b"user.a", nonce], &value));
        assert_eq!(cipher().open_attribute(b"user.a", &stored), Ok(value));
    }
}

#[test]
fn equal_values_look_different() {
    let rng = &mut rand::rng();
    assert_ne!(
        cipher().seal_attribute(b"user.a", b"v", rng),
        cipher().seal_attribute(b"user.a", b"v", rng)
    );
}

#[test]
fn an_altered_or_moved_value_does_not_open() {
    let stored = cipher().seal_attribute(b"user.a", b"value", &mut rand::rng());
    for bit in 0..8 * stored.len() {
        let mut altered = stored.clone();
        altered[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(cipher().open_attribute(b"user.a", &altered), Err(Undecodable), "bit {bit}");
    }
    for cut in 0..stored.len() {
        assert_eq!(cipher().open_attribute(b"user.a", &stored[..cut]), Err(Undecodable));
    }
    assert_eq!(cipher().open_attribute(b"user.b", &stored), Err(Undecodable));
    assert_eq!(
        NameCipher::new(&MasterKey::random()).open_attribute(b"user.a", &stored),
        Err(Undecodable)
    );
    // A name's sealed form is no value.
    let name = cipher().seal_attribute_name(b"user.a");
    let sealed = BASE64URL_NOPAD.decode(&name.to_bytes()[b"user.plainview.".len()..]).unwrap();
    assert_eq!(cipher().open_attribute(b"name", &sealed), Err(Undecodable));
}

#[test]
fn the_rest_of_a_long_value_has_the_name_of_its_nonce() {
    let mut rng = seeded();
    for len in [0, 1, 65_503] {
        let stored = cipher().seal_attribute(b"user.a", &vec![7; len], &mut rng);
        assert_eq!(rest_name(&stored), None, "{len}");
    }
    for len in [65_504, 65_505, 65_536] {
        let stored = cipher().seal_attribute(b"user.a", &vec![7; len], &mut rng);
        let name = rest_name(&stored[..VALUE_MAX]).unwrap();
        let nonce = BASE64URL_NOPAD.encode(&stored[..16]);
        assert_eq!(name.to_str().unwrap(), format!("user.plainview.rest.{nonce}"));
        assert!(is_rest_name(name.to_bytes()));
        assert_eq!(cipher().open_attribute_name(name.to_bytes()), None);
        assert_eq!(cipher().open_attribute(b"user.a", &stored), Ok(vec![7; len]));
        if stored.len() > VALUE_MAX {
            assert_eq!(cipher().open_attribute(b"user.a", &stored[..VALUE_MAX]), Err(Undecodable));
        }
    }
    for other in [
        &b""[..],
        b"user.plainview.rest.",
        b"user.plainview.rest.AAAA",
        b"user.plainview.rest.!!!!!!!!!!!!!!!!!!!!!!",
        b"user.rest.AAAAAAAAAAAAAAAAAAAAAA",
        cipher().seal_attribute_name(b"user.a").to_bytes(),
    ] {
        assert!(!is_rest_name(other));
    }
}
