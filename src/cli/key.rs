//! `plainview key`: what opens a vault.

use super::advice::advised;
use super::exit::{Code, Failure, escaped};
use super::info::{CostInfo, SlotInfo};
use super::unlock::read_keyfile;
use super::voice::Voice;
use super::{KeyAddArgs, KeyCommand, KeyListArgs, KeyRemoveArgs, KeyTestArgs, open_vault, print};
use crate::keys::{Change, Config, LABEL_MAX, MasterKey, NewSlot, Opener, RecoveryKey, keyfile};
use crate::password::{Asking, KdfCost};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::Duration;
use zeroize::Zeroizing;

/// What is said where a slot goes, or another password takes its place.
pub(super) const OLD_COPIES: &str = "\
Who kept a copy of the old plainview.toml and knows the old password still opens the vault: the keys of its files\n\
stay the same. To shut them out, make a new vault, and move the files there.\n";

/// Runs the command.
pub(super) fn run(command: &KeyCommand, voice: Voice) -> Result<(), Failure> {
    match command {
        KeyCommand::List(args) => list(args),
        KeyCommand::Add(args) => add(args, voice),
        KeyCommand::Remove(args) => remove(args, voice),
        KeyCommand::Test(args) => test(args),
    }
}

/// A vault's directory, and its configuration.
pub(super) fn open(vault: &Path) -> Result<(OwnedFd, Config), Failure> {
    let root = open_vault(vault)?;
    let config = Config::read(root.as_fd()).map_err(|error| Failure::config(vault, &error))?;
    Ok((root, config))
}

fn list(args: &KeyListArgs) -> Result<(), Failure> {
    let (_, config) = open(&args.vault)?;
    let slots: Vec<SlotInfo> = config.slots().iter().map(SlotInfo::of).collect();
    if !args.json {
        return print(&slots.iter().map(SlotInfo::line).collect::<String>());
    }
    let json = serde_json::to_string_pretty(&slots).map_err(|error| Failure::other(format!("cannot write JSON: {error}")))?;
    print(&(json + "\n"))
}

fn test(args: &KeyTestArgs) -> Result<(), Failure> {
    let (_, config) = open(&args.vault)?;
    let (_, slot, _) = args.unlock.unlock_slot(&config, &args.vault, Asking::Existing)?;
    print(&escaped(&format!("{}opens {}\n", SlotInfo::of(slot).line(), args.vault.display())))
}

fn remove(args: &KeyRemoveArgs, voice: Voice) -> Result<(), Failure> {
    let (root, config) = open(&args.vault)?;
    let master = args.unlock.unlock(&config, &args.vault, Asking::Existing)?;
    Config::change(root.as_fd(), &master, &Change::Remove(args.slot)).map_err(|error| Failure::config(&args.vault, &error))?;
    voice.tell(&escaped(&format!(
        "Removed slot {} of {}.\n{OLD_COPIES}",
        args.slot,
        args.vault.display()
    )))
}

/// All that can go wrong without a password is looked at before one is asked for.
fn add(args: &KeyAddArgs, voice: Voice) -> Result<(), Failure> {
    if args.label.len() > LABEL_MAX {
        return Err(Failure::new(Code::Usage, format!("the label is longer than {LABEL_MAX} bytes")));
    }
    if (args.keyfile.is_some() || args.recovery) && args.kdf.is_given() {
        return Err(Failure::new(
            Code::Usage,
            "--kdf-time, --kdf-memory and --kdf-passes are for passwords: nobody can guess at a keyfile or a recovery key",
        ));
    }
    let (root, config) = open(&args.vault)?;
    let added = |opener, key| NewSlot {
        label: args.label.clone(),
        opener,
        key,
    };
    if let Some(path) = &args.keyfile {
        refuse_inside(path, &args.vault)?;
        // One that is there is read before the password is asked for, a new one is made after.
        let existing = if args.generate { None } else { Some(read_new_keyfile(path)?) };
        let master = args.unlock().unlock(&config, &args.vault, Asking::Existing)?;
        return match existing {
            Some(key) => put(args, &root, &master, &added(Opener::Keyfile, key)).and_then(|id| told(args, voice, id, "this keyfile")),
            None => generate(args, voice, path, |key| put(args, &root, &master, &added(Opener::Keyfile, key))),
        };
    }
    let master = args.unlock().unlock(&config, &args.vault, Asking::Existing)?;
    if args.recovery {
        let key = RecoveryKey::random();
        let id = put(args, &root, &master, &added(Opener::Recovery, key.slot_key()))?;
        return show(id, &args.vault, &key);
    }
    let password = args.new.source().ask(Asking::New)?;
    let (cost, takes) = args.kdf.cost(KdfCost::DEFAULT)?;
    let slot = NewSlot::password(args.label.clone(), &password, cost)
        .map_err(|error| Failure::other(format!("cannot make a key of the new password: {error}")))?;
    drop(password);
    let id = put(args, &root, &master, &slot)?;
    voice.tell(&measured(cost, takes))?;
    told(args, voice, id, "the new password")
}

fn put(args: &KeyAddArgs, root: &OwnedFd, master: &MasterKey, slot: &NewSlot) -> Result<u32, Failure> {
    Config::change(root.as_fd(), master, &Change::Add(slot)).map_err(|error| Failure::config(&args.vault, &error))
}

fn told(args: &KeyAddArgs, voice: Voice, id: u32, what: &str) -> Result<(), Failure> {
    voice.tell(&escaped(&format!("Slot {id} of {} is opened by {what}.\n", args.vault.display())))
}

/// What a guess costs, if that was measured.
pub(super) fn measured(cost: KdfCost, takes: Option<Duration>) -> String {
    let line = |takes: Duration| {
        format!(
            "A guess at the password costs {}: {:.1} s here.\n",
            CostInfo::of(cost).text(),
            takes.as_secs_f64()
        )
    };
    takes.map(line).unwrap_or_default()
}

/// A key that lies with what it opens keeps nobody out.
fn refuse_inside(file: &Path, vault: &Path) -> Result<(), Failure> {
    let parent = file
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or_else(|| Path::new("."));
    let is_inside = match (parent.canonicalize(), vault.canonicalize()) {
        (Ok(parent), Ok(vault)) => parent.starts_with(vault),
        (Ok(_) | Err(_), _) => false,
    };
    if is_inside {
        return Err(Failure::new(
            Code::Usage,
            format!(
                "{} lies in the vault: who has the vault would have its key; put it elsewhere",
                file.display()
            ),
        ));
    }
    Ok(())
}

fn read_new_keyfile(path: &Path) -> Result<crate::keys::SlotKey, Failure> {
    if !path.exists() {
        return Err(Failure::other(format!("there is no file {}; --generate makes one", path.display())));
    }
    read_keyfile(path, keyfile::KEYFILE_MIN)
}

/// Makes the keyfile `path`, and its slot by `put`; without that, the file goes again.
fn generate(
    args: &KeyAddArgs,
    voice: Voice,
    path: &Path,
    put: impl FnOnce(crate::keys::SlotKey) -> Result<u32, Failure>,
) -> Result<(), Failure> {
    keyfile::generate(path).map_err(|error| match error.kind() == std::io::ErrorKind::AlreadyExists {
        true => Failure::new(
            Code::Exists,
            format!("{} is there already; without --generate it is taken as it is", path.display()),
        ),
        false => Failure::other(format!("cannot make the keyfile {}: {}", path.display(), advised(error))),
    })?;
    let made = read_new_keyfile(path).and_then(put).inspect_err(|_| {
        // It opens nothing.
        let _ = std::fs::remove_file(path);
    });
    told(
        args,
        voice,
        made?,
        &format!("the new keyfile {}. Keep a copy of that", path.display()),
    )
}

/// Shows a recovery key, this once.
pub(super) fn show(id: u32, vault: &Path, key: &RecoveryKey) -> Result<(), Failure> {
    let text = key.text();
    let shown = Zeroizing::new(format!(
        "Slot {id} of {} is opened by this recovery key. It is shown this once: write it down, and keep it apart from the vault.\n\n    {}\n\n\
         When it is typed in (--recovery), dashes, spaces and case do not matter, and a slip is told by the number of its group.\n",
        escaped(&vault.display().to_string()),
        text.as_str()
    ));
    print(&shown).map_err(|error| {
        Failure::other(format!(
            "{error}; nobody saw the recovery key of slot {id}: remove that with `plainview key remove`"
        ))
    })
}
