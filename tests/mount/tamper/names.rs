//! Names and directory ids.

use super::change::{beside, changed, errno, file_name, flipped, listed, vault_with};
use super::live::made_in;
use super::{SECRET, random, unmount_and_check_log};
use rustix::io::Errno;
use std::collections::BTreeSet;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

#[test]
fn a_changed_name_is_hidden() {
    let name = format!("{SECRET}-name");
    let mut stored = PathBuf::new();
    let vault = vault_with(|mounted| {
        stored = made_in(mounted.vault_path(), || {
            std::fs::write(mounted.path().join(&name), "contents").unwrap()
        });
    });
    let own = file_name(&stored);
    let mut others: Vec<_> = (0..own.len()).flat_map(|at| flipped(own, at)).collect();
    others.extend([
        own[1..].to_vec(),
        own[..own.len() - 1].to_vec(),
        own[..4].to_vec(),
        [own, b"A"].concat(),
        [own, b"="].concat(),
    ]);
    others.extend([
        own.to_ascii_lowercase(),
        own.to_ascii_uppercase(),
        [b".", own].concat(),
        b"plainview.nonsense".to_vec(),
        b"\xff\xfe".to_vec(),
    ]);
    others
        .iter()
        .for_each(|other| std::fs::hard_link(&stored, beside(&stored, other)).unwrap());
    let mounted = vault.mount(&[]);
    assert_eq!(listed(mounted.path()), BTreeSet::from([name.clone()]));
    assert_eq!(std::fs::read_to_string(mounted.path().join(&name)).unwrap(), "contents");
    // What begins with our prefix is ours and stands for nothing; what is no UTF-8 cannot be searched for in a log that is.
    let told: Vec<_> = others
        .iter()
        .filter_map(|other| std::str::from_utf8(other).ok())
        .filter(|other| !other.starts_with("plainview."))
        .collect();
    unmount_and_check_log(mounted, &["not shown: "], told);
}

#[test]
fn an_entry_in_another_directory_is_hidden() {
    let long = format!("{SECRET}-{}", "l".repeat(200));
    let mut moved = vec![];
    let mut target = PathBuf::new();
    let vault = vault_with(|mounted| {
        let (root, disk) = (mounted.path(), mounted.vault_path());
        target = made_in(disk, || std::fs::create_dir(root.join("target")).unwrap());
        moved.push(made_in(disk, || std::fs::write(root.join("file"), "contents").unwrap()));
        moved.push(made_in(disk, || std::fs::write(root.join(&long), "contents").unwrap()));
        moved.push(made_in(disk, || symlink("file", root.join("link")).unwrap()));
        moved.push(made_in(disk, || std::fs::create_dir(root.join("directory")).unwrap()));
        std::fs::write(root.join("directory/inside"), "").unwrap();
    });
    for path in &moved {
        std::fs::rename(path, target.join(path.file_name().unwrap())).unwrap();
    }
    // The long name's own file, too.
    for entry in std::fs::read_dir(vault.path()).unwrap().map(|entry| entry.unwrap().path()) {
        if file_name(&entry).starts_with(b"plainview.name.") {
            std::fs::rename(&entry, target.join(entry.file_name().unwrap())).unwrap();
        }
    }
    let mounted = vault.mount(&[]);
    assert_eq!(listed(mounted.path()), BTreeSet::from(["target".to_owned()]));
    assert_eq!(listed(&mounted.path().join("target")), BTreeSet::new());
    for name in [
        "file",
        &long,
        "link",
        "directory",
        "directory/inside",
        "target/file",
        "target/link",
        "target/directory",
    ] {
        assert_eq!(
            errno(std::fs::symlink_metadata(mounted.path().join(name))),
            Some(Errno::NOENT),
            "{name}"
        );
    }
    let told: Vec<_> = moved.iter().map(|path| path.file_name().unwrap().to_str().unwrap()).collect();
    unmount_and_check_log(mounted, &["not shown: "], told);
}

#[test]
fn a_changed_long_name_is_hidden() {
    let (seed, mut rng) = random();
    let name = |number: usize| format!("{number:04}-{SECRET}-{}", "l".repeat(180));
    let name_file = |entry: &Path| {
        beside(
            entry,
            &file_name(entry)
                .to_vec()
                .strip_prefix(b"plainview.long.")
                .map(|hash| [b"plainview.name.", hash].concat())
                .unwrap(),
        )
    };
    let mut entries = vec![];
    let vault = vault_with(|mounted| {
        let make = |number| {
            made_in(mounted.vault_path(), || {
                std::fs::write(mounted.path().join(name(number)), "contents").unwrap()
            })
        };
        entries.push(make(0));
        let variants = changed(&std::fs::read(name_file(&entries[0])).unwrap(), &mut rng).len();
        entries.extend((1..variants + 3).map(make));
    });
    // The first stays, the second has no name file, the third that of the first, the others a changed one.
    std::fs::remove_file(name_file(&entries[1])).unwrap();
    std::fs::copy(name_file(&entries[0]), name_file(&entries[2])).unwrap();
    for (number, entry) in entries.iter().enumerate().skip(3) {
        let variants = changed(&std::fs::read(name_file(entry)).unwrap(), &mut rng);
        std::fs::write(name_file(entry), &variants[number - 3]).unwrap();
    }
    // Other entries with the first one's file.
    let hash = file_name(&entries[0]).len() - 32;
    for at in hash..hash + 32 {
        let alias = [
            &file_name(&entries[0])[..hash],
            &flipped(&file_name(&entries[0])[hash..], at - hash)[0],
        ]
        .concat();
        std::fs::hard_link(&entries[0], beside(&entries[0], &alias)).unwrap();
        entries.push(beside(&entries[0], &alias));
    }
    let mounted = vault.mount(&[]);
    assert_eq!(listed(mounted.path()), BTreeSet::from([name(0)]), "PLAINVIEW_TEST_SEED={seed}");
    assert_eq!(std::fs::read_to_string(mounted.path().join(name(0))).unwrap(), "contents");
    unmount_and_check_log(
        mounted,
        &["not shown: "],
        entries.iter().skip(1).map(|entry| entry.file_name().unwrap().to_str().unwrap()),
    );
}

#[test]
fn a_changed_directory_id_is_damage() {
    let (seed, mut rng) = random();
    const ID: &str = "plainview.dirid";
    let variants = changed(&[0; 32], &mut rng).len();
    let mut stored = vec![];
    let vault = vault_with(|mounted| {
        for number in 0..variants + 4 {
            let path = mounted.path().join(format!("{SECRET}-{number}"));
            // Under one name they would all have the same id.
            let new = mounted.path().join(format!("new-{number}"));
            std::fs::create_dir(&new).unwrap();
            std::fs::write(new.join("file"), number.to_string()).unwrap();
            stored.push(made_in(mounted.vault_path(), || std::fs::rename(&new, &path).unwrap()));
        }
    });
    // Two directories' ids exchanged, one removed, and one left as it is.
    let ids: Vec<_> = stored.iter().map(|dir| std::fs::read(dir.join(ID)).unwrap()).collect();
    for (dir, id) in stored[variants..].iter().zip([&ids[variants + 1], &ids[variants]]) {
        std::fs::write(dir.join(ID), id).unwrap();
    }
    std::fs::remove_file(stored[variants + 2].join(ID)).unwrap();
    for (number, dir) in stored[..variants].iter().enumerate() {
        std::fs::write(dir.join(ID), &changed(&ids[number], &mut rng)[number]).unwrap();
    }
    let mounted = vault.mount(&[]);
    let path = |number: usize| mounted.path().join(format!("{SECRET}-{number}"));
    for number in 0..variants {
        let what = format!("PLAINVIEW_TEST_SEED={seed}: variant {number}");
        assert_eq!(
            errno(std::fs::read_dir(path(number)).and_then(|mut dir| dir.next().transpose())),
            Some(Errno::IO),
            "{what}"
        );
        assert_eq!(errno(std::fs::read(path(number).join("file"))), Some(Errno::IO), "{what}");
        assert_eq!(errno(std::fs::write(path(number).join("new"), "")), Some(Errno::IO), "{what}");
    }
    for number in variants..variants + 3 {
        assert_eq!(listed(&path(number)), BTreeSet::new(), "{number}");
        assert_eq!(errno(std::fs::read(path(number).join("file"))), Some(Errno::NOENT), "{number}");
    }
    assert_eq!(
        std::fs::read_to_string(path(variants + 3).join("file")).unwrap(),
        (variants + 3).to_string()
    );
    let damaged: Vec<_> = stored[..variants]
        .iter()
        .map(|dir| format!("damaged: {}: {ID}", dir.display()))
        .collect();
    let hidden: Vec<_> = stored[variants..variants + 3]
        .iter()
        .map(|dir| format!("not shown: {}/", dir.display()))
        .collect();
    let told: Vec<_> = damaged.iter().chain(&hidden).map(String::as_str).collect();
    unmount_and_check_log(mounted, &[ID, "not shown: ", "damaged: "], told);
}
