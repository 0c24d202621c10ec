"""Mappings, shared and private, of two processes: prints what each sees."""
import ctypes, errno, hashlib, mmap, os, signal

PAGE = mmap.PAGESIZE


def say(what, call):
    try:
        print(what, call(), flush=True)
    except OSError as error:
        print(what, errno.errorcode[error.errno], flush=True)


def digest():
    with open("file", "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()[:16]


def child(action):
    """How another process that does this ends."""
    pid = os.fork()
    if pid == 0:
        # Nothing is to be said of a signal that is expected.
        signal.signal(signal.SIGBUS, signal.SIG_DFL)
        action()
        os._exit(0)
    return os.waitpid(pid, 0)[1]


fd = os.open("file", os.O_RDWR | os.O_CREAT, 0o644)
os.write(fd, bytes(range(256)) * 100)
size = 25600

# Shared: what one process writes, the other sees at once, in its mapping and by read.
shared = mmap.mmap(fd, size)
theirs_ready, ours = os.pipe()
ours_ready, theirs = os.pipe()
pid = os.fork()
if pid == 0:
    own = os.open("file", os.O_RDWR)
    mapping = mmap.mmap(own, size)
    os.read(theirs_ready, 1)
    say("the other maps", lambda: (mapping[5000:5005], mapping[20000:20003]))
    say("the other reads", lambda: os.pread(own, 5, 5000))
    mapping[9000:9006] = b"answer"
    os.pwrite(own, b"by write", 12000)
    os.write(theirs, b"x")
    os._exit(0)
shared[5000:5005] = b"hello"
shared[20000:20003] = b"far"
os.write(ours, b"x")
os.read(ours_ready, 1)
os.waitpid(pid, 0)
say("we map", lambda: (shared[9000:9006], shared[12000:12008]))
say("we read", lambda: os.pread(fd, 6, 9000))
shared.flush()
say("all", digest)

# Private: nobody else sees it, and what others write before our first change is seen.
private = mmap.mmap(fd, size, mmap.MAP_PRIVATE)
private[0:6] = b"secret"
say("private", lambda: (private[0:6], shared[0:2], os.pread(fd, 2, 0)))
os.pwrite(fd, b"later", 16000)
say("private sees", lambda: private[16000:16005])
# Another process has its own of the same pages, whose changes nobody sees either.
own = mmap.mmap(fd, size, mmap.MAP_PRIVATE)
theirs_ready, ours = os.pipe()
ours_ready, theirs = os.pipe()
pid = os.fork()
if pid == 0:
    other = os.open("file", os.O_RDWR)
    mapping = mmap.mmap(other, size, mmap.MAP_PRIVATE)
    mapping[0:6] = b"theirs"
    # What was inherited is a copy from now on.
    own[7000:7006] = b"forked"
    os.write(theirs, b"x")
    os.read(theirs_ready, 1)
    say("the other's private", lambda: (mapping[0:6], private[0:6], own[7000:7006], mapping[7000:7003], os.pread(other, 2, 0)))
    os._exit(0)
os.read(ours_ready, 1)
own[0:4] = b"ours"
own[7000:7004] = b"kept"
say("our private", lambda: (own[0:6], private[0:6], own[7000:7006], shared[0:2], shared[7000:7003]))
os.write(ours, b"x")
os.waitpid(pid, 0)
say("all but the private", digest)

# The end of the file: zeros up to the page's end, SIGBUS beyond.
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
beyond = libc.mmap(None, 16 * PAGE, mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_SHARED, fd, 0)
tail = (size + PAGE - 1) // PAGE * PAGE
say("behind the end", lambda: ctypes.string_at(beyond + size, tail - size) == bytes(tail - size))
say("beyond the last page", lambda: child(lambda: ctypes.string_at(beyond + tail, 1)) == signal.SIGBUS)
ctypes.memset(beyond + size, 1, 10)
libc.msync(ctypes.c_void_p(beyond), 16 * PAGE, 4)
os.ftruncate(fd, size + 100)
say("what was written behind the end is gone", lambda: os.pread(fd, 100, size) == bytes(100))
os.ftruncate(fd, 3 * PAGE)
say("after a cut", lambda: child(lambda: ctypes.string_at(beyond + 3 * PAGE, 1)) == signal.SIGBUS)
os.ftruncate(fd, 9 * PAGE)
say("grown again", lambda: ctypes.string_at(beyond + 4 * PAGE, 100) == bytes(100))
ctypes.memset(beyond + 8 * PAGE - 10, 7, 20)
say("written into what was a hole", lambda: os.pread(fd, 22, 8 * PAGE - 11))
say("all", digest)

# What may not be mapped.
for name, flags in [("read-only", os.O_RDONLY), ("write-only", os.O_WRONLY)]:
    other = os.open("file", flags)
    say(f"{name}, shared, to write", lambda: mmap.mmap(other, 100) and "mapped")
    say(f"{name}, private", lambda: mmap.mmap(other, 100, mmap.MAP_PRIVATE) and "mapped")
    os.close(other)

# A mapping outlives descriptor and name.
last = mmap.mmap(fd, PAGE)
os.close(fd)
os.rename("file", "renamed")
os.link("renamed", "file")
os.unlink("renamed")
last[0:4] = b"last"
last.flush()
say("all at the end", digest)
os.unlink("file")
last[0:4] = b"gone"
last.flush()
say("unlinked", lambda: last[0:4])
