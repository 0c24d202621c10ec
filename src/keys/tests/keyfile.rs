//! Keyfiles: every byte counts, however they come in, and what is too short or has no end is refused.

use super::super::keyfile::*;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;

fn key(mut bytes: &[u8]) -> Vec<u8> {
    super::super::keyfile::read(&mut bytes, 1).unwrap().expose().to_vec()
}

/// Gives few bytes at a time, and interruptions between.
struct Slowly<'a>(&'a [u8], bool);

impl Read for Slowly<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.1 = !self.1;
        if self.1 {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let len = buf.len().min(7);
        self.0.read(&mut buf[..len])
    }
}

#[test]
fn every_byte_counts() {
    let file: Vec<u8> = (0..200_000_u32).map(|at| u8::try_from(at % 251).unwrap()).collect();
    let whole = key(&file);
    assert_eq!(key(&file), whole);
    for at in [0, 1, 65_535, 65_536, 131_072, 199_999] {
        let mut other = file.clone();
        other[at] ^= 1;
        assert_ne!(key(&other), whole, "{at}");
    }
    assert_ne!(key(&file[..199_999]), whole);
    assert_ne!(key(&[&file[..], b"\n"].concat()), whole);
    let slowly = super::super::keyfile::read(&mut Slowly(&file, false), 1).unwrap();
    assert_eq!(slowly.expose().to_vec(), whole);
}

#[test]
fn what_is_too_short_or_has_no_end_is_refused() {
    let read = |mut bytes: &[u8], least| super::super::keyfile::read(&mut bytes, least).map(drop);
    for least in [0, 1] {
        assert!(matches!(read(b"", least), Err(KeyfileError::TooShort(0))));
    }
    assert!(read(b"x", 1).is_ok());
    assert!(matches!(read(&[7; 31], KEYFILE_MIN), Err(KeyfileError::TooShort(31))));
    assert!(read(&[7; 32], KEYFILE_MIN).is_ok());
    let endless = super::super::keyfile::read(&mut io::repeat(0), 1).map(drop);
    assert!(matches!(endless, Err(KeyfileError::TooLarge)));
    let directory = std::fs::File::open("/").map(|mut file| super::super::keyfile::read(&mut file, 1).map(drop));
    assert!(matches!(directory, Ok(Err(KeyfileError::Io(_)))));
}

#[test]
fn a_fresh_one_is_random_private_and_replaces_nothing() {
    let dir = tempfile::TempDir::new().unwrap();
    let (one, other) = (dir.path().join("one"), dir.path().join("other"));
    generate(&one).unwrap();
    generate(&other).unwrap();
    let contents = std::fs::read(&one).unwrap();
    assert_eq!(contents.len(), 64);
    assert_ne!(contents, std::fs::read(&other).unwrap());
    assert_eq!(std::fs::metadata(&one).unwrap().permissions().mode() & 0o7777, 0o600);
    assert!(matches!(generate(&one), Err(error) if error.kind() == io::ErrorKind::AlreadyExists));
    assert_eq!(std::fs::read(&one).unwrap(), contents);
    assert!(generate(&dir.path().join("no/such")).is_err());
}
