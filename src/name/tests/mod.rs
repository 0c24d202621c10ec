//! Tests of names and what is stored beside them.

use super::*;
use crate::secret::Secret;

fn cipher() -> NameCipher {
    NameCipher::new(&MasterKey::new(Secret::fill_with(|key| key.fill(7))))
}

#[test]
fn names_there_and_back() {
    let cipher = cipher();
    for len in 1..=NAME_MAX {
        let name = PlainName::new(&vec![b'x'; len]).unwrap();
        let sealed = cipher.seal(cipher.root(), &name);
        assert_eq!(cipher.open(cipher.root(), sealed.encoded()), Ok(name));
        match &sealed {
            CipherName::Short(entry) => assert_eq!(NameCipher::classify(entry), EntryKind::Short),
            CipherName::Long { entry, name_file, encoded } => {
                assert_eq!(
                    NameCipher::classify(entry),
                    EntryKind::Long {
                        name_file: name_file.clone()
                    }
                );
                assert!(cipher.long_entry_fits(entry, encoded));
            }
        }
    }
}

#[test]
fn targets_and_attributes_there_and_back() {
    let cipher = cipher();
    let rng = &mut rand::rng();
    for len in 0..100 {
        let text = vec![b'x'; len];
        let target = cipher.seal_target(&text, rng);
        assert_eq!(cipher.open_target(&target).unwrap(), text);
        assert_eq!(
            NameCipher::target_len(u64::try_from(target.len()).unwrap()),
            u64::try_from(len).unwrap()
        );
        let value = cipher.seal_attribute(b"user.a", &text, rng);
        assert_eq!(cipher.open_attribute(b"user.a", &value).unwrap(), text);
    }
    let stored = cipher.seal_attribute_name(b"user.a");
    assert_eq!(cipher.open_attribute_name(stored.to_bytes()).unwrap(), b"user.a");
}

#[test]
fn directory_id_there_and_back() {
    let cipher = cipher();
    let id = cipher.child(cipher.root(), b"encoded");
    assert_eq!(cipher.open_dirid(&cipher.seal_dirid(id)), Ok(id));
}
