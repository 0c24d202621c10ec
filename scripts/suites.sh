#!/usr/bin/env bash
# Runs the POSIX suites of others on mounted vaults: pjdfstest, case by case beside the ext4 that the vault lies on, and fsx.
#
#     scripts/suites.sh                    all of it, at length: an hour or more
#     scripts/suites.sh --short            what scripts/test.sh runs of it: five minutes
#     scripts/suites.sh [--short] SUITE... some of: pjdfstest fsx fsx-pairs fsx-restarts stress
#
# Installs what it needs: what scripts/setup.sh --tests installs, and the two programs, of fixed versions, into the target directory. Needs root, else it says
# SKIPPED; with CI=true, a skip is a failure. Leaves nothing mounted and no loop device. Ends with a line for each suite and one for all.
#
# PLAINVIEW= names a program to test instead of the release build; PLAINVIEW_SUITES_MINUTES= says how long `stress` takes (default 60).
set -uo pipefail
cd "$(dirname "$0")/.."

pjdfstest_version=0.2.2
fsx_version=0.3.2

length=long
if [ "${1:-}" = --short ]; then
    length=short
    shift
fi
all=(pjdfstest fsx fsx-pairs fsx-restarts stress)
[ $length = long ] || all=(pjdfstest fsx stress)
suites=("$@")
[ $# -gt 0 ] || suites=("${all[@]}")

target="${CARGO_TARGET_DIR:-target}"
mkdir -p "$target"
target="$(cd "$target" && pwd)"
tools="$target/suites"

passed=0 failed=0 skipped=0
summary=()
report() { # suite, passed, failed, skipped
    summary+=("$1: $2 passed, $3 failed, $4 skipped")
    passed=$((passed + $2)) failed=$((failed + $3)) skipped=$((skipped + $4))
}
conclude() {
    echo
    printf '%s\n' "${summary[@]}"
    echo
    if [ "$skipped" = 0 ]; then echo "$passed passed, $failed failed"; else echo "$passed passed, $failed failed, $skipped skipped"; fi
    [ "$failed" = 0 ] && { [ "${CI:-}" != true ] || [ "$skipped" = 0 ]; }
}

if [ "$(id -u)" != 0 ]; then
    for suite in "${suites[@]}"; do
        echo "SKIPPED $suite: needs root, for a filesystem of its own and for its users" >&2
        report "$suite" 0 0 1
    done
    conclude
    exit
fi

# Everything temporary is in here, the filesystems as well. The ordinary user must get in. Sockets want short paths.
work="$(realpath "$(mktemp -d "${TMPDIR:-/tmp}/pv-suites.XXXXXX")")"
chmod 755 "$work"
daemon=
clean_up() {
    # Suites that still run hold the mount. They are copies of our own, so nobody else's are met.
    for process in /proc/[0-9]*; do
        case "$(readlink "$process/exe")" in
            "$work/bin/fsx" | "$work/bin/pjdfstest") kill -9 "${process#/proc/}" 2> /dev/null ;;
        esac
    done
    # What is mounted last goes first. The kernel ends a daemon whose mount is gone, and detaches a loop device that mount(8) made.
    awk -v dir="$work/" 'index($5, dir) == 1 { print $5 }' /proc/self/mountinfo | tac | while read -r point; do
        umount -l "$point"
    done
    # The lower filesystem is in use until the daemon has gone.
    [ -z "$daemon" ] || timeout 30 tail --pid="$daemon" -f /dev/null
    rm -rf --one-file-system "$work"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

install_tools() {
    scripts/setup.sh --tests || return 1
    "$tools/bin/pjdfstest" --version 2> /dev/null | grep -qx "pjdfstest $pjdfstest_version" ||
        cargo install --quiet --locked --root "$tools" --version "=$pjdfstest_version" pjdfstest || return 1
    "$tools/bin/fsx" --version 2> /dev/null | grep -qx "fsx $fsx_version" ||
        cargo install --quiet --locked --root "$tools" --version "=$fsx_version" fsx || return 1
    plainview="${PLAINVIEW:-}"
    if [ -z "$plainview" ]; then
        cargo build --quiet --locked --release || return 1
        plainview="$target/release/plainview"
    fi
    # Copies, since the originals may be where the ordinary user cannot go.
    mkdir "$work/bin" && cp "$tools/bin/pjdfstest" "$tools/bin/fsx" "$work/bin/" && cp "$plainview" "$work/bin/plainview" && plainview="$work/bin/plainview"
}

# An ext4 filesystem, which is gone when it is unmounted, and a second filesystem, to which nothing can be linked.
make_disk() {
    mkdir "$work/disk" "$work/second"
    truncate -s 4G "$work/image"
    mkfs.ext4 -q -m 0 "$work/image" && mount -o loop "$work/image" "$work/disk" && chmod 755 "$work/disk" &&
        mount -t tmpfs -o size=16m,mode=777 plainview-suites "$work/second"
}

# Runs a command as root or as the ordinary user.
as() { # root | user, command...
    local who=$1
    shift
    if [ "$who" = root ]; then "$@"; else setpriv --reuid pvtest --regid pvtest --clear-groups env HOME="$work" "$@"; fi
}

# Makes and mounts a vault on the ext4; sets $daemon.
mount_vault() { # root | user, name, arguments of mount...
    local who=$1 vault="$work/disk/$2" point="$work/$2"
    shift 2
    if [ ! -e "$vault" ]; then
        mkdir -p "$vault" "$point"
        echo "the password of a test" > "$point.pass"
        [ "$who" = root ] || chown pvtest: "$vault" "$point" "$point.pass"
        as "$who" "$plainview" init --kdf-memory 8M --kdf-passes 1 --passfile "$point.pass" "$vault" > /dev/null || return 1
    fi
    as "$who" "$plainview" mount -f --passfile "$point.pass" "$@" "$vault" "$point" 2>> "$work/log" &
    daemon=$!
    for _ in $(seq 300); do
        if findmnt -n "$point" > /dev/null; then return 0; fi
        kill -0 "$daemon" 2> /dev/null || break
        sleep 0.1
    done
    echo "the mount does not answer" >&2
    return 1
}

# Ends a mount, and waits for its daemon. Its warnings are failures.
unmount_vault() { # root | user, name
    as "$1" "$plainview" umount "$work/$2" || return 1
    wait "$daemon" || return 1
    daemon=
    if grep -E 'WARN|ERROR|panicked' "$work/log" >&2; then return 1; fi
}

# The names of pjdfstest's cases and their results in a directory, sorted. Those about read-only filesystems remount it, for which no file may be open in it. A
# case among the others leaves one open, so they are run by themselves.
pjdfstest_results() { # root | user, directory, whether it can be remounted
    local who=$1 dir=$2 remount=$3 group
    group="$(id -gn nobody)"
    for allow in $remount false; do
        printf '[features]\nposix_fallocate = {}\nrename_ctime = {}\nutime_now = {}\nutimensat = {}\n' > "$work/pjdfstest-$allow.toml"
        printf '[settings]\nnaptime = 0.02\nallow_remount = %s\n' "$allow" >> "$work/pjdfstest-$allow.toml"
        printf '[dummy_auth]\nentries = [["nobody", "%s"], ["pvtest", "pvtest"]]\n' "$group" >> "$work/pjdfstest-$allow.toml"
    done
    # mount(8) would leave the remounting of a FUSE filesystem to a program of the same name, which knows only mounting.
    mkdir -p "$work/mount"
    printf '#!/bin/sh\nexec %s -i "$@"\n' "$(command -v mount)" > "$work/mount/mount"
    chmod 755 "$work/mount/mount"
    {
        if [ "$remount" = true ]; then
            PATH="$work/mount:$PATH" as "$who" timeout 300 "$work/bin/pjdfstest" -c "$work/pjdfstest-true.toml" -p "$dir" -s "$work/second" ::erofs_
        fi
        # It changes into directories of its own, so it begins in one that it can come back to.
        as "$who" timeout 600 "$work/bin/pjdfstest" -c "$work/pjdfstest-false.toml" -p "$dir" -s "$work/second"
    } > "$work/pjdfstest.log" 2>&1
    # The first result of a case that was not skipped is its result.
    sed -nE 's/^([a-z0-9_]+::[^ ]+) +(ok|FAILED|skipped)$/\1 \2/p' "$work/pjdfstest.log" |
        awk '$2 != "skipped" && !($1 in result) { result[$1] = $2 } { seen[$1] } END { for (name in seen) print name, (name in result ? result[name] : "skipped") }' | sort
}

# Every case has the result that it has on the ext4. As root, as root with ACLs enforced, and as an ordinary user.
suite_pjdfstest() {
    local who options name ok=0 bad=0 out=0 cases
    for mode in root acl user; do
        case $mode in
            root) who=root options=(-o "allow_other,dev,suid") ;;
            acl) who=root options=(-o "allow_other,dev,suid,acl") ;;
            user) who=user options=() ;;
        esac
        name="pjdfstest-$mode"
        mkdir "$work/disk/plain-$mode"
        chown "$(as "$who" id -u):$(as "$who" id -g)" "$work/disk/plain-$mode"
        # Nothing may be open on the ext4 while it is remounted, so it comes first.
        pjdfstest_results "$who" "$work/disk/plain-$mode" "$([ $who = root ] && echo true || echo false)" > "$work/$name.ext4"
        mount_vault "$who" "$name" "${options[@]}" || { report pjdfstest 0 1 0 && return; }
        pjdfstest_results "$who" "$work/$name" "$([ $who = root ] && echo true || echo false)" > "$work/$name.mount"
        cp "$work/pjdfstest.log" "$work/$name.log"
        unmount_vault "$who" "$name" || bad=$((bad + 1))
        # The C library knows how many links a file can have by the filesystem's type, and nothing of FUSE, so the suite leaves this case out.
        sed -i '/^link::link_count_max /d' "$work/$name.ext4" "$work/$name.mount"
        cases=$(awk 'END { print NR }' "$work/$name.mount")
        echo "pjdfstest as $mode: $cases cases; on ext4 $(grep -c ' ok$' "$work/$name.ext4") ok, on the mount $(grep -c ' ok$' "$work/$name.mount") ok"
        # What has no result on the mount is no difference to be seen below: all have one, and root's are all run.
        [ "$cases" = 397 ] || { echo "pjdfstest as $mode: there should be 397 cases" && bad=$((bad + 1)); }
        [ $who = user ] || bad=$((bad + $(grep -c ' skipped$' "$work/$name.mount")))
        ok=$((ok + $(grep -c ' ok$' "$work/$name.mount")))
        bad=$((bad + $(grep -c ' FAILED$' "$work/$name.mount")))
        out=$((out + $(join "$work/$name.ext4" "$work/$name.mount" | awk '$2 != "skipped" && $3 == "skipped"' | wc -l)))
        diff "$work/$name.ext4" "$work/$name.mount" | head -50
        grep -A 5 'FAILED$' "$work/$name.log" | head -100
    done
    report pjdfstest "$ok" "$bad" "$out"
}

# What fsx does how often. It takes a length of 0 for posix_fallocate, which is an error everywhere, so it gets none. It knows no zeroing of ranges: that is
# among the operations of the differential test.
write_fsx_config() {
    cat > "$work/fsx.toml" << 'END'
flen = 1000000
[opsize]
max = 100000
min = 1
[weights]
close_open = 1
read = 10
write = 10
mapread = 10
mapwrite = 10
invalidate = 1
truncate = 5
fsync = 0.2
fdatasync = 0.2
posix_fallocate = 2
punch_hole = 5
sendfile = 2
posix_fadvise = 1
copy_file_range = 5
END
}

# One run of fsx on a file of a mount; prints its end when it fails.
fsx() { # root | user, seed, operations, file
    local who=$1 seed=$2 operations=$3 file=$4 log="$work/fsx.$2.log"
    # In the background, for only then does the shell hear of a signal before the end.
    as "$who" timeout 1800 "$work/bin/fsx" -f "$work/fsx.toml" -P "$work/second" -S "$seed" -N "$operations" "$file" > "$log" 2>&1 &
    wait $! && return 0
    echo "fsx: seed $seed failed on $file:"
    tail -40 "$log"
    return 1
}

# Several seeds, one after the other; and one more in an ordinary user's mount.
suite_fsx() {
    local seeds=10 operations=100000 ok=0 bad=0 begin
    [ $length = long ] || seeds=2 operations=20000
    for who in root user; do
        local options=(-o allow_other) all
        all="$(seq "$seeds")"
        [ $who = root ] || options=() all=$((seeds + 1))
        mount_vault $who fsx-$who "${options[@]}" || { report fsx "$ok" $((bad + 1)) 0 && return; }
        for seed in $all; do
            begin=$SECONDS
            if fsx $who "$seed" "$operations" "$work/fsx-$who/$seed"; then ok=$((ok + 1)); else bad=$((bad + 1)); fi
            echo "fsx: seed $seed, $operations operations of $who, $((SECONDS - begin)) s"
        done
        unmount_vault $who fsx-$who || bad=$((bad + 1))
    done
    report fsx "$ok" "$bad" 0
}

# Two at once, on two files of one mount.
suite_fsx_pairs() {
    local pairs=5 operations=100000 ok=0 bad=0 children
    [ $length = long ] || pairs=1 operations=20000
    mount_vault root fsx-pairs -o allow_other || { report fsx-pairs 0 1 0 && return; }
    for pair in $(seq "$pairs"); do
        children=()
        for seed in "${pair}1" "${pair}2"; do
            fsx root "$seed" "$operations" "$work/fsx-pairs/$seed" &
            children+=($!)
        done
        for child in "${children[@]}"; do
            if wait "$child"; then ok=$((ok + 1)); else bad=$((bad + 1)); fi
        done
    done
    unmount_vault root fsx-pairs || bad=$((bad + 1))
    report fsx-pairs "$ok" "$bad" 0
}

# With the daemon started anew every few thousand operations: each file is what it was before. Every time another seed and file, for fsx cannot go on where it
# has copied ranges (-b), and begins by emptying the file.
suite_fsx_restarts() {
    local legs=20 operations=5000 ok=0 bad=0 sums=
    [ $length = long ] || legs=3
    # Once more at the end, only to look.
    for leg in $(seq $((legs + 1))); do
        mount_vault root fsx-restarts -o allow_other || { report fsx-restarts 0 1 0 && return; }
        if [ -n "$sums" ] && [ "$(sha256sum "$work/fsx-restarts"/*)" != "$sums" ]; then
            echo "fsx: another file after the restart before leg $leg"
            bad=$((bad + 1))
        fi
        if [ "$leg" -le $legs ]; then
            if fsx root "$leg" "$operations" "$work/fsx-restarts/$leg"; then ok=$((ok + 1)); else bad=$((bad + 1)); fi
        fi
        sums="$(sha256sum "$work/fsx-restarts"/*)"
        unmount_vault root fsx-restarts || bad=$((bad + 1))
    done
    report fsx-restarts "$ok" "$bad" 0
}

# The differential test with eight threads, again and again, each time with another seed. The short form uses the debug build, which scripts/test.sh has made.
suite_stress() {
    local minutes="${PLAINVIEW_SUITES_MINUTES:-60}" operations=100000 profile=(--release) ok=0 bad=0 seed end
    [ $length = long ] || { minutes=2 operations=40000 profile=(); }
    # Where the seed is given, the rounds go on from it.
    seed="${PLAINVIEW_TEST_SEED:-$(date +%s)}"
    local tests=(timeout --foreground 1800 cargo test --quiet --locked "${profile[@]}" --test mount)
    "${tests[@]}" --no-run || { report stress 0 1 0; return; }
    # A test that has another name by now would not be run, and nothing fail.
    passed_all() { # how many
        tee "$work/stress.log" && grep -q "^test result: ok\. $1 passed; 0 failed" "$work/stress.log"
    }
    end=$((SECONDS + minutes * 60))
    while [ $SECONDS -lt $end ] && [ $bad = 0 ]; do
        if TMPDIR="$work/disk" PLAINVIEW_TEST_OPS=$operations PLAINVIEW_TEST_SEED=$((seed + 1000 * ok)) "${tests[@]}" -- --exact \
            differential::threads::threads_do_not_disturb_each_other differential::threads::threads_that_meet_see_one_filesystem | passed_all 2; then
            ok=$((ok + 1))
        else
            bad=$((bad + 1))
        fi
    done
    # And one mount that lasts: its memory must not grow. In its short form it is among the tests on mounts.
    if [ $length = long ]; then
        if TMPDIR="$work/disk" PLAINVIEW_TEST_ROUNDS=$((minutes * 4 + 8)) "${tests[@]}" -- --exact posix::memory::memory_stays_what_it_is | passed_all 1; then
            ok=$((ok + 1))
        else
            bad=$((bad + 1))
        fi
    fi
    report stress "$ok" "$bad" 0
}

if ! install_tools || ! make_disk; then
    echo "cannot prepare the suites" >&2
    for suite in "${suites[@]}"; do report "$suite" 0 1 0; done
    conclude
    exit
fi
write_fsx_config
for suite in "${suites[@]}"; do
    echo "== $suite"
    case $suite in
        pjdfstest) suite_pjdfstest ;;
        fsx) suite_fsx ;;
        fsx-pairs) suite_fsx_pairs ;;
        fsx-restarts) suite_fsx_restarts ;;
        stress) chmod 1777 "$work/disk" && suite_stress ;;
        *)
            echo "no such suite: $suite (there are: pjdfstest fsx fsx-pairs fsx-restarts stress)" >&2
            exit 2
            ;;
    esac
done
conclude
