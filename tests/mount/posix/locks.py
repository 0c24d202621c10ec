"""Locks between two processes, and between two descriptors of one: prints what each step says."""
import errno, fcntl, os, struct, time

OFD_GETLK, OFD_SETLK = 36, 37
fd = os.open("file", os.O_RDWR | os.O_CREAT, 0o644)
os.write(fd, b"x" * 1000)


def say(what, call):
    try:
        result = call()
        print(what, "ok" if result is None else result, flush=True)
    except OSError as error:
        print(what, errno.errorcode[error.errno], flush=True)


def in_child(action):
    """Runs it in another process, to its end."""
    pid = os.fork()
    if pid == 0:
        try:
            action()
        finally:
            os._exit(0)
    os.waitpid(pid, 0)


def lock(fd, kind, start, length, command=fcntl.F_SETLK):
    """Locks a range: POSIX locks by default."""
    fcntl.fcntl(fd, command, struct.pack("hhqqi4x", kind, 0, start, length, 0))


def ask(fd, kind, start, length, command=fcntl.F_GETLK):
    """Which lock is in the way: its kind, its range, and whether its holder is our parent."""
    kind, _, start, length, pid = struct.unpack("hhqqi4x", fcntl.fcntl(fd, command, struct.pack("hhqqi4x", kind, 0, start, length, 0)))
    if kind == fcntl.F_UNLCK:
        return "none"
    return kind, start, length, {os.getppid(): "parent", -1: "a descriptor"}.get(pid, "another")


def again():
    return os.open("file", os.O_RDWR)


# flock: of the open file, not of the process.
one, other = again(), again()
say("flock shared", lambda: fcntl.flock(one, fcntl.LOCK_SH | fcntl.LOCK_NB))
say("flock shared, too", lambda: fcntl.flock(other, fcntl.LOCK_SH | fcntl.LOCK_NB))
say("flock exclusive beside shared", lambda: fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB))
os.close(one)
say("flock exclusive after close", lambda: fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB))
in_child(lambda: say("flock of a child's own", lambda: fcntl.flock(again(), fcntl.LOCK_SH | fcntl.LOCK_NB)))
in_child(lambda: say("flock inherited", lambda: fcntl.flock(other, fcntl.LOCK_SH | fcntl.LOCK_NB)))
fcntl.flock(other, fcntl.LOCK_UN)
directory = os.open(".", os.O_RDONLY)
say("flock of a directory", lambda: fcntl.flock(directory, fcntl.LOCK_EX | fcntl.LOCK_NB))

# fcntl: of the process, by ranges.
say("write lock 100..200", lambda: lock(fd, fcntl.F_WRLCK, 100, 100))
say("its own again, by another descriptor", lambda: lock(other, fcntl.F_WRLCK, 150, 10))
in_child(lambda: say("read lock inside", lambda: lock(fd, fcntl.F_RDLCK, 199, 1)))
in_child(lambda: say("read lock behind", lambda: lock(fd, fcntl.F_RDLCK, 200, 0)))
in_child(lambda: say("who is in the way", lambda: ask(fd, fcntl.F_RDLCK, 0, 0)))
say("unlock the middle", lambda: lock(fd, fcntl.F_UNLCK, 140, 20))
in_child(lambda: say("the first part", lambda: ask(fd, fcntl.F_WRLCK, 0, 0)))
in_child(lambda: say("the middle", lambda: lock(fd, fcntl.F_WRLCK, 140, 20)))
in_child(lambda: say("the second part", lambda: ask(fd, fcntl.F_WRLCK, 140, 0)))
say("to a read lock", lambda: lock(fd, fcntl.F_RDLCK, 100, 40))
in_child(lambda: say("read beside read", lambda: lock(fd, fcntl.F_RDLCK, 100, 40)))
reader = os.open("file", os.O_RDONLY)
say("write lock without write permission", lambda: lock(reader, fcntl.F_WRLCK, 0, 1))
os.close(reader)
in_child(lambda: say("after the close of any descriptor", lambda: ask(fd, fcntl.F_WRLCK, 0, 0)))

# Waiting, and a circle of waiting.
lock(fd, fcntl.F_WRLCK, 0, 1)
lock(fd, fcntl.F_WRLCK, 10, 1)
ready, go = os.pipe()
waiter = os.fork()
if waiter == 0:
    lock(fd, fcntl.F_WRLCK, 1, 1)
    os.write(go, b"x")
    say("waited", lambda: lock(fd, fcntl.F_WRLCK, 0, 1, fcntl.F_SETLKW))
    os._exit(0)
os.read(ready, 1)


def waits():
    return any("->" in line and str(waiter) in line.split() for line in open("/proc/locks"))


for _ in range(3000):
    if waits():
        break
    time.sleep(0.01)
say("a circle", lambda: lock(fd, fcntl.F_WRLCK, 1, 1, fcntl.F_SETLKW))
lock(fd, fcntl.F_UNLCK, 0, 1)
os.waitpid(waiter, 0)
lock(fd, fcntl.F_UNLCK, 0, 0)

# Locks of the open file description.
one, other = again(), again()
say("ofd write lock", lambda: lock(one, fcntl.F_WRLCK, 0, 100, OFD_SETLK))
say("ofd beside it", lambda: lock(other, fcntl.F_RDLCK, 50, 1, OFD_SETLK))
say("ofd in the way", lambda: ask(other, fcntl.F_RDLCK, 0, 0, OFD_GETLK))
say("posix beside ofd", lambda: lock(fd, fcntl.F_WRLCK, 0, 1))
in_child(lambda: say("ofd inherited", lambda: lock(one, fcntl.F_RDLCK, 0, 100, OFD_SETLK)))
os.close(again())
say("ofd after another's close", lambda: ask(other, fcntl.F_WRLCK, 0, 0, OFD_GETLK))
os.close(one)
say("ofd after its own close", lambda: lock(other, fcntl.F_WRLCK, 50, 1, OFD_SETLK))

# A lock outlives the file's name.
os.unlink("file")
in_child(lambda: say("of an unlinked file", lambda: ask(fd, fcntl.F_WRLCK, 0, 0)))
