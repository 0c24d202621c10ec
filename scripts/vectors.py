#!/usr/bin/env python3
"""Encode the pieces of a plainview vault, from docs/format.md alone: the test vectors, and a check of decode.py.

    vectors.py              print tests/vectors.json
    vectors.py --selftest   build vaults in a temporary directory, decode them, damage them, and see that decode.py says so
"""
import json, os, stat, subprocess, sys, tempfile
from argon2.low_level import Type, hash_secret_raw
from blake3 import blake3
from Crypto.Cipher import AES
from decode import KEYS, Damage, base64url, derive, derive_all, keyed, plain_size

# ---- the encoder
def siv_seal(key, associated, plain):
    cipher = AES.new(key, AES.MODE_SIV)
    for data in associated: cipher.update(data)
    sealed, iv = cipher.encrypt_and_digest(plain)
    return iv + sealed

def seal_header(keys, salt, flags):
    start = b"PLV1" + flags.to_bytes(4, "little") + salt
    return start + keyed(keyed(keys["content"], salt, 96)[64:], start, 16)

def seal_record(keys, salt, number, iv, plain):
    file_keys = keyed(keys["content"], salt, 96)
    word = (number << 16 | len(plain)).to_bytes(8, "little")
    padded = plain + bytes(-len(plain) % 16)
    start = word + iv + AES.new(file_keys[:32], AES.MODE_CBC, iv).encrypt(padded)
    return start + keyed(file_keys[32:64], start, len(plain) % 16 + 16 if len(plain) % 16 else 32)

def seal_file(keys, salt, flags, ivs, plain, holes=()):
    """A whole regular file; `ivs` gives the IV of a record, `holes` the numbers of the records that are holes."""
    if not plain: return b""
    records = [plain[start:start + 4096] for start in range(0, len(plain) // 4096 * 4096 + 1, 4096)]
    sealed = [bytes(4152) if i in holes else seal_record(keys, salt, i, ivs(i), record) for i, record in enumerate(records)]
    return seal_header(keys, salt, flags) + b"".join(sealed)

def encode_name(keys, directory, name):
    return base64url(siv_seal(keys["names"], [directory], name + bytes(-len(name) % 16)))

def long_hash(keys, encoded):
    return base64url(keyed(keys["directories"], encoded, 24)) if len(encoded) > 255 else None

def entry_name(keys, encoded):
    digest = long_hash(keys, encoded)
    return b"plainview.long." + digest if digest else encoded
def root_id(keys): return keyed(keys["directories"], b"root", 16)
def child_id(keys, parent, encoded): return keyed(keys["directories"], parent + encoded, 16)
def dirid_file(keys, identity): return identity + keyed(keys["directories"], b"dirid" + identity, 16)
def encode_symlink(keys, nonce, target): return base64url(nonce + siv_seal(keys["symlinks"], [nonce], target))
def encode_xattr_name(keys, name): return b"user.plainview." + base64url(siv_seal(keys["xattrs"], [b"name"], name))
def encode_xattr_value(keys, name, nonce, value): return nonce + siv_seal(keys["xattrs"], [name, nonce], value)

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
def twice(value): return value << 1 ^ (0x25 if value & 16 else 0)
def recovery_text(secret):
    """A recovery key as it is written down."""
    values, groups = [int.from_bytes(secret, "big") >> 5 * (31 - i) & 31 for i in range(32)], []
    for number in range(1, 9):
        group = values[4 * number - 4:4 * number]
        checksum = number
        for value in [*group, 0]: checksum = twice(checksum) ^ value
        groups.append("".join(ALPHABET[value] for value in [*group, checksum]))
    return "-".join(groups)

def slot_key(kind, secret, salt=b"", cost=None):
    if kind != "password": return derive(kind, secret, 64)
    return hash_secret_raw(secret, salt, cost["passes"], cost["memory_kib"], cost["lanes"], 64, Type.ID, 0x13)

def encode_config(master, vault, names, slots):
    """plainview.toml; a slot is (id, kind, secret, salt, cost), salt and cost for a password only."""
    lines = ["format = 1", f'vault = "{vault.hex()}"', f'names = "{names}"']
    for identity, kind, secret, salt, cost in slots:
        lines += ["", "[[slot]]", f"id = {identity}", f'kind = "{kind}"', f'label = "slot {identity}"']
        if cost: lines += [f"{name} = {value}" for name, value in cost.items()] + [f'salt = "{base64url(salt).decode()}"']
        wrapped = siv_seal(slot_key(kind, secret, salt, cost), [vault], master)
        lines += [f'wrapped = "{base64url(wrapped).decode()}"']
    text = "\n".join(lines + ["", ""]).encode()
    tag = base64url(keyed(derive_all(master)["config"], text))
    return text + b'[seal]\ntag = "' + tag + b'"\n'

# ---- the vectors
MASTER, SALT, VAULT = bytes(range(32)), bytes(range(64, 88)), bytes(range(0xA0, 0xB0))
COST = {"memory_kib": 8192, "passes": 1, "lanes": 4}
PASSWORD, SECRET, RECOVERY = "correct horse, p\u00e4ss w\u00f6rd".encode(), bytes(range(0x20, 0x40)), bytes(range(0x20, 0x34))
FORMULA = "byte j = (j * 7 + 13) mod 256"
def formula(n): return bytes((j * 7 + 13) % 256 for j in range(n))
def fixed(label, i=0): return keyed(bytes(32), f"{label} {i}".encode(), 16)  # deterministic IVs and nonces

def record_vectors(keys):
    cases = [(0, 0), (0, 1), (0, 15), (1, 16), (1, 17), (2, 31), (3, 32), (255, 100), (65536, 4095), (0, 4096), ((1 << 48) - 1, 4096)]
    for number, n in cases:
        iv, plain = fixed("record", n), formula(n)
        sealed = seal_record(keys, SALT, number, iv, plain)
        case = {"number": number, "kind": "full" if n == 4096 else "last", "n": n, "salt": SALT.hex(), "iv": iv.hex(), "plaintext_formula": FORMULA}
        if n <= 100: yield case | {"plaintext": plain.hex(), "sealed": sealed.hex()}
        else: yield case | sealed_summary(sealed)
def sealed_summary(sealed):
    return {"sealed_length": len(sealed), "sealed_first_64": sealed[:64].hex(), "sealed_last_64": sealed[-64:].hex(),
            "sealed_blake3": blake3(sealed).hexdigest()}

def file_vectors(keys):
    for n, holes in ((1, ()), (4096, ()), (4097, ()), (3 * 4096 + 5, (1,)), (2 * 4096, (0, 1))):
        plain = b"".join(bytes(4096) if i in holes else formula(n)[i * 4096:(i + 1) * 4096] for i in range(n // 4096 + 1))
        ivs = [fixed("file", i) for i in range(n // 4096 + 1)]
        sealed = seal_file(keys, SALT, 1 if holes else 0, ivs.__getitem__, plain, holes)
        yield {"flags": 1 if holes else 0, "salt": SALT.hex(), "plaintext_length": n, "plaintext_formula": FORMULA + ", j from the start of the file",
               "holes": list(holes), "ivs": [None if i in holes else iv.hex() for i, iv in enumerate(ivs)]} | sealed_summary(sealed)

def length_vectors():
    for length in (0, 1, 47, 48, 103, 104, 105, 4199, 4200, 4201, 4255, 4256, 4257, 8352, 8407, 8408, 48 + 4152 * 1000 + 56 + 4095):
        try: size = plain_size(length)
        except Damage: size = None
        yield {"on_disk": length, "plaintext": size}

def name_vectors(keys):
    root = root_id(keys)
    names = [b"a", b"fifteen bytes!!", b"sixteen bytes!!!", b"seventeen bytes!!", b"\xff\xfe\x80not utf-8\xc3", b"\x01", "na\u00efve \u6587\u4ef6.txt".encode()]
    names += [bytes(0x21 + (j * 7 + 13) % 0x5E for j in range(n)).replace(b"/", b"_") for n in (160, 161, 176, 177, 254, 255)]
    names += [bytes(0x80 + j % 0x80 for j in range(255))]
    for directory, name in [(root, name) for name in names] + [(child_id(keys, root, encode_name(keys, root, names[0])), names[0])]:
        encoded = encode_name(keys, directory, name)
        yield {"directory": directory.hex(), "name": name.hex(), "length": len(name), "encoded": encoded.hex(),
               "H": long_hash(keys, encoded) and long_hash(keys, encoded).hex(), "entry": entry_name(keys, encoded).hex()}

def directory_vectors(keys):
    parent = root_id(keys)
    for name in (b"a", b"sub", b"L" * 200):
        encoded = encode_name(keys, parent, name)
        yield {"parent": parent.hex(), "name": name.hex(), "encoded": encoded.hex(), "id": child_id(keys, parent, encoded).hex(),
               "dirid_file": dirid_file(keys, child_id(keys, parent, encoded)).hex()}
        parent = child_id(keys, parent, encoded)

def symlink_vectors(keys):
    for i, target in enumerate((b"a", b"../some where/else", b"\xff/not utf-8", b"t" * 1000)):
        yield {"nonce": fixed("symlink", i).hex(), "target": target.hex(), "stored": encode_symlink(keys, fixed("symlink", i), target).hex()}

def xattr_vectors(keys):
    for i, (name, value) in enumerate(((b"user.a", b""), (b"user.comment", b"a value"), (b"user.\xff\xfe", bytes(range(100))), (b"trusted.x", b"\0"))):
        yield {"name": name.hex(), "stored_name": encode_xattr_name(keys, name).hex(), "nonce": fixed("xattr", i).hex(), "value": value.hex(),
               "stored_value": encode_xattr_value(keys, name, fixed("xattr", i), value).hex()}

def toml_vectors():
    for names in ("encrypted", "plain"):
        slots = [(1, "password", PASSWORD, fixed("salt"), COST), (2, "keyfile", SECRET, b"", None), (7, "recovery", RECOVERY, b"", None)]
        yield {"text": encode_config(MASTER, VAULT, names, slots).hex(), "names": names, "vault": VAULT.hex(), "master": MASTER.hex(),
               "slots": [{"id": identity, "kind": kind, "secret": secret.hex(), "salt": salt.hex(), "slot_key": slot_key(kind, secret, salt, cost).hex()}
                         | (cost or {}) | ({"written": recovery_text(secret)} if kind == "recovery" else {}) for identity, kind, secret, salt, cost in slots]}

def vectors():
    keys = derive_all(MASTER)
    derived = keyed(keys["content"], SALT, 96)
    assert keys.keys() == KEYS.keys()
    return {
        "keys": {"master": MASTER.hex()} | {name: key.hex() for name, key in keys.items()},
        "file_keys": {"salt": SALT.hex(), "encryption": derived[:32].hex(), "record_mac": derived[32:64].hex(), "header_mac": derived[64:].hex()},
        "header": [{"salt": SALT.hex(), "flags": flags, "header": seal_header(keys, SALT, flags).hex()} for flags in (0, 1)],
        "records": list(record_vectors(keys)), "files": list(file_vectors(keys)), "lengths": list(length_vectors()),
        "root_id": root_id(keys).hex(), "names": list(name_vectors(keys)), "directories": list(directory_vectors(keys)),
        "symlink": list(symlink_vectors(keys)), "xattr": list(xattr_vectors(keys)), "toml": list(toml_vectors())}

def main(): print(json.dumps(vectors(), indent=1))

# ---- the self-test: a vault in Python, decoded, then damaged
MTIME = 1_234_567_890_123_456_789
LONG, LONGEST = b"l" * 161, b"\xfe" * 255

class Vault:
    """Builds a vault in `path`, and notes in `expected` what a decoder must make of it."""
    def __init__(self, path, names):
        self.path, self.names, self.keys, self.expected, self.disk = os.fsencode(path), names, derive_all(MASTER), {}, {}
        self.ids = {b"": (self.path, root_id(self.keys))}
        os.mkdir(path)
        slots = [(1, "password", b"another", fixed("salt 1"), COST), (2, "recovery", RECOVERY, b"", None), (5, "keyfile", SECRET, b"", None), (4, "later", SECRET, b"", None), (3, "password", PASSWORD, fixed("salt 3"), COST)]
        self.write(os.path.join(self.path, b"plainview.toml"), encode_config(MASTER, VAULT, names, slots))
        for ignored in (b"plainview.lock", b"plainview.tmp.1", b"plainview.future"): self.write(os.path.join(self.path, ignored), b"?")

    def write(self, path, data):
        with open(path, "xb") as file: file.write(data)

    def place(self, plain):
        """Returns where the entry with this plaintext path is on disk, and the encoded name; writes its name if it is long."""
        parent, _, name = plain.rpartition(b"/")
        path, identity = self.ids[parent]
        encoded = encode_name(self.keys, identity, name) if self.names == "encrypted" else name
        entry = entry_name(self.keys, encoded) if self.names == "encrypted" else name
        if entry != encoded: self.write(os.path.join(path, b"plainview.name." + entry[15:]), encoded)
        self.disk[plain] = os.path.join(path, entry)
        return self.disk[plain], identity, encoded

    def directory(self, plain, moved=False):
        path, parent, encoded = self.place(plain)
        os.mkdir(path)
        identity = fixed("moved") if moved else child_id(self.keys, parent, encoded)
        if moved: self.write(os.path.join(path, b"plainview.dirid"), dirid_file(self.keys, identity) if self.names == "encrypted" else b"?")
        self.ids[plain], self.expected[plain] = (path, identity), "directory"

    def file(self, plain, data, holes=()):
        path, _, _ = self.place(plain)
        salt, ivs = os.urandom(24), [os.urandom(16) for _ in range(len(data) // 4096 + 1)]
        self.write(path, seal_file(self.keys, salt, bool(holes), ivs.__getitem__, data, holes))
        self.expected[plain] = data

    def symlink(self, plain, target):
        os.symlink(encode_symlink(self.keys, os.urandom(16), target) if self.names == "encrypted" else target, self.place(plain)[0])
        self.expected[plain] = ("symlink", target)

def build(path, names):
    vault = Vault(path, names)
    for n in (0, 1, 15, 16, 17, 4095, 4096, 4097, 10000): vault.file(b"file %d" % n, formula(n))
    vault.file(b"holes", bytes(4096) + formula(4096) + bytes(8192) + b"end", (0, 2, 3))
    vault.file(LONGEST, b"long name")
    for directory, moved in ((b"d", False), (b"d/" + LONG, False), (b"d/" + LONG + b"/e", False), (b"moved", True), (b"moved/f", False)):
        vault.directory(directory, moved)
        vault.file(directory + b"/in it", directory)
    vault.file(b"d/" + LONG + b"/" + b"m" * 161, b"long in long")
    vault.symlink(b"d/link", b"../file \xff" + b"x" * 500)
    vault.file(b"attributes", b"x")
    for name, value in ((b"user.one", b"1"), (b"user.empty", b"")):
        os.setxattr(vault.disk[b"attributes"], encode_xattr_name(vault.keys, name), encode_xattr_value(vault.keys, name, os.urandom(16), value))
    os.link(vault.disk[b"file 17"], vault.place(b"d/hard link")[0])
    vault.expected[b"d/hard link"] = formula(17)
    os.mkfifo(vault.place(b"fifo")[0])
    for plain, mode in ((b"file 1", 0o4751), (b"moved", 0o1777), (b"file 16", 0o400)): os.chmod(vault.disk.get(plain) or vault.ids[plain][0], mode)
    for path in sorted([*vault.disk.values(), vault.path], key=len, reverse=True): os.utime(path, ns=(MTIME, MTIME), follow_symlinks=False)
    return vault

def decode(*args, line=PASSWORD):
    command = [sys.executable, os.path.join(os.path.dirname(os.path.abspath(__file__)), "decode.py"), *args]
    run = subprocess.run(command, input=line + b"\n", capture_output=True)
    return run.returncode, run.stdout, run.stderr

def found(out):
    """What is in a decoded directory, in the form of Vault.expected."""
    for path, directories, files in os.walk(os.fsencode(out)):
        for name in directories + files:
            full = os.path.join(path, name)
            plain, mode = os.path.relpath(full, os.fsencode(out)), os.lstat(full).st_mode
            assert os.lstat(full).st_mtime_ns == MTIME, full
            if stat.S_ISLNK(mode): yield plain, ("symlink", os.readlink(full))
            elif stat.S_ISDIR(mode): yield plain, "directory"
            else: yield plain, open(full, "rb").read()

def check_whole(vault, out):
    code, _, errors = decode(os.fsdecode(vault.path), out)
    assert code == 0 and errors.count(b"\n") == 1 and b"skipped: a fifo" in errors, errors
    assert dict(found(out)) == vault.expected
    at = lambda plain: os.path.join(os.fsencode(out), plain)
    assert os.lstat(at(b"file 1")).st_mode & 0o7777 == 0o4751 and os.lstat(at(b"moved")).st_mode & 0o7777 == 0o1777
    assert os.path.samefile(at(b"file 17"), at(b"d/hard link"))
    assert {name: os.getxattr(at(b"attributes"), name) for name in os.listxattr(at(b"attributes"))} == {"user.one": b"1", "user.empty": b""}
    code, listing, _ = decode("--list", os.fsdecode(vault.path))
    assert code == 0 and listing.count(b"\n") == len(vault.expected) and b"file 4097\t4097\t" in listing
    for line in (recovery_text(RECOVERY), recovery_text(RECOVERY).lower().replace("-", " ").replace("1", "l").replace("0", "o")):
        assert decode("--list", "--recovery", os.fsdecode(vault.path), line=line.encode())[:2] == (0, listing)
    slip = recovery_text(RECOVERY).replace("K", "M").encode()
    assert b"group 3 is mistyped" in decode("--list", "--recovery", os.fsdecode(vault.path), line=slip)[2]
    with tempfile.NamedTemporaryFile() as keyfile:
        keyfile.write(SECRET), keyfile.flush()
        assert decode("--list", "--keyfile", keyfile.name, os.fsdecode(vault.path))[:2] == (0, listing)
        keyfile.write(b"\n"), keyfile.flush()
        assert b"opens no keyfile slot" in decode("--list", "--keyfile", keyfile.name, os.fsdecode(vault.path))[2]

def flip(path, at): edit(path, lambda data: data[:at % len(data)] + bytes([data[at] ^ 1]) + data[at % len(data) + 1:])
def edit(path, change):
    with open(path, "rb") as file: data = file.read()
    with open(path, "wb") as file: file.write(change(data))
def swap_records(data): return data[:48] + data[4200:8352] + data[48:4200] + data[8352:]

def damages(vault):
    """Pairs: how to damage a fresh copy of the vault; what decode.py must then say."""
    disk = vault.disk
    for at, said in ((0, "header: wrong magic"), (4, "header"), (8, "header: tag"), (47, "header: tag"), (48, "record 0: tag"), (56, "record 0: tag"),
                     (4199, "record 0: tag"), (4200 + 4152 + 24, "record 2: tag"), (-1, "record 2: tag")):
        yield lambda at=at: flip(disk[b"file 10000"], at), said
    yield lambda: edit(disk[b"file 10000"], swap_records), "record 0: word"
    yield lambda: edit(disk[b"file 10000"], lambda data: data[:48] + bytes(4152) + data[4200:]), "record 0: a hole in"
    yield lambda: edit(disk[b"holes"], lambda data: data[:48 + 4152 * 4] + bytes(len(data) - 48 - 4152 * 4)), "record 4: tag"
    for cut in (1, 47, 103, 104, 4200, 4255): yield lambda cut=cut: os.truncate(disk[b"file 4096"], cut), "no file is"
    yield lambda: os.truncate(disk[b"file 4096"], 4199), "record 0: word"  # the tag of n = 4095 begins that of n = 4096
    padded = b"PADDED" + bytes(9) + b"\x01"
    def bad_padding(data):  # sealed as 16 bytes, then with the word and the tag of 15
        derived = keyed(vault.keys["content"], data[8:32], 96)
        start = (15).to_bytes(8, "little") + bytes(16) + AES.new(derived[:32], AES.MODE_CBC, bytes(16)).encrypt(padded)
        return data[:48] + start + keyed(derived[32:64], start, 31)
    yield lambda: edit(disk[b"file 15"], bad_padding), "record 0: padding"
    yield lambda: flip(os.path.join(vault.path, b"plainview.toml"), 70), "plainview.toml: "
    yield lambda: edit(os.path.join(vault.path, b"plainview.toml"), lambda data: data.replace(b"slot 1", b"slot 9")), "the seal does not verify"
    name = os.fsdecode(encode_xattr_name(vault.keys, b"user.one"))
    yield lambda: os.setxattr(disk[b"attributes"], name, os.getxattr(disk[b"attributes"], name)[::-1]), "xattr b'user.one' does not authenticate"
    if vault.names == "plain": return
    yield lambda: flip(os.path.join(disk[b"moved"], b"plainview.dirid"), 31), "plainview.dirid does not verify"
    yield lambda: os.rename(disk[b"d"], disk[b"d"][:-1] + bytes([disk[b"d"][-1] ^ 1])), "canonical"
    yield lambda: os.rename(disk[b"d/in it"], os.path.join(vault.path, os.path.basename(disk[b"d/in it"]))), "name does not authenticate"
    hashed = os.path.basename(disk[LONGEST])[15:]
    yield lambda: os.unlink(os.path.join(vault.path, b"plainview.name." + hashed)), "is missing"
    yield lambda: flip(os.path.join(vault.path, b"plainview.name." + hashed), 3), "does not fit H"
    yield lambda: edit(os.path.join(vault.path, b"plainview.name." + hashed), lambda data: data + b"\n"), "does not fit H"
    for bad in (b"..", b"x/y", b"x" + bytes(16), bytes(16)):
        encoded = encode_name(vault.keys, root_id(vault.keys), bad)
        yield lambda encoded=encoded: vault.write(os.path.join(vault.path, encoded), b""), "name is "
    yield lambda: (os.unlink(disk[b"d/link"]), os.symlink("A" * 43, disk[b"d/link"])), "symlink does not authenticate"

def selftest():
    for names in ("encrypted", "plain"):
        with tempfile.TemporaryDirectory() as scratch:
            original, copy = os.path.join(scratch, "original"), os.path.join(scratch, "vault")
            vault = build(copy, names)
            check_whole(vault, os.path.join(scratch, "whole"))
            subprocess.run(["cp", "-a", copy, original], check=True)
            for i, (damage, said) in enumerate(damages(vault)):
                damage()
                code, _, errors = decode(copy, os.path.join(scratch, f"damaged {i}"))
                lines = [line for line in errors.decode().splitlines() if "skipped" not in line]
                assert code == 1 and lines and all(said in line for line in lines), (i, said, errors)
                subprocess.run(f"rm -r {copy} && cp -a {original} {copy}", shell=True, check=True)
            print(f"{names} names: a whole vault, and {i + 1} kinds of damage")

if __name__ == "__main__": selftest() if sys.argv[1:] == ["--selftest"] else main()
