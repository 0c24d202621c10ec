//! What there is not says so with the error that programs look for before they do it another way.

use crate::harness::{Options, Vault};
use crate::people::run;

const STEPS: &str = r#"
import ctypes, errno, fcntl, os, sys
libc = ctypes.CDLL(None, use_errno=True)
def say(what, call):
    try:
        print(what, call())
    except OSError as error:
        print(what, errno.errorcode[error.errno])
def c(name, *args):
    if getattr(libc, name)(*args) < 0:
        raise OSError(ctypes.get_errno(), name)
file, other = os.open("file", os.O_RDWR | os.O_CREAT), os.open("other", os.O_RDWR | os.O_CREAT)
outside = os.open(sys.argv[1] + "/outside", os.O_RDWR | os.O_CREAT)
os.write(file, b"x" * 20000)
say("O_TMPFILE", lambda: os.open(".", os.O_TMPFILE | os.O_RDWR))
for name, mode in [("COLLAPSE", 8), ("INSERT", 0x20), ("UNSHARE", 0x40)]:
    say(name, lambda: c("fallocate", file, mode, ctypes.c_long(4096), ctypes.c_long(4096)))
say("FICLONE", lambda: fcntl.ioctl(other, 0x40049409, file))
say("FIEMAP", lambda: fcntl.ioctl(file, 0xC020660B, bytes(32)))
say("GETFLAGS", lambda: fcntl.ioctl(file, 0x80086601, bytes(8)))
say("SETFLAGS", lambda: fcntl.ioctl(file, 0x40086602, bytes(8)))
say("WHITEOUT", lambda: c("renameat2", -100, b"other", -100, b"another", 4))
say("copy out", lambda: os.copy_file_range(file, outside, 100, 0, 0))
os.write(outside, b"x" * 100)
say("copy in", lambda: os.copy_file_range(outside, file, 100, 0, 0))
say("NOWAIT", lambda: os.preadv(file, [bytearray(10)], 0, os.RWF_NOWAIT))
say("APPEND", lambda: (os.pwritev(file, [b"y"], 0, 0x10), os.fstat(file).st_size, os.pread(file, 1, 0)))
os.close(file)
reader = os.open("file", os.O_RDONLY)
say("lease", lambda: fcntl.fcntl(reader, fcntl.F_SETLEASE, fcntl.F_RDLCK))
say("size", lambda: os.fstat(reader).st_size)
"#;

const SAID: &str = "O_TMPFILE ENOTSUP
COLLAPSE ENOTSUP
INSERT ENOTSUP
UNSHARE ENOTSUP
FICLONE ENOTSUP
FIEMAP ENOTSUP
GETFLAGS ENOTTY
SETFLAGS ENOTTY
WHITEOUT EINVAL
copy out EXDEV
copy in EXDEV
NOWAIT ENOTSUP
APPEND (1, 20001, b'x')
lease 0
size 20001
";

#[test]
fn what_is_missing_says_so() {
    let vault = Vault::new(Options::default());
    let script = vault.scratch().file("script", STEPS.as_bytes(), crate::people::Who::me());
    let mounted = vault.mount(&[]);
    let said = run(&mut mounted.shell("python3 \"$1\" \"$2\"", &[&script, vault.scratch().path()])).ok();
    assert_eq!(said, SAID);
    mounted.unmount();
}
