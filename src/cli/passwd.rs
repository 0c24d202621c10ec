//! `plainview passwd`: another password for a slot.

use super::PasswdArgs;
use super::exit::{Code, Failure, escaped};
use super::key::{OLD_COPIES, measured, open};
use super::unlock::Held;
use super::voice::Voice;
use crate::keys::{Change, Config, NewSlot, Opener, Slot};
use crate::password::{Asking, KdfCost, Password};
use std::os::fd::AsFd;

/// Runs the command. The old password is known to be right before the new one is asked for, and nothing is changed before everything is known.
pub(super) fn run(args: &PasswdArgs, voice: Voice) -> Result<(), Failure> {
    if args.slot.is_some() && args.unlock.is_password() {
        return Err(Failure::new(
            Code::Usage,
            "--slot is for --keyfile and --recovery: a password says itself which slot it opens",
        ));
    }
    let (root, config) = open(&args.vault)?;
    let (master, opened, held) = args.unlock.unlock_slot(&config, &args.vault, Asking::Existing)?;
    let (slot, current) = match opened.opener() {
        Opener::Password { cost, .. } => (opened, *cost),
        Opener::Keyfile | Opener::Recovery | Opener::Other { .. } => choose(args, &config)?,
    };
    let password = args.new.source().ask(Asking::New)?;
    refuse_same(args, &held, &password)?;
    let (cost, takes) = args.kdf.cost(current)?;
    let new = NewSlot::password(slot.label().to_owned(), &password, cost)
        .map_err(|error| Failure::other(format!("cannot make a key of the new password: {error}")))?;
    drop((password, held));
    Config::change(root.as_fd(), &master, &Change::Replace(slot, &new)).map_err(|error| Failure::config(&args.vault, &error))?;
    let (id, vault, measured) = (slot.id(), args.vault.display(), measured(cost, takes));
    voice.tell(&escaped(&format!(
        "Changed the password of slot {id} of {vault}.\n{measured}{OLD_COPIES}"
    )))
}

/// The slot of the password that is not known any more: the one that was named, or the only one.
fn choose<'a>(args: &PasswdArgs, config: &'a Config) -> Result<(&'a Slot, KdfCost), Failure> {
    let passwords: Vec<(&Slot, KdfCost)> = config
        .slots()
        .iter()
        .filter_map(|slot| match slot.opener() {
            Opener::Password { cost, .. } => Some((slot, *cost)),
            Opener::Keyfile | Opener::Recovery | Opener::Other { .. } => None,
        })
        .collect();
    let vault = args.vault.display();
    match (passwords.as_slice(), args.slot) {
        (_, Some(id)) => {
            let named = passwords.iter().find(|(slot, _)| slot.id() == id);
            named.copied().ok_or_else(|| {
                Failure::other(format!(
                    "slot {id} of {vault} is no password's; `plainview key list` says what there is"
                ))
            })
        }
        ([one], None) => Ok(*one),
        ([], None) => Err(Failure::other(format!(
            "no slot of {vault} is a password's, to be changed; `plainview key add` adds one"
        ))),
        ([..], None) => Err(Failure::new(
            Code::Usage,
            format!("{vault} has several passwords; say with --slot which one to change, as `plainview key list` tells them"),
        )),
    }
}

/// A script that reads both from one place has changed nothing, and should hear of it.
fn refuse_same(args: &PasswdArgs, held: &Held, new: &Password) -> Result<(), Failure> {
    match held {
        Held::Password(old) if old.expose() == new.expose() && !args.kdf.is_given() => Err(Failure::other(
            "the new password is the old one; nothing was changed (with --kdf-time, --kdf-memory or --kdf-passes it may stay)",
        )),
        Held::Password(_) | Held::Keyfile(_) | Held::Recovery(_) => Ok(()),
    }
}
