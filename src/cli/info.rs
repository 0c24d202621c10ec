//! `plainview info`: what `plainview.toml` says, without a password, so without knowing whether it is genuine.

use super::exit::Failure;
use super::{InfoArgs, open_vault, print};
use crate::keys::{Config, FORMAT, Names, Opener, Slot};
use crate::password::KdfCost;
use data_encoding::HEXLOWER;
use serde::Serialize;
use std::os::fd::AsFd;

/// Runs the command.
pub(super) fn run(args: &InfoArgs) -> Result<(), Failure> {
    let root = open_vault(&args.vault)?;
    let config = Config::read(root.as_fd()).map_err(|error| Failure::config(&args.vault, &error))?;
    print(&if args.json { json(&config)? } else { text(&config) })
}

/// What `--json` prints.
pub(super) fn json(config: &Config) -> Result<String, Failure> {
    let json = serde_json::to_string_pretty(&Info::of(config)).map_err(|error| Failure::other(format!("cannot write JSON: {error}")))?;
    Ok(json + "\n")
}

/// What is printed for people.
pub(super) fn text(config: &Config) -> String {
    let info = Info::of(config);
    let slots: String = info.slots.iter().map(SlotInfo::line).collect();
    format!("format  {}\nvault   {}\nnames   {}\n{slots}", info.format, info.vault, info.names)
}

/// What is told of a vault. The field names are those of `plainview.toml`, and stay.
#[derive(Serialize)]
struct Info<'a> {
    format: u32,
    vault: String,
    names: &'static str,
    slots: Vec<SlotInfo<'a>>,
}

#[derive(Serialize)]
pub(super) struct SlotInfo<'a> {
    id: u32,
    kind: &'a str,
    label: &'a str,
    #[serde(flatten)]
    cost: Option<CostInfo>,
}

#[derive(Serialize)]
pub(super) struct CostInfo {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

impl<'a> Info<'a> {
    fn of(config: &'a Config) -> Self {
        let names = match config.names() {
            Names::Encrypted => "encrypted",
            Names::Plain => "plain",
        };
        Self {
            format: FORMAT,
            vault: HEXLOWER.encode(config.vault()),
            names,
            slots: config.slots().iter().map(SlotInfo::of).collect(),
        }
    }
}

impl<'a> SlotInfo<'a> {
    pub(super) fn of(slot: &'a Slot) -> Self {
        let cost = match slot.opener() {
            Opener::Password { cost, .. } => Some(CostInfo::of(*cost)),
            Opener::Keyfile | Opener::Recovery | Opener::Other { .. } => None,
        };
        Self {
            id: slot.id(),
            kind: slot.opener().kind(),
            label: slot.label(),
            cost,
        }
    }

    pub(super) fn line(&self) -> String {
        let label = if self.label.is_empty() {
            String::new()
        } else {
            format!(" {:?}", self.label)
        }; // {:?} escapes what a terminal would obey
        let cost = self.cost.as_ref().map(|cost| format!(": {}", cost.text())).unwrap_or_default();
        format!("slot {}  {}{label}{cost}\n", self.id, self.kind)
    }
}

impl CostInfo {
    pub(super) fn of(cost: KdfCost) -> Self {
        Self {
            memory_kib: cost.memory_kib(),
            passes: cost.passes(),
            lanes: cost.lanes(),
        }
    }

    pub(super) fn text(&self) -> String {
        let memory = match self.memory_kib {
            kib if kib % 1024 == 0 => format!("{} MiB", kib / 1024),
            kib => format!("{kib} KiB"),
        };
        format!(
            "Argon2id, {memory}, {} pass{}, {} lane{}",
            self.passes,
            plural(self.passes, "es"),
            self.lanes,
            plural(self.lanes, "s")
        )
    }
}

fn plural(count: u32, ending: &'static str) -> &'static str {
    if count == 1 { "" } else { ending }
}
