#!/usr/bin/env python3
"""The recipe's file format in Python, for the tests: what plainview makes of a recipe folder must be what this program makes, and the reverse.

    recipe.py encrypt (--password-file F | --key-hex-file F) FILE...         FILE becomes FILE.enc
    recipe.py decrypt (--password-file F | --key-hex-file F) FILE.enc...     FILE.enc becomes FILE
    recipe.py tree    (--password-file F | --key-hex-file F) FOLDER OUT      all of FOLDER, decrypted, into the new directory OUT

NAME.enc = size (u64, little-endian) . IV (16) . AES-CBC of the contents, in chunks of 64 KiB, spaces up to the next 16 bytes after the last. The key is
SHA-256 of the password (AES-256: the first line of F), or the 16, 24 or 32 bytes that F has in hexadecimal. Outputs are overwritten.

Stricter than the programs that people have: a length that does not fit the header, or padding that is not spaces, is one line on stderr, and the exit
code is 1. `tree` keeps what it can of modes, owners, times and attributes; takes NAME.enc that is a symlink as one to a file, whose target ends in .enc, too;
and leaves out what is neither a directory nor NAME.enc, and what NAME.enc is neither (a fifo). Written from the article's description; needs pycryptodome."""
import argparse, contextlib, hashlib, os, shutil, stat, struct, sys
from Crypto.Cipher import AES

CHUNK = 64 * 1024
HEADER = struct.Struct("<Q16s")
SUFFIX = b".enc"

class Misfit(Exception): """A file that is no recipe file."""

def key(args):
    if args.password_file:
        with open(args.password_file, "rb") as file: return hashlib.sha256(file.readline().rstrip(b"\n")).digest()
    with open(args.key_hex_file) as file: return bytes.fromhex(file.read())

def padding(size): return -size % AES.block_size

def encrypt(secret, source, target):
    """Encrypts the open file `source` to the open file `target`."""
    size, vector = os.fstat(source.fileno()).st_size, os.urandom(16)
    target.write(HEADER.pack(size, vector))
    cipher = AES.new(secret, AES.MODE_CBC, vector)
    while chunk := source.read(CHUNK): target.write(cipher.encrypt(chunk + b" " * padding(len(chunk))))

def decrypt(secret, source, target):
    """Decrypts the open file `source` to the open file `target`."""
    header, length = source.read(HEADER.size), os.fstat(source.fileno()).st_size
    if len(header) < HEADER.size: raise Misfit(f"{length} bytes are no header")
    size, vector = HEADER.unpack(header)
    if length != HEADER.size + size + padding(size): raise Misfit(f"{length} bytes for a size of {size}")
    cipher, left = AES.new(secret, AES.MODE_CBC, vector), size
    while chunk := source.read(CHUNK):
        plain = cipher.decrypt(chunk)
        if plain[left:].strip(b" "): raise Misfit("padding that is not spaces: another key, or another program")
        target.write(plain[:left])
        left -= min(left, len(plain))

def convert(work, secret, source, target):
    with open(source, "rb") as file, open(target, "wb") as out:
        try: work(secret, file, out)
        except Misfit as error: raise Misfit(f"{os.fsdecode(source)}: {error}") from None

def keep(source, target):
    """Gives `target` the owner, mode, times and attributes of `source`, neither followed, as far as may be."""
    seen = os.lstat(source)
    with contextlib.suppress(PermissionError): os.chown(target, seen.st_uid, seen.st_gid, follow_symlinks=False)
    shutil.copystat(source, target, follow_symlinks=False)

def entry(secret, source, target):
    """One entry of a tree. Returns what is wrong with it and with what is below it."""
    kind = os.lstat(source).st_mode
    if stat.S_ISDIR(kind):
        os.mkdir(target)
        wrong = [line for name in sorted(os.listdir(source)) for line in entry(secret, os.path.join(source, name), os.path.join(target, name))]
        keep(source, target)
        return wrong
    if not source.endswith(SUFFIX): return []
    target = target.removesuffix(SUFFIX)
    if stat.S_ISLNK(kind): os.symlink(os.readlink(source).removesuffix(SUFFIX), target)
    elif stat.S_ISREG(kind):
        try: convert(decrypt, secret, source, target)
        except Misfit as error: return [str(error)]
    else: return []
    keep(source, target)
    return []

def main():
    parser = argparse.ArgumentParser(description="Encrypts and decrypts recipe files.")
    parser.add_argument("mode", choices=["encrypt", "decrypt", "tree"])
    group = parser.add_mutually_exclusive_group(required=True)
    group.add_argument("--password-file", metavar="F")
    group.add_argument("--key-hex-file", metavar="F")
    parser.add_argument("paths", nargs="+", type=os.fsencode, metavar="PATH")
    args = parser.parse_args()
    secret, wrong = key(args), []
    if args.mode == "tree":
        if len(args.paths) != 2: parser.error("tree takes FOLDER and OUT")
        wrong = entry(secret, *args.paths)
    else:
        for path in args.paths:
            if args.mode == "decrypt" and not path.endswith(SUFFIX): parser.error(f"{os.fsdecode(path)} does not end in .enc")
            try: convert(encrypt, secret, path, path + SUFFIX) if args.mode == "encrypt" else convert(decrypt, secret, path, path.removesuffix(SUFFIX))
            except Misfit as error: wrong.append(str(error))
    for line in wrong: print(line, file=sys.stderr)
    return 1 if wrong else 0

if __name__ == "__main__": sys.exit(main())
