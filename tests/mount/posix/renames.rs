//! Renames of what is in use, and directories that are gone while somebody is in them.

use super::{Language, same_in_mount_and_beside};
use crate::people::Who;

const OPEN_FILES: &str = r#"
import os
def contents(path):
    return open(path).read()
def write(path, text):
    open(path, "w").write(text)
# Over an open file: who has it open keeps it.
write("old", "old"); write("new", "new")
old = open("old", "r+")
os.rename("new", "old")
old.seek(0, 2); old.write(" and more"); old.flush(); old.seek(0)
print(old.read(), contents("old"), os.fstat(old.fileno()).st_nlink)
# A directory with open files in it, also far below.
os.makedirs("a/b/c"); write("a/b/c/file", "deep"); write("a/top", "top")
deep, top = open("a/b/c/file", "r+"), open("a/top", "r+")
there = os.open("a/b", os.O_RDONLY)
os.rename("a", "z")
for file, path in [(deep, "z/b/c/file"), (top, "z/top")]:
    file.seek(0, 2); file.write(" moved"); file.flush(); os.fsync(file.fileno())
    print(contents(path), os.fstat(file.fileno()).st_ino == os.stat(path).st_ino)
os.mkdir("elsewhere"); os.rename("z/b", "elsewhere/" + "b" * 255)
deep.write(" twice"); deep.flush()
print(contents("elsewhere/" + "b" * 255 + "/c/file"), sorted(os.listdir(there)), os.listdir("z"))
write(f"/proc/self/fd/{there}/beside", "by descriptor")
print(contents("elsewhere/" + "b" * 255 + "/beside"))
# Two directories change places, each with an open file.
os.mkdir("one"); os.mkdir("two"); write("one/f", "1"); write("two/f", "2")
one, two = open("one/f", "a"), open("two/f", "a")
"#;

const EXCHANGE: &str = r#"
import ctypes, errno
libc = ctypes.CDLL(None, use_errno=True)
def renameat2(one, other, flags):
    if libc.renameat2(-100, one.encode(), -100, other.encode(), flags):
        return errno.errorcode[ctypes.get_errno()]
    return "ok"
NOREPLACE, EXCHANGE, WHITEOUT = 1, 2, 4
print(renameat2("one", "two", EXCHANGE))
one.write(" was in one"); one.flush(); two.write(" was in two"); two.flush()
print(contents("one/f"), "|", contents("two/f"))
# A file and a directory; a symlink and a fifo; long and short names.
write("plainfile", "file"); long = "l" * 255
print(renameat2("plainfile", "one", EXCHANGE), contents("one"), os.listdir("plainfile"))
os.symlink("nowhere", long); os.mkfifo("fifo")
print(renameat2("fifo", long, EXCHANGE), os.readlink("fifo"), oct(os.stat(long).st_mode))
print(renameat2("plainfile", long, EXCHANGE), os.listdir(long), oct(os.stat("plainfile").st_mode))
print(renameat2("two", "two/f", EXCHANGE), renameat2("two/f", "two", EXCHANGE), renameat2("two", "missing", EXCHANGE))
print(renameat2("one", "two", NOREPLACE), renameat2("one", "new name", NOREPLACE), renameat2("new name", "two", NOREPLACE | EXCHANGE))
print(os.stat("two").st_nlink, os.stat(long).st_nlink, os.stat(".").st_nlink, sorted(os.listdir()))
"#;

/// What one meets in a directory that has been removed, renamed, or replaced meanwhile.
const GONE: &str = r#"
import errno, os
def say(what, call):
    try:
        print(what, call())
    except OSError as error:
        print(what, errno.errorcode[error.errno])
top = os.open(".", os.O_RDONLY)
os.mkdir("gone"); os.chdir("gone")
os.mkdir("sub"); os.rmdir("sub")
os.rmdir("../gone")
say("cwd", os.getcwd)
say("list", lambda: os.listdir("."))
say("create", lambda: os.open("file", os.O_CREAT | os.O_RDWR))
say("mkdir", lambda: os.mkdir("dir"))
say("symlink", lambda: os.symlink("x", "link"))
say("mkfifo", lambda: os.mkfifo("fifo"))
say("stat", lambda: (oct(os.stat(".").st_mode), os.stat(".").st_nlink))
say("missing", lambda: os.stat("file"))
say("chmod", lambda: os.chmod(".", 0o711))
say("mode", lambda: oct(os.stat(".").st_mode))
say("parent", lambda: os.path.samefile("..", f"/proc/self/fd/{top}"))
say("rename into it", lambda: os.rename(f"/proc/self/fd/{top}", "x"))
os.fchdir(top)
# A new one of the same name is another.
os.mkdir("gone"); before = os.open("gone", os.O_RDONLY); os.rmdir("gone"); os.mkdir("gone")
say("another", lambda: os.fstat(before).st_ino != os.stat("gone").st_ino or os.fstat(before).st_nlink == 0)
say("nothing there", lambda: os.open("file", os.O_CREAT | os.O_RDWR, dir_fd=before))
say("a place", lambda: os.close(os.open("file", os.O_CREAT | os.O_RDWR, dir_fd=os.open("gone", os.O_RDONLY))))
# Replaced by a rename while one is in it.
os.mkdir("inside"); os.mkdir("replacement"); os.chdir("inside"); os.rename("../replacement", "../inside")
say("replaced", os.getcwd)
say("create in the replaced", lambda: os.mkdir("dir"))
os.fchdir(top)
# Moved while one is in it.
os.mkdir("stay"); os.chdir("stay"); os.rename("../stay", "../moved")
say("moved", lambda: os.path.basename(os.getcwd()))
say("works", lambda: os.mkdir("dir"))
os.fchdir(top)
say("seen", lambda: os.listdir("moved"))
"#;

#[test]
fn renames_of_what_is_open_work_as_on_ext4() {
    for who in Who::both() {
        same_in_mount_and_beside(who, &[], Language::Python, &[OPEN_FILES, EXCHANGE].concat());
    }
}

#[test]
fn directories_that_are_gone_work_as_on_ext4() {
    for who in Who::both() {
        same_in_mount_and_beside(who, &[], Language::Python, GONE);
    }
}
