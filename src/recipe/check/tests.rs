//! Tests of the check on folders, made by hand.

use super::*;
use crate::recipe::{Encryptor, Header};
use rustix::fs::{CWD, makedev, mknodat};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use tempfile::TempDir;

fn key(digit: &str) -> RecipeKey {
    RecipeKey::from_hex(digit.repeat(64).as_bytes()).unwrap()
}

/// A recipe file made with the key of `7`s, whose contents have `size` bytes and whose last block is filled up with `padding`.
fn sealed(size: usize, padding: u8) -> Vec<u8> {
    let header = Header {
        size: u64::try_from(size).unwrap(),
        iv: [9; BLOCK_LEN],
    };
    let mut blocks = vec![[b'x'; BLOCK_LEN]; size.div_ceil(BLOCK_LEN)];
    blocks.as_flattened_mut()[size..].fill(padding);
    Encryptor::new(&key("7"), &header.iv).encrypt(&mut blocks);
    [&header.to_bytes()[..], blocks.as_flattened()].concat()
}

fn findings(folder: &Path, key: &RecipeKey) -> Findings {
    check(fs::File::open(folder).unwrap().as_fd(), key)
}

fn counts(findings: &Findings) -> [usize; 4] {
    [findings.files, findings.misfits, findings.telling, findings.fitting]
}

#[test]
fn one_file_tells() {
    for (size, padding) in [(1, b' '), (100, 0), (11, 5), (40, 8)] {
        let dir = TempDir::new().unwrap();
        fs::write(dir.path().join("a.enc"), sealed(size, padding)).unwrap();
        let right = findings(dir.path(), &key("7"));
        assert_eq!((right.verdict(), counts(&right)), (Verdict::Fits, [1, 0, 1, 1]));
        assert_eq!(right.warning(), None);
        let wrong = findings(dir.path(), &key("8"));
        assert_eq!((wrong.verdict(), counts(&wrong)), (Verdict::Strange, [1, 0, 1, 0]));
        let warning = wrong.warning().unwrap();
        assert!(
            warning.contains("probably wrong") && warning.contains("of 1 looked at that could tell, 0 ended"),
            "{warning}"
        );
    }
}

#[test]
fn what_cannot_tell() {
    let dir = TempDir::new().unwrap();
    let nothing = findings(dir.path(), &key("7"));
    assert_eq!((nothing.verdict(), counts(&nothing)), (Verdict::Unknown, [0; 4]));
    for size in [0, 16, 160] {
        fs::write(dir.path().join(format!("{size}.enc")), sealed(size, b' ')).unwrap();
    }
    // None of these is a recipe file by its name and kind.
    fs::write(dir.path().join("a.txt"), sealed(1, b' ')).unwrap();
    fs::write(dir.path().join(".enc"), sealed(1, b' ')).unwrap();
    fs::write(dir.path().join("plainview.tmp.1.enc"), sealed(1, b' ')).unwrap();
    fs::create_dir(dir.path().join("b.enc")).unwrap();
    symlink("a.txt", dir.path().join("c.enc")).unwrap();
    symlink(".", dir.path().join("loop")).unwrap();
    mknodat(CWD, dir.path().join("d.enc"), FileType::Fifo, Mode::RUSR, makedev(0, 0)).unwrap();
    let multiples = findings(dir.path(), &key("8"));
    assert_eq!((multiples.verdict(), counts(&multiples)), (Verdict::Unknown, [3, 0, 0, 0]));
    assert_eq!(multiples.warning(), None);
}

#[test]
fn files_that_do_not_fit_their_header() {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("empty.enc"), b"").unwrap();
    fs::write(dir.path().join("short.enc"), &sealed(1, b' ')[..39]).unwrap();
    fs::write(dir.path().join("huge.enc"), [0xFF; 40]).unwrap();
    let only_those = findings(dir.path(), &key("7"));
    assert_eq!((only_those.verdict(), counts(&only_those)), (Verdict::Unknown, [3, 3, 0, 0]));
    assert!(only_those.warning().unwrap().contains("of 3 files"));
    fs::write(dir.path().join("good.enc"), sealed(1, b' ')).unwrap();
    let one_more = findings(dir.path(), &key("7"));
    assert_eq!(one_more.verdict(), Verdict::Fits);
    assert_eq!(one_more.warning(), None);
}

#[test]
fn subfolders_count_after_what_is_above_them() {
    let dir = TempDir::new().unwrap();
    let inner = dir.path().join("a/b.enc/c");
    fs::create_dir_all(&inner).unwrap();
    fs::write(inner.join("deep.enc"), sealed(3, b' ')).unwrap();
    fs::write(dir.path().join("top.enc"), sealed(15, 0xAA)).unwrap();
    let findings = findings(dir.path(), &key("7"));
    // The one above speaks against, weakly.
    assert_eq!((findings.verdict(), counts(&findings)), (Verdict::Fits, [2, 0, 2, 1]));
}

#[test]
fn it_stops_when_it_is_clear_and_where_it_is_too_much() {
    let dir = TempDir::new().unwrap();
    for number in 0..10 {
        fs::write(dir.path().join(format!("{number}.enc")), sealed(12, b' ')).unwrap();
    }
    assert_eq!(findings(dir.path(), &key("7")).files, 1);
    assert_eq!(findings(dir.path(), &key("8")).files, 10);

    for number in 10..FILES + 10 {
        fs::write(dir.path().join(format!("{number}.enc")), sealed(16, b' ')).unwrap();
    }
    assert_eq!(findings(dir.path(), &key("8")).files, FILES);

    let deep = (0..=DEPTH).fold(TempDir::new().unwrap().keep(), |path, _| path.join("d"));
    fs::create_dir_all(&deep).unwrap();
    fs::write(deep.join("below.enc"), sealed(12, b' ')).unwrap();
    let above = deep.parent().unwrap();
    let root = deep.ancestors().nth(DEPTH + 1).unwrap();
    assert_eq!(findings(root, &key("7")).files, 0);
    fs::write(above.join("just.enc"), sealed(12, b' ')).unwrap();
    assert_eq!(findings(root, &key("7")).files, 1);
    fs::remove_dir_all(root).unwrap();
}

#[test]
fn evidence_is_weighed() {
    let verdict = |paddings: &[Padding]| {
        let mut findings = Findings::default();
        for padding in paddings {
            findings.add(*padding);
        }
        findings.verdict()
    };
    let (one, two, strange) = (Padding::Usual(1), Padding::Usual(2), Padding::Unusual);
    assert_eq!(verdict(&[Padding::Absent]), Verdict::Unknown);
    assert_eq!(verdict(&[one]), Verdict::Fits);
    assert_eq!(verdict(&[strange]), Verdict::Strange);
    assert_eq!(verdict(&[one, strange, strange, strange]), Verdict::Fits);
    // As chance would have it in some hundred files under a wrong key.
    assert_eq!(verdict(&[&[one][..], &[strange; 50]].concat()), Verdict::Strange);
    assert_eq!(verdict(&[&[two, one][..], &[strange; 10]].concat()), Verdict::Fits);
}
