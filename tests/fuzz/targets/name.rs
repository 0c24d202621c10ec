//! Names, directory ids, symlink targets and extended attributes as they are on disk.

use super::{Input, bit, flip, master};
use aes_siv::KeyInit;
use aes_siv::siv::Aes256Siv;
use data_encoding::BASE64URL_NOPAD;
use plainview::keys::{NamesKey, SymlinksKey, XattrsKey};
use plainview::name::{ATTRIBUTE_PREFIX, CipherName, DIRID_LEN, DirId, ENCODED_MAX, EntryKind, NAME_MAX, NameCipher, PlainName};
use std::ffi::CString;
use std::sync::LazyLock;

static CIPHER: LazyLock<NameCipher> = LazyLock::new(|| NameCipher::new(&master()));

/// The directory that names are of.
const DIR: DirId = DirId::from_bytes([5; 16]);

/// The lowest two bits: the input as it would be on disk; sealed first, as a newer or a wrong program may have; as a plaintext, sealed by the program; or that, and one byte changed.
pub(super) fn run(data: &[u8]) {
    let mut input = Input(data);
    match input.byte() & 3 {
        0 => stored(input.0),
        1 => sealed(&mut input),
        2 => plain(input.0),
        _ => changed(&mut input),
    }
}

fn stored(bytes: &[u8]) {
    opens_as_sealed(bytes);
    if let Ok(target) = CIPHER.open_target(bytes) {
        let len = u64::try_from(bytes.len()).unwrap();
        assert_eq!(NameCipher::target_len(len), u64::try_from(target.len()).unwrap());
    }
    attribute_name(bytes);
    if let Ok(value) = CIPHER.open_attribute(b"user.a", bytes) {
        assert_eq!(value.len() + 32, bytes.len());
    }
    if let Ok(id) = CIPHER.open_dirid(bytes) {
        assert_eq!(CIPHER.seal_dirid(id), bytes);
    }
    let Ok(entry) = CString::new(bytes) else { return };
    match NameCipher::classify(&entry) {
        EntryKind::Short => assert!(!bytes.starts_with(b"plainview.")),
        EntryKind::Long { name_file } => assert_eq!(name_file.as_bytes().len(), bytes.len()),
        EntryKind::Reserved => assert!(bytes.starts_with(b"plainview.")),
    }
    assert!(!CIPHER.long_entry_fits(&entry, bytes));
    if let Ok(name) = PlainName::new(bytes) {
        assert_eq!(name.as_bytes(), bytes);
    }
}

/// What opens is what sealing makes of it.
fn opens_as_sealed(encoded: &[u8]) {
    if let Ok(name) = CIPHER.open(DIR, encoded) {
        assert_eq!(CIPHER.seal(DIR, &name).encoded(), encoded);
        assert!(encoded.len() <= ENCODED_MAX);
    }
}

fn attribute_name(stored: &[u8]) {
    if let Some(name) = CIPHER.open_attribute_name(stored) {
        assert_eq!(CIPHER.seal_attribute_name(&name).as_bytes(), stored);
    }
}

fn sealed(input: &mut Input<'_>) {
    let what = input.byte();
    let text = input.0;
    let siv = |key: &[u8; 64], associated: &[&[u8]]| {
        let mut text = text.to_vec();
        let tag = Aes256Siv::new(key.into()).encrypt_inout_detached(associated, text.as_mut_slice().into());
        [tag.unwrap().as_slice(), &text].concat()
    };
    let nonce = [8; 16];
    match what & 3 {
        0 => opens_as_sealed(
            BASE64URL_NOPAD
                .encode(&siv(NamesKey::derive(&master()).expose(), &[DIR.as_bytes()]))
                .as_bytes(),
        ),
        1 => {
            let sealed = [nonce.as_slice(), &siv(SymlinksKey::derive(&master()).expose(), &[&nonce])].concat();
            assert_eq!(CIPHER.open_target(BASE64URL_NOPAD.encode(&sealed).as_bytes()).unwrap(), text);
        }
        2 => {
            let encoded = BASE64URL_NOPAD.encode(&siv(XattrsKey::derive(&master()).expose(), &[b"name"]));
            attribute_name([ATTRIBUTE_PREFIX, &encoded].concat().as_bytes());
        }
        _ => {
            let sealed = [nonce.as_slice(), &siv(XattrsKey::derive(&master()).expose(), &[b"user.a", &nonce])].concat();
            assert_eq!(CIPHER.open_attribute(b"user.a", &sealed).unwrap(), text);
        }
    }
}

fn plain(text: &[u8]) {
    let mut rng = rand::rng();
    let target = CIPHER.seal_target(text, &mut rng);
    assert_eq!(CIPHER.open_target(&target).unwrap(), text);
    let value = CIPHER.seal_attribute(text, text, &mut rng);
    assert_eq!(CIPHER.open_attribute(text, &value).unwrap(), text);
    let stored = CIPHER.seal_attribute_name(text);
    let can_be_listed = !text.is_empty() && !text.contains(&0);
    assert_eq!(CIPHER.open_attribute_name(stored.as_bytes()), can_be_listed.then(|| text.to_vec()));
    let Ok(name) = PlainName::new(text) else { return };
    let sealed = CIPHER.seal(DIR, &name);
    assert!(CIPHER.open(DIR, sealed.encoded()).unwrap() == name);
    assert!(sealed.entry().to_bytes().len() <= NAME_MAX);
    assert!(
        CIPHER.open(CIPHER.child(DIR, sealed.encoded()), sealed.encoded()).is_err(),
        "another directory's"
    );
    match (&sealed, NameCipher::classify(sealed.entry())) {
        (CipherName::Short(_), EntryKind::Short) => {}
        (CipherName::Long(long), EntryKind::Long { name_file }) => {
            assert_eq!(long.name_file, name_file);
            assert!(CIPHER.long_entry_fits(&long.entry, &long.encoded));
        }
        (sealed, kind) => panic!("{sealed:?} is taken for {kind:?}"),
    }
}

fn changed(input: &mut Input<'_>) {
    let (flags, at, with) = (input.byte(), input.number(2), input.byte());
    if bit(flags, 0) {
        let id = DirId::from_bytes(input.take());
        let mut bytes: [u8; DIRID_LEN] = CIPHER.seal_dirid(id);
        let is_changed = flip(&mut bytes, at, with);
        assert_eq!(CIPHER.open_dirid(&bytes).ok(), (!is_changed).then_some(id));
        return;
    }
    let Ok(name) = PlainName::new(input.0) else { return };
    let mut encoded = CIPHER.seal(DIR, &name).encoded().to_vec();
    let is_changed = flip(&mut encoded, at, with);
    assert_eq!(CIPHER.open(DIR, &encoded).ok(), (!is_changed).then_some(name));
}
