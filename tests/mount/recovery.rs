//! What the next mount does after a daemon was killed: by itself, in two lines, also where it may write nothing, and as often as it is killed again.

use crate::corpus::noise;
use crate::harness::{Options, Vault};
use crate::mounted::Mounted;
use crate::people::{Who, root_or_skip, run, start};
use crate::places::{detach, mount_at, read_only_view};
use std::fs::{self, File};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

const LEN: usize = 1 << 20;
const FILES: u64 = 8;

/// What file `n` holds before anything is overwritten, and then.
fn contents(n: u64) -> (Vec<u8>, Vec<u8>) {
    let before = noise(n, LEN);
    let mut after = before.clone();
    for (at, byte) in noise(n + 100, 400).into_iter().enumerate() {
        let offset = (at * 2600) % LEN;
        after[offset..offset + 50].fill(byte);
    }
    (before, after)
}

/// What file `n` holds that [`leave`] leaves behind, once that is recovered from.
pub(crate) fn after(n: u64) -> Vec<u8> {
    contents(n).1
}

/// Overwrites and syncs pieces of committed files, and leaves the daemon no time for a checkpoint.
pub(crate) fn leave(vault: &Vault, who: Who) {
    let mounted = vault.mount_as(who, &[]);
    mounted.enter(|path| {
        fs::create_dir(path.join("directory")).unwrap();
        for n in 0..FILES {
            fs::write(path.join(format!("directory/{n}")), contents(n).0).unwrap();
        }
    });
    mounted.unmount();
    let mounted = vault.mount_as(who, &[]);
    mounted.enter(|path| {
        for n in 0..FILES {
            let file = File::options().write(true).open(path.join(format!("directory/{n}"))).unwrap();
            let (before, after) = contents(n);
            for at in (0..LEN)
                .step_by(50)
                .filter(|at| before[*at..].iter().zip(&after[*at..]).take(50).any(|(one, other)| one != other))
            {
                let end = (at + 50).min(LEN);
                file.write_all_at(&after[at..end], at.try_into().unwrap()).unwrap();
            }
            file.sync_all().unwrap();
        }
    });
    kill(vault, mounted);
    assert!(vault.path().join("plainview.journal").exists());
}

fn kill(vault: &Vault, mounted: Mounted<'_>) {
    mounted.kill();
    detach(vault.point());
}

/// The directory that [`leave`] made, in the vault.
fn directory_of(vault: &Vault) -> PathBuf {
    let mut paths = fs::read_dir(vault.path()).unwrap().map(|entry| entry.unwrap().path());
    paths.find(|path| path.is_dir() && !path.ends_with("others")).unwrap()
}

fn assert_recovered(path: &Path) {
    for n in 0..FILES {
        assert!(fs::read(path.join(format!("directory/{n}"))).unwrap() == contents(n).1, "{n}");
    }
}

fn assert_two_lines(log: &str) {
    let lines: Vec<_> = log
        .lines()
        .filter(|line| line.contains("was not unmounted") || line.contains("replayed"))
        .collect();
    assert_eq!(lines.len(), 2, "{log}");
    assert!(lines[1].contains(&format!("in {FILES} files, cut 0 unfinished new files")), "{log}");
}

#[test]
fn the_next_mount_has_everything_and_says_so_in_two_lines() {
    for who in Who::both() {
        let vault = Vault::new(Options::of(who));
        leave(&vault, who);
        let mounted = vault.mount_as(who, &[]);
        assert_two_lines(&mounted.log());
        mounted.enter(assert_recovered);
        mounted.unmount();
        assert!(!vault.path().join("plainview.journal").exists());
        let mounted = vault.mount_as(who, &[]);
        assert!(!mounted.log().contains("replayed"));
        mounted.enter(assert_recovered);
        mounted.unmount();
    }
}

/// A program that was being installed when the power failed is not whole, but whose it is and who may run it stays as it was set.
#[test]
fn an_unfinished_new_file_keeps_its_mode() {
    for who in Who::both() {
        let vault = Vault::new(Options::of(who));
        let mounted = vault.mount_as(who, &[]);
        mounted.enter(|path| {
            // The journal is begun.
            let file = File::create(path.join("synced")).unwrap();
            for byte in 0..2 {
                file.write_all_at(&[byte], 0).unwrap();
                file.sync_all().unwrap();
            }
            fs::write(path.join("program"), noise(1, 100_000)).unwrap();
            // Written back, but not synced.
            rustix::fs::syncfs(File::open(path).unwrap()).unwrap();
            fs::set_permissions(path.join("program"), fs::Permissions::from_mode(0o6755)).unwrap();
        });
        kill(&vault, mounted);
        let mut stored = fs::read_dir(vault.path()).unwrap().map(|entry| entry.unwrap().path());
        let stored = stored
            .find(|path| path.metadata().unwrap().permissions().mode() & 0o6000 != 0)
            .unwrap();
        let owned = File::options().write(true).open(&stored).unwrap();
        let len = owned.metadata().unwrap().len();
        assert!(len > 100_000, "{len}");
        owned.set_len(len - 1000).unwrap();
        fs::set_permissions(&stored, fs::Permissions::from_mode(0o6755)).unwrap();
        let mut mounted = vault.mount_as(who, &[]);
        mounted.expect_log("cut to what of it had been written");
        assert!(mounted.log().contains("cut 1 unfinished new file"), "{}", mounted.log());
        mounted.enter(|path| {
            let program = path.join("program");
            assert_eq!(program.metadata().unwrap().permissions().mode() & 0o7777, 0o6755);
            let whole = noise(1, 100_000);
            let left = fs::read(&program).unwrap();
            assert!(left.len() >= 24 * 4096 - 4096 && left[..] == whole[..left.len()], "{}", left.len());
        });
        mounted.unmount();
    }
}

#[test]
fn without_a_journal_the_one_that_was_left_is_recovered_from_first() {
    let vault = Vault::new(Options::default());
    leave(&vault, vault.owner());
    let mounted = vault.mount(&["--no-journal"]);
    assert!(!vault.path().join("plainview.journal").exists());
    assert_two_lines(&mounted.log());
    mounted.enter(assert_recovered);
    mounted.unmount();
}

#[test]
fn a_read_only_mount_shows_everything_and_writes_nothing() {
    if !root_or_skip() {
        return;
    }
    let vault = Vault::new(Options::default());
    leave(&vault, Who::Root);
    let journal = fs::read(vault.path().join("plainview.journal")).unwrap();
    // On a filesystem that cannot be written to, and where it could be.
    let view = read_only_view(vault.scratch(), vault.path());
    for path in [view.as_path(), vault.path()] {
        let again = Vault::at(path, &Options::default());
        let mounted = again.mount_by(Who::Root, {
            let mut command = again.plainview(Who::Root, &["mount", "-f", "--ro", "--passfile"]);
            command.args([vault.passfile(), path, again.point()]);
            command
        });
        assert_two_lines(&mounted.log());
        assert_recovered(mounted.path());
        mounted.unmount();
        assert!(fs::read(vault.path().join("plainview.journal")).unwrap() == journal);
    }
    // Read-write it cannot be recovered there, and nothing is lost by trying.
    let again = Vault::at(&view, &Options::default());
    let mut command = again.plainview(Who::Root, &["mount", "-f", "--passfile"]);
    run(command.args([vault.passfile(), &view, again.point()]))
        .code(1)
        .says(&["cannot recover", "--ro"]);
    drop(again);
    detach(&view);
    let mounted = vault.mount(&[]);
    mounted.enter(assert_recovered);
    mounted.unmount();
}

#[test]
fn recovery_that_is_killed_is_done_again() {
    let vault = Vault::new(Options::default());
    leave(&vault, vault.owner());
    for delay in 0..25 {
        let mut command = vault.mount_command(vault.owner(), &["-f"]);
        let mut child = start(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null())).unwrap();
        // There is nothing to wait for: the point is not to know how far it is.
        std::thread::sleep(Duration::from_millis(delay * 4));
        child.kill().unwrap();
        child.wait().unwrap();
        if mount_at(vault.point()).is_some() {
            detach(vault.point());
        }
    }
    let mounted = vault.mount(&[]);
    mounted.enter(assert_recovered);
    mounted.unmount();
}

#[test]
fn directories_without_permissions_are_searched() {
    let who = Who::User;
    let vault = Vault::new(Options::of(who));
    leave(&vault, who);
    let directory = directory_of(&vault);
    let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    for bits in [0o000, 0o400, 0o100, 0o600] {
        mode(&directory, bits);
        mode(vault.path(), 0o500);
        let mounted = vault.mount_as(who, &[]);
        assert_two_lines(&mounted.log());
        kill(&vault, mounted);
        mode(vault.path(), 0o700);
        assert_eq!(fs::metadata(&directory).unwrap().permissions().mode() & 0o777, bits);
        mode(&directory, 0o700);
        let mounted = vault.mount_as(who, &[]);
        mounted.enter(assert_recovered);
        kill(&vault, mounted);
        let mounted = vault.mount_as(who, &[]);
        mounted.unmount();
        // The same once more.
        run(who.command("rm").arg("-r").arg(&directory)).ok();
        leave(&vault, who);
    }
}

#[test]
fn a_directory_that_is_not_ours_to_search_keeps_the_journal() {
    if !root_or_skip() {
        return;
    }
    let who = Who::User;
    let vault = Vault::new(Options::of(who));
    // This one was never ours, and is no reason to stop.
    fs::create_dir(vault.path().join("others")).unwrap();
    fs::set_permissions(vault.path().join("others"), fs::Permissions::from_mode(0o700)).unwrap();
    leave(&vault, who);
    let mounted = vault.mount_as(who, &[]);
    assert_two_lines(&mounted.log());
    assert!(!mounted.log().contains("cannot look"));
    kill(&vault, mounted);
    run(who.command("rm").arg("-r").arg(directory_of(&vault))).ok();
    leave(&vault, who);
    let directory = directory_of(&vault);
    std::os::unix::fs::chown(&directory, Some(0), Some(0)).unwrap();
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o700)).unwrap();
    // In the background, so that it would come back if it did not fail.
    run(&mut vault.mount_command(who, &[]))
        .code(1)
        .says(&["cannot recover", "8 files", "could not be searched"]);
    std::os::unix::fs::chown(&directory, Some(who.uid()), Some(who.gid())).unwrap();
    let mounted = vault.mount_as(who, &[]);
    mounted.enter(assert_recovered);
    mounted.unmount();
}

#[test]
fn what_is_called_plainview_journal_and_is_none_is_told() {
    let vault = Vault::new(Options::default());
    let journal = vault.path().join("plainview.journal");
    fs::create_dir(&journal).unwrap();
    run(&mut vault.mount_command(vault.owner(), &["-f"]))
        .code(1)
        .says(&["cannot recover", "no regular file", "move it away"]);
    fs::remove_dir(&journal).unwrap();
    fs::write(&journal, noise(1, 100_000)).unwrap();
    let mut mounted = vault.mount(&[]);
    mounted.expect_log("the journal is damaged or another vault's");
    mounted.expect_log("kept as plainview.journal.kept-");
    mounted.enter(|path| fs::write(path.join("file"), b"contents").unwrap());
    mounted.unmount();
    assert!(!journal.exists());
    let mounted = vault.mount(&[]);
    mounted.enter(|path| assert_eq!(fs::read(path.join("file")).unwrap(), b"contents"));
    mounted.unmount();
}
