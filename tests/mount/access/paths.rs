//! Where a file lies in the vault, and back.

use super::{answer, command, imported, plain};
use crate::corpus::fill;
use crate::harness::{Names, Options, Vault};
use crate::people::{Who, run};
use serde_json::Value;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Every path below `dir`, from there on.
fn all(dir: &Path) -> Vec<PathBuf> {
    let (mut all, mut pending) = (Vec::new(), vec![dir.to_owned()]);
    while let Some(at) = pending.pop() {
        for entry in fs::read_dir(at).unwrap().map(|entry| entry.unwrap()) {
            all.push(entry.path().strip_prefix(dir).unwrap().to_owned());
            if entry.file_type().unwrap().is_dir() {
                pending.push(entry.path());
            }
        }
    }
    all
}

#[test]
fn every_path_has_its_place_and_back() {
    let (vault, original) = imported(Who::me(), fill);
    let paths = all(&original);
    let slices: Vec<&Path> = paths.iter().map(PathBuf::as_path).collect();
    let said = answer(&vault, &["path"], &slices).ok();
    let places: Vec<&Path> = said.lines().map(Path::new).collect();
    assert_eq!(places.len(), paths.len());
    for (path, place) in paths.iter().zip(&places) {
        let (one, other) = (original.join(path), vault.path().join(place));
        let kind = |path: &Path| path.symlink_metadata().unwrap().file_type();
        assert_eq!(kind(&one), kind(&other), "{path:?}");
    }
    assert!(said.contains("plainview.long."));
    let back = answer(&vault, &["path", "--reverse", "--json"], &places).ok();
    for (path, line) in paths.iter().zip(back.lines()) {
        let line: Value = serde_json::from_str(line).unwrap();
        let shown = [b"/", path.as_os_str().as_bytes()].concat();
        assert_eq!(line["path"], String::from_utf8_lossy(&shown).as_ref());
        assert_eq!(line.get("path_base64").is_some(), std::str::from_utf8(&shown).is_err());
    }
    assert_eq!(back.lines().count(), paths.len());
}

#[test]
fn a_place_never_looks_like_an_option() {
    // A stored name begins with one of 64 characters, of which `-` is one: of a thousand, all but never none does.
    let names: Vec<String> = (0..1000).map(|number| number.to_string()).collect();
    let (vault, _) = imported(Who::me(), |dir| {
        for name in &names {
            fs::write(dir.join(name), "").unwrap();
        }
    });
    let paths: Vec<&Path> = names.iter().map(|name| plain(name)).collect();
    let said = answer(&vault, &["path"], &paths).ok();
    assert!(said.lines().any(|line| line.starts_with("./-")));
    let places: Vec<&Path> = said.lines().map(Path::new).collect();
    let back = answer(&vault, &["path", "--reverse"], &places).ok();
    assert!(back.lines().map(|line| &line[1..]).eq(names.iter()));
}

#[test]
fn paths_may_be_given_in_several_ways() {
    let (vault, _) = imported(Who::me(), |dir| {
        fs::create_dir(dir.join("d")).unwrap();
        fs::write(dir.join("d").join("n".repeat(240)), "").unwrap();
        std::os::unix::fs::symlink("d", dir.join("link")).unwrap();
        std::os::unix::fs::symlink("../elsewhere", dir.join("out")).unwrap();
    });
    let long = format!("d/{}", "n".repeat(240));
    let place = answer(&vault, &["path"], &[plain(&long)]).ok();
    for same in [format!("/{long}"), format!("./d//../{long}"), long.replacen('d', "link", 1)] {
        assert_eq!(answer(&vault, &["path"], &[plain(&same)]).ok(), place, "{same}");
    }
    let place = Path::new(place.trim_end());
    assert!(vault.path().join(place).exists());
    let beside = place.to_str().unwrap().replace("plainview.long.", "plainview.name.");
    assert!(vault.path().join(&beside).exists());
    let link = vault.scratch().path().join("link to the vault");
    std::os::unix::fs::symlink(vault.path(), &link).unwrap();
    let ways = [
        place.to_owned(),
        vault.path().join(place),
        PathBuf::from(&beside),
        vault.path().join(&beside),
        link.join(place),
    ];
    for way in ways {
        let said = answer(&vault, &["path", "--reverse"], &[&way]).ok();
        assert_eq!(said, format!("/{long}\n"), "{}", way.display());
    }
    // From where the vault is, by its own name.
    let mut near = command(&vault, &["path", "--reverse"], &[]);
    let mut relative = vault.plainview(Who::me(), &["path", "--reverse", "--passfile"]);
    relative.arg(vault.passfile()).arg("vault").arg(Path::new("vault").join(place));
    assert_eq!(run(relative.current_dir(vault.scratch().path())).ok(), format!("/{long}\n"));
    assert_eq!(run(near.arg(vault.path())).ok(), "/\n");
    assert_eq!(answer(&vault, &["path"], &[plain("/")]).ok(), ".\n");
}

#[test]
fn what_is_not_there_is_said() {
    let (vault, _) = imported(Who::me(), |dir| {
        fs::write(dir.join("file"), "").unwrap();
        std::os::unix::fs::symlink("/etc", dir.join("out")).unwrap();
        std::os::unix::fs::symlink("loop", dir.join("loop")).unwrap();
    });
    let said = answer(&vault, &["path"], &[plain("none"), plain("file"), plain("file/below")]).code(1);
    assert_eq!(said.out.lines().count(), 1);
    said.says(&[
        "/none: there is no such file or directory",
        "/file/below: something on the way there is not a directory",
    ]);
    answer(&vault, &["path"], &[plain("out/passwd")])
        .code(1)
        .says(&["leads out of the vault"]);
    answer(&vault, &["path"], &[plain("loop/x")]).code(1).says(&["too many symlinks"]);
    let cases = [
        ("nothing", "or its name does not decode"),
        ("plainview.toml", "plainview's own"),
        ("/etc/passwd", "does not lie in"),
    ];
    for (path, word) in cases {
        answer(&vault, &["path", "--reverse"], &[plain(path)]).code(1).says(&[path, word]);
    }
}

#[test]
fn in_a_vault_with_plain_names_they_are_the_same() {
    let vault = Vault::new(Options {
        names: Names::Plain,
        ..Options::default()
    });
    let file = vault.scratch().file("file", b"text", Who::me());
    answer(&vault, &["import"], &[&file, plain("here")]).ok();
    assert_eq!(answer(&vault, &["path"], &[plain("here/file")]).ok(), "here/file\n");
    assert_eq!(answer(&vault, &["path", "--reverse"], &[plain("here/file")]).ok(), "/here/file\n");
}
