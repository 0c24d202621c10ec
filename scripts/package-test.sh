#!/usr/bin/env bash
# Tests the Debian package: builds it, looks at what is in it, installs it, mounts by fstab, mount(8) and umount(8), the units' commands and SiriKali's, and removes it.
#
#     scripts/package-test.sh
#
# Installs what it needs: what scripts/setup.sh --tests installs. The package is installed in a mount namespace in which overlays lie over /usr, /etc and dpkg's files: this machine is as before, whatever happens. That needs root, else it says
# SKIPPED; with CI=true a skip is a failure, and the package is that of the release build, else of the debug build. Ends with the line `package: N passed, M failed, K skipped`.
set -uo pipefail
cd "$(dirname "$0")/.."

passed=0 failed=0 skipped=0
# A test is a function: 0 is passed, 77 skipped, anything else failed. It runs in a shell of its own that ends at the first command that fails.
try() { # test
    local status
    (set -e; "$1") > "$work/output" 2>&1
    status=$?
    case $status in
        0) passed=$((passed + 1)) && echo "ok      $1" ;;
        77) skip "$1" "$(tail -1 "$work/output")" ;;
        *)
            failed=$((failed + 1))
            echo "FAILED  $1 (status $status)"
            sed 's/^/        /' "$work/output"
            ;;
    esac
}
skip() { # test, reason
    echo "SKIPPED $1: $2" >&2
    if [ "${CI:-}" = true ]; then failed=$((failed + 1)); else skipped=$((skipped + 1)); fi
}
skipping() { # reason
    echo "$*"
    exit 77
}
# The exit code of a command whose failure is expected; what it says is in $work/said.
code_of() {
    local code=0
    "$@" > "$work/said" 2>&1 < /dev/null || code=$?
    echo $code
}
# `! COMMAND` does not end a shell with -e.
not() { if "$@"; then echo "should fail: $*" && return 1; fi; }
mounted() { grep -qF " $1 " /proc/self/mountinfo; }

# ---- what can be looked at without installing it

builds_twice_the_same_bytes() {
    [ "$(build "$work/again")" = "$work/again/$(basename "$package")" ]
    cmp "$package" "$work/again/$(basename "$package")"
}

lintian_finds_no_error_and_no_warning() {
    command -v lintian > /dev/null || skipping "lintian is missing"
    local root=()
    [ "$(id -u)" != 0 ] || root=(--allow-root)
    lintian "${root[@]}" --fail-on error,warning "$package"
}

man_pages_are_well_formed() {
    local page
    for page in "$work"/root/usr/share/man/man?/*.gz; do
        zcat "$page" > "$work/page"
        if command -v mandoc > /dev/null; then mandoc -Tlint -W error "$work/page"; fi
        if command -v groff > /dev/null; then [ -z "$(groff -man -ww -Tutf8 "$work/page" 2>&1 > /dev/null)" ]; fi
    done
    [ -f "$work/root/usr/share/man/man8/mount.plainview.8.gz" ]
    zcat "$work/root/usr/share/man/man1/plainview-mount.1.gz" | grep -q passfile
}

completions_complete() {
    local share="$work/root/usr/share" complete
    # shellcheck disable=SC2016
    complete='source "$1"; COMP_WORDS=(plainview mou); COMP_CWORD=1; _plainview plainview mou plainview; echo "${COMPREPLY[*]}"'
    [ "$(bash -c "$complete" bash "$share/bash-completion/completions/plainview")" = mount ]
    not grep -l 'background-child' -r "$share/bash-completion" "$share/zsh" "$share/fish"
    if command -v zsh > /dev/null; then zsh -n "$share/zsh/vendor-completions/_plainview"; fi
    if command -v fish > /dev/null; then
        fish -n "$share/fish/vendor_completions.d/plainview.fish"
        HOME="$work" fish -c "source $share/fish/vendor_completions.d/plainview.fish; complete -C 'plainview mou'" | grep -q '^mount'
    fi
}

# ---- installed, in a mount namespace: $vault is a vault, $point an empty directory
#
# uhelper=plainview is for umount(8): without it, root's returns when the mount is out of sight, and the vault is in use a little longer.

installs() {
    dpkg -i "$package"
    [ "$(dpkg-query -W -f '${Status}' plainview)" = "install ok installed" ]
    (cd / && dpkg --verify plainview)
    plainview --version
}

units_are_well_formed() {
    command -v systemd-analyze > /dev/null || skipping "systemd-analyze is missing"
    local lib=/usr/lib/systemd
    mkdir -p "$work/run"
    # Other units of this machine may have faults of their own.
    systemd-analyze verify --man=no $lib/system/plainview@test.service $lib/system/plainview-suspend.service 2>&1 | tee "$work/verify"
    XDG_RUNTIME_DIR="$work/run" systemd-analyze verify --user --man=no $lib/user/plainview@test.service 2>&1 | tee -a "$work/verify"
    not grep -i plainview "$work/verify"
}

# One line of fstab, for mount and umount alone.
mounts_by_fstab() {
    echo "$vault $point plainview noauto,nofail,_netdev,x-systemd.automount,allow_other,uhelper=plainview,passfile=$work/passfile 0 0" > /etc/fstab
    mount "$point"
    mounted "$point"
    chmod 755 "$point"
    echo hello > "$point/file"
    runuser -u pvtest -- cat "$point/file"
    umount "$point"
    not mounted "$point"
    # It is closed, and not only out of sight: the lock is free, and nothing is left to recover.
    plainview check --passfile "$work/passfile" "$vault"
    mount "$point"
    [ "$(cat "$point/file")" = hello ]
    umount "$point"
    not mounted "$point"
}

mount_a_leaves_noauto_alone() {
    echo "$vault $point plainview noauto,uhelper=plainview,passfile=$work/passfile 0 0" > /etc/fstab
    mount -a
    not mounted "$point"
    echo "$vault $point fuse.plainview defaults,uhelper=plainview,passfile=$work/passfile 0 0" > /etc/fstab
    mount -a
    mounted "$point"
    umount "$point"
}

mounts_by_type() {
    local type
    for type in plainview fuse.plainview; do
        mount -t $type -o "ro,uhelper=plainview,passfile=$work/passfile" "$vault" "$point"
        [ "$(cat "$point/file")" = hello ]
        [ "$(code_of touch "$point/new")" = 1 ]
        grep -q 'Read-only' "$work/said"
        umount "$point"
        mount -t $type -o uhelper=plainview "$vault" "$point" < "$work/passfile"
        touch "$point/new" && rm "$point/new"
        umount "$point"
    done
}

any_user_mounts_a_line_with_user() {
    local home="$work/home"
    install -d -o pvtest "$home" "$home/Private"
    runuser -u pvtest -- plainview init --kdf-memory 8M --kdf-passes 1 --passfile "$work/passfile" "$home/Vault"
    echo "$home/Vault $home/Private plainview noauto,user,uhelper=plainview,passfile=$work/passfile 0 0" > /etc/fstab
    runuser -u pvtest -- mount "$home/Private"
    runuser -u pvtest -- sh -c "echo mine > $home/Private/file"
    grep -q "$home/Private .*user_id=$(id -u pvtest)," /proc/self/mountinfo
    runuser -u pvtest -- umount "$home/Private"
    not mounted "$home/Private"
}

failures_are_told() {
    echo wrong > "$work/wrong"
    [ "$(code_of mount -t plainview -o "passfile=$work/wrong" "$vault" "$point")" = 12 ]
    grep -q 'wrong password' "$work/said"
    [ "$(code_of mount -t plainview -o "nonsense,uhelper=plainview,passfile=$work/passfile" "$vault" "$point")" = 2 ]
    grep -q 'unknown mount option "nonsense"' "$work/said"
    [ "$(code_of mount -t plainview -o "uhelper=plainview,passfile=$work/passfile" "$work" "$point")" = 7 ]
    not mounted "$point"
    mount -s -t plainview -o "nonsense,uhelper=plainview,passfile=$work/passfile" "$vault" "$point"
    umount "$point"
    mount -f -t plainview -o "uhelper=plainview,passfile=$work/passfile" "$vault" "$point"
    not mounted "$point"
}

umount_of_what_is_in_use() {
    mount -t plainview -o "uhelper=plainview,passfile=$work/passfile" "$vault" "$point"
    exec 9< "$point/file"
    # It was plainview that was asked: umount(8) itself fails with 32.
    [ "$(code_of umount "$point")" = 1 ]
    grep -q '^plainview: .* is in use' "$work/said"
    mounted "$point"
    umount -l "$point"
    not mounted "$point"
    [ "$(cat <&9)" = hello ]
    exec 9<&-
    # The daemon ends in its own time.
    for _ in $(seq 100); do
        [ "$(code_of plainview check --fast --passfile "$work/passfile" "$vault")" != 8 ] && return
        sleep 0.1
    done
    return 1
}

# What the unit says is what works, words split as systemd does it.
the_units_commands_work() {
    local unit start stop
    mkdir -p /etc/plainview
    printf '%s\n' "VAULT=$vault" "MOUNTPOINT=$point" "ARGUMENTS='-o allow_other --passfile $work/passfile'" > /etc/plainview/test.conf
    # shellcheck disable=SC1091
    . /etc/plainview/test.conf
    export VAULT MOUNTPOINT ARGUMENTS
    for unit in system user; do
        start="$(sed -n 's/^ExecStart=//p' "/usr/lib/systemd/$unit/plainview@.service")"
        stop="$(sed -n 's/^ExecStop=//p' "/usr/lib/systemd/$unit/plainview@.service")"
        bash -c "$start" < /dev/null
        mounted "$point"
        bash -c "$stop" < /dev/null
        not mounted "$point"
    done
}

before_sleep_everything_is_unmounted() {
    local strange="$work/all/a b\\c" busy="$work/all/busy"
    mkdir -p "$strange" "$busy"
    plainview init --kdf-memory 8M --kdf-passes 1 --passfile "$work/passfile" "$work/second"
    plainview mount --passfile "$work/passfile" "$vault" "$strange"
    plainview mount --passfile "$work/passfile" "$work/second" "$busy"
    # A mount elsewhere is not below.
    [ "$(code_of /usr/libexec/plainview/unmount-all "$work/al")" = 0 ]
    exec 9> "$busy/file"
    [ "$(code_of /usr/libexec/plainview/unmount-all "$work/all")" = 1 ]
    grep -q 'in use' "$work/said"
    [ "$(grep -c " $work/all/" /proc/self/mountinfo)" = 1 ]
    exec 9>&-
    /usr/libexec/plainview/unmount-all "$work/all"
    not grep " $work/all/" /proc/self/mountinfo
}

# The commands as SiriKali makes them of its templates: the password on standard input, without a line end.
sirikalis_commands_work() {
    cat > "$work/sirikali.py" << 'END'
import json, shlex, subprocess, sys
backend = json.load(open("/usr/share/SiriKali/backends/plainview.json"))
cipher, point = sys.argv[1:]
values = {"%{createOptions}": "--kdf-memory 8M --kdf-passes 1", "%{mountOptions}": "", "%{cipherFolder}": cipher, "%{mountPoint}": point,
          "%{fuseOpts}": f"-o fsname=plainview@{cipher},subtype=plainview,nosuid,nodev"}
def run(template, password=None):
    for name, value in values.items():
        template = template.replace(name, value)
    return subprocess.run(shlex.split(template), input=password, capture_output=True, text=True, timeout=60)
def typed(password):
    return backend["passwordFormat"].replace("%{password}", password)
program = backend["executableName"]
version = run(f"{program} {backend['versionArgumentString']}").stdout.split("\n")
line, word = backend["versionStringTextPosition"]
assert version[line].split(" ")[word][0].isdigit(), version
assert run(f"{program} {backend['createControlStructure']}", typed("secret")).returncode == 0
assert (lambda name: open(f"{cipher}/{name}"))(backend["configFileNames"][0])
mount = f"{program} {backend['mountControlStructure']}"
wrong = run(mount, typed("wrong"))
assert str(wrong.returncode) == backend["wrongPasswordErrorCode"] and backend["wrongPasswordText"] in wrong.stderr, wrong
right = run(mount, typed("secret"))
assert right.returncode == 0, right
table = [row.split(" - ") for row in open("/proc/self/mountinfo") if row.split(" ")[4] == point]
kind, source = table[0][1].split(" ")[:2]
assert kind in backend["fuseNames"] and source == cipher, table
assert run(backend["volumePropertiesCommands"][0]).returncode == 0
gone = run(" ".join(backend["unMountCommand"]))
assert gone.returncode == 0, gone
END
    install -d -o pvtest "$work/sirikali" "$work/sirikali/cipher" "$work/sirikali/point"
    runuser -u pvtest -- python3 "$work/sirikali.py" "$work/sirikali/cipher" "$work/sirikali/point"
}

is_removed_without_a_trace() {
    dpkg -L plainview | while read -r path; do [ -d "$path" ] || echo "$path"; done > "$work/list"
    [ -s "$work/list" ]
    dpkg -P plainview
    while read -r path; do [ ! -e "$path" ] || { echo "$path is left" && false; }; done < "$work/list"
    [ ! -e /usr/libexec/plainview ]
}

inside=(installs units_are_well_formed mounts_by_fstab mount_a_leaves_noauto_alone mounts_by_type any_user_mounts_a_line_with_user failures_are_told
    umount_of_what_is_in_use the_units_commands_work before_sleep_everything_is_unmounted sirikalis_commands_work is_removed_without_a_trace)

build() { # directory
    if [ "${CI:-}" = true ]; then scripts/package.sh "$1"; else scripts/package.sh --binary "${CARGO_TARGET_DIR:-target}/debug/plainview" "$1"; fi
}

# The second half of the tests, in a namespace of its own.
if [ "${1:-}" = --inside ]; then
    work="$2" package="$3"
    vault="$work/vault" point="$work/private"
    mkdir "$work/overlay" "$point"
    mount -t tmpfs none "$work/overlay"
    for directory in /usr /etc /var/lib/dpkg /var/cache /var/log; do
        upper="$work/overlay/$(echo $directory | tr / _)"
        mkdir "$upper" "$upper.work"
        mount -t overlay -o "lowerdir=$directory,upperdir=$upper,workdir=$upper.work" overlay $directory || exit 99
    done
    mkdir -p /run/mount
    mount -t tmpfs none /run/mount # of what mount(8) notes
    PATH="/usr/sbin:/usr/bin:/sbin:/bin"
    echo "correct horse battery staple" > "$work/passfile"
    "$work/root/usr/bin/plainview" init --kdf-memory 8M --kdf-passes 1 --passfile "$work/passfile" "$vault" > /dev/null || exit 99
    for name in "${inside[@]}"; do
        try "$name"
        # A test that failed may have left a mount, which shall not hold the others up.
        awk -v dir="$work/" 'index($5, dir) == 1 && / - fuse.plainview / { print $5 }' /proc/self/mountinfo | while read -r left; do
            umount -i -l "$(printf '%b' "${left//\\/\\0}")"
        done
    done
    echo "$passed $failed $skipped" > "$work/counts"
    exit
fi

scripts/setup.sh --tests || exit 1
work="$(mktemp -d "${TMPDIR:-/tmp}/plainview-package.XXXXXX")"
chmod 755 "$work"
trap 'rm -rf --one-file-system "$work"' EXIT
trap 'exit 130' INT TERM

[ "${CI:-}" = true ] || cargo build --locked --quiet || exit 1
if package="$(build "$work/deb")"; then
    dpkg-deb -x "$package" "$work/root"
    for name in builds_twice_the_same_bytes lintian_finds_no_error_and_no_warning man_pages_are_well_formed completions_complete; do
        try "$name"
    done
    if [ "$(id -u)" != 0 ]; then
        skip "installed" "needs root, for a namespace to install it in (${#inside[@]} tests)"
    elif unshare --mount --propagation private "$0" --inside "$work" "$package"; then
        read -r more_passed more_failed more_skipped < "$work/counts"
        passed=$((passed + more_passed)) failed=$((failed + more_failed)) skipped=$((skipped + more_skipped))
    else
        skip "installed" "cannot lay overlays over the system in a mount namespace (${#inside[@]} tests)"
    fi
else
    echo "FAILED  the package is not built"
    failed=$((failed + 1))
fi

echo "package: $passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
