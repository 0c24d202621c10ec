#!/usr/bin/env bash
# Installs what the tests and the demo need, and does nothing where it is there already. Debian and its relatives; elsewhere it says what is missing.
#
#     scripts/setup.sh            what a user needs to build and mount: fuse3, a C compiler for linking
#     scripts/setup.sh --tests    and what the tests need: programs that work in a mount, a Python for scripts/decode.py and recipe.py, an ordinary user to test as
#
# Asks nothing, but that sudo may, where it is not run as root.
set -euo pipefail
cd "$(dirname "$0")/.."

tests=no
[ "${1:-}" != --tests ] || tests=yes

say() { printf '%s\n' "$*" >&2; }
# Without a terminal nobody can type a password, and sudo shall say so instead of waiting.
as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; elif [ -t 0 ]; then sudo "$@"; else sudo -n "$@"; fi
}

# Pairs of a program and the Debian package that has it.
needed=(fusermount3:fuse3 cc:gcc mount:mount)
if [ $tests = yes ]; then
    needed+=(setfattr:attr getfacl:acl rsync:rsync git:git sqlite3:sqlite3 strace:strace python3:python3)
    needed+=(mkfs.ext4:e2fsprogs mkfs.xfs:xfsprogs mkfs.btrfs:btrfs-progs setpriv:util-linux)
    needed+=(prlimit:util-linux setsid:util-linux tar:tar cmp:diffutils find:findutils ps:procps systemd-ask-password:systemd)
    # Those that docs/migrate.md is for.
    needed+=(gocryptfs:gocryptfs encfs:encfs)
    # For the package.
    needed+=(dpkg-shlibdeps:dpkg-dev strip:binutils lintian:lintian mandoc:mandoc groff:groff-base zsh:zsh fish:fish)
fi

missing=()
for pair in "${needed[@]}"; do
    PATH="$PATH:/usr/sbin:/sbin" command -v "${pair%%:*}" > /dev/null || missing+=("${pair##*:}")
done
# Debian's Python has venv and pip in packages of their own.
if [ $tests = yes ] && ! python3 -c 'import ensurepip, venv' 2> /dev/null; then
    missing+=(python3-venv)
fi
# Headers, which the compiler alone does not bring; the linker needs the start-up files beside them.
if ! echo 'int main(void) { return 0; }' | cc -x c -o /dev/null - 2> /dev/null; then
    missing+=(gcc libc6-dev)
fi

if [ ${#missing[@]} -gt 0 ]; then
    if ! command -v apt-get > /dev/null; then
        say "missing, and this is no Debian: ${missing[*]}"
        exit 1
    fi
    say "installing ${missing[*]}"
    as_root env DEBIAN_FRONTEND=noninteractive apt-get update -q > /dev/null
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}" > /dev/null
fi

if ! command -v cargo > /dev/null; then
    say "cargo is missing: Rust comes from https://rustup.rs"
    exit 1
fi

# In containers the device may be missing, or closed to ordinary users; udev would make it as here.
if [ "$(id -u)" = 0 ]; then
    [ -e /dev/fuse ] || mknod -m 666 /dev/fuse c 10 229
    [ -r /dev/fuse ] && [ "$(stat -c %a /dev/fuse)" = 666 ] || chmod 666 /dev/fuse
fi

[ $tests = yes ] || exit 0

if [ "$(id -u)" = 0 ] && ! id pvtest > /dev/null 2>&1; then
    say "making the user pvtest, as whom the tests mount"
    useradd -m -s /bin/bash pvtest
fi

venv="${CARGO_TARGET_DIR:-target}/venv"
if ! "$venv/bin/python3" -c 'import argon2, blake3, Crypto' 2> /dev/null; then
    say "making a Python environment for scripts/decode.py and recipe.py in $venv"
    python3 -m venv --clear "$venv"
    "$venv/bin/pip" install -q --disable-pip-version-check -r scripts/requirements.txt
fi
