//! Changes of the slots of a vault: each reads `plainview.toml`, and writes it anew, while no other program of ours changes it.
//!
//! Keeps true: what is written has a slot that this version can open, fits the bounds that a reader enforces, and holds every slot that was not meant to change, also one
//! that was made meanwhile or is of a kind that is not known here.

use super::config::{Config, ConfigError};
use super::slot::{NewSlot, Slot};
use super::text::{Head, SLOTS_MAX};
use super::{MasterKey, store};
use std::os::fd::BorrowedFd;

/// A change of a vault's slots.
pub enum Change<'a> {
    /// One more.
    Add(&'a NewSlot),
    /// The one with this number goes.
    Remove(u32),
    /// This one, which must still be as it is here, becomes another, and keeps its number.
    Replace(&'a Slot, &'a NewSlot),
}

impl Config {
    /// Makes `change` to the `plainview.toml` of the directory `root`, which may have changed since it was read: what counts is what it is now. Returns the number of the
    /// slot. Durable when this returns; a mount of the vault goes on, since it has the master key already.
    ///
    /// # Errors
    /// [`ConfigError::NoSuchSlot`], [`ConfigError::LastSlot`], [`ConfigError::Full`], [`ConfigError::Changed`], [`ConfigError::Locked`], [`ConfigError::Damaged`] when the file is not one that
    /// `master` sealed, or what the operating system says. Nothing has changed then, but with [`ConfigError::NotDurable`].
    pub fn change(root: BorrowedFd<'_>, master: &MasterKey, change: &Change<'_>) -> Result<u32, ConfigError> {
        let held = store::Exclusive::take(root)?;
        let config = Self::parse(&held.read()?)?;
        config.check_seal(master)?;
        let (slots, id) = config.changed(master, change)?;
        let head = Head {
            vault: *config.vault(),
            names: config.names(),
            slots,
        };
        let bytes = Self::sealed(head, master).to_bytes();
        store::check_size(&bytes).map_err(|_| ConfigError::Full)?;
        held.replace(&bytes)?;
        Ok(id)
    }

    fn changed(&self, master: &MasterKey, change: &Change<'_>) -> Result<(Vec<Slot>, u32), ConfigError> {
        let mut slots = self.slots().to_vec();
        match change {
            Change::Add(new) => {
                if slots.len() >= SLOTS_MAX {
                    return Err(ConfigError::Full);
                }
                let id = free_id(&slots);
                slots.push(new.wrapping(id, self.vault(), master));
                Ok((slots, id))
            }
            Change::Remove(id) => {
                let at = slots.iter().position(|slot| slot.id() == *id);
                slots.remove(at.ok_or(ConfigError::NoSuchSlot(*id))?);
                // One that only a newer version can open does not count.
                if !slots.iter().any(|slot| slot.opener().is_known()) {
                    return Err(ConfigError::LastSlot);
                }
                Ok((slots, *id))
            }
            Change::Replace(old, new) => {
                let slot = slots.iter_mut().find(|slot| slot.id() == old.id());
                match slot {
                    Some(slot) if slot == *old => *slot = new.wrapping(old.id(), self.vault(), master),
                    Some(_) | None => return Err(ConfigError::Changed),
                }
                Ok((slots, old.id()))
            }
        }
    }
}

/// A number that no slot has: one more than the highest, so that a number that somebody noted is not another slot's soon.
fn free_id(slots: &[Slot]) -> u32 {
    let highest = slots.iter().map(Slot::id).max().unwrap_or(0);
    let is_free = |id: &u32| slots.iter().all(|slot| slot.id() != *id);
    highest.checked_add(1).or_else(|| (1..=u32::MAX).find(is_free)).unwrap_or(u32::MAX)
}
