//! The text of `plainview.toml`: how it is written, and what is taken for one. No keys: the seal is bytes here.
//!
//! Strict, so that no byte of the file can differ from what was written without being seen: the seal covers all that comes before its line, and what
//! comes from there on can be written in one way only.

use super::config::{ConfigError, FORMAT, Names};
use super::slot::{Field, LABEL_MAX, Opener, Slot, VAULT_ID_LEN};
use crate::password::KdfCost;
use data_encoding::{BASE64URL_NOPAD, Encoding, HEXLOWER};
use serde::Deserialize;
use std::collections::BTreeMap;

/// Bytes of the seal's tag.
pub(super) const TAG_LEN: usize = 32;
/// Most slots.
pub(super) const SLOTS_MAX: usize = 64;
/// Most bytes of the name of a kind, or of a field, that is not known.
const NAME_MAX: usize = 32;
/// What stands before and after the tag, from the line `[seal]` on.
const SEAL: (&[u8], &[u8]) = (b"[seal]\ntag = \"", b"\"\n");

/// What the sealed part says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) vault: [u8; VAULT_ID_LEN],
    pub(super) names: Names,
    pub(super) slots: Vec<Slot>,
}

/// The sealed part, as `init` writes it.
pub(super) fn write_head(head: &Head) -> String {
    let names = match head.names {
        Names::Encrypted => "encrypted",
        Names::Plain => "plain",
    };
    let vault = HEXLOWER.encode(&head.vault);
    let slots: String = head.slots.iter().map(slot_text).collect();
    format!("format = {FORMAT}\nvault = \"{vault}\"\nnames = \"{names}\"\n\n{slots}")
}

fn slot_text(slot: &Slot) -> String {
    let kdf = match &slot.opener {
        Opener::Password { cost, salt } => {
            let (memory_kib, passes, lanes, salt) = (cost.memory_kib(), cost.passes(), cost.lanes(), BASE64URL_NOPAD.encode(salt));
            format!("memory_kib = {memory_kib}\npasses = {passes}\nlanes = {lanes}\nsalt = \"{salt}\"\n")
        }
        Opener::Keyfile | Opener::Recovery => String::new(),
        Opener::Other { fields, .. } => fields.iter().map(field_text).collect(),
    };
    let (id, kind, label, wrapped) = (
        slot.id,
        slot.opener.kind(),
        quoted(&slot.label),
        BASE64URL_NOPAD.encode(&slot.wrapped),
    );
    format!("[[slot]]\nid = {id}\nkind = \"{kind}\"\nlabel = {label}\n{kdf}wrapped = \"{wrapped}\"\n\n")
}

fn field_text((name, value): &(String, Field)) -> String {
    match value {
        Field::Flag(value) => format!("{name} = {value}\n"),
        Field::Number(value) => format!("{name} = {value}\n"),
        Field::Text(value) => format!("{name} = {}\n", quoted(value)),
    }
}

/// `text` as a TOML basic string. On one line whatever is in it, so that no label can look like the line `[seal]`.
fn quoted(text: &str) -> String {
    let escaped: String = text
        .chars()
        .map(|c| match c {
            '"' | '\\' => format!("\\{c}"),
            c if c.is_control() => format!("\\u{:04X}", u32::from(c)),
            c => c.to_string(),
        })
        .collect();
    format!("\"{escaped}\"")
}

/// The whole file.
pub(super) fn join(head: &[u8], tag: &[u8; TAG_LEN]) -> Vec<u8> {
    [head, SEAL.0, BASE64URL_NOPAD.encode(tag).as_bytes(), SEAL.1].concat()
}

/// The sealed part and the tag of a whole file.
///
/// # Errors
/// [`ConfigError::Damaged`].
pub(super) fn split(file: &[u8]) -> Result<(&[u8], [u8; TAG_LEN]), ConfigError> {
    let mut at = 0;
    for line in file.split_inclusive(|byte| *byte == b'\n') {
        if matches!(line, b"[seal]" | b"[seal]\n") {
            let (head, seal) = file.split_at(at);
            return Ok((head, read_seal(seal)?));
        }
        at += line.len();
    }
    Err(damaged("it has no line [seal]"))
}

fn read_seal(seal: &[u8]) -> Result<[u8; TAG_LEN], ConfigError> {
    let tag = seal.strip_prefix(SEAL.0).and_then(|seal| seal.strip_suffix(SEAL.1));
    let tag = tag.ok_or_else(|| damaged("after the line [seal] there is not one line with a tag and nothing else"))?;
    bytes(&BASE64URL_NOPAD, tag).ok_or_else(|| damaged("the seal's tag is not 32 bytes in base64url"))
}

/// Refuses a newer format by a line `format = N` before any table. To be asked first, since the rest of such a file may be anything.
///
/// # Errors
/// [`ConfigError::Newer`].
pub(super) fn check_format(file: &[u8]) -> Result<(), ConfigError> {
    let top = file
        .split(|byte| *byte == b'\n')
        .map(<[u8]>::trim_ascii)
        .take_while(|line| !line.starts_with(b"["));
    for line in top {
        let value = line
            .strip_prefix(b"format")
            .map(<[u8]>::trim_ascii_start)
            .and_then(|rest| rest.strip_prefix(b"="));
        let value = value
            .and_then(|value| std::str::from_utf8(value).ok())
            .unwrap_or_default()
            .trim_start();
        let digits = &value[..value.find(|c: char| !c.is_ascii_digit()).unwrap_or(value.len())];
        match digits.parse() {
            Ok(format) if format > FORMAT => return Err(ConfigError::Newer(format)),
            Ok(_) | Err(_) => {}
        }
    }
    Ok(())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HeadText {
    format: u32,
    vault: String,
    names: String,
    #[serde(default)]
    slot: Vec<SlotText>,
}

#[derive(Deserialize)]
struct SlotText {
    id: u32,
    kind: String,
    label: String,
    memory_kib: Option<u32>,
    passes: Option<u32>,
    lanes: Option<u32>,
    salt: Option<String>,
    wrapped: String,
    #[serde(flatten)]
    more: BTreeMap<String, Field>,
}

/// What the sealed part `head` says.
///
/// # Errors
/// [`ConfigError::Newer`], [`ConfigError::Damaged`]. A slot whose costs are out of bounds is damage, so that none is ever computed.
pub(super) fn read_head(head: &[u8]) -> Result<Head, ConfigError> {
    let text = std::str::from_utf8(head).map_err(|_| damaged("it is not UTF-8"))?;
    if text.contains('\r') {
        return Err(damaged("it has a carriage return; its lines end with a line feed alone"));
    }
    let read: HeadText = toml::from_str(text).map_err(|error| syntax(text, &error))?;
    match read.format {
        FORMAT => {}
        0 => return Err(damaged("there is no format 0")),
        newer => return Err(ConfigError::Newer(newer)),
    }
    let vault = bytes(&HEXLOWER, read.vault.as_bytes()).ok_or_else(|| damaged("the vault's id is not 32 lower-case hex digits"))?;
    let names = match read.names.as_str() {
        "encrypted" => Names::Encrypted,
        "plain" => Names::Plain,
        other => return Err(damaged(format!("names are {other:?}, neither \"encrypted\" nor \"plain\""))),
    };
    Ok(Head {
        vault,
        names,
        slots: read_slots(read.slot)?,
    })
}

fn syntax(text: &str, error: &toml::de::Error) -> ConfigError {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    damaged(format!("line {line}: {}", error.message().trim_end().replace('\n', "; ")))
}

fn read_slots(read: Vec<SlotText>) -> Result<Vec<Slot>, ConfigError> {
    let mut slots: Vec<Slot> = Vec::with_capacity(read.len());
    for text in read {
        let slot = read_slot(text)?;
        if slots.iter().any(|other| other.id == slot.id) {
            return Err(damaged(format!("two slots have the id {}", slot.id)));
        }
        slots.push(slot);
    }
    match slots.len() {
        0 => Err(damaged("it has no slot")),
        1..=SLOTS_MAX => Ok(slots),
        _ => Err(damaged(format!("it has more than {SLOTS_MAX} slots"))),
    }
}

fn read_slot(text: SlotText) -> Result<Slot, ConfigError> {
    let wrong = |what: String| damaged(format!("slot {}: {what}", text.id));
    if text.id == 0 || text.label.len() > LABEL_MAX {
        return Err(wrong(format!("its id is 0, or its label longer than {LABEL_MAX} bytes")));
    }
    let no_kdf = text.memory_kib.is_none() && text.passes.is_none() && text.lanes.is_none() && text.salt.is_none();
    let opener = match text.kind.as_str() {
        "password" | "keyfile" | "recovery" if !text.more.is_empty() => {
            let names: Vec<&str> = text.more.keys().map(String::as_str).collect();
            return Err(wrong(format!("unknown field `{}`", names.join("`, `"))));
        }
        "password" => read_password(&text).map_err(wrong)?,
        "keyfile" if no_kdf => Opener::Keyfile,
        "recovery" if no_kdf => Opener::Recovery,
        "keyfile" | "recovery" => return Err(wrong(format!("it is a {}, and has fields of a password", text.kind))),
        _ => read_other(&text).map_err(wrong)?,
    };
    let wrapped =
        bytes(&BASE64URL_NOPAD, text.wrapped.as_bytes()).ok_or_else(|| wrong("the wrapped key is not 48 bytes in base64url".to_owned()))?;
    Ok(Slot {
        id: text.id,
        label: text.label,
        opener,
        wrapped,
    })
}

/// A slot of a kind that a newer version made. It must not keep the others from opening the vault, and it must survive a change of them.
fn read_other(text: &SlotText) -> Result<Opener, String> {
    let is_name = |name: &str| {
        let good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        (1..=NAME_MAX).contains(&name.len()) && name.bytes().all(good)
    };
    if let Some(name) = [&text.kind].into_iter().chain(text.more.keys()).find(|name| !is_name(name)) {
        return Err(format!("{name:?} is the name of no kind and of no field"));
    }
    let known = [
        ("memory_kib", text.memory_kib.map(i64::from).map(Field::Number)),
        ("passes", text.passes.map(i64::from).map(Field::Number)),
        ("lanes", text.lanes.map(i64::from).map(Field::Number)),
        ("salt", text.salt.clone().map(Field::Text)),
    ];
    let known = known.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    let more = text.more.iter().map(|(name, value)| (name.clone(), value.clone()));
    Ok(Opener::Other {
        kind: text.kind.clone(),
        fields: known.chain(more).collect(),
    })
}

fn read_password(text: &SlotText) -> Result<Opener, String> {
    let (Some(memory_kib), Some(passes), Some(lanes), Some(salt)) = (text.memory_kib, text.passes, text.lanes, &text.salt) else {
        return Err("it is a password, and memory_kib, passes, lanes or salt is missing".to_owned());
    };
    let cost = KdfCost::new(memory_kib, passes, lanes).map_err(|error| error.to_string())?;
    let salt = bytes(&BASE64URL_NOPAD, salt.as_bytes()).ok_or("the salt is not 16 bytes in base64url")?;
    Ok(Opener::Password { cost, salt })
}

/// The `N` bytes that `text` encodes, canonically.
fn bytes<const N: usize>(encoding: &Encoding, text: &[u8]) -> Option<[u8; N]> {
    encoding.decode(text).ok()?.try_into().ok()
}

fn damaged(what: impl Into<String>) -> ConfigError {
    ConfigError::Damaged(what.into())
}
