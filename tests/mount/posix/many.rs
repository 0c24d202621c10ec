//! Very many and very deep.

use super::{Language, same_in_mount_and_beside};
use crate::harness::{Options, Vault};
use crate::people::Who;
use std::collections::HashSet;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;

/// Files in the one directory.
const FILES: usize = 200_000;

/// Each name is there once, also when some have another name, and in another mount; a file that is there is found, one that is not is not.
#[test]
fn two_hundred_thousand_files_in_one_directory() {
    let vault = Vault::new(Options::default());
    let mounted = vault.mount(&[]);
    let dir = vault.point().join("dir");
    fs::create_dir(&dir).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let dir = &dir;
            scope.spawn(move || {
                for number in (thread..FILES).step_by(4) {
                    File::create_new(dir.join(format!("{number}"))).unwrap();
                }
            });
        }
    });
    let list = || {
        let mut seen = HashSet::with_capacity(FILES);
        for entry in fs::read_dir(&dir).unwrap() {
            let name = entry.unwrap().file_name();
            let number: usize = std::str::from_utf8(name.as_bytes()).unwrap().parse().unwrap();
            assert!(seen.insert(number), "{number} is there twice");
        }
        seen
    };
    let seen = list();
    assert!(seen.len() == FILES && seen.iter().all(|number| *number < FILES));
    for number in (0..FILES).step_by(1001) {
        assert!(fs::metadata(dir.join(format!("{number}"))).is_ok() && fs::metadata(dir.join(format!("{number}."))).is_err());
        fs::rename(dir.join(format!("{number}")), dir.join(format!("{}", number + FILES))).unwrap();
    }
    mounted.unmount();
    let mounted = vault.mount(&[]);
    let expected: HashSet<_> = (0..FILES)
        .map(|number| if number % 1001 == 0 { number + FILES } else { number })
        .collect();
    assert!(list() == expected);
    mounted.unmount();
}

/// Paths longer than PATH_MAX, by relative steps: made, entered, read, renamed, left upwards, removed.
const DEEP: &str = r#"
import errno, os
name = "n" * 200
for level in range(100):
    os.mkdir(name); os.chdir(name)
open("file", "w").write("deep down")
print(os.stat("file").st_size, open("file").read())
try:
    print(len(os.getcwd()) > 20000)
except OSError as error:
    print("cwd", errno.errorcode[error.errno])
os.rename("file", "../beside")
print(sorted(os.listdir("..")) == ["beside", name])
for level in range(100):
    os.chdir("..")
print(os.listdir("."), os.path.exists(name + "/" + name))
try:
    os.stat("/".join([name] * 30))
except OSError as error:
    print(errno.errorcode[error.errno])
# All of it moves with its top.
os.rename(name, "top")
os.chdir("top")
for level in range(98):
    os.chdir(name)
print(open("beside").read())
os.chdir("../" * 99)
# Removed from below, by descriptors.
def remove(fd):
    for entry in os.listdir(fd):
        if entry == "beside":
            os.unlink(entry, dir_fd=fd)
        else:
            inner = os.open(entry, os.O_RDONLY, dir_fd=fd)
            remove(inner)
            os.close(inner)
            os.rmdir(entry, dir_fd=fd)
here = os.open(".", os.O_RDONLY)
remove(here)
print(os.listdir("."))
"#;

#[test]
fn a_tree_deeper_than_a_path_is_long_works_as_on_ext4() {
    for who in Who::both() {
        same_in_mount_and_beside(who, &[], Language::Python, DEEP);
    }
}
