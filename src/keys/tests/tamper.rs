//! That nothing in a `plainview.toml` can be changed unseen.

use super::super::*;
use super::{EXAMPLE, is_damaged, password, refusal};
use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};

#[test]
fn what_is_changed_without_the_password_is_told_from_a_wrong_password() {
    let changes = [
        ("names = \"encrypted\"", "names = \"plain\""),
        ("label = \"\"", "label = \"mine\""),
        ("id = 1", "id = 2"),
        ("\n\n[[slot]]", "\n[[slot]]"),
        ("names =", "# hello\nnames ="),
        ("tag = \"1d", "tag = \"2d"),
    ];
    for (from, to) in changes {
        assert_eq!(EXAMPLE.matches(from).count(), 1, "{from}");
        let config = Config::parse(EXAMPLE.replace(from, to).as_bytes()).unwrap();
        let error = config.unlock(&password("pw")).map(drop).unwrap_err();
        assert!(is_damaged(&error), "{to}: {error}");
        assert!(error.to_string().contains("seal does not fit"), "{to}: {error}");
        assert!(matches!(
            config.unlock(&password("px")).map(drop),
            Err(ConfigError::Wrong("password"))
        ));
    }
}

/// Whether `file` gives a master key, when the slot key is the example's wherever that is not to be computed anew.
fn opens(file: &[u8], example: &Config, key: &SlotKey) -> bool {
    let Ok(config) = Config::parse(file) else { return false };
    let slot = &config.slots()[0];
    if slot.opener() == example.slots()[0].opener() {
        matches!(config.open(slot, key), Ok(Some(_)))
    } else {
        config.unlock(&password("pw")).is_ok()
    }
}

fn example() -> (Config, SlotKey) {
    let config = Config::parse(EXAMPLE.as_bytes()).unwrap();
    let Opener::Password { cost, salt } = config.slots()[0].opener() else {
        panic!("it is a password")
    };
    let key = SlotKey::from_password(&password("pw"), salt, *cost).unwrap();
    (config, key)
}

#[test]
fn no_byte_can_be_changed_cut_or_added() {
    let (config, key) = example();
    assert!(opens(EXAMPLE.as_bytes(), &config, &key));
    for at in 0..EXAMPLE.len() {
        for mask in [0x01, 0x20, 0x80] {
            let mut file = EXAMPLE.as_bytes().to_vec();
            file[at] ^= mask;
            assert!(!opens(&file, &config, &key), "byte {at} ^ {mask:#x}");
        }
        assert!(!opens(&EXAMPLE.as_bytes()[..at], &config, &key), "cut to {at}");
    }
    for at in 0..=EXAMPLE.len() {
        for added in [b"\n", b" ", b"#", b"0"] {
            let (before, after) = EXAMPLE.as_bytes().split_at(at);
            assert!(!opens(&[before, added, after].concat(), &config, &key), "{added:?} at {at}");
        }
    }
}

#[test]
fn random_changes_never_open_and_never_panic() {
    let seed = std::env::var("PLAINVIEW_TEST_SEED").map_or_else(|_| rand::rng().next_u64(), |seed| seed.parse().unwrap());
    println!("repeat with PLAINVIEW_TEST_SEED={seed}");
    let mut rng = StdRng::seed_from_u64(seed);
    let (config, key) = example();
    for _ in 0..2000 {
        let mut file = EXAMPLE.as_bytes().to_vec();
        for _ in 0..rng.random_range(1..4) {
            let (from, to) = (rng.random_range(0..file.len()), rng.random_range(0..file.len()));
            let piece = file[from.min(to)..from.max(to)].to_vec();
            let at = rng.random_range(0..file.len());
            match rng.random_range(0..3) {
                0 => drop(file.splice(at..at, piece)),
                1 => drop(file.drain(from.min(to)..from.max(to))),
                _ => file[at] = rng.random(),
            }
            if file.is_empty() {
                file.push(b'\n');
            }
        }
        // Costs beyond the floor would take their time, and are no concern here.
        let dear = file.windows(12).filter(|window| *window == b"_kib = 8192\n").count() != 1;
        assert!(
            file == EXAMPLE.as_bytes() || dear || !opens(&file, &config, &key),
            "{}",
            String::from_utf8_lossy(&file)
        );
        drop(Config::parse(&file));
    }
    for depth in [100, 20_000] {
        assert!(is_damaged(&refusal(format!("x = {}\n{EXAMPLE}", "[".repeat(depth)))));
        assert!(is_damaged(&refusal(format!(
            "x = {}1{}\n{EXAMPLE}",
            "{x = ".repeat(depth / 4),
            "}".repeat(depth / 4)
        ))));
    }
}
