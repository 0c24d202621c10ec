//! Imports that are killed or stopped, and run again.

use crate::scene::*;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rustix::process::{Pid, Signal};
use std::fs;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

/// The seed of a random test, and whether it was given.
fn seed() -> u64 {
    let given = std::env::var("PLAINVIEW_TEST_SEED").ok();
    let seed = given.map_or_else(rand::random, |seed| seed.parse().unwrap());
    println!("PLAINVIEW_TEST_SEED={seed}");
    seed
}

/// Enough to be killed in.
fn large() -> Tree {
    let mut tree = small();
    for number in 0..40 {
        tree.insert(format!("sub/number {number}"), file(number * 1001));
    }
    tree.insert("large".to_owned(), file((5 << 20) + 3));
    tree
}

fn spawn(command: &mut Command) -> Child {
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn killed_again_and_again(more: &[&str]) -> Scene {
    let mut rng = StdRng::seed_from_u64(seed());
    let scene = Scene::new(&large());
    let mut kills = 0;
    for patience in 1.. {
        let mut child = spawn(&mut scene.import(more));
        thread::sleep(Duration::from_micros(rng.random_range(0..5_000 * patience)));
        // It may have ended: then it is not gone before it is waited for.
        child.kill().unwrap();
        let ended = Ended::of(child.wait_with_output().unwrap());
        if ended.code.is_some() {
            ended.expect(0, &[]);
            break;
        }
        kills += 1;
    }
    println!("killed {kills} times");
    run(&mut scene.import(more)).expect(0, &[]);
    assert_eq!(scene.imported(), large());
    scene
}

#[test]
fn killed_at_random_moments_it_gets_done() {
    let scene = killed_again_and_again(&[]);
    assert_eq!(scene.stored().len(), large().len());
    let ended = run(&mut scene.import(&[]));
    assert!(ended.out.contains("It can be removed now"), "{ended:?}");
}

#[test]
fn killed_at_random_moments_while_it_removes_it_gets_done() {
    // What is left of the folder may have nothing that could tell whether the password is right.
    let scene = killed_again_and_again(&["--remove", "--force"]);
    assert_eq!(scene.stored(), Tree::new());
}

#[test]
fn a_signal_stops_it_and_it_can_be_run_again() {
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let scene = Scene::new(&large());
        let child = spawn(&mut scene.import(&[]));
        // From here on it knows what to do with signals.
        while fs::read_dir(scene.vault()).unwrap().count() < 2 {
            thread::sleep(Duration::from_millis(1));
        }
        rustix::process::kill_process(Pid::from_child(&child), signal).unwrap();
        let ended = Ended::of(child.wait_with_output().unwrap());
        ended.expect(INCOMPLETE, &["stopped; run it again"]);
        assert!(ended.out.contains(" 0 conflicts, 0 failed\n"), "{ended:?}");
        let done = scene.imported();
        assert!(done.len() < large().len(), "{signal:?}");
        assert!(done.iter().all(|(path, contents)| large()[path] == *contents));
        run(&mut scene.import(&[])).expect(0, &[]);
        assert_eq!(scene.imported(), large());
    }
}
