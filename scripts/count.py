#!/usr/bin/env python3
"""How many requests the kernel sends for an operation on a mounted vault, and how many system calls the daemon makes for them.

    scripts/count.py PATH_TO_PLAINVIEW [DIRECTORY]                (as root, with strace; DIRECTORY: where the vault lies, default /dev/shm)
    scripts/count.py --check PAGE PATH_TO_PLAINVIEW [DIRECTORY]

Prints the table of docs/performance.md; with --check, fails where something takes more than the table in PAGE says. Each operation runs once to warm the mount,
then some times traced, on entries of its own."""
import argparse, collections, os, re, signal, struct, subprocess, sys, tempfile, time

OPCODES = {1: "LOOKUP", 2: "FORGET", 3: "GETATTR", 4: "SETATTR", 5: "READLINK", 6: "SYMLINK", 8: "MKNOD", 9: "MKDIR", 10: "UNLINK", 11: "RMDIR", 12: "RENAME",
           13: "LINK", 14: "OPEN", 15: "READ", 16: "WRITE", 17: "STATFS", 18: "RELEASE", 20: "FSYNC", 21: "SETXATTR", 22: "GETXATTR", 23: "LISTXATTR",
           24: "REMOVEXATTR", 25: "FLUSH", 26: "INIT", 27: "OPENDIR", 28: "READDIR", 29: "RELEASEDIR", 30: "FSYNCDIR", 34: "ACCESS", 35: "CREATE", 42: "BATCH_FORGET",
           43: "FALLOCATE", 44: "READDIRPLUS", 45: "RENAME2", 46: "LSEEK", 47: "COPY_FILE_RANGE"}
# What a thread does for itself, not for the operation.
OWN = {"futex", "sched_yield", "madvise", "mmap", "munmap", "brk", "mprotect", "restart_syscall", "rt_sigprocmask", "clock_gettime", "poll", "ppoll", "epoll_wait", "getrandom", "sched_getaffinity", "recvfrom"}


def write(path, data, sync=False, flags=os.O_WRONLY | os.O_CREAT):
    fd = os.open(path, flags, 0o644)
    os.write(fd, data)
    if sync:
        os.fsync(fd)
    os.close(fd)


def read(path):
    with open(path, "rb", buffering=0) as file:
        while file.read(1 << 20):
            pass


def settle():
    """Lets entries expire (1 s) and what is written back in the background go out."""
    os.sync()
    time.sleep(1.3)


def operations(top):
    """(name, what must be there before, the operation on entry number n)."""
    at = lambda kind, n: os.path.join(top, f"{kind}{n}")
    small, big = b"s" * 3000, b"b" * (1 << 20)
    return [
        ("stat, not cached", lambda n: write(at("stat", n), small), lambda n: os.stat(at("stat", n))),
        ("stat of what is not there", lambda n: None, lambda n: os.path.exists(at("none", n))),
        ("create, write 3,000 bytes, close", lambda n: None, lambda n: write(at("new", n), small)),
        ("read a file of 3,000 bytes, cold", lambda n: write(at("read", n), small), lambda n: read(at("read", n))),
        ("read it again", lambda n: (write(at("again", n), small), read(at("again", n))), lambda n: read(at("again", n))),
        ("append 200 bytes, fsync, close", lambda n: write(at("append", n), small), lambda n: write(at("append", n), b"a" * 200, True, os.O_WRONLY | os.O_APPEND)),
        ("append 200 bytes again, fsync, close", lambda n: write(at("log", n), small, True),
         lambda n: write(at("log", n), b"a" * 200, True, os.O_WRONLY | os.O_APPEND)),
        ("write 1 MiB, fsync, close", lambda n: None, lambda n: write(at("big", n), big, True)),
        ("overwrite 1 MiB, fsync, close", lambda n: write(at("over", n), big, True), lambda n: write(at("over", n), big, True)),
        ("read 1 MiB, cold", lambda n: write(at("cold", n), big, True), lambda n: read(at("cold", n))),
        ("mkdir", lambda n: None, lambda n: os.mkdir(at("dir", n))),
        ("rmdir", lambda n: os.mkdir(at("gone", n)), lambda n: os.rmdir(at("gone", n))),
        ("rename a file", lambda n: write(at("from", n), small), lambda n: os.rename(at("from", n), at("to", n))),
        ("rename a directory, first time", lambda n: os.mkdir(at("dfrom", n)), lambda n: os.rename(at("dfrom", n), at("dto", n))),
        ("unlink", lambda n: write(at("unlink", n), small), lambda n: os.unlink(at("unlink", n))),
        ("symlink", lambda n: None, lambda n: os.symlink("target", at("link", n))),
        ("truncate to 1 TiB", lambda n: write(at("sparse", n), small), lambda n: os.truncate(at("sparse", n), 1 << 40)),
        ("list 1,000 files with attributes", lambda n: (os.mkdir(at("list", n)), [write(os.path.join(at("list", n), f"{i}"), b"") for i in range(1000)]),
         lambda n: [entry.stat() for entry in os.scandir(at("list", n))]),
        ("list them again, later", lambda n: None, lambda n: [entry.stat() for entry in os.scandir(at("list", n))]),
        ("list their names again, later", lambda n: None, lambda n: os.listdir(at("list", n))),
    ]


def traced(pid, action):
    with tempfile.NamedTemporaryFile(suffix=".strace") as log:
        tracer = subprocess.Popen(["strace", "-f", "-qq", "-xx", "-s", "48", "-o", log.name, "-p", str(pid)], stderr=subprocess.PIPE)
        wanted = len(os.listdir(f"/proc/{pid}/task"))
        while sum("TracerPid:\t0" not in open(f"/proc/{pid}/task/{t}/status").read() for t in os.listdir(f"/proc/{pid}/task")) < wanted:
            time.sleep(0.01)
        action()
        time.sleep(0.3)
        tracer.send_signal(signal.SIGINT)
        tracer.wait()
        return open(log.name, errors="replace").read()


def drop_caches():
    try:
        with open("/proc/sys/vm/drop_caches", "w") as file:
            file.write("3")
    except OSError:
        pass  # In a container: then more is cached, and less is asked for.


def devices(pid):
    """The descriptors by which the kernel is answered."""
    found = set()
    for fd in os.listdir(f"/proc/{pid}/fd"):
        try:
            if os.readlink(f"/proc/{pid}/fd/{fd}") == "/dev/fuse":
                found.add(fd)
        except FileNotFoundError:
            pass  # Closed meanwhile.
    return found


def workers(pid):
    """The threads that answer the kernel. Another one writes what is in the journal into the files, every few seconds, whatever is being done."""
    comm = lambda thread: open(f"/proc/{pid}/task/{thread}/comm").read()
    return {thread for thread in os.listdir(f"/proc/{pid}/task") if comm(thread).startswith("fuser")}


def count(log, fuse_fds, threads):
    requests, calls = collections.Counter(), collections.Counter()
    for line in log.splitlines():
        if line.split(" ")[0] not in threads:
            continue
        match = re.match(r"\d+ +(?:<\.\.\. )?(\w+)(?:\((\d+|AT_FDCWD)?| resumed>)", line)
        if not match:
            continue
        name, fd = match.groups()
        header = re.search(r'"((?:\\x[0-9a-f]{2}){40,})"', line)
        if name == "read" and header and ("resumed" in line or fd in fuse_fds):
            raw = bytes.fromhex(header.group(1).replace("\\x", ""))
            length, opcode = struct.unpack("<II", raw[:8])
            if opcode in OPCODES:
                requests[OPCODES[opcode]] += 1
                continue
        # F_GETFD is an assertion of Rust's, in builds that have those.
        if "resumed" in line or name in OWN or fd in fuse_fds or "F_GETFD" in line:
            continue
        calls[name] += 1
    return requests, calls


def rows(plainview, base, tries):
    """Mounts a new vault and does everything `tries` times, on entries of their own: (operation, (requests, system calls) of each time)."""
    with tempfile.TemporaryDirectory(dir=base) as work:
        vault, top = os.path.join(work, "vault"), os.path.join(work, "mnt")
        os.mkdir(top)
        subprocess.run([plainview, "init", "--kdf-memory", "8M", "--kdf-passes", "1", vault], input=b"password\n", stdout=subprocess.DEVNULL, check=True)
        daemon = subprocess.Popen([plainview, "mount", "-f", vault, top], stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
        daemon.stdin.write(b"password\n")
        daemon.stdin.close()
        while not os.path.ismount(top):
            time.sleep(0.01)
        try:
            table = operations(top)
            for _, before, _ in table:
                for n in range(tries + 1):
                    before(n)
            for _, _, action in table:
                action(0)
            settle()
            drop_caches()
            fuse_fds = devices(daemon.pid)

            def once(name, action, n):
                if "not cached" in name:
                    time.sleep(1.3)
                else:
                    os.listdir(top)
                if "again" in name:
                    action(n)
                if "later" in name:
                    time.sleep(1.5)
                return count(traced(daemon.pid, lambda: action(n)), fuse_fds, workers(daemon.pid))

            for name, _, action in table:
                yield name, (once(name, action, n) for n in range(1, tries + 1))
        finally:
            subprocess.run(["umount", top])
            daemon.wait()


def line(name, requests, calls):
    show = lambda counter: ", ".join(key if number == 1 else f"{number} {key}" for key, number in counter.items()) or "none"
    return f"| {name} | {requests.total()}: {show(requests)} | {calls.total()}: {show(calls)} |"


def check(plainview, base, page):
    """Whether nothing takes more requests or system calls than the table in `page` says. Fewer are no failure: what the kernel has cached, it does not ask for."""
    limits = {match[1]: (int(match[2]), int(match[3])) for match in re.finditer(r"^\| (.+?) \| (\d+): .*? \| (\d+): .*\|$", open(page).read(), re.M)}
    failed = []
    for name, runs in rows(plainview, base, 12):
        for requests, calls in runs:
            # The kernel may have something else to do in between, such as to write back: then it is looked at once more.
            if name in limits and requests.total() <= limits[name][0] and calls.total() <= limits[name][1]:
                break
        else:
            failed.append(f"{line(name, requests, calls)}, and {page} says {limits.get(name, 'nothing')}")
    print("\n".join(failed) if failed else f"{len(limits)} operations: no more requests and system calls than {page} says")
    return not failed


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", metavar="PAGE")
    parser.add_argument("plainview")
    parser.add_argument("directory", nargs="?", default="/dev/shm")
    options = parser.parse_args()
    plainview = os.path.abspath(options.plainview)
    if options.check:
        sys.exit(0 if check(plainview, options.directory, options.check) else 1)
    print("| operation | requests | system calls on the vault |\n|---|---|---|")
    for name, runs in rows(plainview, options.directory, 3):
        # Of three the middle one: now and then something is cached or not, or the journal's file is made longer.
        print(line(name, *sorted(runs, key=lambda run: (run[0].total(), run[1].total()))[1]), flush=True)


if __name__ == "__main__":
    main()
