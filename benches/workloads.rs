//! What programs do to files, timed: one workload on one directory, whatever filesystem that is on. `scripts/bench.sh` runs it on each of several in turn.
//!
//! `cargo bench --bench workloads -- DIRECTORY WORKLOAD...` prints a line for each: its name and its figure. Without arguments all run in the temporary directory, which shows what the
//! machine does without encryption. They work on one file there, `data`, which `write` makes and the others need.

use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};
use std::fs::{File, OpenOptions};
use std::io::{Read, Result, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How the large file is written and read.
const MIB: usize = 1 << 20;
/// Bytes of a page, which programs that work on their files at random mostly use.
const PAGE: usize = 4096;

/// What a run is asked for.
struct Size {
    /// MiB of the large file.
    mib: u32,
    /// How long those last that do the same small thing again and again.
    time: Duration,
}

/// A workload: its name, and what it does in a directory. It says how many units of work it has done in how many seconds.
type Workload = (&'static str, fn(&Path, &Size) -> Result<(f64, f64)>);

const WORKLOADS: [Workload; 7] = [
    ("write", write),
    ("overwrite", overwrite),
    ("read", read),
    ("random-read", random_read),
    ("random-write", random_write),
    ("append", append),
    ("small-write", small_write),
];

fn main() -> Result<()> {
    // What cargo itself passes is no argument of ours.
    let mut args = std::env::args().skip(1).filter(|arg| arg != "--bench");
    let number = |name: &str, default: u32| std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default);
    let size = Size {
        mib: number("PLAINVIEW_BENCH_MIB", 512),
        time: Duration::from_millis(number("PLAINVIEW_BENCH_MS", 4000).into()),
    };
    let (dir, temporary) = match args.next() {
        Some(dir) => (PathBuf::from(dir), false),
        None => (std::env::temp_dir().join(format!("plainview-bench.{}", std::process::id())), true),
    };
    std::fs::create_dir_all(&dir)?;
    let wanted: Vec<_> = args.collect();
    for (name, workload) in WORKLOADS {
        if wanted.is_empty() || wanted.iter().any(|one| one == name) {
            let (units, seconds) = workload(&dir, &size)?;
            println!("{name} {:.1}", units / seconds);
        }
    }
    if temporary {
        std::fs::remove_dir_all(&dir)?;
    }
    Ok(())
}

fn seconds_since(begin: Instant) -> f64 {
    begin.elapsed().as_secs_f64()
}

fn data(dir: &Path) -> PathBuf {
    dir.join("data")
}

/// Bytes that no filesystem can make smaller.
fn noise(len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    StdRng::seed_from_u64(1).fill_bytes(&mut bytes);
    bytes
}

/// MiB/s of writing all of `file`, and syncing it.
fn fill(mut file: &File, size: &Size) -> Result<(f64, f64)> {
    let block = noise(MIB);
    let begin = Instant::now();
    for _ in 0..size.mib {
        file.write_all(&block)?;
    }
    file.sync_all()?;
    Ok((size.mib.into(), seconds_since(begin)))
}

fn write(dir: &Path, size: &Size) -> Result<(f64, f64)> {
    fill(&File::create_new(data(dir))?, size)
}

fn overwrite(dir: &Path, size: &Size) -> Result<(f64, f64)> {
    fill(&OpenOptions::new().write(true).open(data(dir))?, size)
}

fn read(dir: &Path, size: &Size) -> Result<(f64, f64)> {
    let mut block = vec![0; MIB];
    let begin = Instant::now();
    let mut file = File::open(data(dir))?;
    while file.read(&mut block)? > 0 {}
    Ok((size.mib.into(), seconds_since(begin)))
}

/// Calls `action` with the offset of one page of the large file after the other, at random, until the time is up; how often.
fn at_random(size: &Size, begin: Instant, mut action: impl FnMut(u64) -> Result<()>) -> Result<f64> {
    let mut rng = StdRng::seed_from_u64(2);
    let pages = u64::from(size.mib) * 256;
    let mut done = 0_u32;
    while begin.elapsed() < size.time {
        // The clock is not asked each time, since that costs what the fastest calls do.
        for _ in 0..16 {
            action(rng.random_range(0..pages) * 4096)?;
        }
        done += 16;
    }
    Ok(done.into())
}

fn random_read(dir: &Path, size: &Size) -> Result<(f64, f64)> {
    let file = File::open(data(dir))?;
    let mut page = vec![0; PAGE];
    let begin = Instant::now();
    let done = at_random(size, begin, |offset| file.read_exact_at(&mut page, offset))?;
    Ok((done, seconds_since(begin)))
}

fn random_write(dir: &Path, size: &Size) -> Result<(f64, f64)> {
    let file = OpenOptions::new().write(true).open(data(dir))?;
    let page = noise(PAGE);
    let begin = Instant::now();
    let done = at_random(size, begin, |offset| file.write_all_at(&page, offset))?;
    file.sync_all()?;
    Ok((done, seconds_since(begin)))
}

/// Lines of 200 bytes, each synced, as a log has them.
fn append(dir: &Path, size: &Size) -> Result<(f64, f64)> {
    let mut file = File::create(dir.join("log"))?;
    let line = noise(200);
    let begin = Instant::now();
    let mut done = 0_u32;
    while begin.elapsed() < size.time {
        file.write_all(&line)?;
        file.sync_data()?;
        done += 1;
    }
    Ok((done.into(), seconds_since(begin)))
}

/// Pieces of 64 bytes, one call for each, as a program has them that does not buffer. The size is limited, for a fast filesystem takes gigabytes.
fn small_write(dir: &Path, size: &Size) -> Result<(f64, f64)> {
    let mut file = File::create(dir.join("small"))?;
    let piece = noise(64);
    let begin = Instant::now();
    let mut done = 0_u32;
    while begin.elapsed() < size.time && done < 4 << 20 {
        for _ in 0..64 {
            file.write_all(&piece)?;
        }
        done += 64;
    }
    file.sync_all()?;
    Ok((done.into(), seconds_since(begin)))
}
