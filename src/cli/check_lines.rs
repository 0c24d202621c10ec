//! What `plainview check` prints: lines for people, and for programs, whose keys stay (`docs/check.md`).

use crate::check::{Deed, Done, Finding, Mode, Summary, escaped};
use data_encoding::BASE64;
use serde::Serialize;

/// What was done, for people.
pub(super) fn told(done: &Done, mode: Mode) -> String {
    let what = match done.deed {
        Deed::Move => "move to lost+found",
        Deed::Cut => "cut to what can be read",
        Deed::Remove => "remove",
        Deed::WriteId => "write the directory's id anew",
        Deed::RemoveAttribute => "take the attribute away",
    };
    let (Ok(path) | Err(path)) = &done.path;
    let kept = done.kept_as.as_ref().map(|kept| format!(" (kept as {})", escaped(kept)));
    let (path, vault_path, kept) = (escaped(path), escaped(&done.vault_path), kept.unwrap_or_default());
    let line = format!("/{path}: {vault_path}: {what}{kept}");
    match (done.failed, mode) {
        (Some(errno), _) => format!("cannot repair: {line}: {errno}\n"),
        (None, Mode::Act) => format!("repair: {line}\n"),
        (None, Mode::DryRun) => format!("would repair: {line}\n"),
    }
}

/// The last line, for people.
pub(super) fn summed_up(summary: &Summary) -> String {
    let count = |count: u64, one: &str, many: &str| format!("{count} {}", if count == 1 { one } else { many });
    let found = [
        count(summary.damage, "finding of damage", "findings of damage"),
        format!("{} unreadable", summary.unreadable),
        count(summary.leftovers, "leftover", "leftovers"),
        format!("{} foreign", summary.foreign),
    ];
    format!(
        "{}, {}, {}, {}, {} looked at: {}\n",
        count(summary.files, "file", "files"),
        count(summary.directories, "directory", "directories"),
        count(summary.symlinks, "symlink", "symlinks"),
        count(summary.others, "other", "others"),
        count(summary.bytes, "byte", "bytes"),
        found.join(", ")
    )
}

/// Bytes that are most often text: the text, and, where it is not all, all in base64.
pub(super) struct Text {
    pub(super) text: Option<String>,
    pub(super) base64: Option<String>,
}

impl Text {
    pub(super) fn of(bytes: &[u8]) -> Self {
        let is_text = std::str::from_utf8(bytes).is_ok();
        Self {
            text: Some(String::from_utf8_lossy(bytes).into_owned()),
            base64: (!is_text).then(|| BASE64.encode(bytes)),
        }
    }

    /// A path that is not known is none.
    fn of_path(path: &Result<Vec<u8>, Vec<u8>>) -> Self {
        let unknown = Self { text: None, base64: None };
        path.as_ref().map_or(unknown, |path| Self::of(path))
    }
}

/// A finding.
#[derive(Serialize)]
pub(super) struct FindingLine<'a> {
    r#type: &'static str,
    severity: &'static str,
    what: &'static str,
    path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path_base64: Option<String>,
    vault_path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    vault_path_base64: Option<String>,
    record: Option<u64>,
    records: Option<u64>,
    offset: Option<u64>,
    length: Option<u64>,
    reason: &'a str,
}

impl<'a> FindingLine<'a> {
    pub(super) fn of(finding: &'a Finding) -> Self {
        let (path, vault_path) = (Text::of_path(&finding.path), Text::of(&finding.vault_path));
        Self {
            r#type: "finding",
            severity: finding.severity.word(),
            what: finding.what.word(),
            path: path.text,
            path_base64: path.base64,
            vault_path: vault_path.text,
            vault_path_base64: vault_path.base64,
            record: finding.records.map(|span| span.first),
            records: finding.records.map(|span| span.count),
            offset: finding.bytes.map(|(offset, _)| offset),
            length: finding.bytes.map(|(_, length)| length),
            reason: &finding.reason,
        }
    }
}

/// What a repair did, or would do.
#[derive(Serialize)]
pub(super) struct DoneLine<'a> {
    r#type: &'static str,
    deed: &'static str,
    done: bool,
    path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path_base64: Option<String>,
    vault_path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    vault_path_base64: Option<String>,
    kept_as: Option<String>,
    reason: &'a str,
    error: Option<String>,
}

impl<'a> DoneLine<'a> {
    pub(super) fn of(done: &'a Done, mode: Mode) -> Self {
        let (path, vault_path) = (Text::of_path(&done.path), Text::of(&done.vault_path));
        Self {
            r#type: "repair",
            deed: done.deed.word(),
            done: mode == Mode::Act && done.failed.is_none(),
            path: path.text,
            path_base64: path.base64,
            vault_path: vault_path.text,
            vault_path_base64: vault_path.base64,
            kept_as: done.kept_as.as_ref().map(|kept| escaped(kept)),
            reason: &done.why,
            error: done.failed.map(|errno| errno.to_string()),
        }
    }
}

/// The last line.
#[derive(Serialize)]
pub(super) struct SummaryLine {
    r#type: &'static str,
    files: u64,
    directories: u64,
    symlinks: u64,
    others: u64,
    bytes: u64,
    damage: u64,
    unreadable: u64,
    leftovers: u64,
    foreign: u64,
}

impl SummaryLine {
    pub(super) fn of(summary: &Summary) -> Self {
        Self {
            r#type: "summary",
            files: summary.files,
            directories: summary.directories,
            symlinks: summary.symlinks,
            others: summary.others,
            bytes: summary.bytes,
            damage: summary.damage,
            unreadable: summary.unreadable,
            leftovers: summary.leftovers,
            foreign: summary.foreign,
        }
    }
}
