//! Tests of the file layer, over a simulated disk and over real files.

mod ahead;
mod bench;
mod counts;
mod crash;
mod faults;
mod gaps;
mod late;
mod mem;
mod model;
mod range;
mod seeds;
mod sparse;
mod tamper;

use super::run::bytes;
use super::*;
use crate::keys::MasterKey;
use crate::record::cipher_len;
use crate::secret::Secret;
use bench::Bench;
use mem::{Fault, MemDisk, Then};
use seeds::Seed;

/// Record length, for arithmetic with offsets.
const R: u64 = 4096;

fn content_key() -> Arc<ContentKey> {
    Arc::new(ContentKey::derive(&MasterKey::new(Secret::fill_with(|key| key.fill(3)))))
}

/// Bytes that differ from those at other places.
fn pattern(len: usize) -> Vec<u8> {
    (0..len)
        .map(|at| u8::try_from((at * 7 + at / 251) % 255 + 1).expect("a byte"))
        .collect()
}

/// A disk that holds a file of these contents, written at once.
fn disk_of(plain: &[u8]) -> MemDisk {
    let disk = MemDisk::default();
    let mut file = VaultFile::of_length(content_key(), 0);
    file.write(&disk, 0, plain).unwrap();
    disk
}

/// A new state of what is on disk.
fn reopened(disk: &MemDisk) -> VaultFile {
    VaultFile::of_length(content_key(), disk.len())
}

/// All that the file shows.
fn whole(file: &VaultFile, disk: &dyn Disk) -> Result<Vec<u8>> {
    let mut buf = Vec::new();
    file.read(disk, 0, usize::try_from(file.length()).unwrap(), &mut buf)?;
    Ok(buf)
}
