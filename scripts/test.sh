#!/usr/bin/env bash
# Runs everything that has to hold: formatting, lints, documentation, unit tests, test vectors, and the tests on real mounts.
#
#     scripts/test.sh             all suites, whatever fails
#     scripts/test.sh SUITE...    some of: fmt clippy doc unit decoder mount counts commands package pjdfstest fsx stress
#
# Best run as root, who can play an ordinary user as well (CI is root); as an ordinary user, what needs root says SKIPPED. With CI=true, a skip is a
# failure. Leaves nothing mounted. Ends with a line for each suite and one for all.
set -uo pipefail
cd "$(dirname "$0")/.."

all=(fmt clippy doc decoder unit mount counts commands package pjdfstest fsx stress)
suites=("$@")
[ $# -gt 0 ] || suites=("${all[@]}")

# Random tests draw a seed each time and print it. Where a failure has to mean that a change brought it, they get the same one each time.
if [ "${CI:-}" = true ]; then export PLAINVIEW_TEST_SEED="${PLAINVIEW_TEST_SEED:-20261122}"; fi

# Everything temporary is in here, so that a run that was interrupted can be cleaned up. The ordinary user must get in.
work="$(realpath "$(mktemp -d "${TMPDIR:-/tmp}/plainview-tests.XXXXXX")")"
chmod 755 "$work"
mkdir "$work/tmp"
chmod 1777 "$work/tmp"
clean_up() {
    # The kernel ends a daemon whose mount is gone.
    awk -v dir="$work/" 'index($5, dir) == 1 { print $5 }' /proc/self/mountinfo | tac | while read -r point; do
        point="$(printf '%b' "${point//\\/\\0}")"
        umount -l "$point" 2> /dev/null || fusermount3 -u -z "$point" 2> /dev/null
    done
    rm -rf --one-file-system "$work"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

scripts/setup.sh --tests || { echo "setup: failed" >&2; exit 1; }

# The measure of the tests on mounts is ext4, so it has to be there. The image is sparse, and gone when it is unmounted.
make_disk() {
    truncate -s 16G "$work/image" && mkfs.ext4 -q -m 0 "$work/image" && mount -o loop "$work/image" "$work/tmp" && chmod 1777 "$work/tmp" && rm "$work/image"
}
passed=0 failed=0 skipped=0
summary=()
report() { # suite, passed, failed, skipped
    summary+=("$1: $2 passed, $3 failed, $4 skipped")
    passed=$((passed + $2)) failed=$((failed + $3)) skipped=$((skipped + $4))
}

if [ "$(stat -f -c %T "$work")" != ext2/ext3 ]; then
    echo "${TMPDIR:-/tmp} is not on ext4"
    if [ "$(id -u)" != 0 ] || ! make_disk; then
        echo "SKIPPED ext4: what is to be as on ext4 is compared with $(stat -f -c %T "$work")" >&2
        report ext4 0 0 1
    fi
fi

# A suite that passes or fails as a whole.
check() { # suite, command...
    local suite=$1
    shift
    echo "== $suite: $*"
    if "$@"; then report "$suite" 1 0 0; else report "$suite" 0 1 0; fi
}

# A suite of cargo's test runner: its counts are the sums of its closing lines. A skipped test counts as passed there, and says SKIPPED.
cargo_tests() { # suite, arguments of cargo test...
    local suite=$1 log="$work/$1.log" status ok bad skips
    shift
    echo "== $suite: cargo test $*"
    TMPDIR="$work/tmp" timeout --foreground -k 10 1500 cargo test --locked "$@" 2>&1 | tee "$log"
    status=${PIPESTATUS[0]}
    ok=$(awk '/^test result: / { sum += $4 } END { print sum + 0 }' "$log")
    bad=$(awk '/^test result: / { sum += $6 } END { print sum + 0 }' "$log")
    skips=$(grep -c '^SKIPPED ' "$log")
    # It did not build, was killed, or ran nothing.
    if [ "$status" != 0 ] && [ "$bad" = 0 ] || [ $((ok + bad)) = 0 ]; then bad=$((bad + 1)); fi
    # Where a skip is a failure, the runner has counted it as one.
    if [ "${CI:-}" = true ]; then skips=0; fi
    report "$suite" $((ok > skips ? ok - skips : 0)) "$bad" "$skips"
}

# A suite that tells its counts itself.
counted() { # suite, command...
    local suite=$1 log="$work/$1.log" counts
    shift
    "$@" 2>&1 | tee "$log" | grep -v "^$suite: "
    counts="$(sed -nE "s/^$suite: ([0-9]+) passed, ([0-9]+) failed, ([0-9]+) skipped$/\1 \2 \3/p" "$log")"
    # It did not come to its end.
    # shellcheck disable=SC2086
    report "$suite" ${counts:-0 1 0}
}

# The independent decoder still makes the vectors that the Rust tests use, and notices damage in vaults of its own making.
decoder() {
    local python="${CARGO_TARGET_DIR:-target}/venv/bin/python3"
    "$python" scripts/decode.py --vectors | cmp - tests/vectors.json && "$python" scripts/vectors.py --selftest
}

# No operation takes more requests of the kernel and system calls on the vault than docs/performance.md says.
counts() {
    if [ "$(id -u)" != 0 ]; then
        echo "SKIPPED counts: needs root, to trace the daemon and to empty the kernel's caches" >&2
        report counts 0 0 1
        return
    fi
    cargo build --locked && check counts python3 scripts/count.py --check docs/performance.md "${CARGO_TARGET_DIR:-target}/debug/plainview" "$work/tmp"
}

# The test programs that need no mount.
unmounted=()
for test in tests/*.rs; do
    unmounted+=(--test "$(basename "$test" .rs)")
done

for suite in "${suites[@]}"; do
    case $suite in
        fmt) check fmt cargo fmt --all --check ;;
        clippy) check clippy cargo clippy --locked --all-targets -- -D warnings ;;
        doc) RUSTDOCFLAGS="-D warnings" check doc cargo doc --locked --no-deps --document-private-items ;;
        decoder) check decoder decoder ;;
        unit) cargo_tests unit --lib --bins "${unmounted[@]}" --no-fail-fast ;;
        mount) cargo_tests mount --test mount -- --test-threads=2 ;;
        counts) counts || report counts 0 1 0 ;;
        commands) cargo build --locked && TMPDIR="$work/tmp" counted commands scripts/commands.py || report commands 0 1 0 ;;
        package) TMPDIR="$work/tmp" counted package scripts/package-test.sh ;;
        # Those of others, in their short form. Their temporary directory is their own, since sockets want short paths.
        pjdfstest | fsx | stress) counted "$suite" scripts/suites.sh --short "$suite" ;;
        *)
            echo "no such suite: $suite (there are: ${all[*]})" >&2
            exit 2
            ;;
    esac
done

echo
printf '%s\n' "${summary[@]}"
echo
if [ "$skipped" != 0 ]; then
    echo "SKIPPED: $skipped tests, for the reasons above"
fi
if [ "$skipped" = 0 ]; then echo "$passed passed, $failed failed"; else echo "$passed passed, $failed failed, $skipped skipped"; fi
[ "$failed" = 0 ] && { [ "${CI:-}" != true ] || [ "$skipped" = 0 ]; }
