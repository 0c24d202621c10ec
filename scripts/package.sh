#!/usr/bin/env bash
# Builds the Debian package of this checkout, and prints its path.
#
#     scripts/package.sh [DIRECTORY]
#
# It is written to DIRECTORY (target/debian). The program is built in release mode. Needs dpkg-dev and binutils, and not root. With SOURCE_DATE_EPOCH set, or in a git checkout, two runs make the same bytes.
set -euo pipefail
cd "$(dirname "$0")/.."

target="${CARGO_TARGET_DIR:-target}"
out="$target/debian"
while [ $# -gt 0 ]; do
    case $1 in
        -*) echo "usage: scripts/package.sh [DIRECTORY]" >&2 && exit 2 ;;
        *) out="$1" && shift ;;
    esac
done
for program in dpkg-deb dpkg-shlibdeps strip; do
    command -v $program > /dev/null || { echo "package: $program is missing: install dpkg-dev and binutils" >&2; exit 1; }
done

cargo build --release --locked --quiet
binary="$(realpath "$target/release/plainview")"

version="$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml | head -1)"
architecture="$(dpkg --print-architecture)"
[ "$(dpkg-parsechangelog -l packaging/debian/changelog -S Version)" = "$version" ] ||
    { echo "package: packaging/debian/changelog does not begin with version $version, which Cargo.toml has" >&2; exit 1; }
SOURCE_DATE_EPOCH="${SOURCE_DATE_EPOCH:-$(dpkg-parsechangelog -l packaging/debian/changelog -S Timestamp)}"
export SOURCE_DATE_EPOCH

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
root="$work/root"
umask 022
# `put MODE TO FILE...`: files, with their directory.
put() {
    install -d "$root/$2"
    install -m "$1" -t "$root/$2" "${@:3}"
}

put 755 usr/bin "$binary"
strip --strip-unneeded --remove-section=.comment --remove-section=.note "$root/usr/bin/plainview"
install -d "$root/usr/sbin"
for helper in mount.plainview mount.fuse.plainview umount.plainview umount.fuse.plainview; do
    ln -s ../bin/plainview "$root/usr/sbin/$helper"
done

mkdir "$work/man" "$work/completions"
"$binary" generate man "$work/man"
"$binary" generate completions "$work/completions"
for page in "$work"/man/*; do
    put 644 "usr/share/man/man${page##*.}" "$page"
done
ln -s mount.plainview.8 "$root/usr/share/man/man8/mount.fuse.plainview.8"
for helper in umount.plainview umount.fuse.plainview; do
    ln -s ../man1/plainview-umount.1 "$root/usr/share/man/man8/$helper.8"
done
put 644 usr/share/zsh/vendor-completions "$work/completions/_plainview"
put 644 usr/share/fish/vendor_completions.d "$work/completions/plainview.fish"
put 644 usr/share/bash-completion/completions "$work/completions/plainview.bash"
mv "$root/usr/share/bash-completion/completions/plainview.bash" "$root/usr/share/bash-completion/completions/plainview"

put 644 usr/lib/systemd/system packaging/systemd/system/*
put 644 usr/lib/systemd/user packaging/systemd/user/*
put 755 usr/libexec/plainview packaging/systemd/unmount-all
put 644 usr/share/SiriKali/backends packaging/sirikali/plainview.json

put 644 usr/share/doc/plainview README.md docs/*.md packaging/debian/copyright
install -m 644 packaging/debian/changelog "$root/usr/share/doc/plainview/changelog"
find "$root/usr/share/man" -type f -exec gzip -9n {} +
gzip -9n "$root/usr/share/doc/plainview/changelog"
find "$root/usr/share/man" -type l | while read -r link; do
    ln -s "$(readlink "$link").gz" "$link.gz"
    rm "$link"
done

# dpkg-shlibdeps wants a source tree, of which it reads debian/control only.
mkdir -p "$work/source/debian" "$root/DEBIAN"
cp packaging/debian/control "$work/source/debian/control"
libraries="$(cd "$work/source" && dpkg-shlibdeps -O "$root/usr/bin/plainview" 2> "$work/shlibs" | sed -n 's/^shlibs:Depends=//p')"
[ -n "$libraries" ] || { cat "$work/shlibs" >&2; exit 1; }
{
    sed -n '1,/^$/ { /^Source:/ s/Source/Package/p; }' packaging/debian/control
    echo "Version: $version"
    sed -n '1,/^$/ { /^\(Section\|Priority\|Maintainer\):/ p; }' packaging/debian/control
    echo "Architecture: $architecture"
    echo "Installed-Size: $(du -k --apparent-size -s "$root" | cut -f1)"
    sed -n "/^Package:/,\$ { /^\(Package\|Architecture\):/d; s/\\\${shlibs:Depends}/$libraries/; p; }" packaging/debian/control
} > "$root/DEBIAN/control"
(cd "$root" && find usr -type f -print0 | LC_ALL=C sort -z | xargs -0 md5sum > DEBIAN/md5sums)
find "$root" -newermt "@$SOURCE_DATE_EPOCH" -print0 | xargs -0r touch --no-dereference --date="@$SOURCE_DATE_EPOCH"

mkdir -p "$out"
package="$out/plainview_${version}_${architecture}.deb"
dpkg-deb --root-owner-group -Zxz --build "$root" "$package" > /dev/null
echo "$package"
