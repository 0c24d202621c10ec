//! Changes of slots: what they leave alone, what they refuse, and two at once.

use super::super::*;
use super::{password, slot};
use crate::keys::text::{self, Head, SLOTS_MAX};
use rustix::fs::XattrFlags;
use std::fs::{self, File};
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A vault whose first slot `pw` opens.
struct Place {
    dir: TempDir,
    root: File,
    master: MasterKey,
}

impl Place {
    fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let root = File::open(dir.path()).unwrap();
        let master = Config::create(root.as_fd(), Names::Encrypted, &password("pw"), KdfCost::FLOOR).unwrap();
        Self { dir, root, master }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("plainview.toml")
    }

    fn bytes(&self) -> Vec<u8> {
        fs::read(self.path()).unwrap()
    }

    fn config(&self) -> Config {
        Config::read(self.root.as_fd()).unwrap()
    }

    fn change(&self, change: &Change<'_>) -> Result<u32, ConfigError> {
        Config::change(self.root.as_fd(), &self.master, change)
    }

    fn ids(&self) -> Vec<u32> {
        self.config().slots().iter().map(Slot::id).collect()
    }

    /// That the change is refused and nothing is left of it.
    fn refuses(&self, change: &Change<'_>) -> ConfigError {
        let before = self.bytes();
        let error = self.change(change).unwrap_err();
        assert_eq!(self.bytes(), before);
        assert_eq!(fs::read_dir(self.dir.path()).unwrap().count(), 1);
        error
    }

    /// Puts other slots there, sealed as ours.
    fn write(&self, slots: Vec<Slot>) {
        let vault = *self.config().vault();
        let names = Names::Encrypted;
        let bytes = Config::sealed(Head { vault, names, slots }, &self.master).to_bytes();
        fs::write(self.path(), bytes).unwrap();
    }
}

fn new(text: &str) -> NewSlot {
    NewSlot::password(text.to_owned(), &password(text), KdfCost::FLOOR).unwrap()
}

fn recovery(key: &RecoveryKey) -> NewSlot {
    NewSlot {
        label: "a \"note\"".to_owned(),
        opener: Opener::Recovery,
        key: key.slot_key(),
    }
}

#[test]
fn every_slot_opens_the_vault_until_it_is_removed() {
    let place = Place::new();
    let key = RecoveryKey::random();
    let keyfile = || keyfile::read(&mut &[9_u8; 64][..], 1).unwrap();
    assert_eq!(place.change(&Change::Add(&new("two"))).unwrap(), 2);
    assert_eq!(place.change(&Change::Add(&recovery(&key))).unwrap(), 3);
    let slot = NewSlot {
        label: String::new(),
        opener: Opener::Keyfile,
        key: keyfile(),
    };
    assert_eq!(place.change(&Change::Add(&slot)).unwrap(), 4);
    let opened = |config: &Config, with: Unlocker<'_>| {
        let (master, slot) = config.unlock_slot(with).ok()?;
        assert_eq!(master.expose(), place.master.expose());
        Some(slot.id())
    };
    let (one, two, recovery, keyfile) = (password("pw"), password("two"), key.slot_key(), keyfile());
    let all = [
        Unlocker::Password(&one),
        Unlocker::Password(&two),
        Unlocker::Recovery(&recovery),
        Unlocker::Keyfile(&keyfile),
    ];
    let opened_by_all = || all.map(|with| opened(&place.config(), with));
    assert_eq!(opened_by_all(), [Some(1), Some(2), Some(3), Some(4)]);
    // A key opens only slots of its kind.
    assert_eq!(opened(&place.config(), Unlocker::Keyfile(&recovery)), None);
    assert_eq!(place.config().slots()[2].label(), "a \"note\"");

    place.change(&Change::Remove(1)).unwrap();
    assert_eq!(opened_by_all(), [None, Some(2), Some(3), Some(4)]);
    place.change(&Change::Remove(3)).unwrap();
    assert_eq!(opened_by_all(), [None, Some(2), None, Some(4)]);
    assert!(matches!(
        place.config().unlock(Unlocker::Recovery(&recovery)).map(drop),
        Err(ConfigError::NoSuchKind("recovery key"))
    ));
    place.change(&Change::Remove(2)).unwrap();
    assert!(matches!(place.refuses(&Change::Remove(4)), ConfigError::LastSlot));
    assert!(matches!(place.refuses(&Change::Remove(2)), ConfigError::NoSuchSlot(2)));
    // Numbers are not given again while a higher one is there.
    assert_eq!(place.change(&Change::Add(&new("x"))).unwrap(), 5);
}

#[test]
fn a_replaced_slot_keeps_its_number_and_its_place() {
    let place = Place::new();
    place.change(&Change::Add(&new("two"))).unwrap();
    let config = place.config();
    let old = &config.slots()[0];
    place.change(&Change::Replace(old, &new("other"))).unwrap();
    assert_eq!(place.ids(), [1, 2]);
    assert!(place.config().unlock(&password("other")).is_ok() && place.config().unlock(&password("two")).is_ok());
    assert!(matches!(
        place.config().unlock(&password("pw")).map(drop),
        Err(ConfigError::Wrong("password"))
    ));
    // What was changed since is not changed again unseen.
    assert!(matches!(place.refuses(&Change::Replace(old, &new("third"))), ConfigError::Changed));
    place.change(&Change::Remove(1)).unwrap();
    assert!(matches!(place.refuses(&Change::Replace(old, &new("third"))), ConfigError::Changed));
}

#[test]
fn the_file_keeps_its_mode_and_owner() {
    let place = Place::new();
    for mode in [0o600, 0o640, 0o444] {
        fs::set_permissions(place.path(), fs::Permissions::from_mode(mode)).unwrap();
        place.change(&Change::Add(&new("x"))).unwrap();
        assert_eq!(fs::metadata(place.path()).unwrap().mode() & 0o7777, mode);
    }
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(place.path(), Some(1234), Some(5678)).unwrap();
        place.change(&Change::Remove(2)).unwrap();
        let metadata = fs::metadata(place.path()).unwrap();
        assert_eq!((metadata.uid(), metadata.gid(), metadata.mode() & 0o7777), (1234, 5678, 0o444));
    }
    assert_eq!(fs::read_dir(place.dir.path()).unwrap().count(), 1);
}

#[test]
fn the_file_keeps_its_acl_and_gets_none_from_its_directory() {
    // Version 2, and entries of tag, permissions and id: owner rw, user 1234 r, group none, mask r, others none.
    let entry = |tag: u16, permissions: u16, id: u32| [&tag.to_le_bytes()[..], &permissions.to_le_bytes(), &id.to_le_bytes()].concat();
    let acl = |user: u32| {
        let entries = [
            entry(1, 6, !0),
            entry(2, 4, user),
            entry(4, 0, !0),
            entry(0x10, 4, !0),
            entry(0x20, 0, !0),
        ];
        [vec![2, 0, 0, 0], entries.concat()].concat()
    };
    let place = Place::new();
    let set = |path: &Path, name, value: &[u8]| rustix::fs::setxattr(path, name, value, XattrFlags::empty()).unwrap();
    set(place.dir.path(), c"system.posix_acl_default", &acl(5678));
    let acl_now = || {
        let mut value = [0; 100];
        let len = rustix::fs::getxattr(place.path(), c"system.posix_acl_access", &mut value).ok()?;
        Some(value[..len].to_vec())
    };
    place.change(&Change::Add(&new("x"))).unwrap();
    assert_eq!(acl_now(), None);
    set(&place.path(), c"system.posix_acl_access", &acl(1234));
    place.change(&Change::Remove(2)).unwrap();
    assert_eq!(acl_now(), Some(acl(1234)));
}

#[test]
fn a_file_that_is_not_genuine_is_not_written_anew() {
    let place = Place::new();
    let forged = String::from_utf8(place.bytes()).unwrap().replace("\"encrypted\"", "\"plain\"");
    fs::write(place.path(), forged).unwrap();
    assert!(matches!(place.refuses(&Change::Add(&new("x"))), ConfigError::Damaged(_)));
    fs::remove_file(place.path()).unwrap();
    assert!(matches!(place.change(&Change::Remove(1)), Err(ConfigError::NotAVault)));
}

#[test]
fn there_is_room_for_so_many_slots_in_so_many_bytes() {
    let place = Place::new();
    let vault = *place.config().vault();
    let many = |count: u32, label: &str| {
        let one = slot(1, &password("pw"), &vault, &place.master);
        let slots = (1..=count).map(|id| Slot {
            id,
            label: label.to_owned(),
            ..one.clone()
        });
        slots.collect::<Vec<_>>()
    };
    place.write(many(63, ""));
    assert_eq!(place.change(&Change::Add(&new("last"))).unwrap(), 64);
    assert!(matches!(place.refuses(&Change::Add(&new("x"))), ConfigError::Full));
    place.change(&Change::Remove(7)).unwrap();
    assert_eq!(place.change(&Change::Add(&new("x"))).unwrap(), 65);
    // Escaped, each of these characters takes six bytes.
    place.write(many(37, &"\u{1}".repeat(256)));
    assert!(place.bytes().len() < 64 << 10);
    assert!(matches!(place.refuses(&Change::Add(&new(&"\u{1}".repeat(256)))), ConfigError::Full));
    place.write(many(u32::try_from(SLOTS_MAX).unwrap() + 1, ""));
    assert_eq!(
        Config::parse(&place.bytes()).map(drop).unwrap_err().to_string(),
        "it has more than 64 slots"
    );
}

#[test]
fn numbers_of_slots_do_not_run_out() {
    let place = Place::new();
    let vault = *place.config().vault();
    place.write(vec![
        slot(u32::MAX, &password("pw"), &vault, &place.master),
        slot(1, &password("pw"), &vault, &place.master),
    ]);
    assert_eq!(place.change(&Change::Add(&new("x"))).unwrap(), 2);
}

/// A slot as some newer version might make it.
const FUTURE: &str = r#"[[slot]]
id = 9
kind = "fido2"
label = "the blue one"
credential = "Zm9v\n[seal]"
pin = true
wrapped = "aaygVKFpOFz26-R76z_57q08NCib4X8RqSMbTbIF_Vi7ieb4qvQ5snyq2Mo02WeP"

"#;

#[test]
fn a_slot_of_an_unknown_kind_is_passed_over_and_kept() {
    let place = Place::new();
    let future = FUTURE.replace("pin = true", "lanes = 3\npin = true");
    let written = String::from_utf8(place.bytes()).unwrap();
    let head = text::read_head(
        written
            .replace("[[slot]]", &format!("{future}[[slot]]"))
            .split("[seal]\ntag")
            .next()
            .unwrap()
            .as_bytes(),
    )
    .unwrap();
    let unknown = head.slots[0].clone();
    assert_eq!((unknown.opener().kind(), unknown.label()), ("fido2", "the blue one"));
    assert_eq!(text::read_head(text::write_head(&head).as_bytes()).unwrap(), head);
    place.write(head.slots);

    assert!(place.config().unlock(&password("pw")).is_ok());
    place.change(&Change::Add(&new("two"))).unwrap();
    place.change(&Change::Remove(1)).unwrap();
    assert_eq!(place.ids(), [9, 10]);
    assert_eq!(place.config().slots()[0], unknown);
    // What only others can open does not keep the last one from being the last.
    assert!(matches!(place.refuses(&Change::Remove(10)), ConfigError::LastSlot));
    place.change(&Change::Remove(9)).unwrap();
    assert_eq!(place.ids(), [10]);
}

#[test]
fn a_slot_of_an_unknown_kind_is_a_slot_all_the_same() {
    let read = |slot: &str| {
        text::read_head(format!("format = 1\nvault = \"723af166989b043975acd892aa4769d3\"\nnames = \"plain\"\n\n{slot}").as_bytes())
    };
    let good = FUTURE;
    assert!(read(good).is_ok());
    for (from, to) in [
        ("id = 9", "id = 0"),
        ("\"fido2\"", "\"Fido 2\""),
        ("\"fido2\"", "\"\""),
        ("pin = true", "pin = [true]"),
        ("pin = true", "pin = 1.5"),
        ("pin = true", "pin = {}"),
        ("pin = true", "\"p n\" = true"),
        ("aayg", "aay"),
        ("label = \"the blue one\"\n", ""),
        ("2WeP\"", "2WeP\"\nwrapped = \"\""),
    ] {
        assert!(read(&good.replace(from, to)).is_err(), "{to}");
    }
}

#[test]
fn changes_made_at_once_are_all_made() {
    let place = Place::new();
    let slots: Vec<NewSlot> = (0..20).map(|number| new(&number.to_string())).collect();
    std::thread::scope(|scope| {
        for slot in &slots {
            scope.spawn(|| place.change(&Change::Add(slot)).unwrap());
        }
    });
    let config = place.config();
    let mut labels: Vec<&str> = config.slots().iter().map(Slot::label).collect();
    labels.sort_unstable();
    let mut expected: Vec<String> = (0..20).map(|number| number.to_string()).collect();
    expected.push(String::new());
    expected.sort_unstable();
    assert_eq!(labels, expected);
    assert_eq!(fs::read_dir(place.dir.path()).unwrap().count(), 1);
}

#[test]
fn one_that_is_locked_for_long_is_told() {
    let place = Place::new();
    let held = File::open(place.path()).unwrap();
    rustix::fs::flock(&held, rustix::fs::FlockOperation::LockShared).unwrap();
    assert!(matches!(place.refuses(&Change::Add(&new("x"))), ConfigError::Locked));
    drop(held);
    assert!(place.change(&Change::Add(&new("x"))).is_ok());
}
