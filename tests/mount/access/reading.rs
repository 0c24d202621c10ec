//! ls and cat.

use super::{answer, command, imported, plain};
use crate::corpus::{fill, noise};
use crate::people::{Who, run};
use data_encoding::BASE64;
use rustix::fs::{FileType, XattrFlags};
use serde_json::Value;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

fn bytes(line: &Value, key: &str) -> Vec<u8> {
    match line.get(format!("{key}_base64")).and_then(Value::as_str) {
        Some(base64) => BASE64.decode(base64.as_bytes()).unwrap(),
        None => line[key].as_str().unwrap_or_default().as_bytes().to_vec(),
    }
}

/// What is said of an entry, and what is so.
fn assert_line(line: &Value, path: &Path) {
    let meta = path.symlink_metadata().unwrap();
    let kinds = [
        (FileType::RegularFile, "file"),
        (FileType::Directory, "directory"),
        (FileType::Symlink, "symlink"),
    ];
    let is_kind = |(kind, _): &&(FileType, &str)| *kind == FileType::from_raw_mode(meta.mode());
    let (_, kind) = *kinds.iter().find(is_kind).unwrap();
    assert_eq!(line["kind"], kind, "{path:?}");
    assert_eq!(line["mode"], format!("{:04o}", meta.mode() & 0o7777), "{path:?}");
    assert_eq!((&line["uid"], &line["gid"]), (&meta.uid().into(), &meta.gid().into()), "{path:?}");
    let modified = (&line["mtime"], &line["mtime_nsec"]);
    assert_eq!(modified, (&meta.mtime().into(), &meta.mtime_nsec().into()), "{path:?}");
    if kind != "directory" {
        assert_eq!(
            (&line["size"], &line["links"]),
            (&meta.len().into(), &meta.nlink().into()),
            "{path:?}"
        );
    }
    let target = fs::read_link(path)
        .map(|target| target.into_os_string().into_vec())
        .unwrap_or_default();
    assert_eq!(bytes(line, "target"), target, "{path:?}");
}

#[test]
fn ls_tells_programs_everything() {
    let (vault, original) = imported(Who::me(), fill);
    let said = answer(&vault, &["ls", "--json", "-R"], &[]).ok();
    let mut lines: BTreeMap<PathBuf, Value> = BTreeMap::new();
    for line in said.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()) {
        let path = PathBuf::from(OsString::from_vec(bytes(&line, "path")));
        assert!(lines.insert(path.strip_prefix("/").unwrap().to_owned(), line).is_none());
    }
    let mut pending = vec![original.clone()];
    while let Some(dir) = pending.pop() {
        for path in fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()) {
            let line = lines.remove(path.strip_prefix(&original).unwrap());
            assert_line(&line.unwrap_or_else(|| panic!("{path:?} is missing")), &path);
            if path.is_dir() && !path.is_symlink() {
                pending.push(path);
            }
        }
    }
    assert!(lines.is_empty(), "{:?}", lines.keys());
}

#[test]
fn ls_lists_in_order() {
    let (vault, _) = imported(Who::me(), |dir| {
        for name in ["b", ".a", "d", "d/e"] {
            fs::create_dir(dir.join(name)).unwrap();
        }
        fs::write(dir.join("c"), noise(1, 12345)).unwrap();
        fs::set_permissions(dir.join("c"), PermissionsExt::from_mode(0o640)).unwrap();
        let modified = std::time::UNIX_EPOCH + std::time::Duration::from_secs(951_782_399);
        File::options()
            .write(true)
            .open(dir.join("c"))
            .unwrap()
            .set_modified(modified)
            .unwrap();
        symlink("c", dir.join("link")).unwrap();
        fs::write(dir.join("esc\x1b[31m\n"), "").unwrap();
    });
    let root = answer(&vault, &["ls", "-a"], &[]).ok();
    assert_eq!(root, ".a\nb\nc\nd\nesc\x1b[31m\n\nlink\n");
    assert_eq!(
        answer(&vault, &["ls", "-R"], &[plain("d"), plain("c")]).ok(),
        "/c\n\n/d:\ne\n\n/d/e:\n"
    );
    let long = answer(&vault, &["ls", "-l"], &[]).ok();
    let me = format!("{} {}", Who::me().uid(), Who::me().gid());
    let row = |name: &str| long.lines().find(|line| line.ends_with(name)).unwrap().to_owned();
    let squeezed = |line: String| line.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(squeezed(row(" c")), format!("-rw-r----- 1 {me} 12345 2000-02-28 23:59:59 c"));
    assert!(row("link -> c").starts_with("lrwxrwxrwx"), "{long}");
    answer(&vault, &["ls"], &[plain("none"), plain("c")])
        .code(1)
        .says(&["/none: there is no such"]);
    // At a terminal nothing is sent that it would obey.
    let listing = format!("{:?}", command(&vault, &["ls", "-l"], &[])).replace("cd \"/\" && ", "");
    let shown = run(Who::me().command("script").args(["-qec", &listing, "/dev/null"])).ok();
    assert!(shown.contains("esc\\x1b[31m\\x0a") && !shown.contains('\x1b'), "{shown:?}");
}

#[test]
fn cat_prints_bytes_whatever_the_size() {
    let (vault, original) = imported(Who::me(), |dir| {
        fs::write(dir.join("a"), noise(1, 3 << 20)).unwrap();
        fs::write(dir.join("b"), b"\xff\0text").unwrap();
        symlink("b", dir.join("link")).unwrap();
        let large = File::create(dir.join("large")).unwrap();
        large.set_len(600 << 20).unwrap();
        large.write_all_at(b"in the middle", 300 << 20).unwrap();
    });
    let cat = |paths: &str| {
        let command = format!("{:?}", command(&vault, &["cat"], &[])).replace("cd \"/\" && ", "");
        format!("{command} {paths}")
    };
    let shell = |script: &str| run(&mut vault.owner().shell(script, &[&original]));
    shell(&format!("{} | cmp - <(cat $1/a $1/b $1/b)", cat("a link /b"))).ok();
    // Far less memory than the file has bytes.
    shell(&format!("ulimit -v 400000; {} | cmp - $1/large", cat("large"))).ok();
    let said = shell(&format!("{} | head -c 5 | wc -c", cat("large a")));
    assert_eq!((said.code, said.out.trim(), &*said.err), (0, "5", ""));
    let said = answer(&vault, &["cat"], &[plain("none"), plain("b"), plain("/")]).code(1);
    assert!(said.out.ends_with("text"));
    said.says(&["/none: there is no such", "/: only regular files"]);
    let full = shell(&format!("{} > /dev/full", cat("a"))).code(1);
    full.says(&["cannot write to standard output"]);
}

/// The largest file below a directory.
fn largest(dir: &Path) -> PathBuf {
    let (mut all, mut pending) = (Vec::new(), vec![dir.to_owned()]);
    while let Some(at) = pending.pop() {
        for path in fs::read_dir(at).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                pending.push(path);
            } else {
                all.push(path);
            }
        }
    }
    all.into_iter().max_by_key(|path| fs::metadata(path).unwrap().len()).unwrap()
}

#[test]
fn what_is_damaged_is_told_and_the_rest_goes_on() {
    let (vault, _) = imported(Who::me(), |dir| {
        fs::create_dir(dir.join("d")).unwrap();
        fs::write(dir.join("d/damaged"), noise(1, 3 << 20)).unwrap();
        fs::write(dir.join("d/whole"), "whole").unwrap();
        fs::write(dir.join("attributes"), "with").unwrap();
        rustix::fs::setxattr(dir.join("attributes"), "user.x", b"y", XattrFlags::CREATE).unwrap();
    });
    let stored = File::options().write(true).open(largest(vault.path())).unwrap();
    stored.write_all_at(b"damage", 2 << 20).unwrap();
    let said = answer(&vault, &["cat"], &[plain("d/damaged"), plain("d/whole")]).code(26);
    assert!(said.out.ends_with("whole"));
    said.says(&["/d/damaged: cannot be looked at: ", "plainview salvage"]);
    let out = vault.scratch().dir("out", Who::me());
    for _ in 0..2 {
        let said = answer(&vault, &["export"], &[plain("/"), &out]).code(26);
        assert!(said.out.ends_with(" 0 conflicts, 1 failed\n"), "{said:?}");
        said.says(&["/d/damaged: cannot be read: ", "plainview salvage"]);
        assert_eq!(fs::read(out.join("d/whole")).unwrap(), b"whole");
        assert!(!out.join("d/damaged").exists());
        assert_eq!(fs::read_dir(out.join("d")).unwrap().count(), 1);
    }
    let names: Vec<_> = answer(&vault, &["ls"], &[plain("d")]).ok().lines().map(str::to_owned).collect();
    assert_eq!(names, ["damaged", "whole"]);
}
