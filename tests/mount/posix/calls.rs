//! Calls that no suite of others makes: those that work as on ext4, and those that do not.

use super::{Language, same_in_mount_and_beside};
use crate::harness::{Options, Vault};
use crate::people::{Who, root_or_skip, run};

/// What every script begins with.
const BEGIN: &str = r#"
import ctypes, errno, fcntl, os, select, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
long = ctypes.c_long
def say(what, call):
    try:
        print(what, call())
    except OSError as error:
        print(what, errno.errorcode[error.errno])
def c(name, *args):
    result = getattr(libc, name)(*args)
    if result < 0:
        raise OSError(ctypes.get_errno(), name)
    return result
file = os.open("file", os.O_RDWR | os.O_CREAT, 0o644)
os.write(file, b"contents" * 2560)
os.symlink("file", "link")
def statx():
    buffer = ctypes.create_string_buffer(256)
    c("statx", -100, b"file", 0, 0xfff, buffer)
    mask, block, attributes, links, uid, gid, mode = struct.unpack("IIQIIIH", buffer.raw[:30])
    size, = struct.unpack("Q", buffer.raw[40:48])
    return mask, attributes, links, uid, gid, oct(mode), size
"#;

const AS_ON_EXT4: &str = r#"
# Of statx, all but the birth time (0x800).
say("statx", lambda: (statx()[0] & 0x7ff, *statx()[1:]))
# fchmodat2 of what is no symlink, of one, and of what it leads to.
say("chmod file", lambda: (c("syscall", long(452), -100, b"file", 0o601, 0x100), oct(os.stat("file").st_mode)))
say("chmod link", lambda: (c("syscall", long(452), -100, b"link", 0o602, 0x100), oct(os.stat("file").st_mode)))
say("chmod through link", lambda: (c("syscall", long(452), -100, b"link", 0o603, 0), oct(os.stat("file").st_mode)))
say("sync", lambda: os.sync())
say("syncfs", lambda: c("syncfs", file))
say("sync_file_range", lambda: c("sync_file_range", file, long(0), long(9000), 7))
say("readahead", lambda: c("readahead", file, long(0), long(9000)))
for advice in range(7):
    say(f"fadvise {advice}", lambda: (os.posix_fadvise(file, 0, 0, advice), os.pread(file, 8, 8000)))
def poll():
    poll = select.poll()
    poll.register(file, select.POLLIN | select.POLLOUT)
    return [events for fd, events in poll.poll(0)]
say("poll", poll)
say("select", lambda: [len(ready) for ready in select.select([file], [file], [file], 0)])
say("O_NONBLOCK", lambda: os.read(os.open("file", os.O_RDONLY | os.O_NONBLOCK), 8))
for path, resolve in [("file", 0), ("../script", 8), ("link", 8), ("link", 4), ("file", 4), ("/file", 16), ("../file", 16), ("file", 1), ("/proc/self/exe", 1)]:
    how = struct.pack("QQQ", os.O_RDONLY, 0, resolve)
    say(f"openat2 {path} {resolve}", lambda: os.read(c("syscall", long(437), -100, path.encode(), how, long(24)), 8))
# inotify: each event with its name.
watch = c("inotify_init1", os.O_NONBLOCK)
c("inotify_add_watch", watch, b".", 0xfff)
with open("seen", "w") as seen:
    seen.write("x")
os.rename("seen", "seen again")
os.unlink("seen again")
def events():
    raw, said = os.read(watch, 10000), []
    while raw:
        mask, cookie, length = struct.unpack("III", raw[4:16])
        said.append((hex(mask), raw[16:16 + length].rstrip(b"\0")))
        raw = raw[16 + length:]
    return said
say("inotify", events)
# telldir and seekdir: each place leads back to its name, in any order, also when others have gone.
libc.opendir.restype = libc.readdir.restype = ctypes.c_void_p
libc.telldir.restype = long
libc.readdir.argtypes = libc.telldir.argtypes = libc.rewinddir.argtypes = libc.closedir.argtypes = [ctypes.c_void_p]
libc.seekdir.argtypes = [ctypes.c_void_p, long]
os.mkdir("dir")
for number in range(700):
    os.close(os.open(f"dir/{number}", os.O_CREAT))
stream = libc.opendir(b"dir")
def next_name():
    entry = libc.readdir(stream)
    return entry and ctypes.string_at(entry + 19)
places = {}
while True:
    place = libc.telldir(stream)
    name = next_name()
    if not name:
        break
    places[name] = place
print("places", len(places), len(set(places.values())))
def found():
    right = 0
    for name, place in reversed(places.items()):
        libc.seekdir(stream, place)
        right += next_name() == name
    return right
print("found", found())
for number in range(0, 700, 3):
    os.unlink(f"dir/{number}")
    del places[b"%d" % number]
print("found of those that stay", found(), len(places))
libc.rewinddir(stream)
count = 0
while next_name():
    count += 1
print("from the beginning", count)
libc.closedir(stream)
"#;

#[test]
fn rare_calls_work_as_on_ext4() {
    for who in Who::both() {
        same_in_mount_and_beside(who, &[], Language::Python, &[BEGIN, AS_ON_EXT4].concat());
    }
}

/// What is not as on ext4, some of it root's alone.
const ELSE: &str = r#"
def epoll():
    epoll = select.epoll()
    epoll.register(file, select.EPOLLIN | select.EPOLLOUT)
    return [events for fd, events in epoll.poll(0)]
say("epoll", epoll)
say("birth time", lambda: statx()[0] & 0x800)
other = os.open("other", os.O_RDWR | os.O_CREAT, 0o644)
os.write(other, os.pread(file, 8192, 0))
same = bytearray(struct.pack("QQHHIqQQiI", 0, 4096, 1, 0, 0, other, 0, 0, 0, 0))
say("FIDEDUPERANGE", lambda: fcntl.ioctl(file, 0xC0189436, same))
say("FIBMAP", lambda: struct.unpack("i", fcntl.ioctl(file, 1, struct.pack("i", 0))))
page = bytearray(1 << 20)
page[1024:1028], page[1028:1032], page[4086:4096] = struct.pack("I", 1), struct.pack("I", 255), b"SWAPSPACE2"
with open("swap", "wb") as swap:
    swap.write(page)
say("swapon", lambda: c("swapon", b"swap", 0))
# The mount forgets what is not in use when it is mounted anew as it is.
def forget():
    os.sync()
    c("mount", None, os.getcwd().encode(), None, ctypes.c_ulong(0x200000 | 0x20 | 4 | 2), None)
def atime_after(flags):
    os.utime("other", (0, 0))
    forget()
    reader = os.open("other", os.O_RDONLY | flags)
    os.read(reader, 100)
    os.close(reader)
    return os.stat("other").st_atime > 0
os.close(other)
say("O_NOATIME", lambda: atime_after(os.O_NOATIME))
with open("handled", "w") as handled:
    handled.write("contents")
handle, mount = ctypes.create_string_buffer(struct.pack("Ii", 128, 0), 136), ctypes.c_int()
say("name_to_handle_at", lambda: c("name_to_handle_at", -100, b"handled", handle, ctypes.byref(mount), 0))
def by_handle():
    here = os.open(".", os.O_RDONLY)
    try:
        handled = c("open_by_handle_at", here, handle, os.O_RDONLY)
        contents = os.read(handled, 8)
        os.close(handled)
        return contents
    finally:
        os.close(here)
say("by handle", by_handle)
forget()
say("by handle of what was forgotten", by_handle)
"#;

const SAID: &str = "epoll [5]
birth time 0
FIDEDUPERANGE ENOTSUP
FIBMAP (0,)
swapon EINVAL
O_NOATIME True
name_to_handle_at 0
by handle b'contents'
by handle of what was forgotten ESTALE
";

/// fanotify for a directory's entries, and for a whole filesystem with file handles.
const FANOTIFY: &str = r#"
notify = c("fanotify_init", 2, os.O_RDONLY)
say("fanotify", lambda: c("fanotify_mark", notify, 1, ctypes.c_ulong(0x8 | 0x8000000), -100, b"."))
with open("seen", "w") as seen:
    seen.write("x")
def event():
    length, version, reserved, header, mask, fd, pid = struct.unpack("IBBHQii", os.read(notify, 1000)[:24])
    return hex(mask), os.pread(os.open(f"/proc/self/fd/{fd}", os.O_RDONLY), 1, 0), pid == os.getpid()
say("fanotify event", event)
handles = c("fanotify_init", 2 | 0x200, os.O_RDONLY)
say("fanotify of the filesystem", lambda: c("fanotify_mark", handles, 0x101, ctypes.c_ulong(0x100), -100, b"."))
"#;

const FANOTIFY_SAID: &str = "fanotify 0
fanotify event ('0x8', b'x', True)
fanotify of the filesystem ENODEV
";

#[test]
fn what_is_not_as_on_ext4() {
    if !root_or_skip() {
        return;
    }
    let vault = Vault::new(Options::default());
    let script = [BEGIN, ELSE, FANOTIFY].concat();
    let script = vault.scratch().file("script", script.as_bytes(), Who::me());
    let mounted = vault.mount(&[]);
    let said = run(&mut mounted.shell("python3 \"$1\"", &[&script])).ok();
    assert_eq!(said, [SAID, FANOTIFY_SAID].concat());
    mounted.unmount();
}
