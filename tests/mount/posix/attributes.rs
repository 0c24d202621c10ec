//! Extended attributes as long as Linux knows them, where the backing filesystem takes them (XFS): what their encryption adds is in attributes of its own.

use super::filesystems::there_is;
use crate::corpus::noise;
use crate::decode::python_or_skip;
use crate::harness::{Options, Vault};
use crate::people::{Who, root_or_skip, run};
use crate::places::SmallFilesystem;
use rustix::fs::XattrFlags;
use rustix::io::Errno;
use std::fs;
use std::path::{Path, PathBuf};

/// XATTR_SIZE_MAX.
const LONGEST: usize = 65_536;

fn vault_on_xfs(owner: Who) -> Option<(SmallFilesystem, Vault)> {
    if !root_or_skip() || !there_is("xfs") {
        return None;
    }
    let disk = SmallFilesystem::xfs();
    let vault = Vault::new(Options {
        base: Some(disk.path().to_owned()),
        owner,
        ..Options::default()
    });
    Some((disk, vault))
}

fn read(path: &Path, name: &str) -> rustix::io::Result<Vec<u8>> {
    let mut read = vec![0; LONGEST];
    let len = rustix::fs::getxattr(path, name, read.as_mut_slice())?;
    read.truncate(len);
    Ok(read)
}

fn names(path: &Path) -> Vec<String> {
    let mut names = vec![0; 4096];
    let len = rustix::fs::listxattr(path, names.as_mut_slice()).unwrap();
    let list = String::from_utf8(names[..len].to_vec()).unwrap();
    let mut names: Vec<_> = list.split_terminator('\0').map(str::to_owned).collect();
    names.sort();
    names
}

/// The vault's entries.
fn stored(vault: &Vault) -> Vec<PathBuf> {
    let entries = fs::read_dir(vault.path()).unwrap().map(|entry| entry.unwrap().path());
    entries
        .filter(|path| !path.file_name().unwrap().to_str().unwrap().starts_with("plainview."))
        .collect()
}

#[test]
fn attributes_of_64_kib() {
    let Some((disk, vault)) = vault_on_xfs(Who::Root) else { return };
    let mounted = vault.mount(&[]);
    let value = noise(1, LONGEST + 1);
    let set = |path: &Path, name: &str, len: usize, flags| rustix::fs::setxattr(path, name, &value[..len], flags);
    let (file, dir) = (mounted.path().join("file"), mounted.path().join("dir"));
    fs::write(&file, b"").unwrap();
    fs::create_dir(&dir).unwrap();
    for path in [&file, &dir] {
        set(path, "user.long", LONGEST, XattrFlags::CREATE).unwrap();
        set(path, "user.nearly", LONGEST - 32, XattrFlags::empty()).unwrap();
        set(path, "user.more", LONGEST - 31, XattrFlags::empty()).unwrap();
        assert_eq!(set(path, "user.too.long", LONGEST + 1, XattrFlags::empty()), Err(Errno::TOOBIG));
        // Replaced by what needs no second attribute, and removed.
        for name in ["user.replaced", "user.removed"] {
            set(path, name, LONGEST, XattrFlags::empty()).unwrap();
            set(path, name, LONGEST, XattrFlags::REPLACE).unwrap();
        }
        assert_eq!(set(path, "user.replaced", LONGEST, XattrFlags::CREATE), Err(Errno::EXIST));
        set(path, "user.replaced", 1, XattrFlags::REPLACE).unwrap();
        rustix::fs::removexattr(path, "user.removed").unwrap();
    }
    mounted.unmount();
    let mut mounted = vault.mount(&[]);
    for path in [&file, &dir] {
        assert_eq!(names(path), ["user.long", "user.more", "user.nearly", "user.replaced"]);
        for (name, len) in [
            ("user.long", LONGEST),
            ("user.nearly", LONGEST - 32),
            ("user.more", LONGEST - 31),
            ("user.replaced", 1),
        ] {
            assert!(read(path, name).as_deref() == Ok(&value[..len]), "{name}");
        }
        assert_eq!(rustix::fs::getxattr(path, "user.nearly", &mut [0; 100][..]), Err(Errno::RANGE));
    }
    // Each value that has a rest has one, and there is no other.
    let rests = |path: &Path| {
        let mut names = names(path);
        names.retain(|name| name.starts_with("user.plainview.rest."));
        names
    };
    let stored = stored(&vault);
    assert_eq!(stored.len(), 2);
    for path in &stored {
        assert_eq!(rests(path).len(), 2);
    }
    // As the format says.
    if let Some(python) = python_or_skip() {
        let decoded = disk.path().join("decoded");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/decode.py");
        run(Who::Root
            .command(python)
            .arg(script)
            .arg("--passfile")
            .args([vault.passfile(), vault.path(), &decoded]))
        .ok();
        for (path, name) in [(&file, "file"), (&dir, "dir")] {
            for attribute in names(path) {
                assert!(read(path, &attribute) == read(&decoded.join(name), &attribute), "{attribute}");
            }
        }
    }
    // Without its rest a value is damaged, whichever it was.
    for path in &stored {
        for rest in rests(path) {
            rustix::fs::removexattr(path, rest.as_str()).unwrap();
        }
    }
    for path in [&file, &dir] {
        for name in ["user.long", "user.more"] {
            assert_eq!(read(path, name), Err(Errno::IO));
        }
        assert!(read(path, "user.nearly").as_deref() == Ok(&value[..LONGEST - 32]));
    }
    mounted.expect_log("extended attribute");
    mounted.unmount();
}

/// What is set while others read it is always one value or the other, though it is in two parts.
#[test]
fn attributes_of_64_kib_that_are_replaced() {
    let Some((_disk, vault)) = vault_on_xfs(Who::Root) else { return };
    let mounted = vault.mount(&[]);
    let file = mounted.path().join("file");
    fs::write(&file, b"").unwrap();
    let set = |byte| rustix::fs::setxattr(&file, "user.long", &[byte; 65_536], XattrFlags::empty()).unwrap();
    set(0);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| (0..200).for_each(set));
        let mut value = vec![0; 65_536];
        let mut seen = 0;
        while !writer.is_finished() || seen == 0 {
            assert_eq!(rustix::fs::getxattr(&file, "user.long", value.as_mut_slice()), Ok(65_536));
            assert!(value.iter().all(|byte| *byte == value[0]));
            seen += 1;
        }
        writer.join().unwrap();
    });
    mounted.unmount();
}

/// Who may write to a file may not always read it; nothing is left behind all the same.
#[test]
fn attributes_of_64_kib_of_a_file_that_cannot_be_read() {
    let Some((_disk, vault)) = vault_on_xfs(Who::User) else { return };
    let mounted = vault.mount(&[]);
    let script = r#"exec python3 - <<"EOF"
import os
file = os.environ["MNT"] + "/file"
open(file, "w").close()
os.chmod(file, 0o200)
for _ in range(5): os.setxattr(file, "user.long", os.urandom(65536))
os.removexattr(file, "user.long")
for _ in range(5): os.setxattr(file, "user.short", b"x")
os.chmod(file, 0o600)
assert os.listxattr(file) == ["user.short"]
EOF"#;
    run(&mut mounted.shell(script, &[])).ok();
    mounted.unmount();
    let stored = stored(&vault);
    let len = rustix::fs::listxattr(&stored[0], &mut [0; 4096][..]).unwrap();
    assert!((1..=100).contains(&len), "{len} bytes of names");
}
