//! Symlinks' targets and extended attributes.

use super::change::{changed, errno, flipped, vault_with};
use super::live::made_in;
use super::{SECRET, random, unmount_and_check_log};
use rand::RngExt;
use rustix::fs::{XattrFlags, getxattr, listxattr, setxattr};
use rustix::io::Errno;
use std::collections::BTreeSet;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::Path;

#[test]
fn a_changed_symlink_is_damage() {
    let (seed, mut rng) = random();
    let target = format!("{SECRET}/target");
    let mut stored = vec![];
    let vault = vault_with(|mounted| {
        let make = |number: usize| {
            made_in(mounted.vault_path(), || {
                symlink(&target, mounted.path().join(number.to_string())).unwrap()
            })
        };
        stored.push(make(0));
        let variants = std::fs::read_link(&stored[0]).unwrap().as_os_str().len() * 2 + 6;
        stored.extend((1..=variants).map(make));
    });
    for (number, path) in stored.iter().enumerate().skip(1) {
        let own = std::fs::read_link(path).unwrap().into_os_string();
        let mut variants: Vec<_> = (0..own.len())
            .map(|at| flipped(own.as_bytes(), at).swap_remove(rng.random_range(0..6)))
            .collect();
        variants.extend((1..own.len()).map(|len| own.as_bytes()[..len].to_vec()));
        variants.extend([
            b"/etc/passwd".to_vec(),
            b".".to_vec(),
            own.as_bytes().repeat(2),
            [own.as_bytes(), b"A"].concat(),
        ]);
        variants.extend([own.as_bytes().to_ascii_lowercase(), vec![b'A'; own.len()], vec![b'A'; 4095]]);
        std::fs::remove_file(path).unwrap();
        symlink(std::ffi::OsStr::from_bytes(&variants[number - 1]), path).unwrap();
    }
    let mounted = vault.mount(&[]);
    assert_eq!(std::fs::read_link(mounted.path().join("0")).unwrap(), Path::new(&target));
    for number in 1..stored.len() {
        let path = mounted.path().join(number.to_string());
        assert_eq!(
            errno(std::fs::read_link(&path)),
            Some(Errno::IO),
            "PLAINVIEW_TEST_SEED={seed}: variant {number}"
        );
        assert!(std::fs::symlink_metadata(&path).unwrap().is_symlink());
        std::fs::remove_file(&path).unwrap();
    }
    unmount_and_check_log(
        mounted,
        &["damaged: "],
        stored[1..].iter().map(|path| path.file_name().unwrap().to_str().unwrap()),
    );
}

#[test]
fn a_changed_attribute_is_damage() {
    let (seed, mut rng) = random();
    let (name, other) = ("user.SECRET", "user.SECRET2");
    let value = b"SECRET of 20 bytes..";
    let mut stored = vec![];
    let vault = vault_with(|mounted| {
        // nonce, synthetic IV, ciphertext
        for number in 0..changed(&[0; 16 + 16 + 20], &mut rng).len() + 2 {
            let path = mounted.path().join(number.to_string());
            stored.push(made_in(mounted.vault_path(), || std::fs::write(&path, "contents").unwrap()));
            setxattr(&path, name, value, XattrFlags::CREATE).unwrap();
            setxattr(&path, other, b"another one", XattrFlags::CREATE).unwrap();
        }
    });
    let read = |path: &Path, name: &str| {
        let mut buffer = vec![0; 1024];
        let len = getxattr(path, name, buffer.as_mut_slice())?;
        buffer.truncate(len);
        Ok::<_, Errno>(buffer)
    };
    let names_of = |path: &Path| {
        let mut buffer = vec![0; 4096];
        let len = listxattr(path, buffer.as_mut_slice()).unwrap();
        let names = buffer[..len]
            .split(|byte| *byte == 0)
            .filter(|name| name.starts_with(b"user."))
            .map(|name| String::from_utf8(name.to_vec()).unwrap());
        names.collect::<BTreeSet<_>>()
    };
    for (number, path) in stored.iter().enumerate().skip(1) {
        let names: Vec<_> = names_of(path).into_iter().collect();
        let values: Vec<_> = names.iter().map(|name| read(path, name).unwrap()).collect();
        let own = values.iter().position(|value| value.len() == 52).unwrap();
        if number == 1 {
            // The two values exchanged.
            setxattr(path, &names[own], &values[1 - own], XattrFlags::REPLACE).unwrap();
            setxattr(path, &names[1 - own], &values[own], XattrFlags::REPLACE).unwrap();
        } else {
            setxattr(path, &names[own], &changed(&values[own], &mut rng)[number - 2], XattrFlags::REPLACE).unwrap();
        }
        // Names that differ in one character.
        let encoded = names[own].strip_prefix("user.plainview.").unwrap();
        let alias = flipped(encoded.as_bytes(), number % encoded.len()).swap_remove(1);
        setxattr(
            path,
            format!("user.plainview.{}", String::from_utf8(alias).unwrap()),
            &values[own],
            XattrFlags::CREATE,
        )
        .unwrap();
    }
    let mounted = vault.mount(&[]);
    for number in 0..stored.len() {
        let path = mounted.path().join(number.to_string());
        let expected = if number == 0 { Ok(value.to_vec()) } else { Err(Errno::IO) };
        assert_eq!(read(&path, name), expected, "PLAINVIEW_TEST_SEED={seed}: variant {number}");
        let expected = if number == 1 { Err(Errno::IO) } else { Ok(b"another one".to_vec()) };
        assert_eq!(read(&path, other), expected, "variant {number}");
        assert_eq!(
            names_of(&path),
            BTreeSet::from([name.to_owned(), other.to_owned()]),
            "variant {number}"
        );
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "contents");
    }
    unmount_and_check_log(
        mounted,
        &["damaged: "],
        stored[1..].iter().map(|path| path.file_name().unwrap().to_str().unwrap()),
    );
}
