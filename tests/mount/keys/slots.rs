//! Slots of each kind, added, used by every command that unlocks, and removed.

use super::*;
use crate::cli::code;
use crate::people::run_with_input;

#[test]
fn a_new_keyfile_opens_the_vault() {
    let vault = vault();
    let (path, name) = beside(&vault, "new.key");
    let told = add(&vault, &["--keyfile", &name, "--generate", "--label", "stick"]).ok();
    assert!(told.contains("Slot 2") && told.contains("Keep a copy"), "{told}");
    let key = fs::read(&path).unwrap();
    assert_eq!(key.len(), 64);
    mount_with(&vault, &["--keyfile", &name]).unmount();
    run(&mut on(&vault, &["check", "--keyfile", &name])).ok();
    assert_eq!(opens(&vault, &["--keyfile", &name]), Some(2));

    // Another file, or one more byte, is another key, and it is said which file was meant.
    for other in [[&key[..], b"\n"].concat(), vec![7; 64]] {
        fs::write(&path, other).unwrap();
        assert_eq!(opens(&vault, &["--keyfile", &name]), None);
        run(&mut on(&vault, &["check", "--keyfile", &name]))
            .code(code::WRONG_PASSWORD)
            .says(&["new.key is not a keyfile of"]);
    }
    fs::write(&path, b"").unwrap();
    run(&mut on(&vault, &["key", "test", "--keyfile", &name]))
        .code(code::OTHER)
        .says(&["0 bytes"]);
}

#[test]
fn any_file_can_be_a_keyfile() {
    let vault = vault();
    let (path, name) = beside(&vault, "photo.jpg");
    fs::write(&path, crate::corpus::noise(3, 3_000_000)).unwrap();
    add(&vault, &["--keyfile", &name]).ok();
    let out = vault.scratch().path().join("saved");
    let mounted = mount_with(&vault, &["--keyfile", &name]);
    fs::write(mounted.path().join("file"), b"contents").unwrap();
    mounted.unmount();
    run(on(&vault, &["salvage", "--keyfile", &name]).arg("file").arg(&out)).ok();
    assert_eq!(fs::read(&out).unwrap(), b"contents");
}

#[test]
fn what_is_no_good_keyfile_is_refused_before_the_password_is_asked_for() {
    let vault = vault();
    let before = config(&vault);
    let add = |args: &[&str]| {
        run(&mut on(
            &vault,
            &[&["key", "add", "--extpass", "touch /nonexistent/asked"], args].concat(),
        ))
    };
    let (_, missing) = beside(&vault, "missing");
    add(&["--keyfile", &missing])
        .code(code::OTHER)
        .says(&["there is no file", "--generate"]);
    let short = passfile(&vault, "short", "a password");
    add(&["--keyfile", &short]).code(code::OTHER).says(&["11 bytes, too few"]);
    let inside = text(&vault.path().join("key"));
    for args in [&["--keyfile", &inside][..], &["--keyfile", &inside, "--generate"]] {
        add(args).code(code::USAGE).says(&["lies in the vault"]);
    }
    add(&["--recovery", "--kdf-passes", "2"]).code(code::USAGE);
    let label = "x".repeat(257);
    add(&["--recovery", "--label", &label]).code(code::USAGE);
    assert_eq!(config(&vault), before);
    assert!(!Path::new(&inside).exists());
}

#[test]
fn a_keyfile_that_could_not_be_added_is_not_left() {
    let vault = vault();
    let (path, name) = beside(&vault, "new.key");
    let wrong = passfile(&vault, "wrong", "wrong");
    let args = ["key", "add", "--passfile", &wrong, "--keyfile", &name, "--generate"];
    run(&mut on(&vault, &args)).code(code::WRONG_PASSWORD);
    assert!(!path.exists());
    fs::write(&path, b"mine").unwrap();
    add(&vault, &["--keyfile", &name, "--generate"])
        .code(code::EXISTS)
        .says(&["is there already"]);
    assert_eq!(fs::read(&path).unwrap(), b"mine");
}

#[test]
fn a_recovery_key_opens_the_vault_however_it_is_typed() {
    let vault = vault();
    let out = add(&vault, &["--recovery"]).ok();
    let key = recovery_key(&out);
    assert!(out.contains("It is shown this once"), "{out}");
    assert!(!String::from_utf8(config(&vault)).unwrap().contains(&key));
    for typed in [
        key.clone(),
        key.to_lowercase(),
        key.replace('-', " "),
        key.replace('-', ""),
        key.replace('0', "O").replace('1', "l"),
    ] {
        run_with_input(&mut on(&vault, &["key", "test", "--recovery"]), typed.as_bytes()).ok();
    }
    let file = passfile(&vault, "recovery", &key);
    mount_with(&vault, &["--recovery", "--passfile", &file]).unmount();
    run(&mut on(&vault, &["check", "--recovery", "--extpass", &format!("cat {file}")])).ok();
    // Each is another one.
    assert_ne!(recovery_key(&add(&vault, &["--recovery"]).ok()), key);
}

#[test]
fn whoever_looks_without_mounting_may_have_any_key() {
    let vault = vault();
    let (_, keyfile) = beside(&vault, "key");
    add(&vault, &["--keyfile", &keyfile, "--generate"]).ok();
    let recovery = passfile(&vault, "recovery", &recovery_key(&add(&vault, &["--recovery"]).ok()));
    let source = vault.scratch().file("file", b"contents", Who::me());
    for (key, unlock) in [
        ("keyfile", &["--keyfile", &*keyfile][..]),
        ("recovery", &["--recovery", "--passfile", &recovery]),
    ] {
        let ran = |command: &str, paths: &[&Path]| run(on(&vault, &[&[command], unlock].concat()).args(paths));
        let (dir, out) = (Path::new(key), vault.scratch().dir(&format!("out of {key}"), Who::me()));
        let copied = Path::new(key).join("file");
        assert!(ran("import", &[&source, dir]).ok().starts_with("1 file, "), "{key}");
        assert_eq!(ran("ls", &[dir]).ok(), "file\n", "{key}");
        assert_eq!(ran("cat", &[&copied]).ok(), "contents", "{key}");
        assert!(ran("export", &[&copied, &out]).ok().starts_with("1 file, "), "{key}");
        assert_eq!(fs::read(out.join("file")).unwrap(), b"contents", "{key}");
        let place = ran("path", &[&copied]).ok();
        assert!(vault.path().join(place.trim_end()).is_file(), "{key}: {place}");
    }
    // It is the key that opens it: another one does not.
    let other = text(&vault.scratch().file("other", &[7; 64], Who::me()));
    let typed = passfile(&vault, "typed", "40GJ4-48S49-4MK2P-EA193-58NJY-RB9E8-5WR3K-2CHKA");
    let out = vault.scratch().path().join("none");
    for unlock in [&["--keyfile", &*other][..], &["--recovery", "--passfile", &typed]] {
        let file = Path::new("keyfile/file");
        let commands: [(&str, &[&Path]); 5] = [
            ("ls", &[]),
            ("cat", &[file]),
            ("export", &[file, &out]),
            ("import", &[&source, Path::new("/")]),
            ("path", &[file]),
        ];
        for (command, paths) in commands {
            run(on(&vault, &[&[command], unlock].concat()).args(paths)).code(code::WRONG_PASSWORD);
        }
    }
    assert!(!out.exists());
}

#[test]
fn a_slip_in_a_recovery_key_is_told_by_its_group() {
    let vault = vault();
    let key = recovery_key(&add(&vault, &["--recovery"]).ok());
    let groups: Vec<&str> = key.split('-').collect();
    let typed_instead = |group: usize, typed: &str| {
        let mut groups = groups.clone();
        groups[group - 1] = typed;
        groups.join("-")
    };
    let slip = |group: &str| {
        let other = if group.starts_with('7') { "8" } else { "7" };
        format!("{other}{}", &group[1..])
    };
    for (typed, said) in [
        (typed_instead(3, &slip(groups[2])), "group 3 is mistyped"),
        (typed_instead(8, &slip(groups[7])), "group 8 is mistyped"),
        (typed_instead(5, &groups[4][1..]), "group 5 has 4 characters"),
        (typed_instead(1, "AB?DE"), "group 1 has a character"),
        (groups[..7].join("-"), "group 8"),
        ("40GJ4-48S49-4MK2P-EA193-58NJY-RB9E8-5WR3K-2CHKA".to_owned(), "wrong recovery key"),
    ] {
        run_with_input(&mut on(&vault, &["key", "test", "--recovery"]), typed.as_bytes())
            .code(code::WRONG_PASSWORD)
            .says(&[said]);
    }
}

#[test]
fn init_makes_a_recovery_key() {
    let vault = vault();
    let (path, _) = beside(&vault, "another");
    let mut init = vault.plainview(Who::me(), &[&["init", "--recovery-key"][..], &CHEAP].concat());
    let out = run(init.arg("--passfile").args([vault.passfile(), &path])).ok();
    let key = recovery_key(&out);
    let test = |args: &[&str], input: &str| {
        let mut test = vault.plainview(Who::me(), &[&["key", "test"], args].concat());
        run_with_input(test.arg(&path), input.as_bytes()).ok()
    };
    assert!(test(&["--recovery"], &key).starts_with("slot 2  recovery"));
    assert!(test(&["--passfile", vault.passfile().to_str().unwrap()], "").starts_with("slot 1  password"));
}

#[test]
fn slots_are_listed_without_a_password() {
    let vault = vault();
    let (_, name) = beside(&vault, "key");
    add(&vault, &["--keyfile", &name, "--generate", "--label", "the blue stick"]).ok();
    add(&vault, &["--recovery"]).ok();
    let listed = run(&mut on(&vault, &["key", "list"])).ok();
    let expected = "slot 1  password: Argon2id, 8 MiB, 1 pass, 4 lanes\nslot 2  keyfile \"the blue stick\"\nslot 3  recovery\n";
    assert_eq!(listed, expected);
    let json = run(&mut on(&vault, &["key", "list", "--json"])).ok();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json[1], serde_json::json!({"id": 2, "kind": "keyfile", "label": "the blue stick"}));
    assert_eq!(json[0]["memory_kib"], 8192);
    assert_eq!(json.as_array().unwrap().len(), 3);
}

#[test]
fn the_last_slot_stays_and_old_copies_are_warned_of() {
    let vault = vault();
    let old = config(&vault);
    let pass = vault.passfile().to_str().unwrap();
    let remove = |slot: &str| run(on(&vault, &["key", "remove", "--passfile", pass]).arg(slot));
    remove("1").code(code::OTHER).says(&["the last one", "plainview key add"]);
    remove("2").code(code::OTHER).says(&["there is no slot 2"]);
    assert_eq!(config(&vault), old);

    let (_, key) = beside(&vault, "key");
    add(&vault, &["--keyfile", &key, "--generate"]).ok();
    let told = remove("1").ok();
    assert!(told.contains("Removed slot 1") && told.contains(OLD_COPIES), "{told}");
    run(&mut on(&vault, &["check", "--passfile", pass]))
        .code(code::WRONG_PASSWORD)
        .says(&["is opened by a password", "plainview key list"]);
    run(on(&vault, &["key", "remove", "--keyfile", &key]).arg("2"))
        .code(code::OTHER)
        .says(&["the last one"]);
    mount_with(&vault, &["--keyfile", &key]).unmount();

    // It is as it was said: the old file and the old password open it.
    fs::write(vault.path().join("plainview.toml"), old).unwrap();
    vault.mount(&[]).unmount();
}

#[test]
fn keyfiles_and_recovery_keys_open_no_recipe_folder() {
    let vault = vault();
    for args in [&["--keyfile", "k"][..], &["--recovery"]] {
        let mut mount = vault.plainview(Who::me(), &[&["mount", "--recipe"], args].concat());
        run(mount.args([vault.scratch().path(), vault.point()]))
            .code(code::USAGE)
            .says(&["a recipe folder"]);
    }
}

#[test]
fn a_vault_can_be_full_of_slots() {
    let vault = vault();
    let (_, key) = beside(&vault, "key");
    add(&vault, &["--keyfile", &key, "--generate"]).ok();
    let add = || run(&mut on(&vault, &["key", "add", "--recovery", "--unlock-keyfile", &key]));
    for _ in 2..64 {
        add().ok();
    }
    let before = config(&vault);
    add().code(code::OTHER).says(&["there is no room", "plainview key remove"]);
    assert_eq!(config(&vault), before);
    run(on(&vault, &["key", "remove", "--keyfile", &key]).arg("30")).ok();
    let recovery = recovery_key(&add().ok());
    run_with_input(&mut on(&vault, &["key", "test", "--recovery"]), recovery.as_bytes()).ok();
    vault.mount(&[]).unmount();
}
