//! Man pages: one for each command, in section 1, and mount.plainview(8).

use super::super::exit::Failure;
use super::super::helper::MountHelper;
use super::super::{Cli, exit};
use clap::{Command, CommandFactory};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};
use std::io;
use std::path::Path;

/// What each exit code means. README.md has the same list.
pub(super) const CODES: [(&str, &str); 13] = [
    ("0", "done"),
    ("1", "another error; the message says which"),
    ("2", "wrong usage"),
    ("6", "init: the directory is not empty"),
    ("7", "not a vault"),
    ("8", "the vault is in use"),
    (
        "9",
        "cannot mount: no /dev/fuse, no fusermount3, or the mount point is missing, not a directory, not empty or busy",
    ),
    ("12", "wrong password, keyfile or recovery key"),
    ("13", "plainview.toml is damaged or forged (check: 26)"),
    ("14", "the vault has a newer format"),
    (
        "16",
        "recipe, salvage, key add --generate: the file that was to be made is there already",
    ),
    ("17", "import, export: not everything was copied; it can be run again"),
    (
        "26",
        "check: damage was found, repaired or not; salvage, ls, cat, export: not everything could be read, for damage",
    ),
];

/// Writes all pages in `directory`.
pub(super) fn write(directory: &Path) -> Result<(), Failure> {
    for (name, text) in pages().map_err(|error| exit::Failure::other(format!("cannot make the man pages: {error}")))? {
        super::write(directory, &name, &text)?;
    }
    Ok(())
}

/// The pages, with the names of their files.
fn pages() -> io::Result<Vec<(String, Vec<u8>)>> {
    // The pages of its commands say how to get help.
    let mut cli = Cli::command().disable_help_subcommand(true);
    cli.build();
    let mut pages = Vec::new();
    below(&cli, "1", &mut pages)?;
    let mut helper = MountHelper::command();
    helper.build();
    below(&helper, "8", &mut pages)?;
    Ok(pages)
}

fn below(command: &Command, section: &str, pages: &mut Vec<(String, Vec<u8>)>) -> io::Result<()> {
    pages.push((format!("{}.{section}", title(command)), page(command, section)?));
    command
        .get_subcommands()
        .filter(|command| !command.is_hide_set())
        .try_for_each(|command| below(command, section, pages))
}

/// `plainview-mount`.
fn title(command: &Command) -> &str {
    command.get_display_name().unwrap_or_else(|| command.get_name())
}

fn page(command: &Command, section: &str) -> io::Result<Vec<u8>> {
    let man = Man::new(command.clone());
    let mut page = Vec::new();
    heading(command, section).to_writer(&mut page)?;
    let help = command.get_after_help().map(|help| help.to_string()).unwrap_or_default();
    let (text, examples) = help.split_once("Examples:\n").unwrap_or((&help, ""));
    man.render_description_section(&mut page)?;
    paragraphs(text).to_writer(&mut page)?;
    man.render_options_section(&mut page)?;
    if command.get_subcommands().any(|command| !command.is_hide_set()) {
        man.render_subcommands_section(&mut page)?;
    }
    closing(command, section, examples).to_writer(&mut page)?;
    Ok(page)
}

/// Not clap_mangen's: its synopsis repeats all options, and without a date, what follows that is in the wrong place.
fn heading(command: &Command, section: &str) -> Roff {
    let mut roff = Roff::new();
    let (title, source) = (title(command), concat!("plainview ", env!("CARGO_PKG_VERSION")));
    let about = command.get_about().map(|about| about.to_string()).unwrap_or_default();
    let usage = command.clone().render_usage().to_string();
    roff.control("TH", [&title.to_uppercase(), section, "\\&", source, "plainview"]);
    roff.control("SH", ["NAME"]).text([roman(format!("{title} - {about}"))]);
    roff.control("SH", ["SYNOPSIS"]);
    roff.text([roman(usage.trim_start_matches("Usage: "))]);
    roff
}

fn paragraphs(text: &str) -> Roff {
    let mut roff = Roff::new();
    for paragraph in text.split("\n\n").map(str::trim).filter(|paragraph| !paragraph.is_empty()) {
        roff.control("PP", []).text([roman(paragraph)]);
    }
    roff
}

/// What is not about the arguments.
fn closing(command: &Command, section: &str, examples: &str) -> Roff {
    let mut roff = Roff::new();
    if !examples.is_empty() {
        roff.control("SH", ["EXAMPLES"]).control("nf", []);
        for line in examples.lines() {
            roff.text([roman(line.trim_start())]);
        }
        roff.control("fi", []);
    }
    roff.control("SH", ["EXIT STATUS"]);
    for (code, meaning) in CODES {
        roff.control("TP", []).text([bold(code)]).text([roman(meaning)]);
    }
    roff.control("SH", ["SEE ALSO"]);
    let others: &[(&str, &str)] = match (section, title(command)) {
        ("8", _) => &[("plainview-mount", "1"), ("fstab", "5"), ("mount", "8")],
        (_, "plainview") => &[("mount.plainview", "8"), ("fusermount3", "1")],
        (_, "plainview-mount") => &[("plainview", "1"), ("mount.plainview", "8"), ("fuse", "8")],
        (..) => &[("plainview", "1")],
    };
    for (index, (name, section)) in others.iter().enumerate() {
        let comma = if index + 1 == others.len() { "" } else { "," };
        roff.text([bold(*name), roman(format!("({section}){comma}"))]);
    }
    roff
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_page_for_each_command() {
        let pages = pages().unwrap();
        let names: Vec<_> = pages.iter().map(|(name, _)| name.as_str()).collect();
        for name in [
            "plainview.1",
            "plainview-mount.1",
            "plainview-recipe-encrypt.1",
            "mount.plainview.8",
        ] {
            assert!(names.contains(&name), "{names:?}");
        }
        for (name, page) in &pages {
            let page = String::from_utf8(page.clone()).unwrap();
            assert!(page.contains(".SH \"EXIT STATUS\""), "{name}");
            assert!(!page.contains("background\\-child") && !name.contains("generate"), "{name}");
        }
    }

    #[test]
    fn the_exit_codes_are_those_of_the_readme() {
        let readme = include_str!("../../../README.md");
        let rows: Vec<_> = readme
            .lines()
            .filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |")?.split_once(" | "))
            .filter(|(code, _)| code.parse::<u8>().is_ok())
            .map(|(code, meaning)| (code.to_owned(), meaning.replace('`', "")))
            .collect();
        assert_eq!(rows, CODES.map(|(code, meaning)| (code.to_owned(), meaning.to_owned())));
    }
}
