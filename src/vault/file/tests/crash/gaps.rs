//! Power cuts while files are written as the kernel does it: in runs of which a later one may come before an earlier one.

use super::*;
use crate::record::Holes;
use rand::seq::SliceRandom;

fn flag(file: &Oracle) -> Holes {
    let unlocked = file.file.look(&file.sim, VaultFile::unlock);
    unlocked.map_or(Holes::Forbidden, |unlocked| unlocked.holes())
}

/// Appends runs of some records to the last file that was made, each two or three of them in any order; between them happens something else.
fn append_out_of_order(run: &mut Run<'_>, filled: &mut usize) {
    let end = run.files.last().map_or(0, |file| bytes(file.now.len()));
    let len = run.rng.random_range(1..4) * RECORD_LEN;
    // From a border, or from where the file ends.
    let first = if run.rng.random() { end.next_multiple_of(R) } else { end };
    let mut runs: Vec<_> = (0..run.rng.random_range(2..4)).map(|index| first + index * bytes(len)).collect();
    runs.shuffle(run.rng);
    for offset in runs {
        let fill = run.rng.random();
        let op = Op::Write { offset, len, fill };
        let file = run.files.last_mut().unwrap();
        run.history.push(format!("{} {op:?}", file.sim.ino));
        let before = flag(file);
        file.perform(&op).unwrap();
        *filled += usize::from(before == Holes::Allowed && flag(file) == Holes::Forbidden);
        match run.rng.random_range(0..12) {
            0..2 => {
                run.history.push(format!("{} sync", file.sim.ino));
                file.perform(&Op::Sync(Durability::Data)).unwrap();
            }
            // Also a checkpoint, or a sync of new files.
            2 => run.step(),
            _ => {}
        }
        if run.files.is_empty() {
            return;
        }
    }
}

#[test]
fn gaps_that_are_filled_outlast_power_cuts() {
    let seed = Seed::take();
    let mut rng = seed.rng();
    let (mut filled, mut kept) = (0, 0);
    // Each is a long one.
    let histories = histories().div_ceil(4);
    for _ in 0..histories {
        let mut run = Run::new(&mut rng);
        for _ in 0..4 {
            for _ in 0..run.rng.random_range(1..6) {
                if run.files.is_empty() || run.rng.random_range(0..4) == 0 {
                    let file = Oracle::create(&run.world, &run.journal);
                    run.history.push(format!("create {}", file.sim.ino));
                    run.files.push(file);
                }
                append_out_of_order(&mut run, &mut filled);
            }
            run.crash();
            kept += run
                .files
                .iter()
                .filter(|file| flag(file) == Holes::Forbidden && !file.now.is_empty())
                .count();
        }
        run.journal.close().unwrap();
        run.files.iter().for_each(Oracle::check_now);
    }
    assert!(
        filled > histories && kept > histories,
        "{filled} gaps were filled, and {kept} files had none after a crash"
    );
}
