//! How fast records and names are sealed and opened, on one core.
//!
//! `cargo bench --bench record` prints one line per case; with `-- --check` it also fails where a processor with AVX-512 and VAES misses the targets.
//! GB are 1e9 bytes of plaintext, and each figure is the best of many runs: what the code can do, not what else the machine was doing.

use plainview::keys::{ContentKey, FileKeys, MasterKey, SALT_LEN};
use plainview::name::{NameCipher, PlainName};
use plainview::record::{End, Holes, RECORD_LEN, RecordCipher, RecordNo, sealed_len};
use rand::SeedableRng;
use rand::rngs::StdRng;
use std::hint::black_box;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Records of a run whose speed has a target: the 128 KiB that a kernel without larger requests asks for at once.
const CHECKED_RECORDS: usize = 32;
/// GB/s that sealing such a run must reach.
const SEAL_TARGET: f64 = 2.0;
/// GB/s that opening such a run must reach.
const OPEN_TARGET: f64 = 2.2;
/// How long each case is tried.
const TIME_PER_CASE: Duration = Duration::from_millis(400);

fn main() -> ExitCode {
    let check = std::env::args().any(|arg| arg == "--check");
    let master = MasterKey::random();
    let mut missed = false;
    for records in [1, 8, 32, 64, 256] {
        let (seal, open) = record_speed(&master, records);
        println!("seal {records:>3} records {seal:>6.2} GB/s");
        println!("open {records:>3} records {open:>6.2} GB/s");
        missed |= records == CHECKED_RECORDS && (seal < SEAL_TARGET || open < OPEN_TARGET);
    }
    for len in [8, 30, 200] {
        let (seal, open) = name_speed(&master, len);
        println!("seal name of {len:>3} bytes {seal:>9.0} /s");
        println!("open name of {len:>3} bytes {open:>9.0} /s");
    }
    if check && missed {
        eprintln!("{CHECKED_RECORDS} records: the targets are {SEAL_TARGET} GB/s sealed and {OPEN_TARGET} GB/s opened");
        return if targets_apply() { ExitCode::FAILURE } else { ExitCode::SUCCESS };
    }
    ExitCode::SUCCESS
}

/// GB/s of sealing and of opening runs of so many full records.
fn record_speed(master: &MasterKey, records: usize) -> (f64, f64) {
    let cipher = RecordCipher::new(&FileKeys::derive(&ContentKey::derive(master), &[1; SALT_LEN]));
    let mut rng = StdRng::seed_from_u64(1);
    let mut plain = vec![0x5a; records * RECORD_LEN];
    let mut sealed = vec![0; sealed_len(plain.len(), End::Inner)];
    let first = RecordNo::new(0);
    let seal = best(|| cipher.seal(first, black_box(&plain), End::Inner, &mut rng, &mut sealed));
    let open = best(|| {
        let opened = cipher.open(first, black_box(&sealed), End::Inner, Holes::Forbidden, &mut plain);
        opened.expect("just sealed");
    });
    let gigabytes = f64::from(u32::try_from(records * RECORD_LEN).expect("a few MiB")) / 1e9;
    (gigabytes / seal, gigabytes / open)
}

/// Names of `len` bytes sealed and opened per second.
fn name_speed(master: &MasterKey, len: usize) -> (f64, f64) {
    let cipher = NameCipher::new(master);
    let root = cipher.root();
    let name = PlainName::new(&vec![b'n'; len]).expect("a name");
    let sealed = cipher.seal(root, &name);
    let seal = best(|| {
        black_box(cipher.seal(root, black_box(&name)));
    });
    let open = best(|| {
        black_box(cipher.open(root, black_box(sealed.encoded()))).expect("just sealed");
    });
    (1.0 / seal, 1.0 / open)
}

/// Seconds that `run` takes at its fastest.
fn best(mut run: impl FnMut()) -> f64 {
    // Many runs to a measurement, so that the clock's own time does not count; many measurements, so that some are undisturbed.
    let once = Instant::now();
    run();
    let runs = (200e-6 / once.elapsed().as_secs_f64()).ceil().clamp(1.0, 1000.0);
    let begin = Instant::now();
    let mut best = f64::INFINITY;
    while begin.elapsed() < TIME_PER_CASE {
        let start = Instant::now();
        let mut done = 0.0;
        while done < runs {
            run();
            done += 1.0;
        }
        best = best.min(start.elapsed().as_secs_f64() / runs);
    }
    best
}

/// Whether this processor is of the kind that the targets are for.
fn targets_apply() -> bool {
    #[cfg(target_arch = "x86_64")]
    return std::is_x86_feature_detected!("avx512f") && std::is_x86_feature_detected!("vaes");
    #[cfg(not(target_arch = "x86_64"))]
    return false;
}
