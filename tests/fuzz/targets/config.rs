//! `plainview.toml`.

use super::{Input, bit, flip, master};
use data_encoding::BASE64URL_NOPAD;
use plainview::keys::{Change, Config, ConfigError, ConfigKey, LABEL_MAX, MasterKey, NewSlot, Opener, SlotKey, Unlocker, keyfile};
use std::fs::File;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::LazyLock;
use tempfile::TempDir;

/// What the sealed part ends before.
const SEAL: &str = "[seal]\n";

static MASTER: LazyLock<MasterKey> = LazyLock::new(master);
static KEY: LazyLock<ConfigKey> = LazyLock::new(|| ConfigKey::derive(&MASTER));

thread_local! {
    /// The vault whose file is changed. Removed with the thread.
    static VAULT: (TempDir, File) = {
        let dir = tempfile::tempdir().unwrap();
        let root = File::open(dir.path()).unwrap();
        (dir, root)
    };
}

/// Bit 0: the input is the sealed part, and gets a seal that fits. Bit 1: then one byte of the file is changed.
pub(super) fn run(data: &[u8]) {
    let mut input = Input(data);
    let flags = input.byte();
    if !bit(flags, 0) {
        // Without the key, nothing but the reader's answer can be looked at.
        return drop(parse(input.0));
    }
    let (at, with) = if bit(flags, 1) { (input.number(2), input.byte()) } else { (0, 0) };
    let tag = blake3::keyed_hash(KEY.expose(), input.0);
    let mut file = [
        input.0,
        SEAL.as_bytes(),
        b"tag = \"",
        BASE64URL_NOPAD.encode(tag.as_bytes()).as_bytes(),
        b"\"\n",
    ]
    .concat();
    let is_changed = flip(&mut file, at, with);
    if let Some(config) = parse(&file) {
        VAULT.with(|(dir, root)| written_again(dir.path(), root, &file, &config, is_changed));
    }
}

/// What a reader takes for a configuration keeps the bounds of one.
fn parse(file: &[u8]) -> Option<Config> {
    let config = Config::parse(file).ok()?;
    assert!((1..=64).contains(&config.slots().len()));
    for slot in config.slots() {
        assert!(slot.id() > 0 && slot.label().len() <= LABEL_MAX);
        assert_eq!(config.slots().iter().filter(|other| other.id() == slot.id()).count(), 1);
        if let Opener::Password { cost, .. } = slot.opener() {
            assert!(cost.memory_kib() <= 4 << 20 && cost.passes() <= 1000 && cost.lanes() <= 64);
        }
    }
    // None of its slots was made for this key.
    assert!(matches!(
        config.unlock(Unlocker::Keyfile(&slot_key(0))),
        Err(ConfigError::Wrong(_) | ConfigError::NoSuchKind(_))
    ));
    Some(config)
}

fn slot_key(fill: u8) -> SlotKey {
    keyfile::read(&mut [fill; 64].as_slice(), 1).unwrap()
}

/// A slot is added and removed: what was there before is written as it was read. A file that was changed is refused.
fn written_again(dir: &Path, root: &File, file: &[u8], config: &Config, is_changed: bool) {
    std::fs::write(dir.join("plainview.toml"), file).unwrap();
    let new = NewSlot {
        label: "fuzz \"[seal]\\\n[seal]\n\u{7f}\t".to_owned(),
        opener: Opener::Keyfile,
        key: slot_key(1),
    };
    let id = match Config::change(root.as_fd(), &MASTER, &Change::Add(&new)) {
        Ok(id) => id,
        Err(ConfigError::Damaged(_)) if is_changed => return,
        Err(ConfigError::Full) => return,
        Err(error) => panic!("{error}"),
    };
    assert!(!is_changed, "a change is not seen");
    let more = Config::read(root.as_fd()).unwrap();
    assert_eq!((more.vault(), more.names()), (config.vault(), config.names()));
    let (last, before) = more.slots().split_last().unwrap();
    assert_eq!(before, config.slots());
    assert_eq!((last.id(), last.label()), (id, new.label.as_str()));
    assert!(more.unlock(Unlocker::Keyfile(&new.key)).unwrap().expose() == MASTER.expose());
    match Config::change(root.as_fd(), &MASTER, &Change::Remove(id)) {
        Ok(_) => assert_eq!(Config::read(root.as_fd()).unwrap().slots(), config.slots()),
        // All others are of kinds that only a newer version knows.
        Err(ConfigError::LastSlot) => {}
        Err(error) => panic!("{error}"),
    }
}
