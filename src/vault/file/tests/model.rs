//! Random operations on a file and on a model of it.

use super::bench::Op;
use super::*;
use std::fs::File;
use std::os::fd::AsFd;

fn run(disk: &dyn Disk, disk_len: impl Fn() -> u64, operations: usize) {
    let seed = Seed::take();
    let mut rng = seed.rng();
    let mut bench = Bench::new(disk);
    for count in 0..operations {
        let op = Op::random(&mut rng, bytes(bench.model.len()));
        match count % 8 {
            7 => bench.step_late(&mut rng, &op, &disk_len),
            _ => bench.step(&op, &disk_len),
        }
        if count % 64 == 0 {
            bench.check();
        }
    }
    bench.check();
}

#[test]
fn random_operations_are_those_of_the_model() {
    let disk = MemDisk::default();
    run(&disk, || disk.len(), 100_000);
}

#[test]
fn random_operations_where_no_holes_can_be_made() {
    let disk = MemDisk::without_holes();
    run(&disk, || disk.len(), 10_000);
}

#[test]
fn random_operations_on_a_real_file() {
    let file = temporary();
    run(&file.as_fd(), || file.metadata().unwrap().len(), 10_000);
}

/// A new file without a name.
pub(super) fn temporary() -> File {
    let name = format!("plainview-test-{}-{:016x}", std::process::id(), rand::random::<u64>());
    let path = std::env::temp_dir().join(name);
    let file = File::options().read(true).write(true).create_new(true).open(&path).unwrap();
    std::fs::remove_file(path).unwrap();
    file
}
