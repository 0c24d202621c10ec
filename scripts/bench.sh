#!/usr/bin/env bash
# Compares plainview with the other encrypted directory filesystems, and with what FUSE and the disk can do at best: the same workloads on each in alternation, some rounds of them.
#
#     scripts/bench.sh [--base DIR] [--rounds N] [--small] [--write] [NAME...]
#
#     --base DIR    where the folders lie (default /dev/shm, so that the disk is not what is measured)
#     --rounds N    how often each is measured (default 3); medians are shown
#     --small       a tenth of the work: a look, not a measurement
#     --write       put the table into docs/performance.md and draw docs/performance.svg
#     NAME          only these of: plainview gocryptfs encfs securefs cryfs passthrough passthrough+ bare
#
# At the end it counts, for each operation on a plainview mount, the requests of the kernel and the system calls on the vault (scripts/count.py).
#
# Installs the others from Debian, and libfuse's example of a filesystem without encryption. Needs root. Unmounts and removes what it has made.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ "$(id -u)" != 0 ]; then
    echo "SKIPPED: needs root, to install and to mount" >&2
    exit 1
fi
scripts/setup.sh
missing=()
for pair in gocryptfs:gocryptfs encfs:encfs securefs:securefs cryfs:cryfs pkg-config:pkg-config python3:python3 tar:tar strace:strace; do
    command -v "${pair%%:*}" > /dev/null || missing+=("${pair##*:}")
done
example=/usr/share/doc/libfuse3-dev/examples/passthrough_ll.c
[ -e $example ] || missing+=(libfuse3-dev)
if [ ${#missing[@]} -gt 0 ]; then
    # Documentation, which the example counts as, is left out where dpkg is told so.
    DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends -o Dpkg::Options::=--path-include=/usr/share/doc/libfuse3-dev/* "${missing[@]}" > /dev/null
fi

cargo build --release --locked --quiet
built="${CARGO_TARGET_DIR:-target}"
workloads="$(cargo bench --locked --quiet --no-run --bench workloads --message-format=json | sed -n 's/.*"name":"workloads".*"executable":"\([^"]*\)".*/\1/p')"
mkdir -p "$built/bench"
# The example looks its files up with a descriptor each, and takes more than 4096 of them only when it may.
cc -O2 -o "$built/bench/passthrough" $example $(pkg-config fuse3 --cflags --libs)
python3 scripts/bench.py --plainview "$built/release/plainview" --workloads "$workloads" --passthrough "$built/bench/passthrough" "$@"
echo
python3 scripts/count.py "$built/release/plainview"
