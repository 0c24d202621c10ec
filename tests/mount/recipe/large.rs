//! A file that does not fit into the memory that the daemon may use.

use super::program::Program;
use super::{assert_nothing_left, folder, stored};
use crate::harness::Mounted;
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// 1.3 GiB and an odd number of bytes.
const SIZE: u64 = 1_395_864_371;
const CHUNK: u64 = 1 << 20;
/// More than the daemon ever needs, and far less than the file.
const MOST_MEMORY_KIB: u64 = 128 << 10;
/// Where it is changed, and to what.
const MIDDLE: u64 = SIZE / 2 + 5;
const CHANGE: &[u8; 10] = b"ten bytes!";

/// The chunk `number` of the file: xorshift64* from a seed of its own, since nothing here asks for more than that chunks differ.
fn chunk(number: u64, buffer: &mut Vec<u8>) {
    let len = usize::try_from(SIZE.saturating_sub(number * CHUNK).min(CHUNK)).unwrap();
    let mut state = (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    buffer.clear();
    while buffer.len() < len {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        buffer.extend_from_slice(&state.wrapping_mul(0x2545_f491_4f6c_dd1d).to_le_bytes());
    }
    buffer.truncate(len);
}

fn write(path: &Path) {
    let (mut file, mut buffer) = (File::create(path).unwrap(), vec![]);
    for number in 0..SIZE.div_ceil(CHUNK) {
        chunk(number, &mut buffer);
        file.write_all(&buffer).unwrap();
    }
}

/// Checks that `path` holds the file, with `change` in its middle.
#[track_caller]
fn assert_is(path: &Path, change: Option<&[u8]>) {
    let (mut file, mut expected, mut found) = (File::open(path).unwrap(), vec![], vec![0; usize::try_from(CHUNK).unwrap()]);
    assert_eq!(file.metadata().unwrap().len(), SIZE);
    for number in 0..SIZE.div_ceil(CHUNK) {
        chunk(number, &mut expected);
        let start = number * CHUNK;
        if let Some(change) = change.filter(|_| (start..start + CHUNK).contains(&MIDDLE)) {
            let at = usize::try_from(MIDDLE - start).unwrap();
            expected[at..at + change.len()].copy_from_slice(change);
        }
        let found = &mut found[..expected.len()];
        file.read_exact(found).unwrap();
        assert!(found == expected, "differs in the chunk at {start}");
    }
}

/// The most memory that the daemon has had, in KiB, without what it shares with the kernel's cache of files.
fn most_memory(mounted: &Mounted<'_>) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", mounted.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn a_file_that_does_not_fit_into_memory() {
    let Some(program) = Program::or_skip() else { return };
    let vault = folder();
    write(&vault.path().join("large"));
    program.encrypt(&vault, &[&vault.path().join("large")]);
    let mounted = vault.mount(&[]);
    let path = mounted.path().join("large");
    assert_is(&path, None);
    let memory = most_memory(&mounted);
    assert!(memory < MOST_MEMORY_KIB, "{memory} KiB were needed to read it");

    let file = OpenOptions::new().write(true).open(&path).unwrap();
    file.write_all_at(CHANGE, MIDDLE).unwrap();
    file.sync_all().unwrap();
    drop(file);
    let mut found = [0; CHANGE.len()];
    File::open(&path).unwrap().read_exact_at(&mut found, MIDDLE).unwrap();
    assert_eq!(&found, CHANGE);
    let memory = most_memory(&mounted);
    assert!(memory < MOST_MEMORY_KIB, "{memory} KiB were needed to change it");
    mounted.unmount();

    program.decrypt(&vault, &stored(&vault, "large"));
    assert_is(&vault.path().join("large"), Some(CHANGE));
    assert_nothing_left(vault.path());
}
