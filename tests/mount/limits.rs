//! Many, long and odd: names of every byte and length, more files than descriptors, many threads at once.

use crate::corpus::noise;
use crate::harness::{Mounted, Names, Options, PATIENCE, Vault, errno};
use crate::people::{Who, run, start};
use crate::tree::Tree;
use rustix::io::Errno;
use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Stdio;
use std::time::Instant;

/// Names with every byte that a name may have, and of every length.
fn all_names() -> BTreeSet<OsString> {
    let bytes = (1..=255_u8).filter(|byte| *byte != b'/');
    let alone = bytes.clone().filter(|byte| *byte != b'.').map(|byte| vec![byte]);
    let inside = bytes.map(|byte| vec![b'a', byte, b'z']);
    let long = (1..=255).map(noise_name);
    let all: BTreeSet<_> = alone.chain(inside).chain(long).map(OsString::from_vec).collect();
    assert!(all.len() > 750);
    all
}

/// A name of `len` bytes, mostly not text.
fn noise_name(len: usize) -> Vec<u8> {
    let mut name = noise(u64::try_from(len).unwrap(), len);
    name.iter_mut()
        .filter(|byte| **byte == 0 || **byte == b'/' || **byte == b'.')
        .for_each(|byte| *byte = b'x');
    name
}

fn list(dir: &Path) -> BTreeSet<OsString> {
    fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name()).collect()
}

fn names_of_every_kind(names: Names) {
    let all = all_names();
    let vault = Vault::new(Options {
        names,
        ..Options::default()
    });
    let mounted = vault.mount(&[]);
    let (files, dirs) = (mounted.path().join("files"), mounted.path().join("dirs"));
    fs::create_dir(&files).unwrap();
    fs::create_dir(&dirs).unwrap();
    for name in &all {
        fs::write(files.join(name), name.as_bytes()).unwrap();
        fs::create_dir(dirs.join(name)).unwrap();
    }
    assert!(list(&files) == all && list(&dirs) == all);
    let too_long = "n".repeat(256);
    assert_eq!(errno(fs::write(files.join(&too_long), b"")), Some(Errno::NAMETOOLONG));
    assert_eq!(errno(fs::create_dir(files.join(&too_long))), Some(Errno::NAMETOOLONG));
    assert_eq!(errno(fs::metadata(files.join(&too_long))), Some(Errno::NAMETOOLONG));
    mounted.unmount();

    let mounted = vault.mount(&[]);
    assert!(list(&files) == all && list(&dirs) == all);
    // Each name moves one on, from file to file and from directory to directory, and back.
    let ring: Vec<&OsStr> = all.iter().map(OsString::as_os_str).collect();
    for dir in [&files, &dirs] {
        fs::rename(dir.join(ring[0]), mounted.path().join("aside")).unwrap();
        for pair in ring.windows(2) {
            fs::rename(dir.join(pair[1]), dir.join(pair[0])).unwrap();
        }
        fs::rename(mounted.path().join("aside"), dir.join(ring[ring.len() - 1])).unwrap();
    }
    for pair in ring.windows(2) {
        assert_eq!(fs::read(files.join(pair[0])).unwrap(), pair[1].as_bytes());
    }
    assert!(list(&files) == all && list(&dirs) == all);
    for name in &all {
        fs::remove_file(files.join(name)).unwrap();
        fs::remove_dir(dirs.join(name)).unwrap();
    }
    fs::remove_dir(files).unwrap();
    fs::remove_dir(dirs).unwrap();
    mounted.unmount();
    assert_eq!(
        list(vault.path()),
        BTreeSet::from([OsString::from("plainview.toml")]),
        "nothing is left behind"
    );
}

#[test]
fn names_of_every_kind_encrypted() {
    names_of_every_kind(Names::Encrypted);
}

#[test]
fn names_of_every_kind_plain() {
    names_of_every_kind(Names::Plain);
}

#[test]
fn plain_names_leave_ours_alone() {
    let vault = Vault::new(Options {
        names: Names::Plain,
        ..Options::default()
    });
    let mounted = vault.mount(&[]);
    let path = mounted.path();
    for name in ["plainview.toml", "plainview.lock", "plainview.x"] {
        assert!(fs::write(path.join(name), b"").is_err() && fs::create_dir(path.join(name)).is_err());
        assert_eq!(errno(fs::metadata(path.join(name))), Some(Errno::NOENT));
    }
    assert!(list(path).is_empty());
    fs::write(path.join("plainvie"), b"contents").unwrap();
    assert!(fs::rename(path.join("plainvie"), path.join("plainview.toml")).is_err());
    assert!(vault.path().join("plainvie").exists());
    mounted.unmount();
}

/// A mount of `vault` whose daemon may open no more than `limit` descriptors.
fn with_descriptor_limit<'v>(vault: &'v Vault, limit: u32) -> Mounted<'v> {
    let plain = vault.mount_command(Who::me(), &["-f"]);
    let mut limited = Who::me().command("prlimit");
    limited
        .arg(format!("--nofile={limit}:{limit}"))
        .arg(plain.get_program())
        .args(plain.get_args());
    vault.mount_by(Who::me(), limited)
}

#[test]
fn thousands_of_open_files_take_few_descriptors() {
    let vault = Vault::new(Options::default());
    let mounted = with_descriptor_limit(&vault, 1024);
    let path = mounted.path();
    for dir in 0..50 {
        fs::create_dir(path.join(format!("{dir}"))).unwrap();
        for file in 0..100 {
            fs::write(path.join(format!("{dir}/{file}")), format!("{dir} {file}")).unwrap();
        }
    }
    assert_eq!(Tree::of(path).len(), 5051);
    let few = |what: &str| {
        let open = mounted.descriptors().unwrap();
        assert!(open <= 1000, "{open} descriptors open {what}");
    };
    few("with 5,000 files known");

    // Another process has 3,000 of them open, as many as an ordinary hard limit lets it.
    let script = "ulimit -n 3100; for f in */?[02468] */?[13579]; do exec {fd}<>\"$f\"; fds+=($fd); [ ${#fds[@]} -lt 3000 ] || break; done
        echo ${#fds[@]}; read -r line || true; for fd in \"${fds[@]}\"; do printf X >&\"$fd\"; done; echo done";
    let mut holder = mounted.shell(script, &[]);
    let mut holder = start(holder.stdin(Stdio::piped()).stdout(Stdio::piped())).unwrap();
    let mut said = BufReader::new(holder.stdout.take().unwrap()).lines();
    assert_eq!(said.next().unwrap().unwrap(), "3000");
    few("with 3,000 files open");
    drop(holder.stdin.take());
    assert_eq!(said.next().map(Result::unwrap).as_deref(), Some("done"));
    few("with 3,000 files open and written to");
    assert!(holder.wait().unwrap().success());
    assert_eq!(fs::read(path.join("7/18")).unwrap(), b"X 18");
    mounted.unmount();
}

/// Unlinked files in use until no more can be: then the last one, and all else, goes on.
const UNLINKED: &str = r#"
import errno, os, resource, time
resource.setrlimit(resource.RLIMIT_NOFILE, (3100, 3100))
held = []
try:
    while len(held) < 1500:
        name = f"file {len(held)}"
        held.append(os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL))
        os.write(held[-1], name.encode())
        os.unlink(name)
except OSError as error:
    print(errno.errorcode[error.errno], name)
print(open(name).read(), os.fstat(held[-1]).st_nlink)
for number in range(300):
    with open(f"other {number}", "w") as other:
        other.write("contents")
print({open(f"other {number}").read() for number in range(300)})
print(all(os.pread(fd, 20, 0) == b"file %d" % number for number, fd in enumerate(held)))
# One less makes room for it.
os.close(held[0])
for wait in range(100):
    try:
        os.unlink(name)
        break
    except OSError:
        time.sleep(0.1)
print(os.fstat(held[-1]).st_nlink)
"#;

/// Each unlinked file in use keeps a descriptor of the daemon's, and an eighth of the 968 that it has for files is left for others.
#[test]
fn too_many_unlinked_files_in_use_are_refused() {
    let vault = Vault::new(Options::default());
    let script = vault.scratch().file("script", UNLINKED.as_bytes(), Who::me());
    let mounted = with_descriptor_limit(&vault, 4096);
    let said = run(&mut mounted.shell("python3 \"$1\"", &[&script])).ok();
    assert_eq!(said, "ENFILE file 847\nfile 847 1\n{'contents'}\nTrue\n0\n");
    mounted.unmount();
}

/// Threads that write and read files of their own, share one, and make and rename entries in one directory.
#[test]
fn many_threads_at_once() {
    const THREADS: u64 = 8;
    const REGION: u64 = 100_000;
    let vault = Vault::new(Options::default());
    let mounted = vault.mount(&[]);
    let path = vault.point();
    let shared = OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .open(path.join("shared"))
        .unwrap();
    fs::create_dir(path.join("crowd")).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let shared = &shared;
            scope.spawn(move || {
                for round in 0..25 {
                    let contents = noise(thread * 1000 + round, 50_000);
                    let own = path.join(format!("crowd/{thread} {round}"));
                    fs::write(&own, &contents).unwrap();
                    // Neighbours meet inside a record.
                    shared.write_all_at(&contents, thread * REGION + round * 1000).unwrap();
                    let mut back = vec![0; contents.len()];
                    shared.read_exact_at(&mut back, thread * REGION + round * 1000).unwrap();
                    assert!(back == contents);
                    fs::rename(&own, path.join(format!("crowd/{thread} {round} renamed"))).unwrap();
                    assert!(list(&path.join("crowd")).len() > usize::try_from(round).unwrap());
                    assert!(fs::read(path.join(format!("crowd/{thread} {round} renamed"))).unwrap() == contents);
                }
            });
        }
    });
    drop(shared);
    mounted.unmount();
    let mounted = vault.mount(&[]);
    let shared = File::open(path.join("shared")).unwrap();
    for thread in 0..THREADS {
        let mut back = vec![0; 50_000];
        shared.read_exact_at(&mut back, thread * REGION + 24_000).unwrap();
        assert!(back == noise(thread * 1000 + 24, 50_000));
        for round in 0..25 {
            assert!(fs::read(path.join(format!("crowd/{thread} {round} renamed"))).unwrap() == noise(thread * 1000 + round, 50_000));
        }
    }
    assert_eq!(list(&path.join("crowd")).len(), 200);
    drop(shared);
    mounted.unmount();
}

/// Everyone who lists a directory that others change sees each entry that stays, once.
#[test]
fn a_directory_can_be_listed_while_it_changes() {
    let vault = Vault::new(Options::default());
    let mounted = vault.mount(&[]);
    let path = mounted.path();
    let staying: BTreeSet<_> = (0..300).map(|number| OsString::from(format!("staying {number}"))).collect();
    for name in &staying {
        fs::write(path.join(name), b"").unwrap();
    }
    std::thread::scope(|scope| {
        let changing = scope.spawn(|| {
            for round in 0..1000 {
                let (name, other) = (path.join(format!("changing {round}")), path.join(format!("changed {round}")));
                fs::write(&name, b"").unwrap();
                fs::rename(&name, &other).unwrap();
                fs::remove_file(&other).unwrap();
            }
        });
        while !changing.is_finished() {
            let seen: Vec<_> = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name()).collect();
            let seen: Vec<_> = seen.into_iter().filter(|name| name.as_bytes().starts_with(b"staying")).collect();
            assert_eq!(seen.len(), staying.len(), "an entry is missing, or there twice");
            assert!(seen.into_iter().collect::<BTreeSet<_>>() == staying);
        }
    });
    assert_eq!(list(path), staying);
    mounted.unmount();
}

/// A deep tree, walked from its root and entered from its end.
#[test]
fn a_deep_tree() {
    let vault = Vault::new(Options::default());
    let mounted = vault.mount(&[]);
    let begin = Instant::now();
    let script = "for i in $(seq 300); do mkdir deep; cd deep; done; echo contents > file; cat file
        cd \"$MNT\"; find . -name file | wc -l; mv deep moved; find . -name file -exec cat {} +; mkdir deep; mv moved deep/again";
    assert_eq!(run(&mut mounted.shell(script, &[])).ok(), "contents\n1\ncontents\n");
    assert!(begin.elapsed() < PATIENCE, "{:?}", begin.elapsed());
    mounted.unmount();
    let mounted = vault.mount(&[]);
    assert_eq!(
        run(&mut mounted.shell("find . -name file -exec cat {} +; rm -r deep; ls -A", &[])).ok(),
        "contents\n"
    );
    mounted.unmount();
}
