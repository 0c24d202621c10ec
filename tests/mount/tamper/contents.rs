//! Contents of files: bits flipped, files cut and made longer, records moved, garbage. In a vault with plain names, so that any number of tampered files can be
//! put in beside the genuine ones.

use super::{random, trial, unmount_and_check_log};
use crate::harness::{Mounted, Names, Options, Vault};
use plainview::record::{HEADER_LEN, RECORD_LEN, SEALED_LEN};
use rand::rngs::StdRng;
use rand::{Rng, RngExt};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Most memory that a daemon may ever have had, in KiB. What it reads is at most a few requests of 1 MiB.
const MEMORY_KIB: u64 = 256 * 1024;

/// A vault whose daemon is not running.
struct Lab {
    vault: Vault,
    seed: u64,
    rng: StdRng,
    /// The plaintexts of the genuine files.
    genuine: Vec<Vec<u8>>,
    /// The names of the tampered files, what was done, and which plaintext they had.
    trials: Vec<(String, String, usize)>,
}

/// The genuine files; those up to `ALL` have every byte flipped and every length cut.
const SIZES: [usize; 7] = [0, 1, 100, 4096, 5000, 10_000, 12_288];
const ALL: usize = 5000;
/// The genuine file with a hole, after those.
const HOLED: usize = SIZES.len();

impl Lab {
    fn new() -> Self {
        let (seed, mut rng) = random();
        let vault = Vault::new(Options {
            names: Names::Plain,
            ..Options::default()
        });
        let mounted = vault.mount(&[]);
        let mut genuine: Vec<Vec<u8>> = SIZES.iter().map(|size| vec![0; *size]).collect();
        genuine.iter_mut().for_each(|bytes| rng.fill_bytes(bytes));
        genuine
            .iter()
            .enumerate()
            .for_each(|(index, bytes)| std::fs::write(mounted.path().join(Self::name(index)), bytes).unwrap());
        let mut holed = vec![0; 30_000];
        rng.fill_bytes(&mut holed[..5000]);
        rng.fill_bytes(&mut holed[29_000..]);
        let file = File::create(mounted.path().join(Self::name(HOLED))).unwrap();
        file.write_all_at(&holed[29_000..], 29_000).unwrap();
        file.write_all_at(&holed[..5000], 0).unwrap();
        drop(file);
        genuine.push(holed);
        mounted.unmount();
        Self {
            vault,
            seed,
            rng,
            genuine,
            trials: vec![],
        }
    }

    fn name(genuine: usize) -> String {
        format!("genuine-{genuine}")
    }

    /// The bytes on disk of a genuine file.
    fn stored(&self, genuine: usize) -> Vec<u8> {
        std::fs::read(self.vault.path().join(Self::name(genuine))).unwrap()
    }

    /// Puts a tampered file into the vault.
    fn plant(&mut self, genuine: usize, what: String, bytes: &[u8]) -> PathBuf {
        let name = format!("trial-{:06}", self.trials.len());
        let path = self.vault.path().join(&name);
        std::fs::write(&path, bytes).unwrap();
        self.trials.push((name, what, genuine));
        path
    }

    /// Mounts, and checks that no tampered file reads well and that all genuine ones do.
    fn check(self) {
        let mounted = self.vault.mount(&[]);
        let mut failures = vec![];
        for (name, what, genuine) in &self.trials {
            if let Some(wrong) = trial::wrong(&mounted.path().join(name), &self.genuine[*genuine]) {
                failures.push(format!("{}, {what}: {wrong}", Self::name(*genuine)));
            }
        }
        assert!(
            failures.is_empty(),
            "PLAINVIEW_TEST_SEED={}: {} failures:\n{}",
            self.seed,
            failures.len(),
            failures[..failures.len().min(30)].join("\n")
        );
        self.check_the_others(&mounted);
        let names: Vec<_> = self
            .trials
            .iter()
            .map(|(name, ..)| format!("{}/{name}:", self.vault.path().display()))
            .collect();
        unmount_and_check_log(mounted, &["damaged: "], names.iter().map(String::as_str));
    }

    fn check_the_others(&self, mounted: &Mounted<'_>) {
        for (index, bytes) in self.genuine.iter().enumerate() {
            assert!(
                std::fs::read(mounted.path().join(Self::name(index))).unwrap() == *bytes,
                "genuine file {index}"
            );
        }
        let status = std::fs::read_to_string(format!("/proc/{}/status", mounted.pid())).unwrap();
        let peak = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:")?.strip_suffix("kB")?.trim().parse::<u64>().ok())
            .unwrap();
        assert!(peak < MEMORY_KIB, "the daemon took {peak} KiB");
    }
}

/// Whether the byte of a file on disk is ciphertext proper, of which there is plenty, rather than header, word, IV or tag.
fn is_bulk(offset: usize, len: usize) -> bool {
    let Some(offset) = offset.checked_sub(HEADER_LEN) else {
        return false;
    };
    let (within, last) = (offset % SEALED_LEN, (len - HEADER_LEN) / SEALED_LEN * SEALED_LEN);
    let end = if offset < last { SEALED_LEN } else { len - HEADER_LEN - last };
    within >= 24 && within + 47 < end
}

#[test]
fn every_flipped_bit_is_seen() {
    let mut lab = Lab::new();
    for genuine in 1..=HOLED {
        let stored = lab.stored(genuine);
        // Odd, so that it meets every byte of the cipher's blocks.
        let sample = if genuine == HOLED { 61 } else { 17 };
        for offset in 0..stored.len() {
            if lab.genuine[genuine].len() > ALL && is_bulk(offset, stored.len()) && offset % sample != 0 {
                continue;
            }
            let mut bytes = stored.clone();
            let bit = lab.rng.random_range(0..8);
            bytes[offset] ^= 1 << bit;
            lab.plant(genuine, format!("bit {bit} of byte {offset} of {} flipped", stored.len()), &bytes);
        }
    }
    lab.check();
}

#[test]
fn every_other_length_is_seen() {
    let mut lab = Lab::new();
    for genuine in 0..=HOLED {
        let (stored, all) = (lab.stored(genuine), lab.genuine[genuine].len() <= ALL);
        // A file of nothing is an empty file.
        for len in (1..stored.len()).filter(|len| all || len % 64 == 48 || (len + 8) % SEALED_LEN < 64) {
            lab.plant(genuine, format!("cut from {} to {len}", stored.len()), &stored[..len]);
        }
        for more in (1..=100).chain([SEALED_LEN - 1, SEALED_LEN, SEALED_LEN + 1, 1 << 20]) {
            let mut bytes = stored.clone();
            bytes.resize(stored.len() + more, 0);
            // Where the file may have holes, whole records of zeros are some, and only the end tells; see `huge_garbage_is_seen_at_once`.
            if genuine != HOLED || more < SEALED_LEN {
                lab.plant(genuine, format!("{more} zero bytes more"), &bytes);
            }
            lab.rng.fill_bytes(&mut bytes[stored.len()..]);
            lab.plant(genuine, format!("{more} random bytes more"), &bytes);
        }
    }
    lab.check();
}

/// A file on disk as header and records.
fn parts(stored: &[u8]) -> Vec<Vec<u8>> {
    let (header, records) = stored.split_at(HEADER_LEN);
    [header].into_iter().chain(records.chunks(SEALED_LEN)).map(<[u8]>::to_vec).collect()
}

#[test]
fn moved_records_are_seen() {
    let mut lab = Lab::new();
    // 10,000 and 12,288 bytes: header, full records 1 and 2, and a last one or a third full one and an empty last one.
    let (short, even, holed) = (5, 6, HOLED);
    let [a, b] = [parts(&lab.stored(short)), parts(&lab.stored(even))];
    let files = [(short, &a, &b), (even, &b, &a)];
    for (genuine, own, foreign) in files {
        for one in 0..own.len() {
            let mut without = own.clone();
            without.remove(one);
            lab.plant(genuine, format!("part {one} removed"), &without.concat());
            let mut twice = own.clone();
            twice.insert(one, own[one].clone());
            lab.plant(genuine, format!("part {one} twice"), &twice.concat());
            let mut zeros = own.clone();
            zeros[one].fill(0);
            lab.plant(genuine, format!("part {one} zeroed"), &zeros.concat());
            for other in (0..own.len()).filter(|other| *other != one) {
                let mut copied = own.clone();
                copied[one] = own[other].clone();
                lab.plant(genuine, format!("part {other} over part {one}"), &copied.concat());
                copied[other] = own[one].clone();
                if other > one {
                    lab.plant(genuine, format!("parts {one} and {other} exchanged"), &copied.concat());
                }
            }
            for (other, part) in foreign.iter().enumerate() {
                let mut copied = own.clone();
                copied[one] = part.clone();
                lab.plant(genuine, format!("part {other} of another file over part {one}"), &copied.concat());
            }
        }
        // A shorter file with all that belongs to it but a last record that says so.
        lab.plant(
            genuine,
            String::from("a full record as the last one"),
            &[&own[0][..], &own[1]].concat(),
        );
    }
    // A hole where the file has none, and data of one file in a hole of another.
    let mut filled = lab.stored(holed);
    let hole = HEADER_LEN + 3 * SEALED_LEN..HEADER_LEN + 4 * SEALED_LEN;
    assert!(filled[hole.clone()].iter().all(|byte| *byte == 0), "record 3 should be a hole");
    filled[hole].copy_from_slice(&a[1]);
    lab.plant(holed, String::from("another file's record in a hole"), &filled);
    lab.check();
}

#[test]
fn garbage_is_seen() {
    let mut lab = Lab::new();
    for len in (1..=300).chain([4096, 4200, 4256, 65_536, 1_000_000]) {
        let mut bytes = vec![0; len];
        lab.plant(0, format!("{len} zero bytes"), &bytes);
        lab.rng.fill_bytes(&mut bytes);
        lab.plant(0, format!("{len} random bytes"), &bytes);
        let magic = len.min(4);
        bytes[..magic].copy_from_slice(&b"PLV1"[..magic]);
        lab.plant(0, format!("{len} random bytes after the magic"), &bytes);
        bytes[magic..len.min(8)].fill(0);
        lab.plant(0, format!("{len} random bytes after the magic and no flags"), &bytes);
    }
    lab.check();
}

#[test]
fn huge_garbage_is_seen_at_once() {
    const HUGE: u64 = 8 << 40;
    let mut lab = Lab::new();
    for (genuine, stored) in [(0, vec![]), (2, lab.stored(2)), (HOLED, lab.stored(HOLED))] {
        let path = lab.plant(genuine, String::from("made huge"), &stored);
        if let Err(error) = File::options().write(true).open(&path).unwrap().set_len(HUGE) {
            eprintln!("SKIPPED: this filesystem has no files of {HUGE} bytes: {error}");
            return;
        }
    }
    let huge = std::mem::take(&mut lab.trials);
    let mounted = lab.vault.mount(&[]);
    let begin = Instant::now();
    for (name, _, genuine) in &huge {
        let file = File::open(mounted.path().join(name)).unwrap();
        let size = file.metadata().unwrap().len();
        assert!(size > HUGE / 2 && size < HUGE);
        let mut chunk = vec![0; RECORD_LEN];
        let last = size / 4096 * 4096;
        assert!(file.read_at(&mut chunk, last).is_err(), "the end of {name}");
        // A hole more in a file with holes is not seen; anywhere else it is.
        for offset in [4096, size / 8192 * 4096] {
            let read = file.read_at(&mut chunk, offset);
            assert!(read.is_err() || *genuine == HOLED, "{name} at {offset}");
        }
    }
    assert!(begin.elapsed() < Duration::from_secs(10), "it took {:?}", begin.elapsed());
    lab.check_the_others(&mounted);
    unmount_and_check_log(mounted, &["damaged: "], huge.iter().map(|(name, ..)| name.as_str()));
}
