//! What lies over a file, beside a model of it.

use crate::journal::overlay::{Overlay, index, length};
use crate::sys::disk::SeekTo;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::time::{Duration, Instant};

const LONG: u64 = 64;

/// Each byte of the file: nothing over it, or a byte, which is in a hole or not.
type Model = Vec<Option<(u8, SeekTo)>>;

fn compare(overlay: &Overlay, model: &Model) {
    let mut laid = vec![0xee; model.len()];
    overlay.lay_over(0, &mut laid);
    let mut within = vec![0xee; 20];
    overlay.lay_over(7, &mut within);
    assert_eq!(within, laid[7..27]);
    let mut held = 0;
    for (at, byte) in model.iter().enumerate() {
        assert_eq!(laid[at], byte.map_or(0xee, |(byte, _)| byte), "byte {at}");
        assert_eq!(overlay.kind_at(length(at)).0, byte.map(|(_, kind)| kind), "byte {at}");
        held += u64::from(matches!(byte, Some((_, SeekTo::Data))));
    }
    assert_eq!(overlay.held_from(0), held);
    let from = model.len() / 2;
    let behind = model[from..].iter().filter(|byte| matches!(byte, Some((_, SeekTo::Data))));
    assert_eq!(overlay.held_from(length(from)), length(behind.count()));
}

#[test]
fn it_holds_what_was_put_last() {
    let seed: u64 = std::env::var("PLAINVIEW_TEST_SEED").map_or_else(|_| rand::rng().random(), |seed| seed.parse().unwrap());
    println!("PLAINVIEW_TEST_SEED={seed}");
    let mut rng = StdRng::seed_from_u64(seed);
    for _ in 0..300 {
        let (mut overlay, mut model) = (Overlay::default(), Model::from(vec![None; index(LONG)]));
        for _ in 0..40 {
            let from = rng.random_range(0..LONG);
            let to = rng.random_range(from..=LONG);
            let range = index(from)..index(to);
            let fill: u8 = rng.random();
            match rng.random_range(0..8) {
                0 => {
                    overlay.take_from(from);
                    model[index(from)..].fill(None);
                }
                1 => overlay.split(from),
                2 | 3 => {
                    overlay.zero(from, to - from);
                    model[range].fill(Some((0, SeekTo::Hole)));
                }
                _ => {
                    overlay.write(from, vec![fill; range.len()].into());
                    model[range].fill(Some((fill, SeekTo::Data)));
                }
            }
            compare(&overlay, &model);
        }
    }
}

#[test]
fn a_hundred_thousand_extents_are_put_and_found_quickly() {
    let begin = Instant::now();
    let mut overlay = Overlay::default();
    // Backwards, so that all that is there lies behind what is put.
    for at in (0..100_000).rev() {
        overlay.write(at * 100, vec![1; 50].into());
        overlay.write(at * 100 + 25, vec![2; 50].into());
        let mut byte = [0];
        overlay.lay_over(at * 100 + 60, &mut byte);
        assert_eq!(byte, [2]);
    }
    assert_eq!(overlay.held_from(0), 7_500_000);
    assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
}
