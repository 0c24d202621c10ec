#!/usr/bin/env bash
# Cuts the power while a dozen programs write, again and again, and counts the cuts after which something that had been synced is lost, or cannot be read.
#
#     scripts/power-cuts.sh                           20 cuts of each kind: ext4 plainview no-journal gocryptfs
#     scripts/power-cuts.sh [--cuts N] [KIND...]      N cuts of some of them
#
# ext4 is the disk alone, and shows that what is asked for can be had; no-journal is plainview with --no-journal; gocryptfs is Debian's, with its defaults. What the
# programs do and what is damage: tests/mount/power/. Ends with a line for each kind. Fails when plainview or ext4 has damage.
#
# Installs what it needs. Needs root, for the disk is a loop device on btrfs, and a few GiB below TMPDIR; on tmpfs (TMPDIR=/dev/shm) it goes faster. With
# PLAINVIEW_TEST_SEED= the programs do the same again, though not at the same instants.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
    sed -n '2,11s/^# \{0,1\}//p' "$0" >&2
    exit 2
}

cuts=20 kinds=()
while [ $# -gt 0 ]; do
    case $1 in
        --cuts) [ $# -gt 1 ] || usage; cuts=$2; shift ;;
        ext4 | plainview | no-journal | gocryptfs) kinds+=("$1") ;;
        *) usage ;;
    esac
    shift
done
[[ $cuts =~ ^[1-9][0-9]*$ ]] || usage
[ ${#kinds[@]} -gt 0 ] || kinds=(ext4 plainview no-journal gocryptfs)

if [ "$(id -u)" != 0 ]; then
    echo "SKIPPED power-cuts: needs root, for a disk of its own" >&2
    [ "${CI:-}" != true ] || exit 1
    exit 0
fi

scripts/setup.sh --tests
if [[ " ${kinds[*]} " == *" gocryptfs "* ]] && ! command -v gocryptfs > /dev/null; then
    echo "installing gocryptfs" >&2
    DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends gocryptfs > /dev/null
fi

log="$(mktemp "${TMPDIR:-/tmp}/pv-power-cuts.XXXXXX")"
trap 'rm -f "$log"' EXIT
failed=0
for kind in "${kinds[@]}"; do
    PLAINVIEW_TEST_KINDS=$kind PLAINVIEW_TEST_CUTS=$cuts cargo test --locked --test mount -- \
        --exact power::power_cuts_lose_nothing_that_was_synced --nocapture 2>&1 | tee -a "$log" || failed=1
done

echo
# A kind without a summary did not come to its end.
for kind in "${kinds[@]}"; do
    grep -E "^$kind: [0-9]+ cuts, [0-9]+ with damage( \([^)]*\))?$" "$log" || { echo "$kind: not done"; failed=1; }
done
exit $failed
