#!/usr/bin/env bash
# Shows what plainview does, on a machine that need have nothing but Rust: installs what is missing, builds, makes a vault in a temporary directory, mounts
# it, copies this system's own documentation in, looks at both sides, unmounts, searches the ciphertext for anything readable, mounts again and compares.
#
#     scripts/demo.sh
#
# As root or as an ordinary user (who is asked for nothing: what has to be installed is installed with sudo). Leaves nothing behind but the build.
set -euo pipefail
cd "$(dirname "$0")/.."

step() { printf '\n\033[1m%s\033[0m\n' "$*"; }
shown() { # a command, shown and run
    printf '  $ %s\n' "$*"
    "$@" 2>&1 | sed 's/^/    /'
}
shown_line() { # the same for a line of shell
    printf '  $ %s\n' "$1"
    bash -c "$1" 2>&1 | sed 's/^/    /'
}
fail() {
    printf 'demo: %s\n' "$*" >&2
    exit 1
}
[ -t 1 ] || step() { printf '\n%s\n' "$*"; }

step "1. What is needed"
scripts/setup.sh
echo "  building ..."
cargo build --release --locked --quiet
PATH="$(realpath "${CARGO_TARGET_DIR:-target}/release"):$PATH"
shown plainview --version

work="$(mktemp -d "${TMPDIR:-/tmp}/plainview-demo.XXXXXX")"
clean_up() {
    if grep -qF " $work/Private " /proc/self/mountinfo; then
        umount -l "$work/Private" 2> /dev/null || fusermount3 -u -z "$work/Private" || true
    fi
    cd /
    rm -rf --one-file-system "$work"
}
trap clean_up EXIT
trap 'exit 130' INT TERM
cd "$work"
vault=Vault plain=Private files=Documents
mkdir $plain $files

step "2. A few hundred real files"
# Not all of /usr/share/doc: what a minimal system has, and no more than takes a moment.
collect() {
    local dir
    for dir in /usr/share/common-licenses /usr/share/doc /usr/share/perl /usr/share/zoneinfo /usr/lib/python3 /usr/share/locale /etc; do
        [ ! -d "$dir" ] || find "$dir" -xdev -type f -size +0 -size -512k -readable 2> /dev/null | sort | sed -n 1,400p
    done
}
mapfile -t chosen < <(collect | sed -n 1,600p)
printf '%s\0' "${chosen[@]}" | tar --null --files-from=- -cf - --absolute-names --transform 's,^/,,' | tar -C $files -xf -
ln -s "${chosen[0]#/}" "$files/a symlink"
printf 'The quick brown fox jumps over the lazy dog.\n' > "$files/a very long name, too long for its encrypted form to be the name of a file, $(printf 'which is why there is a form for long names %.0s' 1 2 3)"
count=$(find $files -type f | wc -l)
[ "$count" -ge 300 ] || fail "only $count files found to copy"
echo "  $count files, $(du -sh --apparent-size $files | cut -f1), from $(printf '%s\n' "${chosen[@]}" | cut -d/ -f2-4 | sort -u | sed -n 1,3p | paste -sd ' ') ..."

step "3. A vault, shown in the clear"
# A password for a demonstration; by hand, leave --passfile out and type one.
printf 'an example password\n' > password
shown plainview init --passfile password $vault
shown plainview mount --passfile password $vault $plain
shown grep plainview-demo /proc/mounts

step "4. Ordinary programs work in it"
shown cp -a $files/. $plain/

step "5. Both sides"
first="$(find $files -type f -size +2k -printf '%P\n' | sort | sed -n 1p)"
echo "  In the clear, while it is mounted:"
shown ls $plain
shown head -n 3 "$plain/$first"
echo "  What is on the disk:"
shown_line "ls $vault | head -n 6"
shown_line "find $vault -type f -size +2k -not -name 'plainview.*' | head -n 1 | xargs head -c 96 | od -c | head -n 4"

step "6. Unmounted, only ciphertext is left"
shown plainview umount $plain
shown ls -A $plain
find $files -mindepth 1 -printf '%f\n' | sort -u > names
# Those too long to be in random bytes by chance.
awk 'length($0) >= 8' names > long-names
# Lines from all files, long enough not to be anywhere by chance.
find $files -type f -print0 | xargs -0 -n 1 sh -c 'LC_ALL=C grep -a -m 5 -E "^[[:print:]]{16,}$" "$0" || true' | sort -u > lines
count_in_vault() { # file with patterns; searches names, symlink targets and all bytes
    (find $vault -mindepth 1 -printf '%f\n%l\n'; find $vault -type f -not -name plainview.toml -exec cat {} +) | LC_ALL=C grep -a -c -F -f "$1" || true
}
same_names=$(find $vault -mindepth 1 -printf '%f\n' | sort -u | comm -12 - names | wc -l)
found_names=$(count_in_vault long-names)
found_lines=$(count_in_vault lines)
echo "  $(wc -l < names) different names and $(wc -l < lines) lines of text, looked for in every name and every byte of the vault:"
echo "  entries with one of these names: $same_names; names found anywhere: $found_names; lines found anywhere: $found_lines"
[ "$same_names$found_names$found_lines" = 000 ] || fail "there is plaintext in the vault"
# The search itself works: it finds them all where they are.
[ "$(find $files -type f -exec cat {} + | LC_ALL=C grep -a -c -F -f lines)" -gt 0 ] || fail "the search finds nothing at all"

step "7. Mounted again, the files are what they were"
shown plainview mount --ro --passfile password $vault $plain
shown diff -r --no-dereference $files $plain
sums() { (cd "$1" && find . -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum); }
attributes() { (cd "$1" && find . -mindepth 1 -printf '%P %y %m %U:%G %T@ %l\n' | sort | sha256sum); }
[ "$(sums $files)" = "$(sums $plain)" ] || fail "contents differ"
[ "$(attributes $files)" = "$(attributes $plain)" ] || fail "modes, owners, times or links differ"
echo "  $count files, equal in contents, modes, owners, times and links. sha256 over all: $(sums $plain | cut -c1-16)..."
shown plainview umount $plain

step "Done. Nothing is left behind."
