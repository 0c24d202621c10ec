//! `plainview recipe encrypt` and `decrypt`, as a shell runs them.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where something is wrong")]

use data_encoding::HEXLOWER;
use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, SystemTime};
use tempfile::TempDir;

/// Exit codes, as the README has them.
mod code {
    pub(crate) const OTHER: i32 = 1;
    pub(crate) const USAGE: i32 = 2;
    pub(crate) const EXISTS: i32 = 16;
}

/// The contents of the known files, which `openssl enc` made.
const TEXT: &[u8] = b"Twenty bytes, a few.";
/// [`TEXT`] under the password `correct horse`.
const BY_PASSWORD: &str =
    "1400000000000000000102030405060708090a0b0c0d0e0f9940209de2c5576c777b7f2b9479664b1b25bb5630caf49953844beb3ce538c5";
/// [`TEXT`] under keys that count from zero.
const BY_KEY: [(&str, &str); 2] = [
    (
        "000102030405060708090a0b0c0d0e0f1011121314151617",
        "1400000000000000000102030405060708090a0b0c0d0e0fdca66e93736d11ad1065b5450d297bb83abba8ef761311a50c12469f177c4f85",
    ),
    (
        "000102030405060708090A0B0C0D0E0F",
        "1400000000000000000102030405060708090a0b0c0d0e0f56a18346148da74b201719474e802efef042fdea20fe873527668a170b4b82c0",
    ),
];

/// A directory to work in, with a password and keys beside it.
struct Place {
    dir: TempDir,
    keys: TempDir,
}

impl Place {
    fn new() -> Self {
        let place = Self {
            dir: TempDir::new().unwrap(),
            keys: TempDir::new().unwrap(),
        };
        fs::write(place.keys.path().join("pass"), "correct horse\n").unwrap();
        fs::write(place.keys.path().join("other"), "battery staple\n").unwrap();
        for digits in [32, 48, 64] {
            fs::write(place.keys.path().join(digits.to_string()), "3c".repeat(digits / 2) + "\n").unwrap();
        }
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn key(&self, name: &str) -> String {
        self.keys.path().join(name).to_str().unwrap().to_owned()
    }

    fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        fs::write(self.path(name), bytes).unwrap();
        self.path(name)
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    /// What is in the directory.
    fn names(&self) -> Vec<String> {
        names(self.dir.path())
    }

    /// `plainview recipe` in the directory, with these words.
    fn recipe(&self, words: &str) -> Ended {
        Ended(self.command(words).stdin(Stdio::null()).output().unwrap())
    }

    /// As [`recipe`](Self::recipe), with the password.
    fn with_password(&self, words: &str) -> Ended {
        self.recipe(&format!("{words} --passfile {}", self.key("pass")))
    }

    fn command(&self, words: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_plainview"));
        command.arg("recipe").args(words.split(' ')).current_dir(self.dir.path());
        command
    }
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// How a command ended.
struct Ended(Output);

impl Ended {
    fn stderr(&self) -> String {
        String::from_utf8(self.0.stderr.clone()).unwrap()
    }

    /// It did well and had nothing to say; what it wrote on standard output.
    fn ok(self) -> Vec<u8> {
        assert_eq!((self.0.status.code(), self.stderr().as_str()), (Some(0), ""));
        self.0.stdout
    }

    /// It failed with this code, and said so with this word.
    fn refused(self, code: i32, word: &str) {
        let said = self.stderr();
        assert_eq!(self.0.status.code(), Some(code), "{said}");
        assert!(said.starts_with("plainview: ") && said.contains(word), "{word}: {said}");
    }
}

fn plain(len: usize) -> Vec<u8> {
    (0..len).map(|at| u8::try_from(at * 7 % 253).unwrap()).collect()
}

#[test]
fn round_trips_of_all_sizes_with_all_keys() {
    let place = Place::new();
    let keys = ["32", "48", "64"].map(|key| format!("--key-hex-file {}", place.key(key)));
    let sizes = [0, 1, 15, 16, 17, 65535, 65536, 65537, (1 << 20) + 1];
    for arguments in keys.into_iter().chain([format!("--passfile {}", place.key("pass"))]) {
        for size in sizes {
            place.write("f", &plain(size));
            place.recipe(&format!("encrypt {arguments} f")).ok();
            let sealed = place.read("f.enc");
            assert_eq!(sealed.len(), 24 + size.next_multiple_of(16));
            fs::remove_file(place.path("f")).unwrap();
            place.recipe(&format!("decrypt {arguments} f.enc")).ok();
            assert!(place.read("f") == plain(size), "{size}");
            assert_eq!(place.names(), ["f", "f.enc"]);
            let shown = place.recipe(&format!("decrypt -o - {arguments} f.enc")).ok();
            assert!(shown == plain(size), "{size}");
            fs::remove_file(place.path("f.enc")).unwrap();
        }
    }
}

#[test]
fn files_that_another_program_made() {
    let place = Place::new();
    place.write("p.enc", &HEXLOWER.decode(BY_PASSWORD.as_bytes()).unwrap());
    assert_eq!(place.with_password("decrypt -o - p.enc").ok(), TEXT);
    for (key, sealed) in BY_KEY {
        let key_file = place.keys.path().join("key");
        fs::write(&key_file, key).unwrap();
        place.write("k.enc", &HEXLOWER.decode(sealed.as_bytes()).unwrap());
        let shown = place
            .recipe(&format!("decrypt -o - k.enc --key-hex-file {}", key_file.display()))
            .ok();
        assert_eq!(shown, TEXT);
    }
}

#[test]
fn passwords_come_from_standard_input_and_programs_too() {
    let place = Place::new();
    place.write("p.enc", &HEXLOWER.decode(BY_PASSWORD.as_bytes()).unwrap());
    let mut child = place
        .command("decrypt p.enc")
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"correct horse\nmore").unwrap();
    Ended(child.wait_with_output().unwrap()).ok();
    assert_eq!(place.read("p"), TEXT);
    let mut command = place.command("decrypt -o -");
    command.args(["--extpass", "echo 'correct horse'", "p.enc"]);
    assert_eq!(Ended(command.output().unwrap()).ok(), TEXT);
    // A key from a pipe, as a shell's <(...) makes one.
    fs::write(place.keys.path().join("zeros"), "00".repeat(16)).unwrap();
    let script = format!("cat {} | \"$0\" recipe encrypt --key-hex-file /dev/stdin p", place.key("zeros"));
    let mut shell = Command::new("sh");
    shell
        .args(["-c", &script, env!("CARGO_BIN_EXE_plainview")])
        .current_dir(place.dir.path());
    Ended(shell.output().unwrap()).refused(code::EXISTS, "p.enc");
    fs::remove_file(place.path("p.enc")).unwrap();
    Ended(shell.output().unwrap()).ok();
    assert_eq!(
        place
            .recipe(&format!("decrypt -o - p.enc --key-hex-file {}", place.key("zeros")))
            .ok(),
        TEXT
    );
}

#[test]
fn what_is_there_stays_unless_forced() {
    let place = Place::new();
    place.write("f", b"new");
    place.write("f.enc", b"old");
    place
        .with_password("encrypt f")
        .refused(code::EXISTS, "f.enc is there already; --force");
    assert_eq!(place.read("f.enc"), b"old");
    place.with_password("encrypt --force f").ok();
    assert_eq!(place.with_password("decrypt -o - f.enc").ok(), b"new");
    place.write("f", b"old");
    place.with_password("decrypt f.enc").refused(code::EXISTS, "f is there");
    assert_eq!(place.read("f"), b"old");
    place.with_password("decrypt --force f.enc").ok();
    assert_eq!(place.read("f"), b"new");

    // A symlink is there, too, wherever it leads; it is replaced, not followed.
    symlink("nowhere", place.path("link")).unwrap();
    place.with_password("decrypt -o link f.enc").refused(code::EXISTS, "link");
    place.with_password("decrypt --force -o link f.enc").ok();
    assert!(fs::symlink_metadata(place.path("link")).unwrap().is_file());
    // A fifo is not to be replaced.
    assert!(Command::new("mkfifo").arg(place.path("fifo")).status().unwrap().success());
    place
        .with_password("decrypt --force -o fifo f.enc")
        .refused(code::OTHER, "no regular file");
    assert_eq!(place.names(), ["f", "f.enc", "fifo", "link"]);
}

#[test]
fn where_the_output_goes() {
    let place = Place::new();
    fs::create_dir_all(place.path("sub/out")).unwrap();
    for name in ["a", "b", "sub/c"] {
        place.write(name, name.as_bytes());
    }
    place.with_password("encrypt a sub/c").ok();
    place.with_password("encrypt -o sub/out a b sub/c").ok();
    assert_eq!(names(&place.path("sub/out")), ["a.enc", "b.enc", "c.enc"]);
    assert_eq!(names(&place.path("sub")), ["c", "c.enc", "out"]);
    place.with_password("decrypt -o sub/named.txt sub/out/b.enc").ok();
    assert_eq!(place.read("sub/named.txt"), b"b");
    // The name does not matter where the output has one.
    fs::rename(place.path("sub/out/b.enc"), place.path("sub/out/b.bin")).unwrap();
    place.with_password("decrypt -o d sub/out/b.bin").ok();
    assert_eq!(place.read("d"), b"b");
    place
        .with_password("decrypt -o sub/out sub/out/b.bin")
        .refused(code::OTHER, "does not end in .enc");
    place
        .with_password("decrypt sub/out/b.bin")
        .refused(code::OTHER, "does not end in .enc");
    assert_eq!(names(&place.path("sub/out")), ["a.enc", "b.bin", "c.enc"]);

    let sealed = place.with_password("encrypt -o - a").ok();
    place.write("e.enc", &sealed);
    assert_eq!(place.with_password("decrypt -o - e.enc").ok(), b"a");
    place.with_password("encrypt -o new/ a").refused(code::OTHER, "no directory new/");
    place.with_password("encrypt -o no/file a").refused(code::OTHER, "no");
    for output in ["-", "new", "a"] {
        place
            .with_password(&format!("encrypt -o {output} a b"))
            .refused(code::USAGE, "directory");
    }
}

#[test]
fn what_cannot_be_read_or_is_its_own_output() {
    let place = Place::new();
    place.write("f.enc", b"x");
    fs::create_dir(place.path("dir.enc")).unwrap();
    assert!(Command::new("mkfifo").arg(place.path("fifo.enc")).status().unwrap().success());
    place.write(".enc", b"x");
    let table = [
        ("encrypt dir.enc", "is a directory"),
        ("decrypt dir.enc", "is a directory"),
        ("encrypt fifo.enc", "no regular file"),
        ("decrypt fifo.enc", "no regular file"),
        ("encrypt none", "No such file"),
        ("decrypt .enc", "does not end in .enc"),
        ("encrypt -o f.enc f.enc", "same file"),
        ("decrypt --force -o f.enc f.enc", "same file"),
    ];
    for (words, why) in table {
        place.with_password(words).refused(code::OTHER, why);
    }
    fs::hard_link(place.path("f.enc"), place.path("f")).unwrap();
    place.with_password("decrypt --force f.enc").refused(code::OTHER, "same file");
    let append = fs::File::options().append(true).open(place.path("f")).unwrap();
    let words = format!("encrypt -o - f.enc --passfile {}", place.key("pass"));
    let ended = Ended(place.command(&words).stdout(append).output().unwrap());
    ended.refused(code::OTHER, "same file");
    assert_eq!(place.read("f.enc"), b"x");
}

#[test]
fn damaged_files_leave_nothing() {
    let place = Place::new();
    let sealed = HEXLOWER.decode(BY_PASSWORD.as_bytes()).unwrap();
    let mut longer = sealed.clone();
    longer.push(0);
    let mut huge = sealed.clone();
    huge[..8].fill(0xFF);
    for (bytes, why) in [
        (&b""[..], "24 bytes"),
        (&sealed[..23], "24 bytes"),
        (&sealed[..24], "length"),
        (&sealed[..55], "length"),
        (&longer, "length"),
        (&huge, "length"),
    ] {
        place.write("f.enc", bytes);
        place.with_password("decrypt f.enc").refused(code::OTHER, why);
        place.with_password("decrypt -o - f.enc").refused(code::OTHER, why);
        assert_eq!(place.names(), ["f.enc"]);
    }
}

#[test]
fn a_wrong_password_is_warned_of() {
    let place = Place::new();
    place.write("p.enc", &HEXLOWER.decode(BY_PASSWORD.as_bytes()).unwrap());
    let ended = place.recipe(&format!("decrypt p.enc --passfile {}", place.key("other")));
    assert_eq!(ended.0.status.code(), Some(0));
    assert!(ended.stderr().starts_with("plainview: warning: ") && ended.stderr().contains("p.enc"));
    assert_ne!(place.read("p"), TEXT);
    assert_eq!(place.read("p").len(), TEXT.len());
}

#[test]
fn no_key_no_output() {
    let place = Place::new();
    place.write("f", b"x");
    for text in ["", "0", "zz", &"0".repeat(63), &"0".repeat(10_000)] {
        fs::write(place.keys.path().join("bad"), text).unwrap();
        place
            .recipe(&format!("encrypt f --key-hex-file {}", place.key("bad")))
            .refused(code::OTHER, "32, 48 or 64");
    }
    place
        .recipe("encrypt f --key-hex-file none")
        .refused(code::OTHER, "no key from none");
    place.recipe("encrypt f").refused(code::OTHER, "password");
    assert_eq!(place.names(), ["f"]);
}

#[test]
fn one_that_fails_does_not_stop_the_others() {
    let place = Place::new();
    for name in ["a", "b", "c"] {
        place.write(name, name.as_bytes());
    }
    place.write("b.enc", b"old");
    let ended = place.with_password("encrypt a none b c");
    let said = ended.stderr();
    for word in ["cannot open none", "b.enc is there already", "2 of 4 files failed"] {
        assert!(said.contains(word), "{said}");
    }
    ended.refused(code::OTHER, "failed");
    assert_eq!(place.names(), ["a", "a.enc", "b", "b.enc", "c", "c.enc"]);
    // All for the same reason: its code. Without a password, which need not be asked for.
    place.recipe("encrypt a b").refused(code::EXISTS, "2 of 2 files");

    // Of two that are to become the same, only one can.
    fs::create_dir_all(place.path("one")).unwrap();
    fs::create_dir_all(place.path("out")).unwrap();
    place.write("one/a", b"another");
    let twice = place.with_password("encrypt --force -o out a one/a c");
    assert!(twice.stderr().contains("cannot encrypt one/a: another of the files"));
    twice.refused(code::OTHER, "1 of 3 files");
    assert_eq!(place.with_password("decrypt -o - out/a.enc").ok(), b"a");
}

#[test]
fn modes_and_times_are_kept() {
    let place = Place::new();
    let old = SystemTime::UNIX_EPOCH + Duration::new(1_234_567_890, 123_456_789);
    for mode in [0o600, 0o640, 0o444, 0o755, 0o400] {
        let path = place.write("f", b"text");
        fs::File::options().write(true).open(&path).unwrap().set_modified(old).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        place.with_password("encrypt f").ok();
        fs::remove_file(&path).unwrap();
        place.with_password("decrypt f.enc").ok();
        for name in ["f", "f.enc"] {
            let made = fs::metadata(place.path(name)).unwrap();
            assert_eq!((made.mode() & 0o7777, made.modified().unwrap()), (mode, old), "{name} {mode:o}");
            fs::remove_file(place.path(name)).unwrap();
        }
    }
    let set_user_id = place.write("s", b"text");
    fs::set_permissions(&set_user_id, fs::Permissions::from_mode(0o6755)).unwrap();
    place.with_password("encrypt s").ok();
    assert_eq!(fs::metadata(place.path("s.enc")).unwrap().mode() & 0o7777, 0o755);
    if rustix::process::geteuid().is_root() {
        chown(place.path("s"), Some(12345), Some(23456)).unwrap();
        place.with_password("encrypt --force s").ok();
        let made = fs::metadata(place.path("s.enc")).unwrap();
        assert_eq!((made.uid(), made.gid()), (12345, 23456));
    }
}

/// A limit on the length of files ends the program in the middle of its output: by a signal as `kill` would, or by an error where that is ignored.
#[test]
fn nothing_is_left_of_half_an_output() {
    let place = Place::new();
    place.write("f", &plain(1 << 20));
    place.with_password("encrypt -o g.enc f").ok();
    for (words, ends_by) in [("decrypt g.enc", 'd'), ("encrypt f", 'e'), ("decrypt g.enc", 's')] {
        let ignore = if ends_by == 's' { "" } else { "trap '' XFSZ;" };
        let script = format!("{ignore} ulimit -f 8; exec \"$0\" recipe {words} --passfile {}", place.key("pass"));
        let mut shell = Command::new("sh");
        shell
            .args(["-c", &script, env!("CARGO_BIN_EXE_plainview")])
            .current_dir(place.dir.path());
        let ended = Ended(shell.output().unwrap());
        if ends_by == 's' {
            assert!(ended.0.status.signal().is_some(), "{}", ended.stderr());
        } else {
            ended.refused(code::OTHER, "too large");
        }
        assert_eq!(place.names(), ["f", "g.enc"], "{words}");
    }
}

#[test]
fn more_files_than_may_be_open() {
    let place = Place::new();
    let files: Vec<String> = (0..60).map(|number| format!("f{number}")).collect();
    for file in &files {
        place.write(file, file.as_bytes());
    }
    let script = format!(
        "ulimit -n 30; exec \"$0\" recipe encrypt {} --passfile {}",
        files.join(" "),
        place.key("pass")
    );
    let mut shell = Command::new("sh");
    shell
        .args(["-c", &script, env!("CARGO_BIN_EXE_plainview")])
        .current_dir(place.dir.path());
    Ended(shell.output().unwrap()).ok();
    assert_eq!(place.names().len(), 120);
}

#[test]
fn a_reader_that_goes_is_no_failure() {
    let place = Place::new();
    place.write("f", &plain(4 << 20));
    place.with_password("encrypt f").ok();
    let script = format!(
        "{{ \"$0\" recipe decrypt -o - f.enc --passfile {}; echo $? >&2; }} | head -c 3",
        place.key("pass")
    );
    let mut shell = Command::new("sh");
    shell
        .args(["-c", &script, env!("CARGO_BIN_EXE_plainview")])
        .current_dir(place.dir.path());
    let ended = Ended(shell.output().unwrap());
    assert_eq!((ended.0.stdout.as_slice(), ended.stderr().as_str()), (&plain(3)[..], "0\n"));
}
