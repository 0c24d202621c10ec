//! `plainview status`: what is mounted, told by the daemons; and what they log of damage.

use crate::busy::Holder;
use crate::corpus::noise;
use crate::harness::{Key, Mounted, Options, Vault, errno, wait_for};
use crate::people::{Who, root_or_skip, run};
use crate::places::mount_at;
use rustix::io::Errno;
use rustix::process::Signal;
use serde_json::Value;
use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

const ATTRIBUTE: &str = "system.plainview.status";

/// What `who` is told of the vault's mount.
fn status(vault: &Vault, who: Who) -> Value {
    let text = run(vault.plainview(who, &["status", "--json"]).arg(vault.point())).ok();
    let list: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(list.as_array().unwrap().len(), 1, "{text}");
    list[0].clone()
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("no number: {value}"))
}

/// What people are told: the value of the line that begins with `what`.
fn line<'t>(text: &'t str, what: &str) -> &'t str {
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("  {what:<10}  ")));
    line.unwrap_or_else(|| panic!("no line {what}: {text}"))
}

#[test]
fn a_mount_tells_of_itself() {
    for who in Who::both() {
        let vault = Vault::new(Options::of(who));
        let contents = noise(1, 300_000);
        let mounted = vault.mount(&[]);
        mounted.enter(|path| fs::write(path.join("file"), &contents).unwrap());
        mounted.unmount();
        let before = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap()
            .as_secs();
        let mounted = vault.mount(&["--idle", "2h", "--journal-size", "8M"]);
        let idle = status(&vault, who);
        mounted.enter(|path| {
            assert_eq!(fs::read(path.join("file")).unwrap(), contents);
            let file = fs::File::options().write(true).open(path.join("file")).unwrap();
            file.write_all_at(&contents[..100_000], 50).unwrap();
            file.sync_all().unwrap();
        });
        let holder = Holder::start(&mut mounted.shell("exec 3< file; echo ready; exec sleep 1000", &[]));
        let told = status(&vault, who);
        assert_eq!(told["mountpoint"], vault.point().to_str().unwrap());
        assert_eq!(told["vault"], vault.path().to_str().unwrap());
        assert_eq!(
            (&told["state"], &told["kind"], &told["read_only"]),
            (&"running".into(), &"vault".into(), &false.into())
        );
        assert_eq!(
            (number(&told["pid"]), number(&told["uid"])),
            (mounted.pid().into(), who.uid().into())
        );
        assert!((before..before + 60).contains(&number(&told["since"])), "{told}");
        assert!(number(&told["requests"]) >= number(&idle["requests"]) + 3, "{idle} {told}");
        assert_eq!((number(&idle["read_bytes"]), number(&told["read_bytes"])), (0, 300_000));
        assert!((100_000..600_000).contains(&number(&told["written_bytes"])), "{told}");
        assert!((100_000..=8 << 20).contains(&number(&told["journal"]["used"])), "{told}");
        assert_eq!((number(&told["journal"]["size"]), number(&idle["journal"]["used"])), (8 << 20, 0));
        assert_eq!(number(&told["idle"]["limit"]), 7200);
        assert!((7140..=7200).contains(&number(&told["idle"]["left"])), "{told}");
        assert_eq!((number(&told["damage"]["files"]), number(&told["damage"]["findings"])), (0, 0));
        assert_eq!((number(&idle["open_files"]), number(&told["open_files"])), (0, 1));
        assert_eq!(number(&told["processes"][0]["pid"]), u64::from(holder.pid()));
        let all = run(&mut vault.plainview(who, &["status"])).ok();
        let one = run(vault.plainview(who, &["status"]).arg(vault.path())).ok();
        assert!(
            one.starts_with(&format!("{}\n", vault.point().display())) && all.contains(one.lines().nth(1).unwrap()),
            "{all}"
        );
        assert_eq!(line(&one, "daemon"), format!("process {}", mounted.pid()));
        assert_eq!(line(&one, "open files"), "1; 1 process in it");
        assert_eq!(line(&one, "damage"), "none was met");
        assert!(
            line(&one, "journal").ends_with(" of 8.00 MiB") && line(&one, "idle").starts_with("ends in "),
            "{one}"
        );
        drop(holder);
        mounted.unmount();
    }
}

#[test]
fn other_kinds_of_mounts() {
    let vault = Vault::new(Options::default());
    let mounted = vault.mount(&["--ro"]);
    let told = status(&vault, Who::me());
    assert_eq!(
        (&told["read_only"], &told["journal"], &told["idle"]),
        (&true.into(), &Value::Null, &Value::Null)
    );
    mounted.unmount();
    let folder = Vault::new(Options::recipe(Who::me(), Key::Password));
    let mounted = folder.mount(&[]);
    fs::write(mounted.path().join("file"), "contents").unwrap();
    let told = status(&folder, Who::me());
    assert_eq!(
        (&told["kind"], &told["journal"], number(&told["written_bytes"])),
        (&"recipe".into(), &Value::Null, 8)
    );
    mounted.unmount();
}

#[test]
fn nothing_is_mounted() {
    let vault = Vault::new(Options::default());
    for path in [vault.point(), vault.path(), Path::new("/nonexistent/path")] {
        run(vault.plainview(Who::me(), &["status"]).arg(path))
            .code(1)
            .says(&[path.to_str().unwrap(), "neither"]);
    }
    if !root_or_skip() {
        return;
    }
    // In a mount namespace where nothing is.
    let script = "
        awk '/ fuse.plainview / { print $5 }' /proc/self/mountinfo | tac | while read -r point; do umount -l \"$(printf %b \"${point//\\\\/\\\\0}\")\"; done
        \"$0\" status; \"$0\" status --json";
    let plainview = vault.plainview(Who::Root, &[]).get_program().to_owned();
    let answer = run(Command::new("unshare").args(["-m", "bash", "-euc", script]).arg(plainview));
    assert_eq!(answer.ok(), "Nothing is mounted.\n[]\n");
}

/// Who asks a mount about itself does not use it.
#[test]
fn to_ask_is_no_use() {
    let vault = Vault::new(Options::default());
    let mounted = vault.mount(&["--idle", "4s"]);
    fs::write(mounted.path().join("file"), "contents").unwrap();
    let (mut least, mut requests) = (u64::MAX, Vec::new());
    wait_for("its end", || {
        let answer = run(vault.plainview(Who::me(), &["status", "--json"]).arg(vault.point()));
        // It may be going at this moment.
        if let Ok(list) = serde_json::from_str::<Value>(&answer.out)
            && let Some(left) = list[0]["idle"]["left"].as_u64()
        {
            least = least.min(left);
            requests.push(number(&list[0]["requests"]));
        }
        mount_at(vault.point()).is_none()
    });
    assert!(least <= 1, "{least}");
    // What the kernel writes back comes late.
    assert!(requests.last().unwrap() - requests[0] < 5, "{requests:?}");
    mounted.wait_for_end();
}

/// Not even when the kernel still has the names, of which it would have to look up each.
#[test]
fn what_has_expired_is_asked_for_once_for_a_directory_and_not_for_each_file() {
    let vault = Vault::new(Options::default());
    let mounted = vault.mount(&[]);
    for file in 0..100 {
        fs::write(mounted.path().join(format!("{file}")), "contents").unwrap();
    }
    let look = || {
        for entry in fs::read_dir(mounted.path()).unwrap() {
            entry.unwrap().metadata().unwrap();
        }
    };
    let mut asked = Vec::new();
    // On a slow machine more may expire while it is looked at.
    wait_for("a look that takes no request for each file", || {
        look();
        sleep(Duration::from_millis(1200));
        let before = number(&status(&vault, Who::me())["requests"]);
        look();
        asked.push(number(&status(&vault, Who::me())["requests"]) - before);
        asked.last().is_some_and(|&asked| asked < 10)
    });
    // All of them were looked at, so there was something to ask for.
    assert!(asked.iter().all(|&asked| asked > 0), "{asked:?}");
    mounted.unmount();
}

#[test]
fn a_daemon_that_does_not_answer_keeps_nobody_waiting() {
    for who in Who::both() {
        let vault = Vault::new(Options::of(who));
        let mounted = vault.mount(&[]);
        let holder = Holder::inside(&mounted);
        mounted.signal(Signal::STOP);
        let told = status(&vault, who);
        mounted.signal(Signal::CONT);
        assert_eq!(
            (&told["state"], &told["pid"], &told["requests"]),
            (&"silent".into(), &Value::Null, &Value::Null)
        );
        assert_eq!(number(&told["processes"][0]["pid"]), u64::from(holder.pid()));
        mounted.kill();
        assert_eq!(status(&vault, who)["state"], "dead");
        let text = run(vault.plainview(who, &["status"]).arg(vault.point())).ok();
        assert!(
            line(&text, "daemon").contains("gone") && line(&text, "daemon").contains("plainview umount"),
            "{text}"
        );
        drop(holder);
        run(vault.plainview(who, &["umount"]).arg(vault.point())).ok();
    }
}

#[test]
fn strangers_are_told_nothing_and_root_all() {
    if !root_or_skip() {
        return;
    }
    let vault = Vault::new(Options::default());
    let mounted = vault.mount(&["-o", "allow_other"]);
    let told = status(&vault, Who::User);
    assert_eq!(
        (&told["state"], &told["requests"], &told["user"]),
        (&"denied".into(), &Value::Null, &"root".into())
    );
    assert_eq!((&told["allow_other"], &told["all_seen"]), (&true.into(), &false.into()));
    let value = Who::User.run(|| rustix::fs::getxattr(vault.point(), ATTRIBUTE, &mut [0; 4096][..]));
    assert_eq!(value, Err(Errno::ACCESS));
    mounted.unmount();
    let vault = Vault::new(Options::of(Who::User));
    let mounted = vault.mount(&[]);
    assert_eq!(errno(fs::read_dir(vault.point())), Some(Errno::ACCESS), "root may not enter");
    assert_eq!(status(&vault, Who::Root)["state"], "running");
    mounted.unmount();
}

#[test]
fn the_attribute_is_not_there_for_others() {
    let vault = Vault::new(Options::default());
    let mounted = vault.mount(&[]);
    let root = mounted.path();
    fs::write(root.join("file"), "").unwrap();
    let mut names = [0; 4096];
    assert_eq!(rustix::fs::listxattr(root, &mut names), Ok(0));
    assert!(rustix::fs::getxattr(root, ATTRIBUTE, &mut [0; 4096][..]).is_ok());
    assert_eq!(rustix::fs::getxattr(root, ATTRIBUTE, &mut [0; 1][..]), Err(Errno::RANGE));
    let unknown = Err(Errno::OPNOTSUPP);
    assert_eq!(
        rustix::fs::getxattr(root.join("file"), ATTRIBUTE, &mut [0; 4096][..]).map(drop),
        unknown
    );
    assert_eq!(
        rustix::fs::setxattr(root, ATTRIBUTE, b"x", rustix::fs::XattrFlags::empty()),
        unknown
    );
    assert_eq!(rustix::fs::removexattr(root, ATTRIBUTE), unknown);
    mounted.unmount();
}

#[test]
fn what_is_mounted_over_is_not_asked() {
    if !root_or_skip() {
        return;
    }
    let vault = Vault::new(Options::default());
    let mounted = vault.mount(&[]);
    run(Command::new("mount").args(["-t", "tmpfs", "none"]).arg(vault.point())).ok();
    let told = run(vault.plainview(Who::Root, &["status", "--json"]).arg(vault.point()));
    run(Command::new("umount").arg(vault.point())).ok();
    let list: Value = serde_json::from_str(&told.ok()).unwrap();
    assert_eq!((&list[0]["state"], &list[0]["requests"]), (&"covered".into(), &Value::Null));
    mounted.unmount();
}

/// Reads the file whole until that fails, as it is read from disk, and not from the kernel's memory.
fn read_fails(mounted: &Mounted<'_>, name: &str) {
    wait_for("the damage to be met", || {
        mounted.forget_all();
        mounted.enter(|path| match fs::read(path.join(name)) {
            Ok(_) => false,
            Err(error) => {
                assert_eq!(error.raw_os_error(), Some(Errno::IO.raw_os_error()));
                true
            }
        })
    });
}

/// The stored file of the only file in the root, and a byte of its first record.
fn flip(stored: &Path, record: u64) {
    let file = fs::File::options().read(true).write(true).open(stored).unwrap();
    let at = 48 + record * 4152 + 100;
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[!byte[0]], at).unwrap();
}

#[test]
fn damage_is_logged_once_per_file_and_counted() {
    let vault = Vault::new(Options::default());
    let mounted = vault.mount(&[]);
    let stored: Vec<_> = ["one", "two"]
        .iter()
        .map(|name| {
            crate::tamper::live::made_in(vault.path(), || {
                fs::write(mounted.path().join(name), noise(1, 100_000)).unwrap();
            })
        })
        .collect();
    mounted.unmount();
    flip(&stored[0], 0);
    let mut mounted = vault.mount(&[]);
    mounted.expect_log("damaged: ");
    let lines = |mounted: &Mounted<'_>, stored: &Path| {
        let told = format!("damaged: {}: ", stored.display());
        mounted.log().lines().filter(|line| line.contains(&told)).count()
    };
    for _ in 0..20 {
        read_fails(&mounted, "one");
    }
    assert_eq!(lines(&mounted, &stored[0]), 1, "{}", mounted.log());
    assert_eq!(status(&vault, Who::me())["damage"], serde_json::json!({"files": 1, "findings": 1}));
    let text = run(vault.plainview(Who::me(), &["status"]).arg(vault.point())).ok();
    assert!(line(&text, "damage").starts_with("1 finding in 1 file: "), "{text}");
    // Repaired, and damaged at two other places; and another file, too.
    flip(&stored[0], 0);
    wait_for("the repaired file", || {
        mounted.forget_all();
        fs::read(mounted.path().join("one")).is_ok()
    });
    flip(&stored[0], 3);
    flip(&stored[1], 0);
    for _ in 0..3 {
        read_fails(&mounted, "one");
        read_fails(&mounted, "two");
    }
    assert_eq!(
        (lines(&mounted, &stored[0]), lines(&mounted, &stored[1])),
        (2, 1),
        "{}",
        mounted.log()
    );
    assert_eq!(status(&vault, Who::me())["damage"], serde_json::json!({"files": 3, "findings": 3}));
    mounted.unmount();
}
