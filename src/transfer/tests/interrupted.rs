//! Imports that are killed or stopped at any change, and started again.

use super::*;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// What ends an import as a kill does: nothing of it runs any more.
struct Killed;

/// Kills an import at its change number `at`. Whether it got that far.
fn killed_at(pair: &Pair, originals: Originals, at: u32) -> bool {
    let (source, vault) = (pair.source(), pair.vault());
    let mut changes = 0;
    let mut watch = |event: Event<'_>| {
        assert!(!matches!(event, Event::Problem(..)), "{event:?}");
        changes += u32::from(matches!(event, Event::Change));
        if changes == at && matches!(event, Event::Change) {
            resume_unwind(Box::new(Killed));
        }
        ControlFlow::Continue(())
    };
    match catch_unwind(AssertUnwindSafe(|| {
        transfer(everything(&source, &vault), policy(originals), &mut watch)
    })) {
        Ok(_) => false,
        Err(panic) if panic.is::<Killed>() => true,
        Err(panic) => resume_unwind(panic),
    }
}

fn resumes_wherever_it_is_killed(originals: Originals) {
    let mut at = 0;
    loop {
        at += 1;
        let pair = Pair::in_memory();
        plant_for(&pair.source(), originals);
        let before = tree(&pair.source());
        if !killed_at(&pair, originals, at) {
            assert!(at > 30, "only {at} changes");
            return;
        }
        // Nothing is lost at that moment: what the vault does not have, the source has.
        let (source, vault) = (tree(&pair.source()), tree(&pair.vault()));
        for (path, seen) in before.iter().filter(|(_, seen)| seen.kind != FileType::Directory) {
            assert!(source.get(path) == Some(seen) || vault.get(path) == Some(seen), "change {at}");
        }
        // Killed once more, a little later.
        killed_at(&pair, originals, 1 + at % 7);
        pair.import_well(originals);
        assert_eq!(tree(&pair.vault()), before, "killed at change {at}");
        match originals {
            Originals::Kept => assert_eq!(tree(&pair.source()), before, "killed at change {at}"),
            Originals::Removed => assert_eq!(tree(&pair.source()), BTreeMap::new(), "killed at change {at}"),
        }
    }
}

#[test]
fn killed_at_any_change_it_resumes() {
    resumes_wherever_it_is_killed(Originals::Kept);
}

#[test]
fn killed_at_any_change_while_it_removes_it_resumes() {
    resumes_wherever_it_is_killed(Originals::Removed);
}

#[test]
fn stopped_it_leaves_nothing_half_made() {
    for originals in [Originals::Kept, Originals::Removed] {
        let mut at = 0;
        loop {
            at += 1;
            let pair = Pair::in_memory();
            plant_for(&pair.source(), originals);
            let before = tree(&pair.source());
            let mut events = 0;
            let (_, end, said) = pair.import_watched(originals, &mut |_| {
                events += 1;
                if events < at {
                    ControlFlow::Continue(())
                } else {
                    ControlFlow::Break(())
                }
            });
            assert_eq!(said, [""; 0]);
            let vault = tree(&pair.vault());
            assert!(vault.keys().all(|path| before.contains_key(path)), "stopped at event {at}");
            if end == End::Complete {
                assert!(at > 30, "only {at} events");
                break;
            }
            assert_eq!(end, End::Stopped);
            pair.import_well(originals);
            assert_eq!(tree(&pair.vault()), before, "stopped at event {at}");
        }
    }
}

#[test]
fn what_is_half_made_is_recognised() {
    let pair = Pair::new();
    let (source, vault) = (pair.source(), pair.vault());
    let sub = mkdir(&source, NodeId::ROOT, b"sub");
    put(&source, sub, HALF_MADE, b"a name like any other");
    put(&source, sub, b"file", b"");
    let others = [
        &b".plainview-part-"[..],
        b".plainview-part-0123456789abcde",
        b".plainview-part-0123456789abcdefg",
        b".plainview-part-0123456789ABCDEF",
        b"plainview-import-0123456789abcdef",
    ];
    let there = mkdir(&vault, NodeId::ROOT, b"sub");
    for dir in [NodeId::ROOT, there] {
        for name in others {
            put(&vault, dir, name, b"");
        }
    }
    mkdir(&vault, NodeId::ROOT, b".plainview-part-fedcba9876543210");
    put(&vault, NodeId::ROOT, HALF_MADE, b"half");
    vault.symlink(ME, there, b".plainview-part-0000000000000000", b"x").unwrap();
    let summary = pair.import_well(Originals::Kept);
    assert_eq!((summary.files, summary.directories), (2, 0));
    let vault = pair.vault();
    assert_eq!(names(&vault, NodeId::ROOT).len(), others.len() + 2);
    let there = at(&vault, "sub").unwrap();
    assert_eq!(names(&vault, there).len(), others.len() + 2);
    let kept = vault.lookup(there, HALF_MADE).unwrap().attr.node;
    assert_eq!(read_all(&vault, kept).unwrap(), b"a name like any other");
    assert_eq!(pair.import_well(Originals::Kept).skipped, 2);
}
