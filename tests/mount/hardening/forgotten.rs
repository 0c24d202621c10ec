//! What is left in the daemon of what opened the vault: nothing.

use crate::harness::{Options, Vault, wait_for};
use crate::lifecycle::processes_with;
use crate::people::{Answer, Who, root_or_skip, run, run_unmount, run_with_input};
use crate::terminal::at_terminal;
use data_encoding::HEXLOWER;
use plainview::keys::{Config, ContentKey, MasterKey, NamesKey, Opener, RecoveryKey, SlotKey, Unlocker, keyfile};
use plainview::password::Password;
use plainview::secret::SecretBytes;
use std::collections::HashMap;
use std::fs::{self, File};
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Bytes that are looked for at a time: a copy that was overwritten in part is one, too.
const PIECE: usize = 8;

/// What is looked for, by its pieces: all that there are, at whatever place in it, but those that begin with a zero.
#[derive(Default)]
struct Search(HashMap<[u8; PIECE], &'static str>);

impl Search {
    fn add(&mut self, what: &'static str, bytes: &[u8]) {
        assert!(bytes.len() >= PIECE);
        let pieces = bytes.windows(PIECE).map(|piece| <[u8; PIECE]>::try_from(piece).unwrap());
        // Where memory is empty, every place would have to be looked up.
        self.0.extend(pieces.filter(|piece| piece[0] != 0).map(|piece| (piece, what)));
    }

    /// Where in the memory of a process there is something of each.
    fn found_in(&self, pid: u32) -> HashMap<&'static str, Vec<String>> {
        let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
        let memory = File::open(format!("/proc/{pid}/mem")).unwrap();
        let (mut found, mut looked_at) = (HashMap::<_, Vec<_>>::new(), 0);
        for (line, (start, end)) in maps.lines().filter_map(|line| Some((line, readable(line)?))) {
            let mut at = start;
            while at < end {
                let mut bytes = vec![0; usize::try_from((end - at).min(1 << 20)).unwrap()];
                // Some pages of the kernel's are not for reading.
                let got = memory.read_at(&mut bytes, at).unwrap_or(0);
                looked_at += got;
                for (offset, window) in (at..).zip(bytes[..got].windows(PIECE)).filter(|(_, window)| window[0] != 0) {
                    if let Some(what) = self.0.get(window) {
                        found.entry(*what).or_default().push(format!("{offset:x} in {line}"));
                    }
                }
                // A piece may lie across.
                at += u64::try_from(bytes.len()).unwrap();
                at -= if at < end { 7 } else { 0 };
            }
        }
        assert!(looked_at > 1 << 20, "{looked_at} bytes of memory could be read");
        found
    }
}

/// The range of a line of `/proc/PID/maps`, if it may be read.
fn readable(line: &str) -> Option<(u64, u64)> {
    let mut words = line.split(' ');
    let (start, end) = words.next()?.split_once('-')?;
    words.next()?.starts_with('r').then_some(())?;
    let number = |hex| u64::from_str_radix(hex, 16).ok();
    Some((number(start)?, number(end)?))
}

/// A password that is nowhere else, and long enough that a string that grows has left several copies of it.
fn password() -> String {
    HEXLOWER.encode(&rand::random::<[u8; 37]>())
}

fn config(vault: &Vault) -> Config {
    Config::read(File::open(vault.path()).unwrap().as_fd()).unwrap()
}

/// The slot key that `password` gives for one of the vault's slots, and the master key.
fn unlock(vault: &Vault, password: &str) -> (SlotKey, MasterKey) {
    let config = config(vault);
    let password = Password::new(SecretBytes::copy_of(password.as_bytes())).unwrap();
    let (master, slot) = config.unlock_slot(Unlocker::Password(&password)).unwrap();
    let Opener::Password { cost, salt } = slot.opener() else {
        panic!("a slot of a password")
    };
    (SlotKey::from_password(&password, salt, *cost).unwrap(), master)
}

/// That the daemon `pid` has nothing of `secrets` and of the master key in memory, and, so that this tells anything, that what it needs is found there.
#[track_caller]
fn assert_forgotten(pid: u32, master: &MasterKey, secrets: &[(&'static str, &[u8])]) {
    let mut search = Search::default();
    search.add("content key", ContentKey::derive(master).expose());
    search.add("names key", NamesKey::derive(master).expose());
    search.add("master key", master.expose());
    for (what, bytes) in secrets {
        search.add(what, bytes);
    }
    let mut found = search.found_in(pid);
    assert!(found.remove("content key").is_some(), "the search finds what is there: {found:?}");
    assert!(found.remove("names key").is_some(), "the search finds what is there: {found:?}");
    assert!(found.is_empty(), "left in memory: {found:?}");
}

/// A new vault that `password` opens, at the cost of which a computation takes more than one lane and one pass.
fn vault_with(password: &str) -> Vault {
    let vault = Vault::new(Options::default());
    let new = vault.scratch().file("new", format!("{password}\n").as_bytes(), Who::me());
    let mut passwd = vault.plainview(Who::me(), &["passwd", "--kdf-memory", "16M", "--kdf-passes", "2", "--passfile"]);
    run(passwd.args([vault.passfile(), Path::new("--new-passfile"), &new, vault.path()])).ok();
    vault
}

/// Something of everything that a daemon does.
fn use_it(vault: &Vault) {
    let point = vault.point();
    fs::create_dir(point.join("directory")).unwrap();
    fs::write(point.join("directory/file"), [7; 100_000]).unwrap();
    File::open(point.join("directory/file")).unwrap().sync_all().unwrap();
    assert_eq!(fs::read(point.join("directory/file")).unwrap().len(), 100_000);
    std::os::unix::fs::symlink("target", point.join("link")).unwrap();
    fs::remove_file(point.join("link")).unwrap();
    fs::remove_dir_all(point.join("directory")).unwrap();
}

/// The daemon that `answer` started in the background.
fn daemon(vault: &Vault, answer: Answer) -> u32 {
    answer.ok();
    only_daemon(vault)
}

fn only_daemon(vault: &Vault) -> u32 {
    let found = processes_with(vault.point());
    let [daemon] = found.as_slice() else { panic!("{found:?}") };
    daemon.file_name().unwrap().to_str().unwrap().parse().unwrap()
}

fn unmount(vault: &Vault) {
    run_unmount(vault.plainview(Who::me(), &["umount"]).arg(vault.point())).ok();
    wait_for("the daemon's end", || processes_with(vault.point()).is_empty());
}

/// Mounts by what `mount` makes of the vault's mount command, looks, uses the mount, and looks again.
fn password_is_forgotten(mount: impl FnOnce(&Vault, &str) -> u32) {
    if !root_or_skip() {
        return;
    }
    let password = password();
    let vault = vault_with(&password);
    let (slot, master) = unlock(&vault, &password);
    let secrets: [(_, &[u8]); 2] = [("password", password.as_bytes()), ("slot key", slot.expose())];
    let pid = mount(&vault, &password);
    assert_forgotten(pid, &master, &secrets);
    use_it(&vault);
    assert_forgotten(pid, &master, &secrets);
    unmount(&vault);
}

/// `plainview mount ARGS... VAULT MOUNTPOINT`.
fn mount_command(vault: &Vault, args: &[&str]) -> std::process::Command {
    let mut command = vault.plainview(Who::me(), &[&["mount"], args].concat());
    command.args([vault.path(), vault.point()]);
    command
}

#[test]
fn a_password_from_a_file_is_forgotten() {
    password_is_forgotten(|vault, _| {
        let new = vault.scratch().path().join("new");
        daemon(vault, run(&mut mount_command(vault, &["--passfile", new.to_str().unwrap()])))
    });
}

#[test]
fn a_password_from_standard_input_is_forgotten() {
    password_is_forgotten(|vault, password| {
        let input = format!("{password}\n");
        daemon(vault, run_with_input(&mut mount_command(vault, &[]), input.as_bytes()))
    });
}

#[test]
fn a_password_from_a_program_is_forgotten() {
    password_is_forgotten(|vault, _| {
        let program = format!("cat {}", vault.scratch().path().join("new").display());
        daemon(vault, run(&mut mount_command(vault, &["--extpass", &program])))
    });
}

#[test]
fn a_password_from_the_terminal_is_forgotten() {
    password_is_forgotten(|vault, password| {
        // With a slip that is mended.
        let typed = format!("{}xy\u{7f}\u{7f}{}", &password[..30], &password[30..]);
        at_terminal(&mount_command(vault, &[]), &[("Password: ", &typed)]).code(0);
        only_daemon(vault)
    });
}

#[test]
fn keyfiles_and_recovery_keys_are_forgotten() {
    if !root_or_skip() {
        return;
    }
    let password = password();
    let vault = vault_with(&password);
    let (_, master) = unlock(&vault, &password);
    let path = vault.scratch().path().join("keyfile");
    let new = vault.scratch().path().join("new");
    let add = |args: &[&str]| {
        let mut add = vault.plainview(Who::me(), &[&["key", "add"], args].concat());
        run(add.arg("--passfile").args([&new, vault.path()])).ok()
    };
    add(&["--keyfile", path.to_str().unwrap(), "--generate"]);
    let told = add(&["--recovery"]);
    let text = told.split_whitespace().find(|word| word.len() == 47).unwrap();

    let contents = fs::read(&path).unwrap();
    let slot = keyfile::read(&mut contents.as_slice(), 1).unwrap();
    let pid = daemon(&vault, run(&mut mount_command(&vault, &["--keyfile", path.to_str().unwrap()])));
    assert_forgotten(pid, &master, &[("keyfile", &contents), ("slot key", slot.expose())]);
    unmount(&vault);

    let slot = RecoveryKey::parse(text.as_bytes()).unwrap().slot_key();
    let secrets: [(_, &[u8]); 2] = [("recovery key", text.as_bytes()), ("slot key", slot.expose())];
    let pid = daemon(
        &vault,
        run_with_input(&mut mount_command(&vault, &["--recovery"]), format!("{text}\n").as_bytes()),
    );
    assert_forgotten(pid, &master, &secrets);
    unmount(&vault);
    at_terminal(&mount_command(&vault, &["--recovery"]), &[("Recovery key: ", text)]).code(0);
    assert_forgotten(only_daemon(&vault), &master, &secrets);

    // The vault gets another password while it is mounted, which the daemon never hears of.
    let other = self::password();
    let input = format!("{password}\n{other}\n");
    run_with_input(vault.plainview(Who::me(), &["passwd"]).arg(vault.path()), input.as_bytes()).ok();
    let (slot, _) = unlock(&vault, &other);
    let secrets: [(_, &[u8]); 3] = [
        ("old password", password.as_bytes()),
        ("new password", other.as_bytes()),
        ("new slot key", slot.expose()),
    ];
    assert_forgotten(only_daemon(&vault), &master, &secrets);
    unmount(&vault);
}
