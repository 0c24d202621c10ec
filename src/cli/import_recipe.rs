//! `plainview import --recipe`.

use super::copying::{Words, copy};
use super::exit::{Code, Failure, escaped, warn};
use super::journal::{Journaling, over_journal};
use super::mount::refuse_vault;
use super::place::{Place, open_folder};
use super::voice::Voice;
use super::{ImportArgs, PasswordArgs, RecipeKeyArgs, open_vault};
use crate::keys::Config;
use crate::password::Asking;
use crate::recipe::{self, Findings, Others, Recipe, RecipeKey, Verdict};
use crate::transfer::{self, Existing, Names, Originals, Policy, Same, Summary, Top};
use crate::vault::Vault;
use crate::view::Access;
use crate::walk::Known;
use std::os::fd::AsFd;
use std::path::Path;

pub(super) const WORDS: Words = Words {
    doing: "importing",
    done: "imported",
    hint: "",
    damage: Code::Incomplete,
};

/// Runs the command. All that can go wrong without the passwords is looked at before they are asked for.
pub(super) fn run(args: &ImportArgs, voice: Voice, folder: &Path, vault: &Path) -> Result<(), Failure> {
    let (folder_path, vault_path) = (folder, vault);
    let originals = if args.remove { Originals::Removed } else { Originals::Kept };
    let folder = Place::open(folder_path, open_folder)?;
    let vault = Place::open(vault_path, open_vault)?;
    let config = Config::read(vault.root.as_fd()).map_err(|error| Failure::config(vault_path, &error))?;
    refuse_pair(&folder, &vault)?;
    let access = match originals {
        Originals::Kept => Access::ReadOnly,
        Originals::Removed => Access::ReadWrite,
    };
    // Held until this function is left, which is after everything has been made durable.
    let _locks = (folder.lock(access)?, vault.lock(Access::ReadWrite)?);
    let key = recipe_key(args)?;
    check_key(args, folder_path, &recipe::check(folder.root.as_fd(), &key))?;
    let master = args.unlock.unlock(&config, vault_path, Asking::ExistingOf("the vault"))?;
    let recipe = Recipe::new(key, folder.descriptor()?, Others::Hidden);
    let source = folder.view(Box::new(recipe), access)?;
    // Files that are half there are found and done again; but what a mount left must be put right before.
    let (writing, journaling) = (crate::journal::Access::ReadWrite, Journaling::Off);
    let names = Vault::new(&master, config.names());
    let target = over_journal(names, vault_path, vault.root.as_fd(), &master, writing, journaling)?;
    let target = vault.view(Box::new(target), Access::ReadWrite)?;
    drop(master);
    let top = Top {
        source: Known::root(&source).map_err(|error| folder.unusable(&error))?,
        names: Names::All,
        target: Known::root(&target).map_err(|error| vault.unusable(&error))?,
        path: folder.path.clone(),
    };
    let policy = Policy {
        originals,
        existing: Existing::Kept,
        same: Same::Bytes,
    };
    let ended = copy(vec![top], policy, WORDS, &args.copy, voice)?;
    ended.verdict(WORDS)?;
    match args.copy.json {
        true => Ok(()),
        false => finish(voice, &folder, originals, &ended.summary),
    }
}

/// Two folders of which one would be moved into itself, or of the wrong kind.
fn refuse_pair(folder: &Place, vault: &Place) -> Result<(), Failure> {
    let (from, to) = (folder.path.display(), vault.path.display());
    if folder.overlaps(&vault.path) {
        return Err(Failure::new(
            Code::Usage,
            format!("{from} and {to} must not be the same or lie in each other; give a vault elsewhere"),
        ));
    }
    refuse_vault(&folder.path, folder.root.as_fd())
        .map_err(|_| Failure::new(Code::Usage, format!("{from} is a vault and no recipe folder")))
}

fn recipe_key(args: &ImportArgs) -> Result<RecipeKey, Failure> {
    let key = RecipeKeyArgs {
        key_hex_file: args.recipe_key_hex_file.clone(),
    };
    let password = PasswordArgs {
        passfile: args.recipe_passfile.clone(),
        extpass: args.recipe_extpass.clone(),
    };
    key.ask(&password, Asking::ExistingOf("the recipe folder"))
}

/// Refuses a key that is most likely wrong: what it makes of the folder would be garbage, and with --remove there would be nothing else.
fn check_key(args: &ImportArgs, folder: &Path, findings: &Findings) -> Result<(), Failure> {
    let folder = folder.display();
    let doubt = match (findings.verdict(), findings.warning()) {
        (Verdict::Fits, _) => return Ok(()),
        (Verdict::Strange, warning) => warning.unwrap_or_default(),
        (Verdict::Unknown, _) if args.remove && findings.files > findings.misfits => {
            "no file in it can tell whether the password or key is right".to_owned()
        }
        (Verdict::Unknown, Some(warning)) => {
            warn(&format!("{folder}: {warning}"));
            return Ok(());
        }
        (Verdict::Unknown, None) => return Ok(()),
    };
    if args.force {
        warn(&format!("{folder}: {doubt}"));
        return Ok(());
    }
    Err(Failure::new(
        Code::WrongPassword,
        format!("{folder}: {doubt}; nothing was imported (--force imports all the same)"),
    ))
}

/// The last word: what is to be done with the folder.
fn finish(voice: Voice, folder: &Place, originals: Originals, summary: &Summary) -> Result<(), Failure> {
    let path = folder.path.display();
    let left = match (transfer::stored_entries(folder.root.as_fd()), originals) {
        (Ok(stored), Originals::Kept) => stored.saturating_sub(summary.seen),
        (Ok(stored), Originals::Removed) => stored,
        (Err(errno), _) => {
            return Err(Failure::other(format!(
                "everything was imported, but {path} cannot be looked through for other files: {errno}"
            )));
        }
    };
    voice.tell(&escaped(&match (left, originals) {
        (0, Originals::Kept) => format!("All of {path} is in the vault. It can be removed now.\n"),
        (0, Originals::Removed) => format!("All of {path} is in the vault, and nothing is left there.\n"),
        (left, _) => format!("What is not of the recipe was not imported. Look at that before you remove {path}: {left} of its entries.\n"),
    }))
}
