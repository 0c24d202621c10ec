//! Memory: what a mount has taken for what has gone is given back, so that it can last for months.

use crate::differential::variable;
use crate::harness::{Mounted, Options, Vault};
use crate::people::run;
use std::fs;

/// Rounds of work by default; `PLAINVIEW_TEST_ROUNDS` asks for more.
const ROUNDS: usize = 12;
/// How much more the daemon may take at the end than in the middle, in KiB: what the allocator does with free memory is not all in our hands.
const SLACK_KIB: u64 = 4096;

/// Bytes of memory that the daemon has, in KiB.
fn resident(mounted: &Mounted<'_>) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", mounted.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Files, directories, links and attributes that come, are changed, listed and renamed, and go again.
const WORK: &str = r#"
    for d in $(seq 4); do
        mkdir "$1/d$d"
        for f in $(seq 150); do echo "$d $f" > "$1/d$d/$f"; done
        head -c 3000000 /dev/urandom > "$1/d$d/large"
        printf x | dd of="$1/d$d/large" bs=1 seek=1000000 conv=notrunc status=none
        ln "$1/d$d/1" "$1/d$d/link"; ln -s 1 "$1/d$d/symlink"; setfattr -n user.a -v b "$1/d$d/1"
        cat "$1/d$d/"* > /dev/null
        mv "$1/d$d" "$1/e$d"
        ls -lR "$1" > /dev/null
    done
    rm -r "$1"/e*
"#;

/// Many at once, so that each of the daemon's threads has its buffers before anything is compared.
const WARM_UP: &str = r#"
    for f in $(seq 24); do head -c 3000000 /dev/urandom > "$1/$f" & done; wait
    for i in $(seq 3); do
        sync; echo 3 > /proc/sys/vm/drop_caches || true
        for f in $(seq 24); do cat "$1/$f" > /dev/null & done; wait
    done
    rm "$1"/*
"#;

fn is_flat(options: Options) {
    let vault = Vault::new(options);
    let mounted = vault.mount(&[]);
    run(&mut mounted.shell(WARM_UP, &[mounted.path()])).ok();
    let rounds = variable("PLAINVIEW_TEST_ROUNDS").unwrap_or(ROUNDS);
    let mut resident_after = Vec::new();
    for _ in 0..rounds {
        run(&mut mounted.shell(WORK, &[mounted.path()])).ok();
        mounted.forget_all();
        resident_after.push(resident(&mounted));
    }
    let (middle, end) = (resident_after[rounds / 2], resident_after[rounds - 1]);
    assert!(
        end <= middle + SLACK_KIB,
        "grows from the middle on, in KiB after each round: {resident_after:?}"
    );
    mounted.unmount();
}

#[test]
fn memory_stays_what_it_is() {
    is_flat(Options::default());
}
