//! Tests of the sources of a password that need no terminal, and of Argon2id.

use super::line::read;
use super::*;
use std::collections::VecDeque;
use std::io::{Cursor, Read};
use std::os::unix::ffi::OsStrExt;

fn line(bytes: &[u8]) -> Result<Vec<u8>, LineError> {
    read(&mut Cursor::new(bytes)).map(|password| password.expose().to_vec())
}

fn program(command: &str) -> Result<Vec<u8>, PasswordError> {
    get(&Source::Program(OsStr::new(command)), Asking::New).map(|password| password.expose().to_vec())
}

#[test]
fn a_password_is_the_first_line_without_its_ending() {
    let table: [(&[u8], &[u8]); 11] = [
        (b"pw\n", b"pw"),
        (b"pw\r\n", b"pw"),
        (b"pw", b"pw"),
        (b"pw\nmore\n", b"pw"),
        (b" p w \n", b" p w "),
        (b"pw\r\r\n", b"pw\r"),
        (b"pw\r", b"pw\r"),
        (b"p\rw\n", b"p\rw"),
        (b"\xff\x00\xfe\n", b"\xff\x00\xfe"),
        (b"\t\n", b"\t"),
        (b"\xef\xbb\xbfpw\n", b"\xef\xbb\xbfpw"),
    ];
    for (bytes, password) in table {
        assert_eq!(line(bytes).unwrap(), password, "{bytes:?}");
    }
}

#[test]
fn an_empty_line_is_no_password() {
    for bytes in [&b""[..], b"\n", b"\r\n", b"\npw\n"] {
        assert!(matches!(line(bytes), Err(LineError::Empty)), "{bytes:?}");
    }
    assert!(matches!(Password::new(SecretBytes::new(9)), Err(LineError::Empty)));
}

#[test]
fn a_line_is_bounded() {
    let longest = vec![b'x'; LINE_MAX];
    for ending in [&b""[..], b"\n", b"\r\n"] {
        assert_eq!(line(&[&longest, ending].concat()).unwrap().len(), LINE_MAX);
        assert!(matches!(line(&[&longest, &b"x"[..], ending].concat()), Err(LineError::TooLong)));
    }
    assert!(matches!(read(&mut io::repeat(b'x')).map(drop), Err(LineError::TooLong)));
}

/// Gives one answer after another.
struct Answers(VecDeque<io::Result<&'static [u8]>>);

impl Read for Answers {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let bytes = self.0.pop_front().expect("no more is asked for than needed")?;
        buf[..bytes.len()].copy_from_slice(bytes);
        Ok(bytes.len())
    }
}

#[test]
fn nothing_past_the_line_is_read() {
    let mut source = Cursor::new(b"one\ntwo\n");
    assert_eq!(read(&mut source).unwrap().expose(), b"one");
    assert_eq!(read(&mut source).unwrap().expose(), b"two");
    let interrupted = || Err(io::Error::from(io::ErrorKind::Interrupted));
    let mut source = Answers(VecDeque::from([interrupted(), Ok(&b"p"[..]), interrupted(), Ok(&b"\n"[..])]));
    assert_eq!(read(&mut source).unwrap().expose(), b"p");
    let mut source = Answers(VecDeque::from([Ok(&b"p"[..]), Err(io::Error::from(io::ErrorKind::WouldBlock))]));
    assert!(matches!(read(&mut source).map(drop), Err(LineError::Read(_))));
}

#[test]
fn from_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(OsStr::from_bytes(b"pass\xff"));
    let password = || get(&Source::File(&path), Asking::Existing).map(|password| password.expose().to_vec());
    assert!(matches!(password(), Err(PasswordError::File { .. })));
    std::fs::write(&path, "pw\r\nsecond\n").unwrap();
    assert_eq!(password().unwrap(), b"pw");
    std::fs::write(&path, "").unwrap();
    assert!(matches!(
        password(),
        Err(PasswordError::Line {
            error: LineError::Empty,
            ..
        })
    ));
    assert!(matches!(
        get(&Source::File(dir.path()), Asking::New).map(drop),
        Err(PasswordError::Line {
            error: LineError::Read(_),
            ..
        })
    ));
}

#[test]
fn from_a_program() {
    assert_eq!(program("echo pw").unwrap(), b"pw");
    assert_eq!(program("  echo 'p  w'\" $x\"\\ y ").unwrap(), b"p  w $x y");
    assert_eq!(program("sh -c \"printf '\\\\377\\nmore'\"").unwrap(), b"\xff");
    assert_eq!(
        program("sh -c 'echo pw; sleep 0.01; echo more; echo again'").unwrap(),
        b"pw",
        "further lines do no harm"
    );
    assert_eq!(program("echo $HOME").unwrap(), b"$HOME", "there is no shell");
}

#[test]
fn from_a_program_that_gives_none() {
    for command in ["", "  ", "echo 'pw", "echo \"pw", "# echo pw"] {
        assert!(matches!(program(command), Err(PasswordError::Command(_))), "{command}");
    }
    assert!(matches!(program("/no/such/program pw"), Err(PasswordError::Program { .. })));
    assert!(matches!(program("sh -c 'echo pw; exit 3'"), Err(PasswordError::Status { .. })));
    assert!(matches!(program("sh -c 'kill $$'"), Err(PasswordError::Status { .. })));
    for command in ["true", "echo", "echo -n"] {
        assert!(
            matches!(
                program(command),
                Err(PasswordError::Line {
                    error: LineError::Empty,
                    ..
                })
            ),
            "{command}"
        );
    }
    // It never ends by itself, so it is ended by a closed pipe.
    assert!(matches!(program("yes pw"), Err(PasswordError::Status { .. })));
}

#[test]
fn argon2id_as_others_compute_it() {
    let table: [(&[u8], u8, KdfCost, &str); 2] = [
        (
            b"correct horse",
            0,
            KdfCost::FLOOR,
            "8be7954c47eba03f182dce2cf26ddaaabf8f943b8a3547b8531da66aa650d61162dfb50cb13e7e6959037499176366674aa4d5f59bb6204660d183235d6877e1",
        ),
        (
            b"\xff\x00pass word",
            16,
            KdfCost::new(8192, 2, 4).unwrap(),
            "3932948c4e774e84eaeafe586c3d858c115fced722bb1a0156333bf9033f9f7114c625c2bffbe6b1f6eadfa9cd2670022a0cd4dca7953a516089e1f439ae8cca",
        ),
    ];
    for (password, first, cost, expected) in table {
        let salt: [u8; PASSWORD_SALT_LEN] = std::array::from_fn(|at| first + u8::try_from(at).unwrap());
        let password = Password::new(SecretBytes::copy_of(password)).unwrap();
        let key = stretch(&password, &salt, cost).unwrap();
        assert_eq!(data_encoding::HEXLOWER.encode(key.expose()), expected);
    }
}

#[test]
fn costs_are_within_bounds() {
    for (memory_kib, passes, lanes) in [(8192, 1, 1), (4 << 20, 1000, 64)] {
        let cost = KdfCost::new(memory_kib, passes, lanes).unwrap();
        assert_eq!((cost.memory_kib(), cost.passes(), cost.lanes()), (memory_kib, passes, lanes));
    }
    for (memory_kib, passes, lanes) in [
        (8191, 1, 1),
        ((4 << 20) + 1, 1, 1),
        (8192, 0, 1),
        (8192, 1001, 1),
        (8192, 1, 0),
        (8192, 1, 65),
    ] {
        assert!(KdfCost::new(memory_kib, passes, lanes).is_err(), "{memory_kib} {passes} {lanes}");
    }
    for cost in [KdfCost::DEFAULT, KdfCost::FLOOR] {
        assert_eq!(KdfCost::new(cost.memory_kib(), cost.passes(), cost.lanes()), Ok(cost));
    }
}

#[test]
fn memory_that_cannot_be_had_is_an_error() {
    let error = kdf::Blocks::new(usize::MAX >> 12, KdfCost::DEFAULT).map(drop);
    assert_eq!(error, Err(NoMemory { memory_kib: 262_144 }));
}
