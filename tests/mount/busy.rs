//! Unmounting what somebody uses: who that is, and going out of sight.

use crate::harness::{Mounted, Options, Vault, wait_for};
use crate::people::{Answer, Who, root_or_skip, run, run_unmount, start};
use crate::places::mount_at;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::FileExt;
use std::process::{Child, Command, Stdio};

/// A name that must not be told.
const SECRET: &str = "SECRET-name";

/// A process that uses a mount, until it is dropped.
pub(crate) struct Holder(Child);

impl Holder {
    /// Starts `command`, and waits until it has printed a line and is what it is to be, whatever shell it began as.
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = start(command.stdin(Stdio::null()).stdout(Stdio::piped())).unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n", "{command:?}");
        let name = format!("/proc/{}/comm", child.id());
        wait_for("the shell to become what holds the mount", || {
            matches!(fs::read_to_string(&name).unwrap().trim_end(), "sleep" | "python3")
        });
        Self(child)
    }

    /// One whose working directory is the mount.
    pub(crate) fn inside(mounted: &Mounted<'_>) -> Self {
        Self::start(&mut mounted.shell("echo ready; exec sleep 1000", &[]))
    }

    pub(crate) fn pid(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn umount(vault: &Vault, who: Who, more: &[&str]) -> Answer {
    run(vault.plainview(who, &["umount"]).args(more).arg(vault.point()))
}

#[test]
fn who_uses_it_is_told_and_how() {
    const MAPS: &str = "import mmap, os, sys, time; f = open(sys.argv[1]); m = mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ); f.close(); os.chdir('/'); print('ready', flush=True); time.sleep(1000)";
    for who in Who::both() {
        let vault = Vault::new(Options::of(who));
        let mounted = vault.mount(&[]);
        mounted.enter(|path| {
            fs::write(path.join(SECRET), "contents").unwrap();
            fs::copy("/bin/sleep", path.join("sleep")).unwrap();
        });
        let holders = [
            (Holder::inside(&mounted), "sleep: working directory"),
            (
                Holder::start(&mut mounted.shell(&format!("exec 3< {SECRET} 4< .; cd /; echo ready; exec sleep 1000"), &[])),
                "sleep: 2 open files",
            ),
            (
                Holder::start(&mut mounted.shell(&format!("exec 3< {SECRET}; echo ready; exec sleep 1000"), &[])),
                "sleep: working directory, open file",
            ),
            (
                Holder::start(&mut mounted.shell("cd /; echo ready; exec \"$MNT/sleep\" 1000", &[])),
                "sleep: program being executed",
            ),
            (
                Holder::start(who.command("python3").args(["-c", MAPS]).arg(mounted.path().join(SECRET))),
                "python3: open file, mapped file",
            ),
        ];
        // It is "ready" a moment before it has become another program.
        let told = |answer: &Answer| {
            let lines = holders.iter().map(|(holder, how)| format!("\n  {} {how}\n", holder.pid()));
            lines.filter(|line| !answer.err.contains(line)).collect::<Vec<_>>()
        };
        wait_for("everybody to do what they do", || told(&umount(&vault, who, &[])).is_empty());
        let answer = umount(&vault, who, &[])
            .code(1)
            .says(&["is in use", "plainview umount --lazy", mounted.path().to_str().unwrap()]);
        assert!(!answer.err.contains(SECRET) && !answer.err.contains("only root"), "{}", answer.err);
        assert_eq!(answer.err.lines().count(), 2 + holders.len(), "{}", answer.err);
        assert!(mount_at(vault.point()).is_some());
        drop(holders);
        mounted.unmount();
    }
}

#[test]
fn many_are_counted() {
    let vault = Vault::new(Options::default());
    let mounted = vault.mount(&[]);
    let holders: Vec<_> = (0..13).map(|_| Holder::inside(&mounted)).collect();
    // A child of another test holds what this one has open until its exec.
    wait_for("thirteen holders", || {
        let answer = umount(&vault, Who::me(), &[]).code(1);
        answer.err.contains("\n  and 3 more\n") && answer.err.lines().count() == 1 + 10 + 1 + 1
    });
    drop(holders);
    mounted.unmount();
}

/// This process is root's, whoever a thread of it plays.
#[test]
fn what_only_root_can_see_is_said() {
    if !root_or_skip() {
        return;
    }
    let vault = Vault::new(Options::of(Who::User));
    let mounted = vault.mount(&[]);
    let file = mounted.enter(|path| fs::File::create(path.join(SECRET)).unwrap());
    umount(&vault, Who::User, &[])
        .code(1)
        .says(&["\n  by processes of other users, which only root can see\n"]);
    let me = format!("\n  {} ", std::process::id());
    let answer = umount(&vault, Who::Root, &[]).code(1).says(&[&me, ": open file\n"]);
    assert!(!answer.err.contains("only root"), "{}", answer.err);
    drop(file);
    mounted.unmount();
}

#[test]
fn other_users_other_namespaces_and_other_roots_are_seen_by_root() {
    if !root_or_skip() {
        return;
    }
    let vault = Vault::new(Options::default());
    let mounted = vault.mount(&["-o", "allow_other"]);
    fs::set_permissions(vault.point(), std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    let stranger = Holder::start(
        Who::User
            .shell("cd \"$1\"; echo ready; exec sleep 1000", &[vault.point()])
            .env("LC_ALL", "C"),
    );
    let elsewhere = Holder::start(
        Command::new("unshare")
            .args(["-m", "bash", "-c", "cd \"$0\"; exec 3< .; cd /; echo ready; exec sleep 1000"])
            .arg(vault.point()),
    );
    let jailed = Holder::start(
        Command::new("python3")
            .args([
                "-c",
                "import os, sys, time; os.chroot(sys.argv[1]); print('ready', flush=True); time.sleep(1000)",
            ])
            .arg(vault.point())
            .current_dir("/"),
    );
    let expected = [
        format!("\n  {} sleep: working directory\n", stranger.pid()),
        format!("\n  {} sleep: open file\n", elsewhere.pid()),
        format!("\n  {} python3: root directory\n", jailed.pid()),
    ];
    wait_for("all three", || {
        let answer = umount(&vault, Who::Root, &[]).code(1);
        expected.iter().all(|line| answer.err.contains(line))
    });
    drop((stranger, elsewhere, jailed));
    mounted.unmount();
}

#[test]
fn a_mount_in_it_is_told() {
    if !root_or_skip() {
        return;
    }
    let vault = Vault::new(Options::default());
    let mounted = vault.mount(&[]);
    let inner = mounted.path().join("dir");
    fs::create_dir(&inner).unwrap();
    run(Command::new("mount").args(["-t", "tmpfs", "none"]).arg(&inner)).ok();
    let answer = umount(&vault, Who::Root, &[]);
    run(Command::new("umount").arg(&inner)).ok();
    answer.code(1).says(&[&format!("\n  mounted in it: {}\n", inner.display())]);
    mounted.unmount();
}

/// A dead daemon cannot be asked who uses its mount, and need not be.
#[test]
fn a_dead_mount_in_use_is_told_and_taken_away() {
    for who in Who::both() {
        let vault = Vault::new(Options::of(who));
        let mounted = vault.mount(&[]);
        let holder = Holder::inside(&mounted);
        mounted.kill();
        let line = format!("\n  {} sleep: working directory\n", holder.pid());
        umount(&vault, who, &[]).code(1).says(&[&line]);
        let answer = umount(&vault, who, &["--lazy"]).code(0);
        assert!(answer.out.contains(&line), "{}", answer.out);
        assert_eq!(mount_at(vault.point()), None);
        drop(holder);
        vault.mount(&[]).unmount();
    }
}

#[test]
fn out_of_sight_it_ends_with_its_last_user() {
    for who in Who::both() {
        let vault = Vault::new(Options::of(who));
        let mounted = vault.mount(&[]);
        let file = mounted.enter(|path| fs::File::create(path.join(SECRET)).unwrap());
        let holder = Holder::inside(&mounted);
        let answer = umount(&vault, who, &["--lazy"]).code(0);
        assert!(
            answer.out.contains("out of sight") && answer.out.contains(&format!("\n  {} ", holder.pid())),
            "{}",
            answer.out
        );
        assert!(answer.err.is_empty() && !answer.out.contains(SECRET), "{answer:?}");
        assert_eq!(mount_at(vault.point()), None);
        assert_eq!(who.run(|| fs::read_dir(vault.point()).unwrap().count()), 0);
        // What is open goes on, and the vault is in use.
        file.write_all_at(b"written after", 0).unwrap();
        let daemon = format!("process {}", mounted.pid());
        run(&mut vault.mount_command(who, &[])).code(8).says(&["in use", &daemon]);
        run(vault.plainview(who, &["status"]).arg(vault.path()))
            .code(1)
            .says(&[&daemon, "--lazy"]);
        drop(holder);
        run(&mut vault.mount_command(who, &[])).code(8);
        drop(file);
        mounted.wait_for_end();
        let mounted = vault.mount(&[]);
        mounted.enter(|path| assert_eq!(fs::read(path.join(SECRET)).unwrap(), b"written after"));
        mounted.unmount();
    }
}

/// What nobody uses ends as without `--lazy`: when the command is done, all is on disk.
#[test]
fn lazily_what_nobody_uses_just_ends() {
    for who in Who::both() {
        let vault = Vault::new(Options::of(who));
        let mounted = vault.mount(&[]);
        mounted.enter(|path| fs::write(path.join("file"), "contents").unwrap());
        run_unmount(vault.plainview(who, &["umount", "--lazy"]).arg(vault.point())).ok();
        mounted.wait_for_end();
        umount(&vault, who, &["--lazy"]).code(1).says(&["no vault is mounted"]);
    }
}
