//! Tests of what can be typed, and of `init` and `info`.

use super::*;
use crate::keys::{Config, ConfigError, Names};
use crate::password::NoMemory;
use crate::password::{self, Asking, Source};
use clap::CommandFactory;
use clap::Parser;
use std::fs;
use std::os::fd::AsFd;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use tempfile::TempDir;

/// `plainview` with these arguments, of which it accepts the spelling.
fn parse<'a>(args: impl IntoIterator<Item = &'a str>) -> Cli {
    Cli::try_parse_from(["plainview"].into_iter().chain(args)).unwrap()
}

fn refused(args: &str) -> clap::Error {
    Cli::try_parse_from(["plainview"].into_iter().chain(args.split_whitespace()))
        .map(drop)
        .unwrap_err()
}

/// The words of `command`, which are `words`, and of all that are below it.
fn spellings(command: &clap::Command, words: &str, all: &mut Vec<String>) {
    all.push(words.to_owned());
    for below in command.get_subcommands().filter(|below| !below.is_hide_set()) {
        spellings(below, &format!("{words} {}", below.get_name()), all);
    }
}

#[test]
fn the_command_line_is_well_formed_and_every_help_ends_with_examples() {
    Cli::command().debug_assert();
    let mut commands = Vec::new();
    spellings(&Cli::command(), "", &mut commands);
    assert!(commands.len() > 20 && commands.contains(&" key add".to_owned()), "{commands:?}");
    for command in commands {
        let help = refused(&format!("{command} --help")).to_string();
        let (_, examples) = help.split_once("\nExamples:\n").expect(&command);
        assert!(examples.lines().all(|line| line.starts_with("  plainview ")), "{examples}");
    }
}

#[test]
fn mount_takes_options_before_and_after_its_directories() {
    let Command::Mount(args) = parse("mount -o ro,allow_other V M -o exclusive -f --passfile p".split(' ')).command else {
        panic!("it is mount")
    };
    assert_eq!(args.options, ["ro", "allow_other", "exclusive"]);
    assert_eq!((args.vault.as_path(), args.mountpoint.as_path()), (Path::new("V"), Path::new("M")));
    assert!(args.foreground && !args.ro);
    assert_eq!(args.unlock.password.passfile.as_deref(), Some(Path::new("p")));
}

#[test]
fn recipe_takes_options_before_and_after_its_files() {
    let command = parse("recipe encrypt A --force B -o - --key-hex-file K".split(' ')).command;
    let Command::Recipe(RecipeCommand::Encrypt(args)) = command else {
        panic!("it is recipe encrypt")
    };
    assert_eq!(args.files, [Path::new("A"), Path::new("B")]);
    assert_eq!(args.output.as_deref(), Some(Path::new("-")));
    assert_eq!(args.key.key_hex_file.as_deref(), Some(Path::new("K")));
    assert!(args.force);
    let command = parse("recipe decrypt --passfile P -- -o.enc".split(' ')).command;
    let Command::Recipe(RecipeCommand::Decrypt(args)) = command else {
        panic!("it is recipe decrypt")
    };
    assert_eq!(args.files, [Path::new("-o.enc")]);
    assert_eq!(args.password.passfile.as_deref(), Some(Path::new("P")));
    assert!(!args.force && args.output.is_none());
}

#[test]
fn wrong_usage_leaves_with_code_2() {
    let usages = [
        "",
        "munt",
        "init",
        "init A B",
        "init --passfile f --extpass c V",
        "init --kdf-memory 64 V",
        "init --kdf-passes 0 V",
        "mount V",
        "mount --password p V M",
        "umount",
        "umount A B",
        "umount --lazy",
        "status A B",
        "info",
        "info --yaml V",
        "recipe",
        "recipe verify F",
        "recipe encrypt",
        "recipe decrypt -o F",
        "recipe decrypt --key-hex-file K --passfile P F",
        "recipe decrypt --key-hex-file K --extpass C F",
        "recipe decrypt --key 00 F",
        "import V",
        "import --recipe F",
        "import --remove V S /",
        "import --recipe-passfile f V S /",
        "import --recipe --recipe-passfile f --recipe-extpass c F V",
        "import --recipe --recipe-passfile f --recipe-key-hex-file k F V",
        "import --recipe --passfile f --extpass c F V",
        "mount --keyfile k --recovery V M",
        "mount --keyfile k --passfile f V M",
        "check --keyfile k --extpass c V",
        "key",
        "key add",
        "key add --generate V",
        "key add --keyfile k --recovery V",
        "key add --keyfile k --new-passfile f V",
        "key add --unlock-keyfile k --unlock-recovery V",
        "key add --unlock-keyfile k --passfile f V",
        "key remove V",
        "key remove V one",
        "key remove V -- -1",
        "passwd",
        "passwd --new-passfile f --new-extpass c V",
        "passwd --kdf-time 1s --kdf-passes 2 V",
        "passwd --kdf-time 1 V",
        "init --kdf-time 1h V",
        "export V D",
        "cat V",
        "path V",
        "ls",
        "ls --json -l V",
    ];
    for usage in usages {
        assert_eq!(refused(usage).exit_code(), 2, "{usage}");
    }
    assert_eq!(Code::Usage.number(), 2);
    for usage in ["--help", "--version", "init --help"] {
        assert_eq!(refused(usage).exit_code(), 0, "{usage}");
    }
}

#[test]
fn sizes() {
    let table = [
        ("8M", 8 << 10),
        ("8MiB", 8 << 10),
        ("8mib", 8 << 10),
        ("8192K", 8 << 10),
        ("8193KiB", 8193),
        ("64M", 64 << 10),
        ("1G", 1 << 20),
        ("4GiB", 4 << 20),
        ("4096m", 4 << 20),
    ];
    for (text, kib) in table {
        assert_eq!(init::parse_memory_kib(text), Ok(kib), "{text}");
    }
    for text in ["8191K", "7M", "0G", "5G", "4194305K", "4294967295G", "99999999999999999999G"] {
        let error = init::parse_memory_kib(text).unwrap_err();
        assert!(error.contains("8MiB to 4GiB"), "{text}: {error}");
    }
    for text in ["", "M", "64", "64MB", "64 M", "-64M", "+64M", "6.4G", "0x40M", "64Mi", "64T"] {
        let error = init::parse_memory_kib(text).unwrap_err();
        assert!(error.contains("like 256M, 256MiB or 1G"), "{text}: {error}");
    }
    assert_eq!(init::parse_passes("1000"), Ok(1000));
    for text in ["0", "1001", "-1", "x", ""] {
        assert!(init::parse_passes(text).unwrap_err().contains("1 to 1000"), "{text}");
    }
}

#[test]
fn times() {
    use std::time::Duration;
    for (text, millis) in [
        ("1s", 1000),
        ("500ms", 500),
        ("100ms", 100),
        ("2.5s", 2500),
        ("0.1s", 100),
        ("60s", 60_000),
        ("60000ms", 60_000),
    ] {
        assert_eq!(key_args::parse_time(text), Ok(Duration::from_millis(millis)), "{text}");
    }
    for text in ["99ms", "0s", "61s", "99999999999999999999s", "1.2.3s", "s", ".s"] {
        let error = key_args::parse_time(text).unwrap_err();
        assert!(error.contains("100ms to 60s"), "{text}: {error}");
    }
    for text in ["", "1", "1m", "1 s", "-1s", "1S", "1e3s", "infs", "nan"] {
        let error = key_args::parse_time(text).unwrap_err();
        assert!(error.contains("like 1s or 500ms"), "{text}: {error}");
    }
}

/// A directory with a password file in it; vaults are made beside that.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        let dir = TempDir::new().unwrap();
        fs::write(dir.path().join("pass"), "pw\n").unwrap();
        Self(dir)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn init(&self, vault: &str, more: &[&str]) -> Result<(), Failure> {
        let (vault, pass) = (self.path(vault), self.path("pass"));
        let (vault, pass) = (vault.to_str().unwrap(), pass.to_str().unwrap());
        let cheap = ["--kdf-memory", "8M", "--kdf-passes", "1"];
        let Command::Init(args) = parse([&["init", "--passfile", pass, vault], more, &cheap].concat()).command else {
            panic!("it is init")
        };
        init::create(&args).map(drop)
    }

    fn code(&self, vault: &str) -> Code {
        self.init(vault, &[]).unwrap_err().code()
    }

    /// Everything in the directory.
    fn entries(&self) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(self.0.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

fn config(vault: &Path) -> Config {
    Config::read(open_vault(vault).unwrap().as_fd()).unwrap()
}

#[test]
fn init_makes_the_directory() {
    let place = Place::new();
    place.init("vault", &["--plain-names"]).unwrap();
    let mode = fs::metadata(place.path("vault")).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o700);
    assert_eq!(fs::read_dir(place.path("vault")).unwrap().count(), 1);
    let config = config(&place.path("vault"));
    assert_eq!(config.names(), Names::Plain);
    let pass = Source::File(&place.path("pass"));
    assert!(config.unlock(&password::get(&pass, Asking::Existing).unwrap()).is_ok());
}

#[test]
fn init_takes_an_empty_directory_as_it_is() {
    let place = Place::new();
    fs::create_dir(place.path("vault")).unwrap();
    fs::set_permissions(place.path("vault"), fs::Permissions::from_mode(0o750)).unwrap();
    place.init("vault", &[]).unwrap();
    assert_eq!(fs::metadata(place.path("vault")).unwrap().permissions().mode() & 0o7777, 0o750);
    assert_eq!(config(&place.path("vault")).names(), Names::Encrypted);
}

#[test]
fn init_refuses_what_is_not_empty() {
    let place = Place::new();
    fs::create_dir(place.path("full")).unwrap();
    fs::write(place.path("full/.hidden"), "").unwrap();
    assert_eq!(place.code("full"), Code::NotEmpty);
    assert_eq!(fs::read_dir(place.path("full")).unwrap().count(), 1);

    place.init("vault", &[]).unwrap();
    let before = fs::read(place.path("vault/plainview.toml")).unwrap();
    assert_eq!(place.code("vault"), Code::NotEmpty);
    assert_eq!(fs::read(place.path("vault/plainview.toml")).unwrap(), before);
}

#[test]
fn init_that_fails_leaves_nothing() {
    let place = Place::new();
    symlink("nowhere", place.path("link")).unwrap();
    assert_eq!(place.code("pass"), Code::Other);
    assert_eq!(place.code("link"), Code::Other);
    assert_eq!(place.code("no/such"), Code::Other);
    fs::write(place.path("pass"), "\n").unwrap();
    assert_eq!(place.code("vault"), Code::Other);
    fs::remove_file(place.path("pass")).unwrap();
    assert_eq!(place.code("vault"), Code::Other);
    assert_eq!(place.entries(), ["link"]);
}

#[test]
fn info_tells_what_the_file_says() {
    let config = Config::parse(crate::keys::tests::EXAMPLE.as_bytes()).unwrap();
    let text =
        "format  1\nvault   723af166989b043975acd892aa4769d3\nnames   encrypted\nslot 1  password: Argon2id, 8 MiB, 1 pass, 4 lanes\n";
    assert_eq!(info::text(&config), text);
    let json: serde_json::Value = serde_json::from_str(&info::json(&config).unwrap()).unwrap();
    let slot = serde_json::json!({"id": 1, "kind": "password", "label": "", "memory_kib": 8192, "passes": 1, "lanes": 4});
    let expected = serde_json::json!({"format": 1, "vault": "723af166989b043975acd892aa4769d3", "names": "encrypted", "slots": [slot]});
    assert_eq!(json, expected);
}

#[test]
fn info_escapes_labels_and_knows_other_slots() {
    let example = crate::keys::tests::EXAMPLE;
    let labelled = example.replace("label = \"\"", "label = \"\\u001b[2J \\\"a\\\"\"");
    let keyfile = "[[slot]]\nid = 2\nkind = \"keyfile\"\nlabel = \"stick\"\nwrapped = \"aaygVKFpOFz26-R76z_57q08NCib4X8RqSMbTbIF_Vi7ieb4qvQ5snyq2Mo02WeP\"\n\n[seal]";
    let config = Config::parse(labelled.replace("[seal]", keyfile).as_bytes()).unwrap();
    let text = info::text(&config);
    assert!(text.contains("slot 1  password \"\\u{1b}[2J \\\"a\\\"\": Argon2id"), "{text}");
    assert!(text.ends_with("slot 2  keyfile \"stick\"\n"), "{text}");
    let json: serde_json::Value = serde_json::from_str(&info::json(&config).unwrap()).unwrap();
    assert_eq!(json["slots"][0]["label"], "\u{1b}[2J \"a\"");
    assert_eq!(json["slots"][1], serde_json::json!({"id": 2, "kind": "keyfile", "label": "stick"}));
}

#[test]
fn info_of_what_is_no_good_vault() {
    let place = Place::new();
    let code = |name: &str| run(&parse(["info", place.path(name).to_str().unwrap()])).unwrap_err().code();
    assert_eq!(code("nothing"), Code::NotAVault);
    assert_eq!(code("pass"), Code::NotAVault);
    assert_eq!(code(""), Code::NotAVault);
    for (text, expected) in [("format = 1\n", Code::Damaged), ("format = 2\n", Code::Newer)] {
        fs::write(place.path("plainview.toml"), text).unwrap();
        assert_eq!(code(""), expected, "{text}");
    }
}

#[test]
fn every_failure_of_the_configuration_has_its_code_and_names_the_vault() {
    let table = [
        (ConfigError::NotAVault, 7),
        (ConfigError::Exists, 6),
        (ConfigError::Damaged("x".to_owned()), 13),
        (ConfigError::Newer(2), 14),
        (ConfigError::Wrong("password"), 12),
        (ConfigError::NoSuchKind("keyfile"), 12),
        (ConfigError::NoSuchSlot(2), 1),
        (ConfigError::LastSlot, 1),
        (ConfigError::Full, 1),
        (ConfigError::Changed, 1),
        (ConfigError::Locked, 8),
        (ConfigError::NotDurable(Errno::IO), 1),
        (ConfigError::NoMemory(NoMemory { memory_kib: 8192 }), 1),
        (ConfigError::Os(Errno::NOSPC), 1),
    ];
    for (error, code) in table {
        let failure = Failure::config(Path::new("/the/vault"), &error);
        assert_eq!(failure.code().number(), code, "{error}");
        assert!(failure.to_string().contains("/the/vault"), "{failure}");
    }
    let others = [Code::InUse, Code::CannotMount, Code::Exists, Code::Incomplete];
    assert_eq!(others.map(Code::number), [8, 9, 16, 17]);
}

#[test]
fn a_message_cannot_command_the_terminal() {
    let failure = Failure::other("x\u{1b}[2J\r\u{9b}y\nz ä");
    assert_eq!(failure.to_string(), "x\\u{1b}[2J\\r\\u{9b}y\nz ä");
}
