#!/usr/bin/env python3
"""Mounts plainview and its peers and measures them in alternation. To be called by scripts/bench.sh, which says what the arguments are."""
import argparse, collections, io, math, os, random, re, shutil, sqlite3, statistics, subprocess, sys, tarfile, tempfile, time

PASSWORD = "the password of a benchmark\n"


class Kind:
    """A filesystem to measure: how a folder of it is made, how it is mounted. Defaults throughout, as its users have them."""

    def __init__(self, name, dir, tools):
        self.name, self.tools = name, tools
        self.cipher, self.plain = os.path.join(dir, "cipher"), os.path.join(dir, "plain")
        self.password = os.path.join(dir, "password")
        self.daemon = None
        os.makedirs(self.cipher)
        os.makedirs(self.plain)
        with open(self.password, "w") as file:
            file.write(PASSWORD)

    def run(self, *command, **more):
        # CryFS remembers what it saw of a folder.
        env = dict(os.environ, CRYFS_FRONTEND="noninteractive", CRYFS_NO_UPDATE_CHECK="true", XDG_DATA_HOME=os.path.dirname(self.cipher))
        done = subprocess.run(command, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **more)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(command)}: {done.stdout}")

    def make(self):
        if self.name == "plainview":
            self.run(self.tools.plainview, "init", "--passfile", self.password, self.cipher)
        elif self.name == "gocryptfs":
            self.run("gocryptfs", "-q", "-init", "-passfile", self.password, self.cipher)
        elif self.name == "securefs":
            self.run("securefs", "create", self.cipher, "--pass", PASSWORD.strip())

    def mount(self):
        started = time.monotonic()
        if self.name == "plainview":
            self.run(self.tools.plainview, "mount", "--passfile", self.password, self.cipher, self.plain)
        elif self.name == "gocryptfs":
            self.run("gocryptfs", "-q", "-passfile", self.password, self.cipher, self.plain)
        elif self.name == "encfs":
            self.run("encfs", "--standard", "--stdinpass", self.cipher, self.plain, input=PASSWORD)
        elif self.name == "securefs":
            self.run("securefs", "mount", "-b", self.cipher, self.plain, "--pass", PASSWORD.strip())
        elif self.name == "cryfs":
            # Asked twice when the folder is new.
            self.run("cryfs", self.cipher, self.plain, input=PASSWORD)
        elif self.name in ("passthrough", "passthrough+"):
            # With the second one the kernel checks permissions by itself and passes extended attributes on, as it does with plainview.
            more = ",default_permissions,xattr" if self.name == "passthrough+" else ""
            self.run(self.tools.passthrough, "-o", f"source={self.cipher},writeback,cache=always,timeout=1{more}", self.plain)
        elif self.name == "bare":
            self.run("mount", "--bind", self.cipher, self.plain)
        while not is_mounted(self.plain):
            time.sleep(0.001)
        return time.monotonic() - started

    def unmount(self):
        if not is_mounted(self.plain):
            return
        if self.name == "plainview":
            self.run(self.tools.plainview, "umount", self.plain)
            return
        for _ in range(200):
            if subprocess.run(["umount", self.plain], capture_output=True).returncode == 0:
                break
            time.sleep(0.05)
        # The daemon may still be writing. It holds its folder, as far as it has one open, or its command line names it.
        for _ in range(400):
            if not self.daemons():
                return
            time.sleep(0.01)

    def daemons(self):
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/cmdline", "rb") as file:
                    if self.plain.encode() in file.read().split(b"\0"):
                        found.append(int(pid))
            except OSError:
                pass
        return found

    def remount(self):
        self.unmount()
        return self.mount()

    def memory(self):
        """MiB that the daemon holds."""
        for pid in self.daemons():
            with open(f"/proc/{pid}/status") as file:
                return int(re.search(r"VmRSS:\s+(\d+)", file.read())[1]) / 1024
        return 0.0


def is_mounted(path):
    # A bind mount has the device number of what it shows, so stat(2) does not tell.
    with open("/proc/self/mountinfo") as table:
        return any(line.split()[4] == path for line in table)


def seconds(action):
    started = time.monotonic()
    action()
    return time.monotonic() - started


def shell(*command):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def make_archive(path, files):
    """A tree like that of a large program's source: directories of about ten files, most of them of a few KiB. The same each time. How many entries it has."""
    rng = random.Random(7)
    entries = 0
    with tarfile.open(path, "w") as tar:
        for number in range(files):
            directory = f"tree/{number // 300:02}/part-{number // 12:04}"
            if number % 12 == 0:
                info = tarfile.TarInfo(directory)
                info.type, info.mode = tarfile.DIRTYPE, 0o755
                tar.addfile(info)
                entries += 1
            size = min(int(rng.lognormvariate(8.2, 1.3)), 400_000)
            info = tarfile.TarInfo(f"{directory}/source-file-{number:05}.c")
            info.size, info.mode, info.mtime = size, 0o644, 1_600_000_000 + number
            tar.addfile(info, io.BytesIO(rng.randbytes(size)))
            entries += 1
    return entries


def commits(path, duration):
    """Rows, each committed, as a program does that knows nothing of SQLite's options."""
    base = sqlite3.connect(path, isolation_level=None)
    base.execute("create table notes (id integer primary key, text)")
    done, started = 0, time.monotonic()
    while time.monotonic() - started < duration:
        base.execute("insert into notes (text) values (?)", ("some words " * 10,))
        done += 1
    taken = time.monotonic() - started
    base.close()
    os.unlink(path)
    return done / taken


# Name in the table, unit. In the order in which they are measured.
ROWS = [
    ("write", "MiB/s"), ("overwrite", "MiB/s"), ("read, freshly mounted", "MiB/s"), ("read again", "MiB/s"), ("random 4 KiB reads, freshly mounted", "/s"),
    ("random 4 KiB writes, fsync at the end", "/s"), ("200-byte appends, each synced", "/s"), ("64-byte writes", "/s"), ("SQLite commits", "/s"),
    ("untar", "files/s"), ("memory of the daemon after that", "MiB"), ("ls -lR, freshly mounted", "entries/s"), ("ls -lR again", "entries/s"),
    ("find -size, freshly mounted", "entries/s"), ("find -size again", "entries/s"),
    ("read every file, freshly mounted", "files/s"), ("read every file again", "files/s"), ("rm -rf", "files/s"), ("mount", "s"), ("mount again", "s"),
]
# What waits for the daemon with each small step is measured so often in a round, each time for as much shorter, on all filesystems in turn: how long a
# processor takes to wake up changes within seconds on some machines, by more than what there is to compare.
TURNS = 8
SMALLER_IS_BETTER = {"memory of the daemon after that", "mount", "mount again"}


def run(kind, options, workload, ms):
    env = dict(os.environ, PLAINVIEW_BENCH_MIB=str(options.mib), PLAINVIEW_BENCH_MS=str(ms))
    out = subprocess.run([options.workloads, kind.plain, workload], env=env, check=True, text=True, stdout=subprocess.PIPE).stdout
    return float(out.split()[1])


def measure(kind, options, archive, entries):
    """One round on one filesystem: (row, figure)."""
    at = lambda name: os.path.join(kind.plain, name)
    workload = lambda name: run(kind, options, name, options.ms)
    kind.make()
    yield "mount", kind.mount()
    yield "write", workload("write")
    yield "mount again", kind.remount()
    yield "overwrite", workload("overwrite")
    kind.remount()
    yield "read, freshly mounted", workload("read")
    yield "read again", workload("read")
    kind.remount()
    yield "random 4 KiB reads, freshly mounted", workload("random-read")
    kind.remount()
    yield "random 4 KiB writes, fsync at the end", workload("random-write")
    yield "64-byte writes", workload("small-write")
    for name in ("data", "small"):
        os.unlink(at(name))
    kind.remount()
    yield "untar", entries / seconds(lambda: (shell("tar", "-xf", archive, "-C", kind.plain), shell("sync", "-f", kind.plain)))
    yield "memory of the daemon after that", kind.memory()
    kind.remount()
    yield "ls -lR, freshly mounted", entries / seconds(lambda: shell("ls", "-lR", at("tree")))
    yield "ls -lR again", entries / seconds(lambda: shell("ls", "-lR", at("tree")))
    kind.remount()
    # Attributes, as ls takes them, but no extended ones.
    yield "find -size, freshly mounted", entries / seconds(lambda: shell("find", at("tree"), "-size", "+1c"))
    yield "find -size again", entries / seconds(lambda: shell("find", at("tree"), "-size", "+1c"))
    kind.remount()
    read_all = lambda: shell("sh", "-c", 'find "$1" -type f -print0 | xargs -0 cat', "sh", at("tree"))
    yield "read every file, freshly mounted", entries / seconds(read_all)
    yield "read every file again", entries / seconds(read_all)
    kind.remount()
    yield "rm -rf", entries / seconds(lambda: shell("rm", "-rf", at("tree")))


def wait_for(kind, options):
    """What waits for the daemon with each small step: (row, figure), some of each row."""
    at = lambda name: os.path.join(kind.plain, name)
    for _ in range(TURNS):
        yield "200-byte appends, each synced", run(kind, options, "append", options.ms // TURNS)
        os.unlink(at("log"))
    for _ in range(TURNS):
        yield "SQLite commits", commits(at("base.sqlite"), options.ms / 1000 / TURNS)


NAMES = ["plainview", "gocryptfs", "encfs", "securefs", "cryfs", "passthrough", "passthrough+", "bare"]
PEERS = NAMES[1:5]


def compare(options):
    results = collections.defaultdict(lambda: collections.defaultdict(list))
    with tempfile.TemporaryDirectory(prefix="plainview-bench.", dir=options.base) as top:
        archive = os.path.join(top, "tree.tar")
        entries = make_archive(archive, options.files)
        for turn in range(options.rounds):
            # Not always the same one after the same other.
            order = options.names[turn % len(options.names):] + options.names[:turn % len(options.names)]
            kinds = {name: Kind(name, os.path.join(top, name), options) for name in order}

            def take(name, figures):
                """The next of the figures. Whether there may be more."""
                try:
                    row, figure = next(figures)
                except StopIteration:
                    return False
                except (RuntimeError, OSError, subprocess.CalledProcessError, sqlite3.Error) as error:
                    print(f"round {turn + 1} {name}: {error}", file=sys.stderr)
                    return False
                results[row][name].append(figure)
                print(f"round {turn + 1} {name:12} {row:40} {figure:12.1f}", file=sys.stderr)
                return True

            try:
                for name, kind in kinds.items():
                    figures = measure(kind, options, archive, entries)
                    while take(name, figures):
                        pass
                # All are mounted, and nothing is in them.
                under_way = {name: wait_for(kind, options) for name, kind in kinds.items() if is_mounted(kind.plain)}
                while under_way:
                    under_way = {name: figures for name, figures in under_way.items() if take(name, figures)}
            finally:
                for kind in kinds.values():
                    kind.unmount()
                    subprocess.run(["umount", "-l", kind.plain], capture_output=True)
                    shutil.rmtree(os.path.dirname(kind.cipher), ignore_errors=True)
    return {row: {name: statistics.median(figures) for name, figures in of.items()} for row, of in results.items()}


def shown(figure):
    if figure is None:
        return ""
    return f"{figure:,.0f}" if figure >= 100 else f"{figure:,.1f}" if figure >= 10 else f"{figure:.2f}"


def ratio(row, of):
    """How many times as good as the best peer."""
    peers = [of[name] for name in PEERS if name in of]
    if not peers or "plainview" not in of:
        return None
    return min(peers) / of["plainview"] if row in SMALLER_IS_BETTER else of["plainview"] / max(peers)


def table(medians, names):
    lines = ["| workload | " + " | ".join(names) + " | plainview to the best peer |", "|---" * (len(names) + 2) + "|"]
    for row, unit in ROWS:
        of = medians.get(row, {})
        times = ratio(row, of)
        cells = [shown(of.get(name)) for name in names]
        lines.append(f"| {row} ({unit}) | " + " | ".join(cells) + f" | {f'{times:.2f}' if times else ''} |")
    return "\n".join(lines) + "\n"


def chart(medians):
    """An SVG picture of the ratios: how many times as fast as the best peer, on a logarithmic scale."""
    rows = [(row, ratio(row, medians.get(row, {}))) for row, _ in ROWS]
    rows = [(row, times) for row, times in rows if times]
    left, width, height = 270, 420, 22
    least, most = min([0.5] + [t for _, t in rows]), max([4] + [t for _, t in rows])
    at = lambda times: left + width * math.log(times / least) / math.log(most / least)
    lines = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + width + 90}" height="{height * len(rows) + 40}" font-family="sans-serif" font-size="13">',
             '<rect width="100%" height="100%" fill="white"/>',
             '<text x="10" y="18" font-weight="bold">plainview, in times of the best other encrypted filesystem (longer is better)</text>']
    for number, (row, times) in enumerate(rows):
        top = 30 + number * height
        begin, end = sorted((at(1), at(times)))
        lines += [f'<text x="{left - 8}" y="{top + 14}" text-anchor="end">{row}</text>',
                  f'<rect x="{begin:.1f}" y="{top + 3}" width="{max(end - begin, 1):.1f}" height="{height - 7}" fill="{"#2a7f62" if times >= 1 else "#c0504d"}"/>',
                  f'<text x="{end + 5:.1f}" y="{top + 14}">{times:.1f}</text>']
    lines += [f'<line x1="{at(1):.1f}" y1="26" x2="{at(1):.1f}" y2="{30 + height * len(rows)}" stroke="black"/>', "</svg>"]
    return "\n".join(lines) + "\n"


BEGIN, END = "<!-- scripts/bench.sh --write: begin -->\n", "<!-- scripts/bench.sh --write: end -->\n"


def write_down(text, medians):
    with open("docs/performance.md") as file:
        page = file.read()
    before, rest = page.split(BEGIN)
    with open("docs/performance.md", "w") as file:
        file.write(before + BEGIN + text + END + rest.split(END)[1])
    with open("docs/performance.svg", "w") as file:
        file.write(chart(medians))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--base", default="/dev/shm")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--write", action="store_true")
    for tool in ("plainview", "workloads", "passthrough"):
        parser.add_argument(f"--{tool}", required=True)
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    options.names = options.names or NAMES
    options.mib, options.ms, options.files = (64, 500, 2000) if options.small else (512, 4000, 18000)
    medians = compare(options)
    text = table(medians, options.names)
    print(text)
    if options.write:
        write_down(text, medians)


if __name__ == "__main__":
    main()
