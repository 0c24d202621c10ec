//! `plainview check` and `plainview salvage` as people type them. What is found and what is done about it, in each case, the unit tests of `src/check` show.

use crate::cli::code;
use crate::corpus::noise;
use crate::harness::{Mounted, Options, Vault};
use crate::people::{Answer, Who, root_or_skip, run, run_unmount};
use plainview::record::{HEADER_LEN, SEALED_LEN, cipher_len};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Plaintext bytes of the file that is damaged here, which no other has.
const LEN: usize = 5 * 4096 + 321;

fn check(vault: &Vault, args: &[&str]) -> Answer {
    check_as(vault.owner(), vault, args)
}

fn check_as(who: Who, vault: &Vault, args: &[&str]) -> Answer {
    run(vault
        .plainview(who, &["check"])
        .args(args)
        .arg("--passfile")
        .args([vault.passfile(), vault.path()]))
}

fn salvage(vault: &Vault, file: &Path, out: &Path) -> Answer {
    run(vault
        .plainview(vault.owner(), &["salvage", "--passfile"])
        .args([vault.passfile(), vault.path(), file, out]))
}

/// A vault with some files.
fn vault_with(make: impl FnOnce(&Mounted<'_>)) -> Vault {
    let vault = Vault::new(Options::default());
    let mounted = vault.mount(&[]);
    fs::create_dir_all(mounted.path().join("directory/inner")).unwrap();
    fs::write(mounted.path().join("directory/damaged"), noise(1, LEN)).unwrap();
    fs::write(mounted.path().join("directory/inner/whole"), noise(2, 10_000)).unwrap();
    fs::write(mounted.path().join("n".repeat(240)), "long").unwrap();
    std::os::unix::fs::symlink("directory", mounted.path().join("link")).unwrap();
    make(&mounted);
    mounted.unmount();
    vault
}

/// Everything in a directory: what it is, and when it was changed last.
fn entries(dir: &Path) -> BTreeMap<PathBuf, (u64, i64, i64)> {
    let (mut all, mut pending) = (BTreeMap::new(), vec![dir.to_owned()]);
    while let Some(dir) = pending.pop() {
        for path in fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()) {
            let meta = path.symlink_metadata().unwrap();
            if meta.is_dir() {
                pending.push(path.clone());
            }
            all.insert(path, (meta.len(), meta.ctime(), meta.ctime_nsec()));
        }
    }
    all
}

/// The file of [`LEN`] bytes, as it is on disk.
fn stored(vault: &Vault) -> PathBuf {
    let len = cipher_len(u64::try_from(LEN).unwrap());
    let found: Vec<_> = entries(vault.path()).into_iter().filter(|(_, (found, ..))| *found == len).collect();
    assert_eq!(found.len(), 1);
    found[0].0.clone()
}

fn overwrite(path: &Path, at: usize, bytes: &[u8]) {
    let file = File::options().write(true).open(path).unwrap();
    file.write_all_at(bytes, u64::try_from(at).unwrap()).unwrap();
}

/// Damages two records of the file of [`LEN`] bytes.
fn damage(vault: &Vault) {
    for record in [1, 2] {
        overwrite(&stored(vault), HEADER_LEN + record * SEALED_LEN + 500, b"damaged");
    }
}

fn json(out: &str) -> Vec<Value> {
    out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_whole_vault_is_said_to_be_and_not_touched() {
    let vault = vault_with(|_| {});
    let before = entries(vault.path());
    for args in [&[][..], &["--fast"], &["--repair", "--dry-run"], &["--repair"]] {
        let out = check(&vault, args).ok();
        assert_eq!(out.lines().count(), 1, "{out}");
        assert!(out.starts_with("3 files, 2 directories, 1 symlink, 0 others, "), "{out}");
        assert!(
            out.ends_with(": 0 findings of damage, 0 unreadable, 0 leftovers, 0 foreign\n"),
            "{out}"
        );
    }
    assert_eq!(entries(vault.path()), before);
    let out = json(&check(&vault, &["--json"]).ok());
    assert_eq!(out.len(), 1);
    assert_eq!(
        (&out[0]["type"], &out[0]["files"], &out[0]["damage"]),
        (&"summary".into(), &3.into(), &0.into())
    );
}

#[test]
fn damage_is_told_repaired_and_then_gone() {
    let vault = vault_with(|_| {});
    damage(&vault);
    let before = entries(vault.path());
    let stored_path = stored(&vault).strip_prefix(vault.path()).unwrap().display().to_string();
    let answer = check(&vault, &[]).code(code::DAMAGE_FOUND).says(&["one finding of damage"]);
    let expected = format!("damage: /directory/damaged: records 1 to 2, 8304 bytes at 4200 of {stored_path}: authentication failed\n");
    assert!(answer.out.starts_with(&expected), "{}", answer.out);
    let out = json(&check(&vault, &["--json"]).code(code::DAMAGE_FOUND).out);
    let wanted = serde_json::json!({
        "type": "finding", "severity": "damage", "what": "record", "path": "directory/damaged", "vault_path": stored_path,
        "record": 1, "records": 2, "offset": 4200, "length": 8304, "reason": "authentication failed"
    });
    assert_eq!(out[0], wanted);
    let dry = check(&vault, &["--repair", "--dry-run"]).code(code::DAMAGE_FOUND);
    assert!(dry.out.contains("\nwould repair: /directory/damaged: "), "{}", dry.out);
    assert_eq!(entries(vault.path()), before);
    check(&vault, &["--repair"])
        .code(code::DAMAGE_FOUND)
        .says(&["plainview.lost+found"]);
    check(&vault, &[]).ok();
    assert!(vault.path().join("plainview.lost+found/1").join(stored_path).exists());
    let mounted = vault.mount(&[]);
    let names: Vec<_> = fs::read_dir(mounted.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names.len(), 3, "{names:?}");
    assert!(!mounted.path().join("directory/damaged").exists());
    assert_eq!(fs::read(mounted.path().join("directory/inner/whole")).unwrap(), noise(2, 10_000));
    mounted.unmount();
}

#[test]
fn a_vault_in_use_is_refused() {
    let vault = vault_with(|_| {});
    let mounted = vault.mount(&[]);
    check(&vault, &[]).code(code::IN_USE).says(&["in use by process"]);
    salvage(&vault, Path::new("directory/damaged"), &vault.scratch().path().join("out")).code(code::IN_USE);
    mounted.unmount();
    let mounted = vault.mount(&["--ro"]);
    check(&vault, &[]).ok();
    check(&vault, &["--repair", "--dry-run"]).ok();
    check(&vault, &["--repair"]).code(code::IN_USE);
    mounted.unmount();
}

#[test]
fn what_is_wrong_before_anything_is_looked_at_has_its_own_code() {
    let vault = vault_with(|_| {});
    let other = vault.scratch().file("other", b"no password\n", vault.owner());
    let with = |passfile: &Path, path: &Path| run(vault.plainview(vault.owner(), &["check", "--passfile"]).args([passfile, path]));
    with(&other, vault.path()).code(code::WRONG_PASSWORD);
    with(vault.passfile(), vault.scratch().path()).code(code::NOT_A_VAULT);
    check(&vault, &["--dry-run"]).code(code::USAGE);
    // Who has not looked at everything knows not what to do.
    check(&vault, &["--fast", "--repair"]).code(code::USAGE);
}

/// Without it there are no keys, so it is the only finding. That may be known at once, or when the password is.
#[test]
fn a_damaged_configuration_is_a_finding() {
    let vault = vault_with(|_| {});
    let path = vault.path().join("plainview.toml");
    let genuine = fs::read_to_string(&path).unwrap();
    let damaged = [
        genuine.replacen("format", "forMat", 1),
        genuine.replace("\"encrypted\"", "\"plain\""),
        String::new(),
    ];
    for text in damaged {
        assert_ne!(text, genuine);
        fs::write(&path, &text).unwrap();
        for args in [&[][..], &["--fast"], &["--repair"]] {
            let answer = check(&vault, args)
                .code(code::DAMAGE_FOUND)
                .says(&["plainview.toml", "put back a copy"]);
            let lines: Vec<_> = answer.out.lines().collect();
            assert_eq!(lines.len(), 2, "{lines:?}");
            assert_eq!(
                lines[0],
                "damage: /: plainview.toml: damaged or forged, so nothing else can be looked at"
            );
            assert!(
                lines[1].starts_with("0 files") && lines[1].contains(": 1 finding of damage"),
                "{lines:?}"
            );
        }
        let out = json(&check(&vault, &["--json"]).code(code::DAMAGE_FOUND).out);
        assert_eq!(out.len(), 2);
        let keys = ["type", "severity", "what", "path", "vault_path"].map(|key| out[0][key].as_str().unwrap());
        assert_eq!(keys, ["finding", "damage", "own-file", "", "plainview.toml"]);
        assert_eq!((&out[1]["type"], &out[1]["damage"]), (&"summary".into(), &1.into()));
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
        salvage(&vault, Path::new("link"), &vault.scratch().path().join("out")).code(code::DAMAGED);
    }
    fs::write(&path, genuine).unwrap();
    check(&vault, &[]).ok();
}

/// What a killed daemon leaves is what the next mount shows: no damage, and a check writes nothing of it.
#[test]
fn what_a_killed_daemon_left_is_no_damage() {
    let vault = vault_with(|_| {});
    let mounted = vault.mount(&[]);
    let file = File::options().write(true).open(mounted.path().join("directory/damaged")).unwrap();
    file.write_all_at(b"new bytes", 5000).unwrap();
    file.sync_all().unwrap();
    drop(file);
    fs::write(mounted.path().join("made"), noise(3, 50_000)).unwrap();
    mounted.kill();
    run_unmount(vault.plainview(vault.owner(), &["umount"]).arg(vault.point())).ok();
    let journal = vault.path().join("plainview.journal");
    assert!(journal.exists());
    let before = entries(vault.path());
    check(&vault, &[]).ok();
    check(&vault, &["--fast"]).ok();
    check(&vault, &["--repair", "--dry-run"]).ok();
    assert_eq!(entries(vault.path()), before);
    let out = vault.scratch().path().join("out");
    salvage(&vault, Path::new("directory/damaged"), &out).ok();
    let mut expected = noise(1, LEN);
    expected[5000..5009].copy_from_slice(b"new bytes");
    assert!(fs::read(&out).unwrap() == expected);
    check(&vault, &["--repair"]).ok();
    assert!(!journal.exists());
    let mounted = vault.mount(&[]);
    assert!(fs::read(mounted.path().join("directory/damaged")).unwrap() == expected);
    mounted.unmount();
}

#[test]
fn what_is_left_of_a_file_is_salvaged_from_wherever_it_is() {
    let vault = vault_with(|_| {});
    damage(&vault);
    let mut expected = noise(1, LEN);
    expected[4096..3 * 4096].fill(0);
    let beside = vault.scratch().path().join("copy");
    fs::copy(stored(&vault), &beside).unwrap();
    let in_vault = stored(&vault).strip_prefix(vault.path()).unwrap().to_owned();
    let before = entries(vault.path());
    for (number, file) in [
        Path::new("directory/damaged"),
        Path::new("/directory/damaged"),
        &in_vault,
        &beside,
        &stored(&vault),
    ]
    .into_iter()
    .enumerate()
    {
        let out = vault.scratch().path().join(format!("out {number}"));
        let map = vault.scratch().path().join(format!("out {number}.map"));
        let answer = salvage(&vault, file, &out).code(code::DAMAGE_FOUND);
        assert!(answer.out.starts_with("salvaged 12609 of 20801 bytes to "), "{}", answer.out);
        assert!(fs::read(&out).unwrap() == expected, "{}", file.display());
        assert_eq!(out.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let map_text = fs::read_to_string(&map).unwrap();
        assert!(
            map_text.ends_with("0x00000000  0x00001000  +\n0x00001000  0x00002000  -\n0x00003000  0x00002141  +\n"),
            "{map_text}"
        );
        // Neither is ever overwritten.
        salvage(&vault, file, &out).code(code::EXISTS);
        fs::remove_file(&out).unwrap();
        salvage(&vault, file, &out).code(code::EXISTS).says(&[".map is there already"]);
        assert!(!out.exists());
    }
    let out = vault.scratch().path().join("none");
    salvage(&vault, Path::new("directory"), &out).code(code::OTHER);
    salvage(&vault, Path::new("directory/nothing"), &out)
        .code(code::OTHER)
        .says(&["there is no file"]);
    assert!(!out.exists());
    assert_eq!(entries(vault.path()), before);
}

#[test]
fn names_reach_no_terminal_as_they_are() {
    let name = "red\x1b[31m\nfile";
    let vault = vault_with(|mounted| fs::write(mounted.path().join(name), noise(4, 50_000)).unwrap());
    let len = cipher_len(50_000);
    let (path, _) = entries(vault.path()).into_iter().find(|(_, (found, ..))| *found == len).unwrap();
    overwrite(&path, HEADER_LEN + 100, b"damaged");
    let answer = check(&vault, &[]).code(code::DAMAGE_FOUND);
    assert!(
        answer.out.starts_with("damage: /red\\x1b[31m\\x0afile: record 0, "),
        "{}",
        answer.out
    );
    assert_eq!(json(&check(&vault, &["--json"]).out)[0]["path"], name);
    // As it was printed it is found again.
    let out = vault.scratch().path().join("out");
    let answer = salvage(&vault, Path::new("/red\\x1b[31m\\x0afile"), &out).code(code::DAMAGE_FOUND);
    assert!(answer.out.starts_with("salvaged 45904 of 50000 bytes"), "{}", answer.out);
}

/// Far fewer descriptors than there are directories on the way.
#[test]
fn a_deep_tree_takes_few_descriptors() {
    let vault = vault_with(|mounted| {
        run(&mut mounted.shell("cd \"$MNT\"; for i in $(seq 300); do mkdir d e; cd d; done; echo end > end", &[])).ok();
    });
    let script = format!(
        "ulimit -n 160; exec {} check --passfile \"$1\" \"$2\"",
        env!("CARGO_BIN_EXE_plainview")
    );
    let out = run(&mut vault.owner().shell(&script, &[vault.passfile(), vault.path()])).ok();
    assert!(out.starts_with("4 files, 602 directories, "), "{out}");
}

/// What one may not read is no damage that anybody could repair, but nothing to be sure of either.
#[test]
fn what_may_not_be_read_is_told_and_left() {
    if !root_or_skip() {
        return;
    }
    let vault = Vault::new(Options::of(Who::User));
    let mounted = vault.mount(&[]);
    mounted.enter(|path| {
        fs::write(path.join("file"), "contents").unwrap();
        fs::create_dir(path.join("directory")).unwrap();
    });
    mounted.unmount();
    for path in entries(vault.path()).into_keys().filter(|path| !path.ends_with("plainview.toml")) {
        fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
    }
    for args in [&[][..], &["--repair"]] {
        let answer = check(&vault, args).code(code::DAMAGE_FOUND);
        assert_eq!(
            answer.out.lines().filter(|line| line.starts_with("unreadable: /")).count(),
            2,
            "{}",
            answer.out
        );
        assert!(!vault.path().join("plainview.lost+found").exists());
    }
    check_as(Who::Root, &vault, &[]).ok();
}
