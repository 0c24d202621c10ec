//! A vault that is changed underneath while it is mounted.

use super::{SECRET, unmount_and_check_log};
use crate::harness::{Options, Vault, wait_for};
use rustix::io::Errno;
use std::collections::BTreeSet;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// The only entry that `make` makes in the directory `dir`.
pub(crate) fn made_in(dir: &Path, make: impl FnOnce()) -> PathBuf {
    let list = || {
        std::fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect::<BTreeSet<_>>()
    };
    let before = list();
    make();
    let own = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap();
        name.starts_with("plainview.name.") || name == "plainview.journal"
    };
    let new: Vec<_> = list().difference(&before).filter(|path| !own(path)).cloned().collect();
    assert_eq!(new.len(), 1, "{new:?}");
    new[0].clone()
}

#[test]
fn a_change_underneath_is_seen_within_seconds_and_nothing_wrong_before() {
    let vault = Vault::new(Options::default());
    let mounted = vault.mount(&[]);
    let path = mounted.path().join(format!("{SECRET}-file"));
    let contents: Vec<u8> = (0..20_000_u32).flat_map(u32::to_le_bytes).collect();
    let stored = made_in(vault.path(), || std::fs::write(&path, &contents).unwrap());
    std::fs::File::open(&path).unwrap().sync_all().unwrap();
    assert!(std::fs::read(&path).unwrap() == contents);
    let file = std::fs::File::options().read(true).write(true).open(&stored).unwrap();
    for offset in [5, 60, 30_000] {
        let mut byte = [0];
        file.read_exact_at(&mut byte, offset).unwrap();
        file.write_all_at(&[!byte[0]], offset).unwrap();
        wait_for("the change to be seen", || match std::fs::read(&path) {
            Ok(bytes) => {
                assert!(bytes == contents, "wrong bytes after byte {offset} was changed");
                false
            }
            Err(error) => {
                assert_eq!(error.raw_os_error(), Some(Errno::IO.raw_os_error()));
                true
            }
        });
        file.write_all_at(&byte, offset).unwrap();
        wait_for("the change back to be seen", || {
            std::fs::read(&path).is_ok_and(|bytes| bytes == contents)
        });
    }
    unmount_and_check_log(mounted, &["damaged: "], [stored.to_str().unwrap()]);
}

#[test]
fn files_that_come_and_go_underneath_are_seen() {
    let vault = Vault::new(Options::default());
    let mounted = vault.mount(&[]);
    let [one, two] = ["one", "two"].map(|name| mounted.path().join(format!("{SECRET}-{name}")));
    let stored = made_in(vault.path(), || std::fs::write(&one, "first").unwrap());
    let other = made_in(vault.path(), || std::fs::write(&two, "second, and longer").unwrap());
    std::fs::File::open(&one).unwrap().sync_all().unwrap();
    std::fs::File::open(&two).unwrap().sync_all().unwrap();
    // A synchronisation program renames over what is there. Contents are bound to a file, not to its name.
    std::fs::rename(&other, &stored).unwrap();
    wait_for("the other contents", || {
        std::fs::read(&one).is_ok_and(|bytes| bytes == b"second, and longer")
    });
    wait_for("the other file's end", || !two.exists());
    std::fs::remove_file(&stored).unwrap();
    wait_for("the file's end", || !one.exists());
    assert_eq!(std::fs::read_dir(mounted.path()).unwrap().count(), 0);
    std::fs::write(&one, "third").unwrap();
    assert_eq!(std::fs::read_to_string(&one).unwrap(), "third");
    mounted.unmount();
}

#[test]
fn how_long_a_change_goes_unseen_can_be_said() {
    let vault = Vault::new(Options::default());
    for (args, is_seen) in [(["--cache-time", "0s"], true), (["-o", "cache_time=1h"], false)] {
        let mounted = vault.mount(&args);
        let path = mounted.path().join("file");
        let stored = made_in(vault.path(), || std::fs::write(&path, "something").unwrap());
        assert!(path.exists());
        std::fs::remove_file(&stored).unwrap();
        if !is_seen {
            // Longer than without the option.
            std::thread::sleep(std::time::Duration::from_millis(1500));
        }
        assert_eq!(path.exists(), !is_seen, "{args:?}");
        mounted.unmount();
    }
}
