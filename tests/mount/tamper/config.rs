//! `plainview.toml`: no changed one is ever mounted.

use super::random;
use crate::harness::{Options, Vault};
use crate::people::{Who, run};
use crate::places::mount_at;
use rand::{Rng, RngExt};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Not a vault, wrong password, damaged, newer format.
const REFUSALS: [i32; 4] = [7, 12, 13, 14];

fn refused(vault: &Vault, what: &str) {
    let begin = Instant::now();
    let answer = run(&mut vault.mount_command(Who::me(), &[]));
    assert!(
        REFUSALS.contains(&answer.code) && mount_at(vault.point()).is_none(),
        "{what}: {answer:?}"
    );
    assert!(
        answer.err.contains("plainview: ") && !answer.err.contains("panicked"),
        "{what}: {answer:?}"
    );
    assert!(begin.elapsed() < Duration::from_secs(30), "{what}: {:?}", begin.elapsed());
}

fn vault() -> (Vault, PathBuf, Vec<u8>) {
    let vault = Vault::new(Options::default());
    let path = vault.path().join("plainview.toml");
    let genuine = std::fs::read(&path).unwrap();
    (vault, path, genuine)
}

#[test]
fn a_changed_configuration_is_refused() {
    let (seed, mut rng) = random();
    let (vault, path, genuine) = vault();
    for offset in 0..genuine.len() {
        let mut bytes = genuine.clone();
        let bit = rng.random_range(0..8);
        bytes[offset] ^= 1 << bit;
        std::fs::write(&path, &bytes).unwrap();
        let line = String::from_utf8_lossy(&bytes).into_owned();
        refused(
            &vault,
            &format!("PLAINVIEW_TEST_SEED={seed}: bit {bit} of byte {offset} flipped:\n{line}"),
        );
    }
    std::fs::write(&path, &genuine).unwrap();
    vault.mount(&[]).unmount();
}

#[test]
fn a_configuration_of_another_length_is_refused() {
    let (_, mut rng) = random();
    let (vault, path, genuine) = vault();
    let text = String::from_utf8(genuine.clone()).unwrap();
    let mut variants: Vec<(String, Vec<u8>)> = vec![];
    for len in (0..genuine.len()).step_by(7).chain([genuine.len() - 2]) {
        variants.push((format!("cut to {len}"), genuine[..len].to_vec()));
    }
    let mut garbage = vec![0; 1 << 20];
    variants.push(("zeros".into(), garbage.clone()));
    rng.fill_bytes(&mut garbage);
    variants.push(("random".into(), garbage));
    variants.push(("brackets".into(), vec![b'['; 1 << 20]));
    variants.push(("nested".into(), [b"a = ".as_slice(), &vec![b'['; 100_000]].concat()));
    variants.push(("one long line".into(), vec![b'a'; 64 << 20]));
    let slot = &text[text.find("[[slot]]").unwrap()..text.find("[seal]").unwrap()];
    variants.push(("a slot twice".into(), text.replace(slot, &format!("{slot}{slot}")).into_bytes()));
    variants.push(("no slot".into(), text.replace(slot, "").into_bytes()));
    variants.push(("something before".into(), format!("# a comment\n{text}").into_bytes()));
    variants.push(("names downgraded".into(), text.replace("\"encrypted\"", "\"plain\"").into_bytes()));
    variants.push(("another kind".into(), text.replace("\"password\"", "\"keyfile\"").into_bytes()));
    variants.push((
        "more before the seal".into(),
        text.replace("[seal]", "label = \"\"\n[seal]").into_bytes(),
    ));
    variants.push((
        "two seals".into(),
        format!("{text}{}", &text[text.find("[seal]").unwrap()..]).into_bytes(),
    ));
    for (what, bytes) in variants {
        assert_ne!(bytes, genuine, "{what}");
        std::fs::write(&path, &bytes).unwrap();
        refused(&vault, &what);
    }
    std::fs::remove_file(&path).unwrap();
    refused(&vault, "removed");
    std::os::unix::fs::symlink("/dev/zero", &path).unwrap();
    refused(&vault, "a link to a device");
}
