#!/usr/bin/env python3
"""How the cost of an operation grows with the number of files in a directory and with the length of a file, and what memory the daemon takes.

    scripts/growth.py PATH_TO_PLAINVIEW [--files N,N,...] [--base DIRECTORY]     (as root; DIRECTORY: where the vault lies, default /dev/shm)

Prints the tables of docs/performance.md, "How the cost grows"."""
import argparse, os, re, subprocess, tempfile, time

GIB = 1 << 30


class Vault:
    """A vault with a cheap key derivation, so that a mount shows what the rest of it takes."""

    def __init__(self, plainview, dir):
        self.plainview, self.folder, self.top, self.password = plainview, os.path.join(dir, "vault"), os.path.join(dir, "mnt"), os.path.join(dir, "password")
        os.mkdir(self.top)
        with open(self.password, "w") as file:
            file.write("password\n")
        self.run("init", "--kdf-memory", "8M", "--kdf-passes", "1", "--passfile", self.password, self.folder)

    def run(self, *arguments):
        subprocess.run([self.plainview, *arguments], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def mount(self):
        return seconds(lambda: self.run("mount", "--passfile", self.password, self.folder, self.top))

    def unmount(self):
        if os.path.ismount(self.top):
            self.run("umount", self.top)

    def remount(self):
        self.unmount()
        drop_caches()
        return self.mount()

    def memory(self):
        """MiB that the daemon holds."""
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/cmdline", "rb") as line, open(f"/proc/{pid}/status") as status:
                    if self.folder.encode() in line.read().split(b"\0"):
                        return int(re.search(r"VmRSS:\s+(\d+)", status.read())[1]) / 1024
            except OSError:
                pass
        return 0.0


def seconds(action):
    started = time.monotonic()
    action()
    return time.monotonic() - started


def drop_caches():
    with open("/proc/sys/vm/drop_caches", "w") as file:
        file.write("3")


def touch(path):
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644))


def in_one_directory(vault, files):
    """A row of the first table."""
    vault.mount()
    directory = os.path.join(vault.top, f"{files}")
    path = lambda n: os.path.join(directory, f"file number {n:07}")
    os.mkdir(directory)
    each = lambda action: 1e6 * seconds(lambda: [action(path(n)) for n in range(files)]) / files
    created = each(touch)
    vault.remount()
    looked_at = each(os.stat)
    vault.remount()
    listed = 1e6 * seconds(lambda: subprocess.run(["find", directory, "-size", "+1G"], check=True)) / files
    full = vault.memory()
    drop_caches()
    # The kernel tells what it has forgotten, and the daemon has to take note of it.
    time.sleep(2)
    forgotten = vault.memory()
    vault.remount()
    removed = each(os.unlink)
    os.rmdir(directory)
    vault.unmount()
    return f"| {files:,} | {created:.0f} | {looked_at:.0f} | {listed:.1f} | {removed:.0f} | {full:.0f} | {forgotten:.0f} |"


def of_length(vault, name, length):
    """A row of the second table. Only the ends are written, so that no disk is needed for the rest."""
    vault.mount()
    path = os.path.join(vault.top, "long")
    with open(path, "wb") as file:
        file.write(b"x" * min(length, 1 << 20))
        if length > 1 << 20:
            file.seek(length - 1)
            file.write(b"x")

    def one(offset):
        vault.remount()
        with open(path, "rb", buffering=0) as file:
            file.seek(offset)
            return 1e6 * seconds(lambda: file.read(1))

    first, last = (min(one(offset) for _ in range(5)) for offset in (0, length - 1))
    with open(path, "r+b", buffering=0) as file:
        appended = 1e6 * seconds(lambda: (file.seek(length), file.write(b"y"), os.fsync(file.fileno())))
    os.unlink(path)
    vault.unmount()
    return f"| {name} | {first:.0f} | {last:.0f} | {appended:.0f} |"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("plainview")
    parser.add_argument("--files", default="1000,10000,100000,1000000")
    parser.add_argument("--base", default="/dev/shm")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="plainview-growth.", dir=options.base) as work:
        vault = Vault(os.path.abspath(options.plainview), work)
        try:
            print("| files in a directory | create, µs each | stat, µs | find, µs | unlink, µs | memory after find, MiB | once the kernel forgot, MiB |\n|---" + "|---" * 6 + "|")
            for files in map(int, options.files.split(",")):
                print(in_one_directory(vault, files), flush=True)
            print("\n| length | first byte, µs | last byte, µs | append and fsync, µs |\n|---|---|---|---|")
            for name, length in (("1 KiB", 1 << 10), ("1 MiB", 1 << 20), ("1 GiB", GIB), ("10 GiB", 10 * GIB)):
                print(of_length(vault, name, length), flush=True)
            mounts = sorted(vault.remount() for _ in range(9))
            print(f"\nA mount with the cheapest key derivation: {1000 * mounts[4]:.0f} ms (median of 9).")
        finally:
            vault.unmount()


if __name__ == "__main__":
    main()
