//! That two plain directories are equal, and that each kind of difference between them is found.

use super::generate::Actor;
use super::names::Taste;
use super::run::Runner;
use super::{make_tree, operations, seed};
use crate::people::{Who, is_root, run};
use crate::places::Scratch;
use std::path::PathBuf;

/// Two plain directories, both made by `script`, and a runner over them.
fn twins(script: &str, seed: u64, actor: Actor) -> (Scratch, [PathBuf; 2], Runner) {
    let scratch = Scratch::new(Who::me(), None);
    let trees = ["plain", "tested"].map(|name| make_tree(&scratch.dir(name, Who::me())));
    for tree in &trees {
        run(&mut Who::me().shell(&format!("cd \"$1\"\n{script}"), &[tree])).ok();
    }
    let runner = Runner::new(&trees[0], &trees[1], seed, Taste::AnyName, actor).unwrap();
    (scratch, trees, runner)
}

#[test]
fn two_plain_directories_behave_alike() {
    for actor in [Actor::Same, Actor::Changing] {
        if actor == Actor::Changing && !is_root() {
            continue;
        }
        let (_scratch, _trees, mut runner) = twins("true", seed(), actor);
        for _ in 0..operations(5_000).div_ceil(500) {
            // On a thread of its own, since acting as another user is.
            Who::me().run(|| runner.run(500).and_then(|()| runner.compare())).unwrap();
        }
        runner.open_all_directories().unwrap();
        runner.compare().unwrap();
    }
}

#[test]
fn differences_between_trees_are_found() {
    let script = "mkdir d; printf 0123456789 > d/f; ln d/f g; echo x > h; ln -s target s; mkfifo p; setfattr -n user.n -v v h; touch -h -d @5.000000007 s h d/f d .";
    for (change, told) in [
        (
            "printf X | dd of=g bs=1 seek=5 conv=notrunc status=none; touch -d @5.000000007 g",
            "1 bytes differ, the first at 5",
        ),
        ("chmod 600 h", "h: expected Attrs"),
        ("touch -d @5.000000008 h", "h: expected Attrs"),
        ("touch h", "got Attrs"),
        ("truncate -s 1 h; touch -d @5.000000007 h", "expected 2 bytes, got 1"),
        ("setfattr -n user.n -v w h", "expected attributes"),
        ("setfattr -x user.n h", "expected attributes"),
        ("ln -sfT other. s; touch -h -d @5.000000007 s .", "expected the target"),
        ("cp -p d/f new; mv new d/f; touch -d @5.000000007 d .", "inode"),
        ("ln h more; touch -d @5.000000007 .", "more: is there"),
        ("rm s; touch -d @5.000000007 .", "s: missing"),
        ("rm p; mkdir p; touch -d @5.000000007 .", "got Attrs"),
    ] {
        let (_scratch, trees, mut runner) = twins(script, seed(), Actor::Same);
        runner.compare().unwrap();
        run(&mut Who::me().shell(&format!("cd \"$1\"\n{change}"), &[&trees[1]])).ok();
        let report = format!("{:?}", runner.compare().unwrap_err());
        assert!(
            report.contains(told) && report.contains("PLAINVIEW_TEST_SEED"),
            "{change}: no {told:?} in {report}"
        );
    }
}

#[test]
fn differences_between_answers_are_found() {
    for change in [
        "rm -r ./*",
        "chmod 1755 n*",
        "find . -type f -size +0 -exec sh -c 'printf XXXX | dd of=\"$1\" conv=notrunc status=none' sh {} \\;",
    ] {
        // Random operations can undo a difference before one of them meets it, but hardly each time.
        let first = seed();
        let once = |seed| {
            let script = "for n in 0 1 2 3 4 5 6 7 8 9 10 11; do echo some text > n$n; done";
            let (_scratch, trees, mut runner) = twins(script, seed, Actor::Same);
            run(&mut Who::me().shell(&format!("cd \"$1\"\n{change}"), &[&trees[1]])).ok();
            runner.run(2_000).err()
        };
        let report = format!(
            "{:?}",
            (0..20)
                .find_map(|n| once(first.wrapping_add(n)))
                .expect("a difference that is not found")
        );
        assert!(
            report.contains("expected") && report.contains("the last operations"),
            "{change}: {report}"
        );
    }
}
