//! Files that end in `.enc` but whose lengths no recipe file has: they cannot be read, are told of, and can be replaced or removed. Everything else goes on.

use super::program::Program;
use super::{folder, list, stored};
use crate::corpus::noise;
use crate::harness::errno;
use rustix::io::Errno;
use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;

const SIZE: usize = 50_000;

/// Names, and what becomes of a whole recipe file of 50,000 bytes.
fn misfits(whole: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let with_size = |size: u64| [&size.to_le_bytes(), &whole[8..]].concat();
    let size = u64::try_from(SIZE).unwrap();
    vec![
        ("cut by a byte", whole[..whole.len() - 1].to_vec()),
        ("cut by a block", whole[..whole.len() - 16].to_vec()),
        ("cut in the middle", whole[..whole.len() / 2].to_vec()),
        ("only the header", whole[..24].to_vec()),
        ("a byte more", [whole, b"x"].concat()),
        ("a block more", [whole, &[0; 16]].concat()),
        ("a smaller size", with_size(size - 16)),
        ("a larger size", with_size(size + 16)),
        ("a size of zero", with_size(0)),
        ("the largest size", with_size(u64::MAX)),
        ("the largest that fits a file", with_size((1 << 63) - 1)),
        ("nothing", vec![]),
        ("a byte", vec![0]),
        ("less than a header", whole[..23].to_vec()),
        ("no recipe file at all", noise(5, 4096)),
    ]
}

#[test]
fn what_does_not_fit_cannot_be_read() {
    let Some(program) = Program::or_skip() else { return };
    let vault = folder();
    program.make(&vault, "whole", &noise(1, SIZE));
    let misfits = misfits(&fs::read(stored(&vault, "whole")).unwrap());
    for (name, bytes) in &misfits {
        fs::write(stored(&vault, name), bytes).unwrap();
    }
    let mut mounted = vault.mount(&[]);
    assert_eq!(list(mounted.path()).len(), misfits.len() + 1);
    for (name, bytes) in &misfits {
        let path = mounted.path().join(name);
        let shown = u64::try_from(bytes.len().saturating_sub(24)).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().len(), shown, "{name}");
        if shown > 0 {
            assert_eq!(errno(fs::read(&path)), Some(Errno::IO), "{name}");
            mounted.expect_log(&format!("{name}.enc"));
        }
        mounted.allow_log(&format!("{name}.enc"));
        // Nothing can be changed in it either, not even at its end.
        let written = OpenOptions::new().write(true).open(&path).and_then(|file| {
            file.write_all_at(b"x", shown + 5)?;
            file.sync_all()
        });
        assert_eq!(errno(written), Some(Errno::IO), "{name}");
    }
    assert!(fs::read(mounted.path().join("whole")).unwrap() == noise(1, SIZE));
    for (name, bytes) in &misfits {
        assert!(&fs::read(stored(&vault, name)).unwrap() == bytes, "{name} was changed");
    }
    // Each is told of, but not each time.
    let log = mounted.log();
    for (name, bytes) in &misfits {
        let lines = log.lines().filter(|line| line.contains(&format!("{name}.enc"))).count();
        assert!(lines <= 2 && (lines > 0 || bytes.len() <= 24), "{name}: {lines} lines in\n{log}");
    }
    mounted.unmount();
}

/// One reading, one line.
#[test]
fn a_misfit_is_one_line_in_the_log() {
    let Some(program) = Program::or_skip() else { return };
    let vault = folder();
    program.make(&vault, "file", &noise(1, SIZE));
    program.make(&vault, "whole", &noise(1, 10));
    let file = OpenOptions::new().write(true).open(stored(&vault, "file")).unwrap();
    file.set_len(u64::try_from(SIZE).unwrap()).unwrap();
    let mut mounted = vault.mount(&[]);
    mounted.expect_log("file.enc");
    assert_eq!(errno(fs::read(mounted.path().join("file"))), Some(Errno::IO));
    let log = mounted.log();
    let lines: Vec<_> = log
        .lines()
        .filter(|line| ["WARN", "ERROR"].iter().any(|level| line.contains(level)))
        .collect();
    assert_eq!(lines.len(), 1, "{log}");
    // The mount is where it is; the folder's path is what helps.
    assert!(lines[0].contains(stored(&vault, "file").to_str().unwrap()), "{log}");
    mounted.unmount();
}

#[test]
fn misfits_can_be_renamed_removed_and_written_anew() {
    let Some(program) = Program::or_skip() else { return };
    let vault = folder();
    for name in ["renamed", "removed", "anew", "over"] {
        fs::write(stored(&vault, name), noise(1, 100)).unwrap();
    }
    let mut mounted = vault.mount(&[]);
    mounted.allow_log(".enc");
    let at = |name: &str| mounted.path().join(name);
    fs::rename(at("renamed"), at("elsewhere")).unwrap();
    fs::remove_file(at("removed")).unwrap();
    fs::write(at("anew"), b"contents").unwrap();
    fs::write(at("whole"), b"others").unwrap();
    fs::rename(at("whole"), at("over")).unwrap();
    assert_eq!(fs::read(at("anew")).unwrap(), b"contents");
    mounted.unmount();
    assert_eq!(fs::read(stored(&vault, "elsewhere")).unwrap(), noise(1, 100));
    assert_eq!(program.contents(&vault, "anew"), b"contents");
    assert_eq!(program.contents(&vault, "over"), b"others");
    assert_eq!(
        list(vault.path()),
        ["anew", "elsewhere", "over"].map(|name| format!("{name}.enc")).into()
    );
}
