#!/usr/bin/env bash
# Tests the Debian package: builds it, looks at what is in it, installs it, mounts by fstab, mount(8) and umount(8), the units' commands and SiriKali's, and removes it. Builds and
# installs it as the README says, with its own lines, and `cargo install`s it as well.
#
#     scripts/package-test.sh
#
# Installs what it needs: what scripts/setup.sh --tests installs. The package is installed in a mount namespace in which overlays lie over /usr, /etc and the files of dpkg and apt: this machine is as before, whatever happens. That needs root, else it says
# SKIPPED; with CI=true a skip is a failure. Ends with the line `package: N passed, M failed, K skipped`.
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
# Where umount(8) does not wait for the daemon, it ends in its own time.
wait_until_free() { # vault
    for _ in $(seq 100); do
        [ "$(code_of plainview check --fast --passfile "$work/passfile" "$1")" = 8 ] || return 0
        sleep 0.1
    done
    return 1
}
# The line of a page that begins so, as it is but for sudo, which the tests do without, and the remark behind it.
line_of() { # page, beginning
    local line
    line="$(sed -n "s|^    \(sudo \)\?\($2.*\)$|\2|p" "$1" | head -1)"
    [ -n "$line" ] || { echo "there is no line $2 in $1" >&2; return 1; }
    echo "${line%%  *# *}"
}
# Runs a command at a terminal, at which a password is typed when it is asked for and typing does not show; what is on the screen goes to standard output.
at_terminal() { # password, command...
    cat > "$work/type.py" << 'END'
import os, pty, signal, sys, termios, time
pid, terminal = pty.fork()
if pid == 0:
    os.execvp(sys.argv[2], sys.argv[2:])
signal.alarm(60)
screen = b""
while True:
    try:
        screen += os.read(terminal, 65536)
    except OSError:
        break  # nobody has the terminal any more
    if screen.endswith(b"Password: "):
        while termios.tcgetattr(terminal)[3] & termios.ECHO:
            time.sleep(0.01)
        os.write(terminal, sys.argv[1].encode() + b"\n")
sys.stdout.buffer.write(screen)
sys.stdout.flush()
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
END
    python3 "$work/type.py" "$@"
}

# ---- what can be looked at without installing it

# With the README's lines. The package's is run in the same checkout, since it says where it puts it.
is_built_as_the_readme_says() {
    bash -c "$(line_of README.md scripts/setup.sh)"
    CARGO_INSTALL_ROOT="$work/cargo" bash -c "$(line_of README.md 'cargo install ')"
    [ "$("$work/cargo/bin/plainview" --version)" = "plainview $(dpkg-deb -f "$package" Version)" ]
    local path
    path="$(bash -c "$(line_of README.md scripts/package.sh)")"
    [ "$path" = "${CARGO_TARGET_DIR:-target}/debian/$(basename "$package")" ]
    cmp "$package" "$path"
}

builds_twice_the_same_bytes() {
    [ "$(scripts/package.sh "$work/again")" = "$work/again/$(basename "$package")" ]
    cmp "$package" "$work/again/$(basename "$package")"
}

lintian_finds_no_error_and_no_warning() {
    command -v lintian > /dev/null || skipping "lintian is missing"
    local root=()
    [ "$(id -u)" != 0 ] || root=(--allow-root)
    lintian "${root[@]}" --fail-on error,warning "$package"
}

man_pages_are_there() {
    [ -f "$work/root/usr/share/man/man8/mount.plainview.8.gz" ]
    zcat "$work/root/usr/share/man/man1/plainview-mount.1.gz" | grep -q passfile
    zcat "$work/root/usr/share/man/man1/plainview-mount.1.gz" | grep -q CREDENTIALS_DIRECTORY
}

mandoc_finds_no_error_in_man_pages() {
    command -v mandoc > /dev/null || skipping "mandoc is missing"
    local page
    for page in "$work"/root/usr/share/man/man?/*.gz; do
        zcat "$page" > "$work/page"
        mandoc -Tlint -W error "$work/page"
    done
}

groff_finds_no_warning_in_man_pages() {
    command -v groff > /dev/null || skipping "groff is missing"
    local page
    for page in "$work"/root/usr/share/man/man?/*.gz; do
        zcat "$page" > "$work/page"
        [ -z "$(groff -man -ww -Tutf8 "$work/page" 2>&1 > /dev/null)" ]
    done
}

bash_completes() {
    local share="$work/root/usr/share" complete
    # shellcheck disable=SC2016
    complete='source "$1"; COMP_WORDS=(plainview mou); COMP_CWORD=1; _plainview plainview mou plainview; echo "${COMPREPLY[*]}"'
    [ "$(bash -c "$complete" bash "$share/bash-completion/completions/plainview")" = mount ]
    not grep -l 'background-child' -r "$share/bash-completion" "$share/zsh" "$share/fish"
}

zsh_reads_its_completions() {
    command -v zsh > /dev/null || skipping "zsh is missing"
    zsh -n "$work/root/usr/share/zsh/vendor-completions/_plainview"
}

fish_completes() {
    command -v fish > /dev/null || skipping "fish is missing"
    local completions="$work/root/usr/share/fish/vendor_completions.d/plainview.fish"
    fish -n "$completions"
    HOME="$work" fish -c "source $completions; complete -C 'plainview mou'" | grep -q '^mount'
}

# ---- installed, in a mount namespace: $vault is a vault, $point an empty directory
#
# uhelper=plainview is for umount(8): without it, root's returns when the mount is out of sight, and the vault is in use a little longer.

# By the README's line, which names the file where scripts/package.sh puts it.
installs() {
    local line
    line="$(line_of README.md 'apt install ')"
    mkdir -p "$work/clone/target"
    ln -s "$(dirname "$package")" "$work/clone/target/debian"
    (cd "$work/clone" && bash -c "${line/_amd64/_$(dpkg --print-architecture)}" < /dev/null)
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

# As it is in the README and in docs/packaging.md: the password is asked for where mount is typed.
mounts_by_the_readmes_line() {
    local password
    password="$(cat "$work/passfile")"
    [ "$(line_of README.md /srv/vault)" = "$(line_of docs/packaging.md /srv/vault)" ]
    line_of README.md /srv/vault > /etc/fstab
    [ "$(code_of at_terminal wrong mount /srv/private)" = 12 ]
    grep -q 'wrong password' "$work/said"
    not mounted /srv/private
    at_terminal "$password" mount /srv/private > "$work/screen"
    grep '^Password: ' "$work/screen"
    not grep -F "$password" "$work/screen"
    mounted /srv/private
    echo hello > /srv/private/file
    chmod 755 /srv/private
    runuser -u pvtest -- cat /srv/private/file
    umount /srv/private
    not mounted /srv/private
    wait_until_free /srv/vault
}

# The second line of docs/packaging.md, as at boot.
mounts_at_boot() {
    line_of docs/packaging.md '/srv/vault.*passfile' > /etc/fstab
    install -D -m 600 "$work/passfile" /etc/plainview/vault.pass
    mount -a < /dev/null
    [ "$(cat /srv/private/file)" = hello ]
    umount /srv/private
    # uhelper=plainview: it is closed, too.
    plainview check --passfile "$work/passfile" /srv/vault
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

# As mount(8) has it for devices. What is there and cannot be mounted is an error all the same.
nofail_is_for_what_is_missing() {
    local options="uhelper=plainview,passfile=$work/passfile"
    echo "$work/missing $point plainview $options 0 0" > /etc/fstab
    [ "$(code_of mount -a)" = 32 ]
    grep -q 'is not a vault: there is no such directory' "$work/said"
    [ "$(code_of mount "$point")" = 7 ]
    mkdir "$work/other"
    echo "$vault $work/other plainview $options 0 0" >> /etc/fstab
    [ "$(code_of mount -a)" = 64 ]
    umount "$work/other"
    echo "$work/missing $point plainview nofail,$options 0 0" > /etc/fstab
    [ "$(code_of mount -a)" = 0 ]
    [ "$(code_of mount "$point")" = 0 ]
    [ ! -s "$work/said" ]
    not mounted "$point"
    # The lines behind it are mounted.
    echo "$vault $work/other plainview nofail,$options 0 0" >> /etc/fstab
    [ "$(code_of mount -a)" = 0 ]
    mounted "$work/other"
    umount "$work/other"
    echo "$vault $point plainview nofail,uhelper=plainview,passfile=$work/nothing 0 0" > /etc/fstab
    [ "$(code_of mount -a)" = 32 ]
    echo "$work $point plainview nofail,$options 0 0" > /etc/fstab
    [ "$(code_of mount "$point")" = 7 ]
    echo "$vault $work/nowhere plainview nofail,$options 0 0" > /etc/fstab
    [ "$(code_of mount "$work/nowhere")" = 9 ]
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

# The line of docs/packaging.md with another home.
any_user_mounts_a_line_with_user() {
    local home="$work/home" line
    install -d -o pvtest "$home" "$home/Private"
    runuser -u pvtest -- plainview init --kdf-memory 8M --kdf-passes 1 --passfile "$work/passfile" "$home/Vault"
    line="$(line_of docs/packaging.md /home/anna/Vault)"
    echo "${line//\/home\/anna/$home}" > /etc/fstab
    at_terminal "$(cat "$work/passfile")" runuser -u pvtest -- mount "$home/Private"
    runuser -u pvtest -- sh -c "echo mine > $home/Private/file"
    grep -q "$home/Private .*user_id=$(id -u pvtest)," /proc/self/mountinfo
    runuser -u pvtest -- umount "$home/Private"
    not mounted "$home/Private"
    # An ordinary user's umount waits without uhelper=plainview, too.
    runuser -u pvtest -- plainview check --passfile "$work/passfile" "$home/Vault"
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
    wait_until_free "$vault"
}

# What the unit says is what works, words split as systemd does it; also where none can be run.
the_units_commands_work() {
    local unit start stop
    mkdir -p /etc/plainview
    printf '%s\n' "VAULT=$vault" "MOUNTPOINT=$point" "ARGUMENTS='-o allow_other --passfile $work/passfile'" > /etc/plainview/test.conf
    # shellcheck disable=SC1091
    . /etc/plainview/test.conf
    export VAULT MOUNTPOINT ARGUMENTS
    for unit in system user; do
        start="$(sed -n 's/^ExecStart=//p' "/usr/lib/systemd/$unit/plainview@.service")"
        stop="$(sed -n 's/^ExecStop=-//p' "/usr/lib/systemd/$unit/plainview@.service")"
        bash -c "$start" < /dev/null
        mounted "$point"
        bash -c "$stop" < /dev/null
        not mounted "$point"
    done
}

# Also what belongs to an ordinary user, and root cannot enter. The command is the unit's, with a directory and with as little of an environment as systemd gives.
before_sleep_everything_is_unmounted() {
    local strange="$work/all/a b\\c" busy="$work/all/busy" theirs="$work/all/theirs"
    local command=(env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin "$(sed -n 's/^ExecStart=//p' /usr/lib/systemd/system/plainview-suspend.service)")
    mkdir -p "$strange" "$busy"
    install -d -o pvtest "$theirs" "$work/theirs"
    runuser -u pvtest -- plainview init --kdf-memory 8M --kdf-passes 1 --passfile "$work/passfile" "$work/theirs/vault"
    runuser -u pvtest -- plainview mount --passfile "$work/passfile" "$work/theirs/vault" "$theirs"
    runuser -u pvtest -- sh -c "echo mine > $theirs/file"
    [ "$(code_of cat "$theirs/file")" = 1 ]
    plainview init --kdf-memory 8M --kdf-passes 1 --passfile "$work/passfile" "$work/second"
    plainview mount --passfile "$work/passfile" "$vault" "$strange"
    plainview mount --passfile "$work/passfile" "$work/second" "$busy"
    # A mount elsewhere is not below.
    [ "$(code_of "${command[@]}" "$work/al")" = 0 ]
    exec 9> "$busy/file"
    [ "$(code_of "${command[@]}" "$work/all")" = 1 ]
    grep -q 'in use' "$work/said"
    [ "$(grep -c " $work/all/" /proc/self/mountinfo)" = 1 ]
    exec 9>&-
    "${command[@]}" "$work/all"
    not grep " $work/all/" /proc/self/mountinfo
    [ "$(runuser -u pvtest -- plainview cat --passfile "$work/passfile" "$work/theirs/vault" file)" = mine ]
}

# Starts a systemd that knows no units but those of the package and of fstab, in namespaces and a cgroup of its own; its process is $systemd. Where that cannot be, the test is skipped.
start_systemd() {
    local groups units="$work/units" target
    [ -x /usr/lib/systemd/systemd ] || skipping "systemd is missing"
    groups="$(awk '/ - cgroup2 / { print $5; exit }' /proc/self/mountinfo)"
    group="$groups/plainview-package-test.$BASHPID"
    { [ -n "$groups" ] && mkdir "$group"; } || skipping "there is no cgroup2 to run systemd in"
    # It takes with it whatever runs there. The kernel needs a moment for the groups.
    trap end_systemd EXIT
    rm -rf "$units" && mkdir -p "$units/system" "$units/user" "$units/generators"
    ln -s /usr/lib/systemd/system/plainview*.service "$units/system"
    ln -s /usr/lib/systemd/user/plainview*.service "$units/user"
    ln -s /usr/lib/systemd/system-generators/systemd-fstab-generator "$units/generators"
    for target in sysinit basic shutdown local-fs-pre local-fs remote-fs sleep default; do
        printf '[Unit]\nDefaultDependencies=no\n' | tee "$units/system/$target.target" > "$units/user/$target.target"
    done
    printf '%s\n' '[Unit]' DefaultDependencies=no '[Service]' User=pvtest Type=notify Delegate=yes ExecStart='/usr/lib/systemd/systemd --user --log-target=console' \
        "Environment=HOME=$work/home XDG_RUNTIME_DIR=$work/run SYSTEMD_UNIT_PATH=$units/user" > "$units/system/user.service"
    # What it would set of the kernel is this machine's. Credentials come by way of a shared root, which it makes where it starts a machine.
    cat > "$work/systemd.sh" << 'END'
mount --make-rshared / && mount -t proc proc /proc && mount --bind /proc/sys /proc/sys && mount -o remount,bind,ro /proc/sys &&
    mount -t tmpfs none /run && mount -t cgroup2 none /sys/fs/cgroup && mount -t tmpfs none /etc/systemd || exit
export container=other SYSTEMD_UNIT_PATH="/etc/systemd/system:$1/system:/run/systemd/generator" SYSTEMD_GENERATOR_PATH="$1/generators"
exec /usr/lib/systemd/systemd --system --log-target=console --show-status=no < /dev/null
END
    (
        echo 0 > "$group/cgroup.procs" || exit
        exec unshare --pid --fork --kill-child --mount --cgroup --ipc --uts --net --propagation private bash "$work/systemd.sh" "$units"
    ) > "$work/systemd.log" 2>&1 &
    starter=$!
    for _ in $(seq 300); do
        systemd="$(pgrep -P $starter)" && [ "$(in_systemd systemctl is-system-running 2> /dev/null)" = running ] && return
        sleep 0.1
    done
    cat "$work/systemd.log"
    skipping "systemd does not start in namespaces of its own"
}
end_systemd() {
    [ -z "${starter:-}" ] || kill -9 "$starter" || true
    wait || true
    for _ in $(seq 50); do
        ! find "$group" -depth -type d -exec rmdir {} + || return 0
        sleep 0.1
    done
} 2> /dev/null
in_systemd() { nsenter -t "$systemd" --mount --pid --cgroup --ipc --uts --net -- "$@"; }
seen_by_systemd() { in_systemd grep -qF " $1 " /proc/self/mountinfo; }
# Answers the question that systemd's agents are to ask a person.
answer() { # password
    local question
    for _ in $(seq 100); do
        question="$(in_systemd sh -c 'cat /run/systemd/ask-password/ask.*' 2> /dev/null)" && break
        sleep 0.1
    done
    echo "$question"
    printf '%s' "$1" | in_systemd /usr/lib/systemd/systemd-reply-password 1 "$(sed -n 's/^Socket=//p' <<< "$question")"
}

# By itself, and without a failure.
the_unit_ends() {
    for _ in $(seq 100); do
        case "$(in_systemd systemctl show -P ActiveState plainview@test)" in inactive | failed) break ;; esac
        sleep 0.1
    done
    [ "$(in_systemd systemctl show -P ActiveState plainview@test)" = inactive ]
}

systemd_mounts_by_the_unit() {
    start_systemd
    mkdir -p /etc/plainview
    printf '%s\n' "VAULT=$vault" "MOUNTPOINT=$point" "ARGUMENTS='-o allow_other --passfile $work/passfile'" > /etc/plainview/test.conf
    in_systemd systemctl start plainview@test
    [ "$(in_systemd systemctl is-active plainview@test)" = active ]
    # It is seen by who is not in the unit.
    [ "$(in_systemd cat "$point/file")" = hello ]
    in_systemd systemctl stop plainview@test
    not seen_by_systemd "$point"
    plainview check --passfile "$work/passfile" "$vault"
    # Where somebody else unmounts it, or nobody uses it, the service ends as well.
    in_systemd systemctl start plainview@test
    in_systemd plainview umount "$point"
    the_unit_ends
    sed -i 's/--passfile/--idle 1s &/' /etc/plainview/test.conf
    in_systemd systemctl start plainview@test
    the_unit_ends
    sed -i 's/--passfile/--keyfile/' /etc/plainview/test.conf
    [ "$(code_of in_systemd systemctl start plainview@test)" = 1 ]
    in_systemd systemctl show -P ExecStart plainview@test | grep 'status=12 '
}

systemd_gives_the_unit_its_password() {
    start_systemd
    mkdir -p /etc/plainview
    printf '%s\n' "VAULT=$vault" "MOUNTPOINT=$point" > /etc/plainview/test.conf
    in_systemd systemctl start --no-block plainview@test
    answer "$(cat "$work/passfile")"
    in_systemd systemctl start plainview@test
    seen_by_systemd "$point"
    in_systemd systemctl stop plainview@test
    in_systemd mkdir -p /etc/systemd/system/plainview@test.service.d
    printf '%s\n' '[Service]' "LoadCredential=plainview.$(basename "$vault"):$work/passfile" | in_systemd tee /etc/systemd/system/plainview@test.service.d/password.conf
    in_systemd systemctl daemon-reload
    in_systemd systemctl start plainview@test
    seen_by_systemd "$point"
    in_systemd systemctl stop plainview@test
}

systemd_mounts_by_fstab() {
    start_systemd
    line_of docs/packaging.md '/srv/vault.*passfile' > /etc/fstab
    install -D -m 600 "$work/passfile" /etc/plainview/vault.pass
    in_systemd systemctl daemon-reload
    # With nofail, nothing waits for it.
    in_systemd systemctl start local-fs.target srv-private.mount
    [ "$(in_systemd cat /srv/private/file)" = hello ]
    in_systemd systemctl stop srv-private.mount
    not seen_by_systemd /srv/private
    plainview check --passfile "$work/passfile" /srv/vault
    # systemd keeps nofail for itself: the mount of what is not there fails, and the machine starts.
    in_systemd systemctl stop local-fs.target
    mv /srv/vault /srv/away
    [ "$(code_of in_systemd systemctl start local-fs.target srv-private.mount)" = 1 ]
    [ "$(in_systemd systemctl is-active local-fs.target)" = active ]
    [ "$(in_systemd systemctl is-failed srv-private.mount)" = failed ]
    not seen_by_systemd /srv/private
    mv /srv/away /srv/vault
    # The password is asked for where nobody typed mount.
    line_of README.md /srv/vault > /etc/fstab
    in_systemd systemctl daemon-reload
    in_systemd systemctl start --no-block srv-private.mount
    answer "$(cat "$work/passfile")"
    in_systemd systemctl start srv-private.mount
    seen_by_systemd /srv/private
    in_systemd systemctl stop srv-private.mount
    plainview check --passfile "$work/passfile" /srv/vault
}

systemd_unmounts_before_sleep() {
    start_systemd
    in_systemd systemctl enable plainview-suspend
    in_systemd plainview mount --passfile "$work/passfile" "$vault" "$point"
    in_systemd systemctl start sleep.target
    not seen_by_systemd "$point"
    in_systemd systemctl stop sleep.target
    in_systemd plainview mount --passfile "$work/passfile" "$vault" "$point"
    in_systemd env -C "$point" sleep 60 &
    for _ in $(seq 100); do ! in_systemd pgrep -x sleep || break; sleep 0.1; done
    in_systemd systemctl start sleep.target
    [ "$(in_systemd systemctl is-active sleep.target)" = active ]
    [ "$(in_systemd systemctl is-failed plainview-suspend)" = failed ]
    seen_by_systemd "$point"
}

systemd_of_a_user_mounts_by_the_unit() {
    local home="$work/home" systemctl
    rm -rf "$work/run"
    install -d -o pvtest "$home" "$home/Private" "$home/.config" "$home/.config/plainview"
    install -d -o pvtest -m 700 "$work/run"
    [ -d "$home/Vault" ] || runuser -u pvtest -- plainview init --kdf-memory 8M --kdf-passes 1 --passfile "$work/passfile" "$home/Vault"
    printf '%s\n' "VAULT=$home/Vault" "MOUNTPOINT=$home/Private" "ARGUMENTS=--extpass 'cat $work/passfile'" > "$home/.config/plainview/test.conf"
    start_systemd
    in_systemd systemctl start user
    systemctl=(in_systemd runuser -u pvtest -- env "XDG_RUNTIME_DIR=$work/run" systemctl --user)
    "${systemctl[@]}" start plainview@test
    in_systemd grep "$home/Private .*user_id=$(id -u pvtest)," /proc/self/mountinfo
    "${systemctl[@]}" stop plainview@test
    not seen_by_systemd "$home/Private"
    runuser -u pvtest -- plainview check --passfile "$work/passfile" "$home/Vault"
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

inside=(installs units_are_well_formed mounts_by_the_readmes_line mounts_at_boot mounts_by_fstab mount_a_leaves_noauto_alone nofail_is_for_what_is_missing mounts_by_type any_user_mounts_a_line_with_user failures_are_told
    umount_of_what_is_in_use the_units_commands_work before_sleep_everything_is_unmounted
    systemd_mounts_by_the_unit systemd_gives_the_unit_its_password systemd_mounts_by_fstab systemd_unmounts_before_sleep systemd_of_a_user_mounts_by_the_unit
    sirikalis_commands_work is_removed_without_a_trace)

# The second half of the tests, in a namespace of its own.
if [ "${1:-}" = --inside ]; then
    work="$2" package="$3"
    vault="$work/vault" point="$work/private"
    mkdir "$work/overlay" "$point"
    mount -t tmpfs none "$work/overlay"
    for directory in /usr /etc /var/lib/dpkg /var/lib/apt /var/cache /var/log; do
        upper="$work/overlay/$(echo $directory | tr / _)"
        mkdir "$upper" "$upper.work"
        mount -t overlay -o "lowerdir=$directory,upperdir=$upper,workdir=$upper.work" overlay $directory || exit 99
    done
    mkdir -p /run/mount
    mount -t tmpfs none /run/mount # of what mount(8) notes
    # The pages' examples are there.
    mount -t tmpfs none /srv && mkdir /srv/private || exit 99
    PATH="/usr/sbin:/usr/bin:/sbin:/bin"
    echo "correct horse battery staple" > "$work/passfile"
    "$work/root/usr/bin/plainview" init --kdf-memory 8M --kdf-passes 1 --passfile "$work/passfile" "$vault" > /dev/null || exit 99
    cp -r "$vault" /srv/vault
    for name in "${inside[@]}"; do
        try "$name"
        # A test that failed may have left a mount, which shall not hold the others up.
        awk -v dir="$work/" '(index($5, dir) == 1 || $5 == "/srv/private") && / - fuse.plainview / { print $5 }' /proc/self/mountinfo | while read -r left; do
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

outside=(is_built_as_the_readme_says builds_twice_the_same_bytes lintian_finds_no_error_and_no_warning man_pages_are_there mandoc_finds_no_error_in_man_pages
    groff_finds_no_warning_in_man_pages bash_completes zsh_reads_its_completions fish_completes)
if package="$(scripts/package.sh "$work/deb")"; then
    dpkg-deb -x "$package" "$work/root"
    for name in "${outside[@]}"; do
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
