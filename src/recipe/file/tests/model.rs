//! Random operations on a file and on a model of it.

use super::*;
use rustix::io::Errno;
use std::os::fd::AsFd;

/// An operation.
#[derive(Debug)]
enum Op {
    Write { offset: u64, len: usize, fill: u8 },
    Read { offset: u64, len: usize },
    Resize(u64),
    Zero { offset: u64, len: u64 },
    Allocate { offset: u64, len: u64 },
    Seek { offset: u64, to: SeekTo },
    Sync(Durability),
    WriteAnew,
    Release,
    Reopen,
}

/// Places where something ends: blocks, records of the scratch file, what is read at once.
const BORDERS: [u64; 6] = [0, 16, 32, 4096, 8192, 65536];

fn offset(rng: &mut StdRng, len: u64) -> u64 {
    let anchor = match rng.random_range(0..10) {
        0..4 => BORDERS[rng.random_range(0..BORDERS.len())],
        4..7 => len,
        _ => rng.random_range(0..70_000),
    };
    (anchor + rng.random_range(0..3)).saturating_sub(rng.random_range(0..3))
}

fn length(rng: &mut StdRng) -> u64 {
    match rng.random_range(0..10) {
        0..5 => rng.random_range(0..40),
        5..8 => (BORDERS[rng.random_range(0..BORDERS.len())] + rng.random_range(0..3)).saturating_sub(1),
        _ => rng.random_range(0..20_000),
    }
}

impl Op {
    fn random(rng: &mut StdRng, len: u64) -> Self {
        let (offset, size) = (offset(rng, len), length(rng));
        match rng.random_range(0..100) {
            0..25 => Self::Write {
                offset,
                len: usize::try_from(size).unwrap(),
                fill: rng.random(),
            },
            25..50 => Self::Read {
                offset,
                len: usize::try_from(size).unwrap(),
            },
            50..54 => Self::Resize(0),
            54..64 => Self::Resize(offset),
            64..70 => Self::Zero { offset, len: size },
            70..73 => Self::Allocate { offset, len: size },
            73..78 => Self::Seek {
                offset,
                to: if rng.random() { SeekTo::Data } else { SeekTo::Hole },
            },
            78..80 => Self::Sync(if rng.random() { Durability::Data } else { Durability::All }),
            80..88 => Self::WriteAnew,
            88..94 => Self::Release,
            _ => Self::Reopen,
        }
    }
}

/// Does `op` on both and compares.
fn step(bench: &mut Bench, op: &Op) {
    let len = bench.model.len();
    match *op {
        Op::Write { len: 0, offset, .. } => bench.state.write_at(bench.file.as_fd(), offset, &[]).unwrap(),
        Op::Write { offset, len, fill } => {
            let data: Vec<u8> = pattern(len).iter().map(|byte| byte ^ fill).collect();
            bench.change(|state, file| state.write_at(file, offset, &data)).unwrap();
            let offset = usize::try_from(offset).unwrap();
            bench.model.resize(bench.model.len().max(offset + len), 0);
            bench.model[offset..offset + len].copy_from_slice(&data);
            bench.dirty = true;
        }
        Op::Read { offset, len } => {
            let [from, to] = [offset, offset + disk::bytes(len)].map(|at| usize::try_from(at).unwrap().min(bench.model.len()));
            assert!(bench.read(offset, len).unwrap() == bench.model[from..to], "{op:?}");
        }
        Op::Resize(size) => {
            let size = usize::try_from(size).unwrap();
            bench.state.resize(bench.file.as_fd(), disk::bytes(size)).unwrap();
            bench.model.resize(size, 0);
            bench.dirty |= size != len;
        }
        Op::Zero { offset, len: size } => {
            bench.state.zero(bench.file.as_fd(), offset, size).unwrap();
            let [from, to] = [offset, offset + size].map(|at| usize::try_from(at).unwrap().min(len));
            bench.model[from..to].fill(0);
            bench.dirty |= from < to;
        }
        Op::Allocate { offset, len: size } => bench.change(|state, file| state.allocate(file, offset, size)).unwrap(),
        Op::Seek { offset, to } => check_seek(bench, offset, to),
        Op::Sync(what) => bench.state.sync(bench.file.as_fd(), what).unwrap(),
        Op::WriteAnew => bench.write_anew(),
        Op::Release => bench.state.release(),
        // Only what is on disk can be opened again.
        Op::Reopen if bench.dirty => {}
        Op::Reopen => bench.reopen(),
    }
    assert_eq!(bench.state.len(), disk::bytes(bench.model.len()), "{op:?}");
    assert_eq!(bench.state.has_pending(), bench.dirty, "{op:?}");
}

/// What is skipped on the way to data are zeros, and data is there up to a hole.
fn check_seek(bench: &Bench, offset: u64, to: SeekTo) {
    let len = disk::bytes(bench.model.len());
    let rest = |from: u64| &bench.model[usize::try_from(from).unwrap()..];
    match (to, bench.state.seek(bench.file.as_fd(), offset, to)) {
        (_, Err(error)) => {
            assert_eq!(error.errno(), Errno::NXIO);
            assert!(offset >= len || (to == SeekTo::Data && rest(offset).iter().all(|byte| *byte == 0)));
        }
        (SeekTo::Data, Ok(found)) => {
            assert!((offset..len).contains(&found));
            assert!(rest(offset)[..rest(offset).len() - rest(found).len()].iter().all(|byte| *byte == 0));
        }
        (SeekTo::Hole, Ok(found)) => {
            assert!((offset..=len).contains(&found));
            assert!(rest(found).first().is_none_or(|byte| *byte == 0));
        }
    }
}

#[test]
fn random_operations_are_those_of_the_model() {
    let mut rng = rng();
    for key_len in KEYS {
        for _ in 0..3 {
            let len = length(&mut rng);
            let plain = pattern(usize::try_from(len).unwrap());
            let mut bench = Bench::new(key_len, &plain, rng.random());
            for count in 0..400 {
                let op = Op::random(&mut rng, disk::bytes(bench.model.len()));
                step(&mut bench, &op);
                if count % 16 == 0 {
                    bench.check();
                }
            }
            bench.check();
            bench.write_anew();
            bench.reopen();
            bench.check();
        }
    }
}
