use super::*;
use data_encoding::BASE64URL_NOPAD;
use std::collections::HashSet;
use std::ffi::{CStr, CString};

/// The encoded form of any padded bytes, whether a name or not, sealed as a name of the directory.
fn encode(padded: &[u8]) -> String {
    let key = NamesKey::derive(&master());
    BASE64URL_NOPAD.encode(&reference_siv(key.expose(), &[directory().as_bytes()], padded))
}

#[test]
fn what_is_a_name() {
    for good in [
        &b"a"[..],
        b"...",
        b".a",
        b"..a",
        b"a b",
        b" ",
        b"\n",
        b"\xff\xfe",
        b"plainview.toml",
        &[b'x'; 255],
    ] {
        assert_eq!(PlainName::new(good).unwrap().as_bytes(), good);
    }
    for bad in [&b""[..], b".", b"..", b"/", b"a/b", b"a\0", b"\0", b"a\0b"] {
        assert_eq!(PlainName::new(bad), Err(NameError::Invalid));
    }
    assert_eq!(PlainName::new(&[b'x'; 256]), Err(NameError::TooLong));
    assert_eq!(PlainName::new(&[b'/'; 256]), Err(NameError::TooLong));
}

#[test]
fn a_name_is_not_printed() {
    assert_eq!(format!("{:?}", name("secret.txt")), "PlainName(10 bytes)");
}

#[test]
fn a_name_converts() {
    assert_eq!(PlainName::try_from(&b"a"[..]), Ok(name("a")));
    assert_eq!(CString::from(&name("a")).as_c_str(), c"a");
    assert_eq!(name("a").as_ref(), b"a");
}

#[test]
fn names_of_every_length_are_as_documented_and_open() {
    let mut rng = seeded();
    let cipher = cipher();
    for len in 1..=NAME_MAX {
        let bytes: Vec<u8> = (0..len).map(|_| rng.random_range(b'0'..=255)).collect();
        let sealed = cipher.seal(directory(), &name(&bytes));
        let mut padded = bytes.clone();
        padded.resize(len.next_multiple_of(16), 0);
        assert_eq!(sealed.encoded(), encode(&padded).as_bytes());
        assert_eq!(cipher.open(directory(), sealed.encoded()), Ok(name(&bytes)));
        assert!(sealed.encoded().len() <= ENCODED_MAX);
        assert!(!sealed.encoded().contains(&b'.'));
    }
    assert_eq!(cipher.seal(directory(), &name([b'x'; 255])).encoded().len(), ENCODED_MAX);
}

#[test]
fn a_name_is_stored_short_where_that_fits() {
    let cipher = cipher();
    for len in 1..=NAME_MAX {
        let sealed = cipher.seal(directory(), &name(vec![b'x'; len]));
        match &sealed {
            CipherName::Short(entry) => {
                assert!(len <= 160);
                assert_eq!(entry.as_bytes(), sealed.encoded());
                assert_eq!(NameCipher::classify(entry), EntryKind::Short);
            }
            CipherName::Long(long) => {
                let LongName { entry, name_file, encoded } = &**long;
                assert!(len > 160 && encoded.len() > NAME_MAX);
                let hash = blake3::keyed_hash(DirectoriesKey::derive(&master()).expose(), encoded);
                let hash = BASE64URL_NOPAD.encode(&hash.as_bytes()[..24]);
                assert_eq!(entry.to_str(), Ok(format!("plainview.long.{hash}").as_str()));
                assert_eq!(name_file.to_str(), Ok(format!("plainview.name.{hash}").as_str()));
                let kind = EntryKind::Long {
                    name_file: name_file.clone(),
                };
                assert_eq!(NameCipher::classify(entry), kind);
                assert!(cipher.long_entry_fits(entry, encoded));
            }
        }
        assert!(sealed.entry().to_bytes().len() <= NAME_MAX);
    }
}

#[test]
fn equal_names_look_equal_only_in_one_directory_of_one_vault() {
    let name = name("notes.txt");
    let sealed = cipher().seal(directory(), &name);
    assert_eq!(cipher().seal(directory(), &name), sealed);
    assert_ne!(cipher().seal(cipher().root(), &name), sealed);
    let other = NameCipher::new(&MasterKey::random());
    assert_ne!(other.seal(directory(), &name), sealed);
    assert_eq!(other.open(directory(), sealed.encoded()), Err(Undecodable));
    assert_eq!(cipher().open(cipher().root(), sealed.encoded()), Err(Undecodable));
}

#[test]
fn different_names_look_different() {
    let cipher = cipher();
    let names = (0..2000).map(|i| cipher.seal(directory(), &name(format!("name {i}"))).encoded().to_vec());
    assert_eq!(names.collect::<HashSet<_>>().len(), 2000);
}

#[test]
fn an_altered_name_does_not_open() {
    let cipher = cipher();
    for len in [1, 16, 17, 161, 255] {
        let sealed = cipher.seal(directory(), &name(vec![b'x'; len]));
        let encoded = sealed.encoded();
        for altered in altered(encoded) {
            assert_eq!(cipher.open(directory(), &altered), Err(Undecodable));
        }
        for cut in 0..encoded.len() {
            assert_eq!(cipher.open(directory(), &encoded[..cut]), Err(Undecodable));
        }
        for more in [&b"A"[..], b"AA", b"=", b"==", b"\n"] {
            assert_eq!(cipher.open(directory(), &[encoded, more].concat()), Err(Undecodable));
        }
    }
}

#[test]
fn genuine_bytes_that_are_no_name_do_not_open() {
    let mut long = [b'x'; 272];
    long[255..].fill(0);
    let padded: [&[u8]; 15] = [
        b"",
        &[0; 16],
        &[0; 32],
        b"x\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
        b"exactly sixteen.\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
        b"no padding",
        b"too little\0",
        b"a\0b\0\0\0\0\0\0\0\0\0\0\0\0\0",
        b"\0a\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
        b"a/b\0\0\0\0\0\0\0\0\0\0\0\0\0",
        b".\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
        b"..\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
        b"/\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
        &[b'x'; 256],
        &long,
    ];
    for padded in padded {
        assert_eq!(
            cipher().open(directory(), encode(padded).as_bytes()),
            Err(Undecodable),
            "{padded:?}"
        );
    }
    let good = b"...\0\0\0\0\0\0\0\0\0\0\0\0\0";
    assert_eq!(cipher().open(directory(), encode(good).as_bytes()), Ok(name("...")));
}

#[test]
fn entries_are_told_apart_by_their_names() {
    const H: &str = "abcdefghijklmnopqrstuvwxyz-_0189";
    let long = format!("plainview.long.{H}");
    let name_file = CString::new(format!("plainview.name.{H}")).unwrap();
    let classify = |entry: &str| NameCipher::classify(&CString::new(entry).unwrap());
    assert_eq!(classify(&long), EntryKind::Long { name_file });
    for reserved in [
        "toml", "lock", "dirid", "journal", "tmp.1", "long", "long.", "name.", "", "anything",
    ] {
        assert_eq!(classify(&format!("plainview.{reserved}")), EntryKind::Reserved);
    }
    let others = [
        format!("plainview.name.{H}"),
        format!("{long}0"),
        long[..long.len() - 1].to_owned(),
        long.replace('_', "+"),
        long.replace('_', "="),
        long.replace('_', "ä"),
        format!("plainview.long.{H}.tmp"),
    ];
    for other in others {
        assert_eq!(classify(&other), EntryKind::Reserved, "{other}");
    }
    assert_eq!(NameCipher::classify(c"plainview.long.\xff\xff"), EntryKind::Reserved);
    for short in ["plainview", "Plainview.toml", "a", ".hidden", "cGxhaW4"] {
        assert_eq!(classify(short), EntryKind::Short);
    }
}

#[test]
fn a_long_entry_fits_its_own_name_alone() {
    let cipher = cipher();
    let sealed = cipher.seal(directory(), &name([b'x'; 255]));
    let other = cipher.seal(directory(), &name([b'y'; 255]));
    assert!(cipher.long_entry_fits(sealed.entry(), sealed.encoded()));
    assert!(!cipher.long_entry_fits(sealed.entry(), other.encoded()));
    assert!(!cipher.long_entry_fits(c"plainview.long.", sealed.encoded()));
    assert!(!cipher.long_entry_fits(c"", sealed.encoded()));
    // A name that has its place as a short one has no long entry, though the hash be right.
    let short = cipher.seal(directory(), &name("short"));
    let hash = blake3::keyed_hash(DirectoriesKey::derive(&master()).expose(), short.encoded());
    let entry = format!("plainview.long.{}", BASE64URL_NOPAD.encode(&hash.as_bytes()[..24]));
    assert!(!cipher.long_entry_fits(&CString::new(entry).unwrap(), short.encoded()));
}

#[test]
fn no_bytes_at_all_are_too_much_for_it() {
    let mut rng = seeded();
    let cipher = cipher();
    for _ in 0..5000 {
        let len = rng.random_range(0..1000) >> rng.random_range(0..8);
        let bytes = random_bytes(&mut rng, len);
        let text = BASE64URL_NOPAD.encode(&bytes).into_bytes();
        for bytes in [bytes, text] {
            assert_eq!(cipher.open(directory(), &bytes), Err(Undecodable));
            assert_eq!(cipher.open_target(&bytes), Err(Undecodable));
            assert_eq!(cipher.open_attribute(b"user.a", &bytes), Err(Undecodable));
            assert_eq!(cipher.open_attribute_name(&[b"user.plainview.", &bytes[..]].concat()), None);
            assert_eq!(cipher.open_dirid(&bytes), Err(Undecodable));
            let until_nul: Vec<u8> = bytes.into_iter().take_while(|byte| *byte != 0).chain([0]).collect();
            let entry = CStr::from_bytes_with_nul(&until_nul).unwrap();
            assert_eq!(NameCipher::classify(entry), EntryKind::Short);
        }
    }
}

/// Names that are the base64url of something, that nearly are, and that are not.
#[test]
fn a_packed_name_is_what_it_was() {
    let short = |entry: &[u8]| CipherName::Short(CString::new(entry).unwrap());
    let mut names: Vec<CipherName> = [
        &b""[..],
        b"A",
        b"AA",
        b"AB",
        b"AAA",
        b"AAAA",
        b"AAAB",
        b"AA==",
        b"A+AA",
        b"A-_A",
        b"a name",
        b"x.enc",
        b"\xff\xfe",
        &[b'A'; 255],
    ]
    .into_iter()
    .map(short)
    .collect();
    let mut rng = seeded();
    names.extend((1..=NAME_MAX).map(|len| {
        cipher().seal(
            directory(),
            &name(random_bytes(&mut rng, len).iter().map(|byte| byte | 0x80).collect::<Vec<u8>>()),
        )
    }));
    for (at, one) in names.iter().enumerate() {
        let packed = PackedName::new(one.clone());
        assert_eq!(packed.unpack(), *one);
        for (other_at, other) in names.iter().enumerate() {
            assert_eq!(packed.is(other), at == other_at, "{one:?} {other:?}");
        }
    }
    // What is sealed takes three bytes instead of four, what is long itself only.
    assert!(matches!(PackedName::new(cipher().seal(directory(), &name("a"))), PackedName::Decoded(decoded) if decoded.len() == 32));
    assert!(matches!(
        PackedName::new(cipher().seal(directory(), &name([b'x'; 255]))),
        PackedName::Whole(_)
    ));
}
