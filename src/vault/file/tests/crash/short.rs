//! All short histories of one file, with a power cut at the end of each.

use super::*;

/// A step; what it does depends on how long the file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    WriteInPlace,
    WriteOverBorder,
    Append,
    /// So much that it is written to the file itself.
    AppendMuch,
    Cut,
    Lengthen,
    Zero,
    Sync,
    Checkpoint,
    WriteBack,
}

const STEPS: [Step; 10] = [
    Step::WriteInPlace,
    Step::WriteOverBorder,
    Step::Append,
    Step::AppendMuch,
    Step::Cut,
    Step::Lengthen,
    Step::Zero,
    Step::Sync,
    Step::Checkpoint,
    Step::WriteBack,
];
/// How many steps there are in the longest histories.
const LONGEST: u32 = 3;
/// Of how many choices of the disk each is made alone in another way than all others. Of more, so many are taken, spread evenly.
const ALONE: usize = 12;

impl Step {
    /// Does it as the step with this number.
    fn perform(self, number: u8, journal: &Journal, file: &mut Oracle) {
        let len = bytes(file.now.len());
        let fill = number + 1;
        let write = |offset, len| Op::Write { offset, len, fill };
        let op = match self {
            Self::WriteInPlace => write(5, 10),
            Self::WriteOverBorder => write(R - 5, 10),
            Self::Append => write(len, 20),
            Self::AppendMuch => write(len, 70_000),
            Self::Cut => Op::Resize(len / 2),
            Self::Lengthen => Op::Resize(len + R),
            Self::Zero => Op::Zero { offset: 3, len: R },
            Self::Sync => Op::Sync(Durability::Data),
            Self::Checkpoint => {
                journal.checkpoint().unwrap();
                journal.sync_news().unwrap();
                return file.committed();
            }
            Self::WriteBack => return journal.write_back(0).map(drop).unwrap(),
        };
        file.perform(&op).unwrap();
    }
}

/// How a power cut can leave the disk, bounded: nothing unsynced is kept, or all, or each choice alone is the other way.
fn cuts(choices: &[usize]) -> Vec<Vec<usize>> {
    let none = vec![0; choices.len()];
    let all: Vec<_> = choices.iter().map(|count| count - 1).collect();
    let alone = choices.len().min(ALONE);
    let mut cuts = Vec::new();
    for number in 0..alone {
        // The first and the last are among them.
        let at = number * (choices.len() - 1) / (alone - 1).max(1);
        for from in [&none, &all] {
            let mut cut = from.clone();
            cut[at] = all[at] - cut[at];
            cuts.push(cut);
        }
    }
    cuts.extend([none, all]);
    cuts.sort();
    cuts.dedup();
    cuts
}

/// Does `steps` with a new file, or with one that was committed, and cuts the power after it; how many cuts there were.
fn cut_after(steps: &[Step], is_new: bool) -> usize {
    let world = World::default();
    let (journal, _) = world.mount(&master(), SIZE).unwrap();
    let mut file = Oracle::create(&world, &journal);
    if !is_new {
        let len = usize::try_from(R + R / 2).unwrap();
        let fill = 100;
        file.perform(&Op::Write { offset: 0, len, fill }).unwrap();
        Step::Checkpoint.perform(0, &journal, &mut file);
    }
    for (number, step) in (0..).zip(steps) {
        step.perform(number, &journal, &mut file);
        journal.write_out();
    }
    file.check_now();
    let cuts = cuts(&world.choices());
    for cut in &cuts {
        let mut choices = cut.iter();
        let crashed = world.crashed(&mut |count| (*choices.next().unwrap_or(&0)).min(count - 1));
        if crashed.exists(file.sim.ino) {
            let (journal, _) = crashed.mount(&master(), SIZE).unwrap();
            let left = Oracle::open(&crashed, &journal, file.sim.ino);
            assert!(file.allows(&left.now), "{steps:?}, new: {is_new}, cut {cut:?}");
        } else {
            assert!(file.since.is_none(), "{steps:?}, new: {is_new}, cut {cut:?}: gone");
        }
    }
    cuts.len()
}

#[test]
fn every_history_of_three_steps_outlasts_a_power_cut_after_each_of_them() {
    let begin = Instant::now();
    let (mut histories, mut all_cuts) = (0, 0);
    // Those of fewer steps are the cuts after a step that is not the last.
    for count in 0..=LONGEST {
        for number in 0..STEPS.len().pow(count) {
            let steps: Vec<_> = (0..count).map(|at| STEPS[number / STEPS.len().pow(at) % STEPS.len()]).collect();
            for is_new in [false, true] {
                histories += 1;
                all_cuts += cut_after(&steps, is_new);
            }
        }
    }
    println!("{histories} histories and {all_cuts} power cuts in {:?}", begin.elapsed());
    assert_eq!(histories, 2 * (1 + 10 + 100 + 1000));
    assert!(all_cuts > 10 * histories, "{all_cuts}");
}
