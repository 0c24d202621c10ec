#!/usr/bin/env python3
"""Decode a plainview vault, from docs/format.md alone. Needs Python 3.11 and scripts/requirements.txt.

    decode.py [--passfile F] [--recovery] VAULT OUT      decode everything into the new or empty directory OUT
    decode.py [--passfile F] [--recovery] --list VAULT   print plaintext path, size and vault path, separated by tabs
    decode.py --keyfile F ...                            open the vault with a keyfile
    decode.py --vectors                                  print tests/vectors.json, made by scripts/vectors.py
The password, or with --recovery the recovery key, is the first line of F or of stdin. Damage is one line on stderr (vault path, record, reason); what is damaged
is left out, the rest is decoded, and the exit code is 1. Fifos, sockets and devices are skipped. A vault that was not unmounted is decoded as its
journal has it; nothing in it is changed.
Vectors: an object of sections; each entry has the inputs of one piece of the format and its result, bytes in hex, under the keys in "keys"."""
import argparse, base64, os, re, shutil, stat, struct, subprocess, sys, tempfile, tomllib
from argon2.low_level import Type, hash_secret_raw
from blake3 import blake3
from Crypto.Cipher import AES

KEYS = {"content": 32, "names": 64, "directories": 32, "symlinks": 64, "xattrs": 64, "journal": 32, "config": 32}
class Damage(Exception): """Something in the vault that does not fit docs/format.md."""
def need(true, reason):
    if not true: raise Damage(reason)
def keyed(key, data, length=32): return blake3(data, key=key).digest(length=length)
def derive(context, data, length): return blake3(data, derive_key_context="plainview v1 " + context).digest(length=length)
def derive_all(master): return {name: derive(name, master, length) for name, length in KEYS.items()}
def base64url(data): return base64.urlsafe_b64encode(data).rstrip(b"=")
def unbase64url(text, what):
    try: data = base64.b64decode(text + b"=" * (-len(text) % 4), b"-_", validate=True)
    except ValueError: raise Damage(what + " is not base64url") from None
    need(base64url(data) == text, what + " is not canonical base64url")
    return data
def siv_open(key, associated, sealed, what):
    cipher = AES.new(key, AES.MODE_SIV)
    for data in associated: cipher.update(data)
    try: return cipher.decrypt_and_verify(sealed[16:], sealed[:16])
    except ValueError: raise Damage(what + " does not authenticate") from None
def open_with_nonce(key, associated, data, what): return siv_open(key, [*associated, data[:16]], data[16:], what)

# ---- plainview.toml: its tables, with what a field may be
def text(pattern): return lambda value: type(value) is str and re.fullmatch(pattern, value, re.DOTALL)
def number(low, high): return lambda value: type(value) is int and low <= value <= high
def encoded(length): return lambda value: type(value) is str and len(unbase64url(value.encode(), "a field")) == length
FILE = {"format": number(1, 1), "vault": text("[0-9a-f]{32}"), "names": text("encrypted|plain"),
        "slot": lambda value: type(value) is list and value, "seal": bool}
SLOT = {"id": number(1, (1 << 32) - 1), "kind": text("[a-z0-9_]{1,32}"), "label": text(".{0,256}"), "wrapped": encoded(48)}
PASSWORD_SLOT = SLOT | {"kind": text("password"), "salt": encoded(16),
                        "memory_kib": number(8192, 4194304), "passes": number(1, 1000), "lanes": number(1, 64)}
def check(table, fields, where):
    need(isinstance(table, dict) and table.keys() == fields.keys(), "missing or unknown field in " + where)
    for name, good in fields.items(): need(good(table[name]), f"{name} in {where} is not what it may be")

def recovery_secret(line):
    """The 20 bytes of a recovery key, as somebody typed it."""
    typed = line.decode("ascii", "replace").upper().translate(str.maketrans("OILU", "011V", "- \t\r"))
    values = ["0123456789ABCDEFGHJKMNPQRSTVWXYZ".find(char) for char in typed]
    need(len(values) == 40, f"a recovery key has 40 characters, not {len(values)}")
    for group in range(8):
        total = group + 1
        for value in values[5 * group:5 * group + 4] + [0]: total = total << 1 ^ (0x25 if total & 16 else 0) ^ value
        need(total == values[5 * group + 4], f"group {group + 1} is mistyped")
    return sum(value << 5 * (31 - i) for i, value in enumerate(v for i, v in enumerate(values) if i % 5 < 4)).to_bytes(20, "big")
def slot_key(slot, secret):
    if slot["kind"] != "password": return derive(slot["kind"], secret, 64)
    salt = unbase64url(slot["salt"].encode(), "salt")
    return hash_secret_raw(secret, salt, slot["passes"], slot["memory_kib"], slot["lanes"], 64, Type.ID, 0x13)

def unlock(data, kind, secret):
    """Verifies plainview.toml; returns it and the keys."""
    try: config = tomllib.loads(data.decode())
    except ValueError as error: raise Damage(f"not TOML: {error}") from None
    check(config, FILE, "the file")
    check(config["seal"], {"tag": encoded(32)}, "[seal]")
    for slot in config["slot"]:
        known = {"password": PASSWORD_SLOT, "keyfile": SLOT, "recovery": SLOT}.get(slot.get("kind"))
        check(slot if known else {name: slot[name] for name in SLOT if name in slot}, known or SLOT, "a slot")
    need(len(config["slot"]) == len({slot["id"] for slot in config["slot"]}), "two slots have the same id")
    need(data.count(b"\n[seal]\n") == 1, "not exactly one line [seal]")
    for slot in (slot for slot in config["slot"] if slot["kind"] == kind):
        wrapped = unbase64url(slot["wrapped"].encode(), "wrapped")
        try: keys = derive_all(siv_open(slot_key(slot, secret), [bytes.fromhex(config["vault"])], wrapped, "wrapped"))
        except Damage: continue
        tag = keyed(keys["config"], data[:data.index(b"\n[seal]\n") + 1])
        need(base64url(tag).decode() == config["seal"]["tag"], "the seal does not verify")
        return config, keys
    raise Damage(f"what was given opens no {kind} slot")

# ---- regular files
def plain_size(length):
    """Plaintext size of a file that takes `length` bytes on disk."""
    full, rest = divmod(length - 48, 4152)
    size = 4096 * full + rest - 56
    need(length == 0 or (length >= 48 and rest >= 56 and size > 0 and full < 1 << 48), f"no file is {length} bytes long")
    return size if length else 0
def open_header(keys, header):
    """Returns the file's encryption key and record MAC key, and whether it has holes."""
    file_keys, flags = keyed(keys["content"], header[8:32], 96), int.from_bytes(header[4:8], "little")
    need(header[:4] == b"PLV1" and flags in (0, 1), "header: wrong magic or unknown flags")
    need(header[32:] == keyed(file_keys[64:], header[:32], 16), "header: tag does not verify")
    return file_keys[:32], file_keys[32:64], flags == 1
def open_record(key, mac_key, i, n, sealed):
    """Returns the n plaintext bytes of record i, which is no hole."""
    end = 24 + (n + 15) // 16 * 16
    need(sealed[end:] == keyed(mac_key, sealed[:end], 32 if n % 16 == 0 else 16 + n % 16), f"record {i}: tag does not verify")
    need(int.from_bytes(sealed[:8], "little") == i << 16 | n, f"record {i}: word is that of another record")
    plain = AES.new(key, AES.MODE_CBC, sealed[8:24]).decrypt(sealed[24:end])
    need(plain[n:] == bytes(end - 24 - n), f"record {i}: padding is not zero")
    return plain[:n]
def decode_records(keys, size, source, target):
    """Decodes a file of size > 0 between two open files; holes become holes."""
    key, mac_key, holes = open_header(keys, source.read(48))
    for i in range(size // 4096):
        sealed = source.read(4152)
        if sealed == bytes(4152):
            need(holes, f"record {i}: a hole in a file without holes")
            target.seek(4096, os.SEEK_CUR)
        else: target.write(open_record(key, mac_key, i, 4096, sealed))
    target.write(open_record(key, mac_key, size // 4096, size % 4096, source.read()))
    target.truncate(size)
def decode_prefix(keys, source, target):
    """Decodes what is good of a file that was new when its vault was left."""
    source.seek(0)
    if not any(header := source.read(48)): return
    opened, i = open_header(keys, header), 0
    while sealed := source.read(4152):
        try: target.write(open_record(*opened[:2], i, 4096, sealed) if any(sealed) or not opened[2] else bytes(4096))
        except Damage:
            try: target.write(open_record(*opened[:2], i, n := int.from_bytes(sealed[:2], "little") % 4096, sealed[:n + 56]))
            except Damage: pass
            return
        i += 1
def decode_file(keys, size, source, target, is_new):
    """Decodes an open file of `size()` bytes; of one of which `is_new()`, what is good."""
    with open(target, "xb") as out:
        try: size() and decode_records(keys, size(), source, out)
        except (Damage, OSError) as error:
            out.seek(0), out.truncate()
            if isinstance(error, Damage) and is_new(): return decode_prefix(keys, source, out)
            os.unlink(target)
            raise

# ---- the journal
def birth(entry):
    """Birth as in the journal, of an entry of the current directory. Python does not tell it, but stat(1) does."""
    seconds, nanos = subprocess.check_output(["stat", "-c", "%.9W", "--", entry]).decode().split(".")
    return struct.pack("<qI", int(seconds), int(nanos)) if int(seconds) else struct.pack("<qI", 0, UNKNOWN)
def moment(data): return struct.unpack("<qI", data)
UNKNOWN = 0xffffffff  # nanoseconds of a time that is not known
PAYLOADS = {1: 44, 3: 8, 4: 0, 5: 20, 6: 0, 7: 0, 8: 0}
def means_something(kind, value, payload):
    """Whether an entry with a good tag is one that there can be."""
    if kind != 2 and PAYLOADS.get(kind) != len(payload): return False
    times = {1: payload[8:20], 5: payload[8:20]}.get(kind)
    if times and 10**9 <= moment(times)[1] != UNKNOWN: return False
    length = {2: len(payload), 3: int.from_bytes(payload, "little")}.get(kind, 0)
    return value + length < 1 << 63
class Journaled:
    """A file as the journal has it."""
    def __init__(self, base, payload):
        self.shown = self.length = base
        self.inode, self.birth, self.salts = payload[:8], payload[8:20], {payload[20:]}
        self.over, self.entries, self.in_place, self.changed, self.committed, self.modified = [], [], False, False, False, None
    def settle(self):
        """Takes in what is committed, and forgets the rest."""
        entries, self.entries = self.entries, []
        self.changed |= any(kind == 6 for _, kind, _, _ in entries)
        commits = [(int.from_bytes(p[:8], "little"), v, moment(p[8:])) for _, kind, v, p in reversed(entries) if kind == 5]
        upto, self.length, self.modified = max(commits, default=(0, self.length, self.modified), key=lambda commit: commit[0])
        for end, kind, value, payload in entries:
            if end > upto: continue
            if kind == 2: self.over.append((value, payload))
            if kind == 2 and value <= 8 and value + len(payload) >= 32: self.salts.add(payload[8 - value:32 - value])
            if kind == 3: self.over.append((value, int.from_bytes(payload, "little")))
            if kind in (4, 7): self.over = [(at, cut(data, value - at)) for at, data in self.over if at < value]
            if kind == 4: self.shown = value if self.in_place else min(self.shown, value)
            if kind in (4, 7): self.in_place = kind == 7
        if self.in_place: self.shown = max(self.shown, self.length)
        self.changed, self.committed, self.in_place = self.changed or upto > 0, self.committed or upto > 0, False
    def open(self, entry):
        """The file, laid out as a temporary one."""
        file = tempfile.TemporaryFile()
        with open(entry, "rb") as source: shutil.copyfileobj(source, file)
        file.truncate(min(self.shown, file.tell())), file.truncate(self.length)
        for at, data in self.over:
            file.seek(at)
            if isinstance(data, bytes): file.write(data)
            else:
                for start in range(at, min(at + data, self.length), 1 << 20): file.write(bytes(min(1 << 20, at + data - start)))
        file.truncate(self.length), file.seek(0)
        return file
def cut(data, length): return data[:length] if isinstance(data, bytes) else min(data, length)
class Journal:
    """The journal in the current directory, the vault's root, if there is one."""
    def __init__(self, keys):
        self.files, self.since = {}, None
        if not os.path.lexists("plainview.journal"): return
        need(os.path.isfile("plainview.journal") and not os.path.islink("plainview.journal"), "is no regular file")
        with open("plainview.journal", "rb") as file: data = file.read()
        slots = [slot for slot in (data[:80], data[4096:4176]) if slot[:8] == b"PLVJ\1\0\0\0" and slot[64:] == keyed(keys["journal"], slot[:64], 16)]
        need(slots, "no header can be read")
        slot = max(slots, key=lambda slot: int.from_bytes(slot[8:16], "little"))
        epoch, self.since, at = slot[16:32], moment(slot[32:44]), 8192
        self.here = slot[44:64] == struct.pack("<Q", os.stat(".").st_ino) + birth(b".") and moment(slot[52:64])[1] != UNKNOWN
        tag = epoch
        while len(data) - at >= 48:
            length, kind, number, value, _ = struct.unpack_from("<IIQQQ", data, at)
            end = at + 32 + length + 16
            if length > 1 << 24 or data[end - 16:end] != keyed(keys["journal"], epoch + tag + data[at:end - 16], 16): break
            payload, tag, at = data[at + 32:end - 16], data[end - 16:end], end
            if not means_something(kind, value, payload): break
            if kind == 1: self.files[number] = Journaled(value, payload)
            elif kind == 8: [file.settle() for file in self.files.values()]
            elif number in self.files: self.files[number].entries.append((end, kind, value, payload))
        [file.settle() for file in self.files.values()]
    def find(self, entry, info):
        """What there is about a file that is to be read otherwise than it is on disk."""
        for file in (file for file in self.files.values() if file.changed):
            if self.here and struct.pack("<Q", info.st_ino) == file.inode and birth(entry) == file.birth: return file
            if not self.here:
                with open(entry, "rb") as source: salt = source.read(32)[8:]
                if any(salt) and salt in file.salts: return file
    def is_new(self, entry): return bool(self.since) and moment(birth(entry)) >= self.since

# ---- names, in the current directory
def read_small(entry):
    need(os.path.isfile(entry) and not os.path.islink(entry), os.fsdecode(entry) + " is missing, or no regular file")
    with open(entry, "rb") as file: return file.read(1 << 20)
def encoded_name(keys, entry):
    """The encoded name of an entry on disk, also of one with a long name."""
    if not entry.startswith(b"plainview.long."): return entry
    name = read_small(b"plainview.name." + entry[15:])
    need(len(name) > 255 and base64url(keyed(keys["directories"], name, 24)) == entry[15:], "plainview.name.H does not fit H")
    return name
def decode_name(keys, identity, name):
    padded = siv_open(keys["names"], [identity], unbase64url(name, "name"), "name")
    plain = padded.rstrip(b"\0")
    need(len(padded) == (len(plain) + 15) // 16 * 16, "name is wrongly padded")
    need(0 < len(plain) <= 255 and not set(plain) & set(b"\0/") and plain not in (b".", b".."), "name is not a file name")
    return plain
def directory_id(keys, parent, name):
    if not os.path.lexists(b"plainview.dirid"): return keyed(keys["directories"], parent + name, 16)
    dirid = read_small(b"plainview.dirid")
    need(len(dirid) == 32 and dirid[16:] == keyed(keys["directories"], b"dirid" + dirid[:16], 16), "plainview.dirid does not verify")
    return dirid[:16]
def decode_target(keys, entry): return open_with_nonce(keys["symlinks"], [], unbase64url(os.readlink(entry), "symlink"), "symlink")

# ---- the whole vault
def show(path): return re.sub("[\0-\x1f\x7f\\\\\udc80-\udcff]", lambda m: f"\\x{ord(m[0]) & 255:02x}", path.decode(errors="surrogateescape"))
def say(where, reason): print(f"{show(where)}: {reason}", file=sys.stderr)
class Walk:
    """Decodes the vault in the current directory into the directory `out`, or lists it where `out` is None."""
    def __init__(self, config, keys, out):
        self.encrypted, self.keys, self.out, self.links, self.failed = config["names"] == "encrypted", keys, out, {}, False
        self.journal = Journal(keys)

    def directory(self, where, plain, identity):
        for entry in sorted(os.listdir(b".")):
            if entry.startswith(b"plainview.") and not (self.encrypted and entry.startswith(b"plainview.long.")): continue
            try: self.entry(entry, where + entry, plain, identity)
            except (Damage, OSError) as error: self.failed = say(where + entry, error) or True

    def entry(self, entry, where, plain, identity):
        name = encoded_name(self.keys, entry) if self.encrypted else entry
        plain += decode_name(self.keys, identity, name) if self.encrypted else entry
        info, size, target = os.lstat(entry), "-", self.out and self.out + plain
        kind, inode = stat.S_IFMT(info.st_mode), (info.st_dev, info.st_ino)
        over = self.journal.find(entry, info) if kind == stat.S_IFREG else None
        def length(): return plain_size(over.length if over else info.st_size)
        is_new = lambda: not (over and over.committed) and self.journal.is_new(entry)
        if kind == stat.S_IFREG: size = size if target else length()
        elif kind == stat.S_IFLNK: size = len(content := decode_target(self.keys, entry) if self.encrypted else os.readlink(entry))
        elif kind != stat.S_IFDIR: return say(where, "skipped: a fifo, socket or device")
        if not target: print(show(plain), size, show(where), sep="\t")
        elif inode in self.links: return os.link(self.links[inode], target, follow_symlinks=False)
        elif kind == stat.S_IFREG:
            with over.open(entry) if over else open(entry, "rb") as source: decode_file(self.keys, length, source, target, is_new)
        elif kind == stat.S_IFLNK: os.symlink(content, target)
        else: os.mkdir(target, 0o700)
        if kind == stat.S_IFDIR:
            os.chdir(entry)
            try: self.directory(where + b"/", plain + b"/", self.encrypted and directory_id(self.keys, identity, name))
            finally: os.chdir("..")
        elif info.st_nlink > 1: self.links[inode] = target
        if target: self.metadata(entry, info, where, target, over and over.modified)

    def metadata(self, entry, info, where, target, modified=None):
        """Users' attributes and the owner as far as we may, the mode, and the times: that of modification may be the journal's."""
        try:
            listed = os.listxattr(entry, follow_symlinks=False)
            for stored in (name for name in listed if name.startswith("user.plainview.") and not re.fullmatch(r"user\.plainview\.rest\.[\w-]{22}", name)):
                name = siv_open(self.keys["xattrs"], [b"name"], unbase64url(os.fsencode(stored)[15:], "xattr"), "xattr")
                value = os.getxattr(entry, stored)
                rest = "user.plainview.rest." + base64.urlsafe_b64encode(value[:16]).decode().rstrip("=")
                if len(value) == 65536 and rest in listed: value += os.getxattr(entry, rest)
                value = open_with_nonce(self.keys["xattrs"], [name], value, f"xattr {name}")
                if name.startswith(b"user."): os.setxattr(target, name, value)
        except OSError as error: say(where, f"skipped: extended attributes: {error}")
        finally:
            mode = stat.S_IMODE(info.st_mode)
            try: os.chown(target, info.st_uid, info.st_gid, follow_symlinks=False)
            except OSError: mode &= 0o1777  # no set-id bit for another owner
            if not stat.S_ISLNK(info.st_mode): os.chmod(target, mode)
            nanos = modified[0] * 10**9 + modified[1] if modified and modified[1] != UNKNOWN else info.st_mtime_ns
            os.utime(target, ns=(info.st_atime_ns, nanos), follow_symlinks=False)

def main():
    parser = argparse.ArgumentParser(description="Decode a plainview vault.")
    for flag in ("--list", "--vectors", "--recovery"): parser.add_argument(flag, action="store_true")
    for value in ("vault", "out"): parser.add_argument(value, nargs="?")
    for value in ("--passfile", "--keyfile"): parser.add_argument(value)
    args = parser.parse_args()
    if args.vectors: return __import__("vectors").main()
    if not args.vault or bool(args.out) == args.list: parser.error("give VAULT OUT, or --list VAULT")
    kind = "keyfile" if args.keyfile else "recovery" if args.recovery else "password"
    with open(args.keyfile or args.passfile or 0, "rb") as file: secret = file.read() if args.keyfile else file.readline().removesuffix(b"\n")
    out = args.out and os.fsencode(os.path.abspath(args.out)) + b"/"
    if out: os.makedirs(out, 0o700, exist_ok=True)
    if out and os.listdir(out): sys.exit("OUT is not empty")
    os.chdir(args.vault)
    try: config, keys = unlock(read_small("plainview.toml"), kind, recovery_secret(secret) if args.recovery else secret)
    except Damage as error: sys.exit(f"plainview.toml: {error}")
    sys.setrecursionlimit(100000)
    try: walk = Walk(config, keys, out)
    except Damage as error: sys.exit(f"plainview.journal: {error}")
    walk.directory(b"", b"", keyed(keys["directories"], b"root", 16))
    if out: walk.metadata(b".", os.lstat("."), b".", out)
    sys.exit(walk.failed)

if __name__ == "__main__": main()
