//! Tests of `plainview.toml`: what is written, what is read, what opens it.

mod change;
mod damage;
mod keyfile;
mod recovery;
mod tamper;

use super::slot::WRAPPED_LEN;
use super::text::{self, Head};
use super::*;
use crate::secret::SecretBytes;
use std::fs::{self, File};
use std::os::fd::AsFd;
use std::os::unix::fs::{PermissionsExt, symlink};
use tempfile::TempDir;

/// A file as the first version wrote it, password `pw`. It must open for ever.
pub(crate) const EXAMPLE: &str = r#"format = 1
vault = "723af166989b043975acd892aa4769d3"
names = "encrypted"

[[slot]]
id = 1
kind = "password"
label = ""
memory_kib = 8192
passes = 1
lanes = 4
salt = "XjEaW4rrdpbjo4dTlXctLA"
wrapped = "aaygVKFpOFz26-R76z_57q08NCib4X8RqSMbTbIF_Vi7ieb4qvQ5snyq2Mo02WeP"

[seal]
tag = "1d1YGyTSd4yCmWLMBw0ir32dYxmAy1iU6DdWZEOUNQc"
"#;

/// Its content key, as an implementation in another language derives it.
const EXAMPLE_CONTENT_KEY: &str = "15b31c3b27ef299afb96aea299b81aa43b81b4a6b38a2acda79babdac4535d2a";

fn password(text: &str) -> Password {
    Password::new(SecretBytes::copy_of(text.as_bytes())).unwrap()
}

/// A slot that `password` opens, at the floor's cost.
fn slot(id: u32, password: &Password, vault: &[u8; VAULT_ID_LEN], master: &MasterKey) -> Slot {
    let (cost, salt) = (KdfCost::FLOOR, [7; PASSWORD_SALT_LEN]);
    let key = SlotKey::from_password(password, &salt, cost).unwrap();
    Slot {
        id,
        label: String::new(),
        opener: Opener::Password { cost, salt },
        wrapped: Slot::wrap(&key, vault, master),
    }
}

/// What is said of a file that is not accepted.
fn refusal(file: impl AsRef<[u8]>) -> ConfigError {
    Config::parse(file.as_ref()).map(drop).unwrap_err()
}

fn parsed(head: Head, master: &MasterKey) -> Config {
    Config::parse(&Config::sealed(head, master).to_bytes()).unwrap()
}

fn is_damaged(error: &ConfigError) -> bool {
    matches!(error, ConfigError::Damaged(_))
}

#[test]
fn the_example_opens_and_is_written_the_same() {
    let config = Config::parse(EXAMPLE.as_bytes()).unwrap();
    assert_eq!(config.names(), Names::Encrypted);
    let master = config.unlock(&password("pw")).unwrap();
    assert_eq!(
        data_encoding::HEXLOWER.encode(ContentKey::derive(&master).expose()),
        EXAMPLE_CONTENT_KEY
    );

    let head = Head {
        vault: *config.vault(),
        names: config.names(),
        slots: config.slots().to_vec(),
    };
    assert_eq!(String::from_utf8(Config::sealed(head, &master).to_bytes()).unwrap(), EXAMPLE);
}

#[test]
fn created_then_read_then_unlocked() {
    for names in [Names::Encrypted, Names::Plain] {
        let dir = TempDir::new().unwrap();
        let root = File::open(dir.path()).unwrap();
        let made = Config::create(root.as_fd(), names, &password("pw"), KdfCost::FLOOR).unwrap();

        let config = Config::read(root.as_fd()).unwrap();
        assert_eq!(config.names(), names);
        assert_eq!(config.slots().len(), 1);
        assert_eq!(config.unlock(&password("pw")).unwrap().expose(), made.expose());
        assert!(matches!(
            config.unlock(&password("pw ")).map(drop),
            Err(ConfigError::Wrong("password"))
        ));
        let metadata = fs::metadata(dir.path().join("plainview.toml")).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o7777, 0o600);
    }
}

#[test]
fn no_two_vaults_share_anything() {
    let make = || {
        let dir = TempDir::new().unwrap();
        let root = File::open(dir.path()).unwrap();
        let master = Config::create(root.as_fd(), Names::Encrypted, &password("pw"), KdfCost::FLOOR).unwrap();
        (Config::read(root.as_fd()).unwrap(), master)
    };
    let ((one, one_master), (other, other_master)) = (make(), make());
    assert_ne!(one.vault(), other.vault());
    assert_ne!(one.slots()[0].opener(), other.slots()[0].opener());
    assert_ne!(one_master.expose(), other_master.expose());
}

#[test]
fn an_existing_file_is_not_replaced_and_nothing_is_left() {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("plainview.toml"), "mine").unwrap();
    let root = File::open(dir.path()).unwrap();
    let error = Config::create(root.as_fd(), Names::Encrypted, &password("pw"), KdfCost::FLOOR)
        .map(drop)
        .unwrap_err();
    assert!(matches!(error, ConfigError::Exists), "{error}");
    assert_eq!(fs::read(dir.path().join("plainview.toml")).unwrap(), b"mine");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn a_directory_that_cannot_be_written_says_so() {
    let dir = TempDir::new().unwrap();
    let root = File::open(dir.path()).unwrap();
    fs::remove_dir(dir.path()).unwrap();
    let error = Config::create(root.as_fd(), Names::Encrypted, &password("pw"), KdfCost::FLOOR)
        .map(drop)
        .unwrap_err();
    assert!(matches!(error, ConfigError::Os(rustix::io::Errno::NOENT)), "{error}");
}

#[test]
fn what_is_no_file_is_not_read() {
    let dir = TempDir::new().unwrap();
    let root = File::open(dir.path()).unwrap();
    let read = || Config::read(root.as_fd()).map(drop).unwrap_err();
    let path = dir.path().join("plainview.toml");
    assert!(matches!(read(), ConfigError::NotAVault));

    symlink("elsewhere", &path).unwrap();
    assert!(is_damaged(&read()));
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert!(is_damaged(&read()));
    fs::remove_dir(&path).unwrap();
    rustix::fs::mknodat(&root, "plainview.toml", rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0).unwrap();
    assert!(is_damaged(&read()));
}

#[test]
fn a_file_that_is_too_large_is_refused_before_it_is_parsed() {
    let dir = TempDir::new().unwrap();
    let root = File::open(dir.path()).unwrap();
    let path = dir.path().join("plainview.toml");
    let read = |len: usize, head: &str| {
        fs::write(&path, format!("{head}#{}", "-".repeat(len - head.len() - 1))).unwrap();
        Config::read(root.as_fd()).map(drop).unwrap_err().to_string()
    };
    assert_eq!(read((64 << 10) + 1, "format = 1\n"), "it is larger than 64 KiB");
    assert_eq!(read(1 << 20, "format = 1\n"), "it is larger than 64 KiB");
    assert_eq!(read(64 << 10, "format = 1\n"), "it has no line [seal]");
    assert_eq!(read(1 << 20, "format = 2\n"), "format 2");
}

#[test]
fn every_password_slot_is_tried() {
    let (vault, master) = ([3; VAULT_ID_LEN], MasterKey::random());
    let (one, two) = (password("one"), password("two"));
    let keyfile = Slot {
        id: 7,
        label: "the \"stick\"\n[seal]\n".to_owned(),
        opener: Opener::Keyfile,
        wrapped: [1; WRAPPED_LEN],
    };
    let recovery = Slot {
        id: 8,
        label: "Zettel äö\u{7f}\\".to_owned(),
        opener: Opener::Recovery,
        wrapped: [2; WRAPPED_LEN],
    };
    let slots = vec![
        keyfile.clone(),
        slot(1, &one, &vault, &master),
        recovery.clone(),
        slot(9, &two, &vault, &master),
    ];
    let config = parsed(
        Head {
            vault,
            names: Names::Plain,
            slots: slots.clone(),
        },
        &master,
    );
    assert_eq!(config.slots(), slots);
    for password in [&one, &two] {
        assert_eq!(config.unlock(password).unwrap().expose(), master.expose());
    }
    assert!(matches!(
        config.unlock(&password("three")).map(drop),
        Err(ConfigError::Wrong("password"))
    ));

    let config = parsed(
        Head {
            vault,
            names: Names::Plain,
            slots: vec![keyfile, recovery],
        },
        &master,
    );
    assert!(matches!(config.unlock(&one).map(drop), Err(ConfigError::NoSuchKind("password"))));
}

#[test]
fn a_slot_from_another_vault_opens_nothing() {
    let (master, password) = (MasterKey::random(), password("pw"));
    let slots = vec![slot(1, &password, &[3; VAULT_ID_LEN], &master)];
    let config = parsed(
        Head {
            vault: [4; VAULT_ID_LEN],
            names: Names::Plain,
            slots,
        },
        &master,
    );
    assert!(matches!(config.unlock(&password).map(drop), Err(ConfigError::Wrong("password"))));
}

#[test]
fn the_head_says_what_was_written() {
    let opener = Opener::Password {
        cost: KdfCost::DEFAULT,
        salt: [9; PASSWORD_SALT_LEN],
    };
    let slots = vec![Slot {
        id: u32::MAX,
        label: "a \"b\" \\ \t\n".to_owned(),
        opener,
        wrapped: [5; WRAPPED_LEN],
    }];
    let head = Head {
        vault: [0xab; VAULT_ID_LEN],
        names: Names::Plain,
        slots,
    };
    let written = text::write_head(&head);
    assert_eq!(text::read_head(written.as_bytes()).unwrap(), head);
    assert!(written.contains("memory_kib = 262144\npasses = 3\nlanes = 4\n"), "{written}");
}
