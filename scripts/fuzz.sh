#!/usr/bin/env bash
# Feeds the parsers of all that is read from a vault with what nobody wrote, and keeps what reached new code.
#
#     scripts/fuzz.sh [--keep DIR] [MINUTES [TARGET...]]     ten minutes for each of: config header journal name recipe record
#     scripts/fuzz.sh 0                                      what is kept, once, and no more
#
# Works with any Rust that builds plainview, and a C++ compiler for libFuzzer, which is in nothing but this. What was found comes into tests/fuzz/corpus/TARGET, the
# smallest inputs that reach the same; tests/corpus.rs feeds them again. Ends with 1 and the path of the input when a target fails. --keep DIR: where
# failing inputs and the logs go (by default beside what is built).
set -euo pipefail
cd "$(dirname "$0")/.."

all=(config header journal name recipe record)
build="${CARGO_TARGET_DIR:-target}"
mkdir -p "$build"
build="$(realpath "$build")/fuzz"
keep="$build/found"
if [ "${1:-}" = --keep ]; then
    keep=$2
    shift 2
fi
minutes=${1:-10}
[ $# -eq 0 ] || shift
targets=("$@")
[ $# -gt 0 ] || targets=("${all[@]}")
case $minutes in "" | *[!0-9]*) echo "scripts/fuzz.sh: $minutes is no number of minutes" >&2; exit 2 ;; esac
for target in "${targets[@]}"; do
    [[ " ${all[*]} " = *" $target "* ]] || { echo "no such target: $target (there are: ${all[*]})" >&2; exit 2; }
done

if ! command -v c++ > /dev/null; then
    echo "scripts/fuzz.sh: there is no C++ compiler, which libFuzzer is built with (apt install g++)" >&2
    exit 2
fi

# What cargo-fuzz asks of the compiler without a sanitizer: counters, and what is compared with what. Not for build scripts, hence the target's name.
host="$(rustc -vV | sed -n 's/^host: //p')"
flags="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters"
flags+=" -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares"
# Not --locked: what the program itself needs may have changed since; all else stays as it is there.
RUSTFLAGS="$flags" CARGO_TARGET_DIR="$build" cargo build --quiet --release --target "$host" --manifest-path tests/fuzz/Cargo.toml
program="$build/$host/release/plainview-fuzz"

# Longest inputs: those that can reach everything, for short ones are tried more often.
longest() { # target
    case $1 in
        config) echo 2048 ;;
        header) echo 64 ;;
        journal) echo 1024 ;;
        name) echo 400 ;;
        recipe) echo 512 ;;
        record) echo 4400 ;;
    esac
}

mkdir -p "$keep"
failed=0
# In memory where there is such a directory: some targets write files.
scratch="${TMPDIR:-/tmp}"
[ ! -w /dev/shm ] || scratch=/dev/shm
for target in "${targets[@]}"; do
    corpus="tests/fuzz/corpus/$target"
    work="$(mktemp -d "$scratch/plainview-fuzz.XXXXXX")"
    trap 'rm -rf "$work"' EXIT
    mkdir -p "$corpus" "$work/more" "$work/least" "$work/tmp"
    export PLAINVIEW_FUZZ_TARGET=$target TMPDIR="$work/tmp"
    options=(-max_len="$(longest "$target")" -rss_limit_mb=2048 -malloc_limit_mb=256 -timeout=10 -artifact_prefix="$keep/$target-")
    echo "== $target: $minutes minutes"
    # Without a time libFuzzer goes on for ever.
    limit=-max_total_time=$((minutes * 60))
    [ "$minutes" != 0 ] || limit=-runs=0
    if "$program" "${options[@]}" "$limit" -print_final_stats=1 "$work/more" "$corpus" > "$keep/$target.log" 2>&1; then
        # Of all that reach the same code, the shortest; how often they do does not count, or there would be thousands.
        "$program" "${options[@]}" -merge=1 -use_counters=0 "$work/least" "$corpus" "$work/more" > "$keep/$target-merge.log" 2>&1
        rm -r "$corpus"
        mv "$work/least" "$corpus"
        chmod 755 "$corpus"
        executions="$(sed -n 's/^stat::number_of_executed_units: *//p' "$keep/$target.log")"
        covered="$(grep -o 'cov: [0-9]* ft: [0-9]*' "$keep/$target.log" | tail -n 1)"
        echo "$target: $executions executions, $covered, $(find "$corpus" -type f | wc -l) inputs of $(du -sb --apparent-size "$corpus" | cut -f 1) bytes kept"
    else
        tail -n 40 "$keep/$target.log"
        echo "$target: failed; the input is $(ls -t "$keep/$target-"*-* 2> /dev/null | head -n 1)" >&2
        failed=1
    fi
    rm -rf "$work"
done
exit "$failed"
