//! Known vectors, made by `scripts/vectors.py` from `docs/format.md` alone: the two programs must agree on every byte.

#![allow(clippy::unwrap_used, reason = "a test ends where something is wrong")]

use data_encoding::HEXLOWER;
use plainview::keys::{
    Config, ConfigKey, ContentKey, DirectoriesKey, FileKeys, JournalKey, MasterKey, NamesKey, SymlinksKey, Unlocker, XattrsKey,
};
use plainview::keys::{RecoveryKey, keyfile};
use plainview::name::{CipherName, DirId, NameCipher, PlainName};
use plainview::password::Password;
use plainview::record::{End, HEADER_LEN, Header, Holes, RecordCipher, RecordNo, Size, opened_len, sealed_len, size_on_disk};
use plainview::secret::{Secret, SecretBytes};
use rand::{TryCryptoRng, TryRng};
use serde_json::Value;
use std::convert::Infallible;
use std::fs::File;
use std::os::fd::AsFd;

/// Gives the bytes of a vector where random ones would be used.
struct Replay(Vec<u8>);

impl TryRng for Replay {
    type Error = Infallible;
    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }
    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }
    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        let rest = self.0.split_off(out.len());
        out.copy_from_slice(&self.0);
        self.0 = rest;
        Ok(())
    }
}

impl TryCryptoRng for Replay {}

fn vectors() -> Value {
    serde_json::from_str(include_str!("vectors.json")).unwrap()
}

/// The entries of a list, of which there must be some.
fn list<'a>(vectors: &'a Value, name: &str) -> &'a [Value] {
    let list = vectors[name].as_array().unwrap();
    assert!(!list.is_empty());
    list
}

fn hex(value: &Value) -> Vec<u8> {
    HEXLOWER.decode(value.as_str().unwrap().as_bytes()).unwrap()
}

fn number(value: &Value) -> usize {
    usize::try_from(value.as_u64().unwrap()).unwrap()
}

fn array<const N: usize>(value: &Value) -> [u8; N] {
    hex(value).try_into().unwrap()
}

fn master() -> MasterKey {
    MasterKey::new(Secret::fill_with(|key| *key = array(&vectors()["keys"]["master"])))
}

/// A `plainview.toml` of each kind of names, with a slot of each kind: every slot opens it.
#[test]
fn configurations() {
    let vectors = vectors();
    for vector in list(&vectors, "toml") {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("plainview.toml"), hex(&vector["text"])).unwrap();
        let config = Config::read(File::open(dir.path()).unwrap().as_fd()).unwrap();
        assert_eq!(config.vault()[..], hex(&vector["vault"]));
        for slot in list(vector, "slots") {
            let secret = hex(&slot["secret"]);
            let opened = |with: Unlocker<'_>| {
                config
                    .unlock_slot(with)
                    .map(|(master, slot)| (*master.expose(), slot.id()))
                    .unwrap()
            };
            let key_is = |key: &[u8]| assert_eq!(key, hex(&slot["slot_key"]));
            let (master, id) = match slot["kind"].as_str().unwrap() {
                "password" => opened(Unlocker::Password(&Password::new(SecretBytes::copy_of(&secret)).unwrap())),
                "keyfile" => {
                    let key = keyfile::read(&mut &secret[..], 1).unwrap();
                    key_is(key.expose());
                    opened(Unlocker::Keyfile(&key))
                }
                "recovery" => {
                    let key = RecoveryKey::parse(slot["written"].as_str().unwrap().as_bytes()).unwrap();
                    assert_eq!(key.text().as_str(), slot["written"]);
                    key_is(key.slot_key().expose());
                    opened(Unlocker::Recovery(&key.slot_key()))
                }
                other => unreachable!("{other}"),
            };
            assert_eq!(
                (&master[..], Some(u64::from(id))),
                (&hex(&vector["master"])[..], slot["id"].as_u64())
            );
        }
    }
}

fn plaintext(len: usize) -> Vec<u8> {
    (0..len).map(|j| u8::try_from((j * 7 + 13) % 256).unwrap()).collect()
}

fn dir_id(value: &Value) -> DirId {
    DirId::from_bytes(array(value))
}

#[test]
fn keys() {
    let (vectors, master) = (vectors(), master());
    let expected = &vectors["keys"];
    assert_eq!(ContentKey::derive(&master).expose(), &hex(&expected["content"])[..]);
    assert_eq!(NamesKey::derive(&master).expose(), &hex(&expected["names"])[..]);
    assert_eq!(DirectoriesKey::derive(&master).expose(), &hex(&expected["directories"])[..]);
    assert_eq!(SymlinksKey::derive(&master).expose(), &hex(&expected["symlinks"])[..]);
    assert_eq!(XattrsKey::derive(&master).expose(), &hex(&expected["xattrs"])[..]);
    assert_eq!(JournalKey::derive(&master).expose(), &hex(&expected["journal"])[..]);
    assert_eq!(ConfigKey::derive(&master).expose(), &hex(&expected["config"])[..]);
    let file = &vectors["file_keys"];
    let keys = FileKeys::derive(&ContentKey::derive(&master), &array(&file["salt"]));
    assert_eq!(keys.encryption(), &hex(&file["encryption"])[..]);
    assert_eq!(keys.record_mac(), &hex(&file["record_mac"])[..]);
    assert_eq!(keys.header_mac(), &hex(&file["header_mac"])[..]);
}

#[test]
fn headers() {
    let (vectors, content) = (vectors(), ContentKey::derive(&master()));
    for vector in list(&vectors, "header") {
        let holes = if vector["flags"] == 1 { Holes::Allowed } else { Holes::Forbidden };
        let header = Header {
            salt: array(&vector["salt"]),
            holes,
        };
        let bytes: [u8; HEADER_LEN] = array(&vector["header"]);
        assert_eq!(header.seal(&FileKeys::derive(&content, &header.salt)), bytes);
        assert_eq!(Header::open(&bytes, &content).unwrap().0, header);
    }
}

#[test]
fn records() {
    let (vectors, content) = (vectors(), ContentKey::derive(&master()));
    for vector in list(&vectors, "records") {
        let cipher = RecordCipher::new(&FileKeys::derive(&content, &array(&vector["salt"])));
        let end = if vector["kind"] == "last" { End::Last } else { End::Inner };
        let plain = plaintext(number(&vector["n"]));
        let first = RecordNo::new(vector["number"].as_u64().unwrap());
        let mut sealed = vec![0; sealed_len(plain.len(), end)];
        cipher.seal(first, &plain, end, &mut Replay(hex(&vector["iv"])), &mut sealed);
        same(&sealed, vector);
        let mut opened = vec![1; opened_len(sealed.len(), end).unwrap()];
        cipher.open(first, &sealed, end, Holes::Forbidden, &mut opened).unwrap();
        assert_eq!(opened, plain);
    }
}

#[test]
fn whole_files() {
    let (vectors, content) = (vectors(), ContentKey::derive(&master()));
    for vector in list(&vectors, "files") {
        let holes: Vec<_> = vector["holes"].as_array().unwrap().iter().map(number).collect();
        let flag = if vector["flags"] == 1 { Holes::Allowed } else { Holes::Forbidden };
        let header = Header {
            salt: array(&vector["salt"]),
            holes: flag,
        };
        let keys = FileKeys::derive(&content, &header.salt);
        let mut plain = plaintext(number(&vector["plaintext_length"]));
        let mut sealed = vec![0; sealed_len(plain.len(), End::Last)];
        // One IV a record, in their order; a hole has none (null).
        let ivs = vector["ivs"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|iv| if iv.is_null() { vec![0; 16] } else { hex(iv) });
        RecordCipher::new(&keys).seal(RecordNo::new(0), &plain, End::Last, &mut Replay(ivs.collect()), &mut sealed);
        for hole in holes {
            sealed[hole * 4152..][..4152].fill(0);
            plain[hole * 4096..][..4096].fill(0);
        }
        let mut opened = vec![1; plain.len()];
        RecordCipher::new(&keys)
            .open(RecordNo::new(0), &sealed, End::Last, flag, &mut opened)
            .unwrap();
        assert_eq!(opened, plain);
        same(&[&header.seal(&keys)[..], &sealed].concat(), vector);
    }
}

/// Compares sealed bytes with a vector that has all of them, or only their ends and their hash.
fn same(sealed: &[u8], vector: &Value) {
    if vector["sealed"].is_string() {
        assert_eq!(HEXLOWER.encode(sealed), vector["sealed"]);
        return;
    }
    assert_eq!(sealed.len(), number(&vector["sealed_length"]));
    assert_eq!(HEXLOWER.encode(&sealed[..64]), vector["sealed_first_64"]);
    assert_eq!(HEXLOWER.encode(&sealed[sealed.len() - 64..]), vector["sealed_last_64"]);
    assert_eq!(blake3::hash(sealed).to_hex().as_str(), vector["sealed_blake3"]);
}

#[test]
fn lengths() {
    for vector in list(&vectors(), "lengths") {
        let size = size_on_disk(vector["on_disk"].as_u64().unwrap());
        match vector["plaintext"].as_u64() {
            Some(plain) => assert_eq!(size, Size::Whole(plain)),
            None => assert!(matches!(size, Size::Cut(_)), "{size:?}"),
        }
    }
}

#[test]
fn names() {
    let (vectors, cipher) = (vectors(), NameCipher::new(&master()));
    assert_eq!(cipher.root(), dir_id(&vectors["root_id"]));
    for vector in list(&vectors, "names") {
        let (dir, name) = (dir_id(&vector["directory"]), PlainName::new(&hex(&vector["name"])).unwrap());
        let stored = cipher.seal(dir, &name);
        assert_eq!(stored.encoded(), hex(&vector["encoded"]));
        assert_eq!(stored.entry().to_bytes(), hex(&vector["entry"]));
        assert_eq!(matches!(stored, CipherName::Long { .. }), vector["H"].is_string());
        assert_eq!(cipher.open(dir, stored.encoded()).unwrap(), name);
    }
    for vector in list(&vectors, "directories") {
        let id = dir_id(&vector["id"]);
        assert_eq!(cipher.child(dir_id(&vector["parent"]), &hex(&vector["encoded"])), id);
        assert_eq!(&cipher.seal_dirid(id)[..], hex(&vector["dirid_file"]));
        assert_eq!(cipher.open_dirid(&hex(&vector["dirid_file"])).unwrap(), id);
    }
}

#[test]
fn symlinks_and_attributes() {
    let (vectors, cipher) = (vectors(), NameCipher::new(&master()));
    for vector in list(&vectors, "symlink") {
        let (target, stored) = (hex(&vector["target"]), hex(&vector["stored"]));
        assert_eq!(cipher.seal_target(&target, &mut Replay(hex(&vector["nonce"]))), stored);
        assert_eq!(cipher.open_target(&stored).unwrap(), target);
        assert_eq!(
            NameCipher::target_len(u64::try_from(stored.len()).unwrap()),
            u64::try_from(target.len()).unwrap()
        );
    }
    for vector in list(&vectors, "xattr") {
        let (name, value) = (hex(&vector["name"]), hex(&vector["value"]));
        let (stored_name, stored) = (hex(&vector["stored_name"]), hex(&vector["stored_value"]));
        assert_eq!(cipher.seal_attribute_name(&name).as_bytes(), stored_name);
        assert_eq!(cipher.open_attribute_name(&stored_name), Some(name.clone()));
        assert_eq!(cipher.seal_attribute(&name, &value, &mut Replay(hex(&vector["nonce"]))), stored);
        assert_eq!(cipher.open_attribute(&name, &stored).unwrap(), value);
    }
}
