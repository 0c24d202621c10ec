//! Memory: what a mount has taken for what has gone is given back, so that it can last for months; and what it takes for a file that was only looked at is little.

use crate::differential::variable;
use crate::harness::{Mounted, Options, Vault, wait_for};
use crate::people::run;
use std::fs;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::Duration;

/// Rounds of work by default; `PLAINVIEW_TEST_ROUNDS` asks for more.
const ROUNDS: usize = 12;
/// How much more the daemon may take at the end than in the middle, in KiB: what the allocator does with free memory is not all in our hands.
const SLACK_KIB: u64 = 4096;

/// Memory that the daemon has, in KiB: `VmRSS:` with what it has of files, `RssAnon:` its own.
fn memory(mounted: &Mounted<'_>, kind: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", mounted.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(kind)).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Eight at once: files, directories, links and attributes that come, are changed, synced, listed and renamed, and go again.
const WORK: &str = r#"
    work() {
        mkdir "$1"
        for f in $(seq 80); do echo "$f" > "$1/$f"; done
        head -c 3000000 /dev/urandom > "$1/large"
        printf x | dd of="$1/large" bs=1 seek=1000000 conv=notrunc,fsync status=none
        ln "$1/1" "$1/link"; ln -s 1 "$1/symlink"; setfattr -n user.a -v b "$1/1"
        cat "$1/"* > /dev/null
        mv "$1" "$1 as it is called now"
        ls -lR "$1 as it is called now" > /dev/null
        rm -r "$1 as it is called now"
    }
    for d in $(seq 8); do work "$1/d$d" & workers="${workers-} $!"; done
    for worker in $workers; do wait "$worker"; done
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
        resident_after.push(memory(&mounted, "VmRSS:"));
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

/// Files that are looked at: a few more than twice as many as the daemon lets go of before it gives memory back.
const FILES: u64 = 33_000;
/// Bytes that it may take for each of them. Of the 180 or so that it does, 96 are the inode's, 64 the encrypted name's, and up to 20 the table's.
const BYTES_EACH: u64 = 230;

#[test]
fn a_file_that_was_looked_at_takes_little() {
    let vault = Vault::new(Options::default());
    let mounted = vault.mount(&["--no-journal"]);
    let make = r#"mkdir "$1/few" "$1/many"; cd "$1/few"; seq -f file-%06.0f.txt 1000 | xargs touch; cd "$1/many"; seq -f file-%06.0f.txt "$2" | xargs touch"#;
    run(&mut mounted.shell(make, &[mounted.path(), FILES.to_string().as_ref()])).ok();
    mounted.unmount();

    let mounted = vault.mount(&[]);
    let look = |directory: &str| run(&mut mounted.shell(r#"find "$1" -size +1c"#, &[&mounted.path().join(directory)])).ok();
    look("few");
    let before = memory(&mounted, "RssAnon:");
    look("many");
    let taken = memory(&mounted, "RssAnon:") - before;
    let each = taken * 1024 / FILES;
    // Less than the names alone would mean that nothing was measured.
    assert!((44..=BYTES_EACH).contains(&each), "{each} bytes for each file");
    if mounted.forget_all() {
        wait_for("the memory given back", || memory(&mounted, "RssAnon:") <= before + taken / 3);
    }
    mounted.unmount();
}

/// A file that is overwritten, many times as long as the journal, and the writes.
const OVERWRITTEN: u64 = 256 << 20;
const WRITE: usize = 1 << 20;
/// The daemon's own memory at most while that goes on, in KiB: about twice what was measured, 35,372.
const PENDING_KIB: u64 = 72 << 10;

/// What waits in the journal is in memory as well, but never more than the journal takes.
#[test]
fn what_is_pending_in_memory_is_bounded() {
    let vault = Vault::new(Options::default());
    let mounted = vault.mount(&["--journal-size", "8MiB"]);
    let write_all = |fill: u8| {
        let file = fs::File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .open(vault.point().join("file"))
            .unwrap();
        let bytes = vec![fill; WRITE];
        let offsets = (0..OVERWRITTEN).step_by(WRITE);
        offsets.for_each(|offset| file.write_all_at(&bytes, offset).unwrap());
        file
    };
    mounted.enter(|_| write_all(1).sync_all().unwrap());
    let is_done = AtomicBool::new(false);
    let samples = std::thread::scope(|scope| {
        let sampling = scope.spawn(|| {
            let mut samples = vec![];
            while !is_done.load(Ordering::SeqCst) {
                samples.push(memory(&mounted, "RssAnon:"));
                sleep(Duration::from_millis(2));
            }
            samples
        });
        // When it has been closed, the kernel has passed everything on.
        mounted.enter(|_| drop(write_all(2)));
        is_done.store(true, Ordering::SeqCst);
        sampling.join().unwrap()
    });
    let most = samples.iter().max().unwrap();
    println!("{most} KiB at most, in {} samples", samples.len());
    assert!(samples.len() > 10, "{} samples", samples.len());
    assert!(*most <= PENDING_KIB, "the daemon took {most} KiB");
    mounted.unmount();
}
