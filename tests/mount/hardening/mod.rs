//! Who can look into a daemon, and what is left in it of what opened the vault: nobody but root, and nothing.

mod forgotten;

use crate::harness::{Options, Vault, wait_for};
use crate::people::{Who, run, run_unmount};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, Signal, pidfd_getfd, pidfd_open};
use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt;

/// What a process of the user `who` is told that wants to look into the process `pid`, in the three ways there are: its memory, its environment, and a descriptor of it. Each asks the
/// kernel what a debugger asks it.
fn looking(who: Who, pid: u32) -> [Option<Errno>; 3] {
    who.run(|| {
        let open = |name| File::open(format!("/proc/{pid}/{name}")).err();
        let errno = |error: std::io::Error| Errno::from_io_error(&error).unwrap();
        let process = pidfd_open(Pid::from_raw(i32::try_from(pid).unwrap()).unwrap(), PidfdFlags::empty()).unwrap();
        let descriptor = pidfd_getfd(process, 0, PidfdGetfdFlags::empty());
        [open("mem").map(errno), open("environ").map(errno), descriptor.err()]
    })
}

#[test]
fn nobody_of_the_same_user_looks_into_a_daemon() {
    let vault = Vault::new(Options::of(Who::User));
    let mounted = vault.mount(&[]);
    assert_eq!(
        looking(Who::User, mounted.pid()),
        [Some(Errno::ACCESS), Some(Errno::ACCESS), Some(Errno::PERM)]
    );
    let limits = fs::read_to_string(format!("/proc/{}/limits", mounted.pid())).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().nth(4), Some("0"), "{core}");
    mounted.unmount();

    let yama = fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope").unwrap_or_default();
    if yama.is_empty() || yama.trim() == "0" {
        let mut other = crate::people::start(Who::User.command("sleep").arg("60")).unwrap();
        let pid = other.id();
        wait_for("the program", || {
            fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.starts_with(b"sleep"))
        });
        let seen = looking(Who::User, pid);
        other.kill().unwrap();
        other.wait().unwrap();
        assert_eq!(seen, [None; 3], "any other process of theirs");
    }
}

/// The program that is asked for the password looks at who asks.
#[test]
fn nobody_looks_into_any_command_that_unlocks() {
    let vault = Vault::new(Options::of(Who::User));
    let script = "head -c 1 /proc/$PPID/environ; ulimit -c >&2; ulimit -Hc >&2; cat \"$0\"";
    let program = format!("sh -c {} {}", shlex::try_quote(script).unwrap(), vault.passfile().display());
    let hard = run(&mut Who::User.shell("ulimit -Hc", &[])).ok();
    let commands: [&[&str]; 5] = [
        &["ls"],
        &["check"],
        &["key", "test"],
        &["mount"],
        &["passwd", "--new-extpass", "echo new"],
    ];
    for args in commands {
        let mut command = vault.plainview(Who::User, args);
        command.args(["--extpass", &program]).arg(vault.path());
        if args == ["mount"] {
            command.arg(vault.point());
        }
        let answer = run(&mut command).code(0);
        assert!(answer.err.contains("/environ"), "{args:?}: {}", answer.err);
        assert!(answer.err.contains(&format!("\n0\n{hard}")), "{args:?}: {}", answer.err);
        if args == ["mount"] {
            run_unmount(vault.plainview(Who::User, &["umount"]).arg(vault.point())).ok();
        }
    }
}

/// 64 KiB is what a process may lock where kernels before 5.16 run; without any, the vault is mounted all the same.
#[test]
fn keys_are_locked_in_memory_where_the_limit_allows_it() {
    for (limit, is_locked) in [("64", true), ("0", false)] {
        let vault = Vault::new(Options::of(Who::User));
        let mut shell = Who::User.command("sh");
        shell
            .env("RUST_LOG", "debug")
            .args(["-c", "ulimit -l \"$1\"; shift; exec \"$@\"", "sh", limit]);
        let mount = vault.mount_command(Who::User, &["-f"]);
        shell.arg(mount.get_program()).args(mount.get_args());
        let mounted = vault.mount_by(Who::User, shell);
        let status = fs::read_to_string(format!("/proc/{}/status", mounted.pid())).unwrap();
        let locked = status.lines().find_map(|line| line.strip_prefix("VmLck:")).unwrap();
        let kib: u64 = locked.trim().strip_suffix(" kB").unwrap().parse().unwrap();
        assert_eq!(kib > 0, is_locked, "{kib} KiB");
        assert_eq!(
            mounted.log().contains("cannot be locked in memory"),
            !is_locked,
            "{}",
            mounted.log()
        );
        mounted.unmount();
    }
}

#[test]
fn a_daemon_that_crashes_leaves_no_core() {
    for signal in [Signal::ABORT, Signal::SEGV, Signal::QUIT] {
        let vault = Vault::new(Options::default());
        let dir = vault.scratch().dir("here", Who::me());
        let mut shell = Who::me().command("sh");
        shell
            .args(["-c", "ulimit -c unlimited; cd \"$1\"; shift; exec \"$@\"", "sh"])
            .arg(&dir);
        let mount = vault.mount_command(Who::me(), &["-f"]);
        shell.arg(mount.get_program()).args(mount.get_args());
        let mounted = vault.mount_by(Who::me(), shell);
        let mut status = None;
        wait_for("the daemon's end", || {
            // The handler that tells of a stack that is full lets the first SIGSEGV pass.
            mounted.signal(signal);
            status = mounted.has_ended();
            status.is_some()
        });
        let status = status.unwrap();
        assert_eq!(status.signal(), Some(signal.as_raw()));
        assert!(!status.core_dumped());
        mounted.kill();
        crate::places::detach(vault.point());
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 0, "something lies where a core would");

        // Any other program does.
        let crash = format!("ulimit -c unlimited; cd \"$1\"; kill -{} $$", signal.as_raw());
        let mut control = crate::people::start(Who::me().command("sh").args(["-c", &crash, "sh"]).arg(&dir)).unwrap();
        let pattern = fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap();
        assert!(control.wait().unwrap().core_dumped() || !pattern.starts_with("core"));
    }
}
