//! How much a command says, and in what colour.
//!
//! Three kinds of words: what was asked for (a list, a file, a table) goes to standard output whatever is said here; what was done goes there too, unless that is
//! not wanted; warnings and details go to standard error, by way of the logger or as loudly as that.

use super::exit::{Code, Failure};
use super::print;
use clap::builder::styling::{AnsiColor, Style};
use log::LevelFilter;
use std::ffi::OsStr;
use std::io::IsTerminal;

/// How much is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Voice {
    /// Errors, and what was asked for.
    Quiet,
    /// Also what was done, and warnings.
    Normal,
    /// Also how.
    Verbose,
}

impl Voice {
    /// As the options say, which may stand before the command and behind it.
    ///
    /// # Errors
    /// That both were given.
    pub(super) fn of(quiet: bool, verbose: bool) -> Result<Self, Failure> {
        match (quiet, verbose) {
            (false, false) => Ok(Self::Normal),
            (true, false) => Ok(Self::Quiet),
            (false, true) => Ok(Self::Verbose),
            (true, true) => Err(Failure::new(
                Code::Usage,
                "--quiet and --verbose contradict each other; give one of them",
            )),
        }
    }

    /// What the logger lets through.
    pub(super) fn level(self) -> LevelFilter {
        match self {
            Self::Quiet => LevelFilter::Error,
            Self::Normal => LevelFilter::Info,
            Self::Verbose => LevelFilter::Debug,
        }
    }

    /// Whether only errors are wanted.
    pub(super) fn is_quiet(self) -> bool {
        self == Self::Quiet
    }

    /// Says what was done.
    ///
    /// # Errors
    /// As for [`print()`].
    pub(super) fn tell(self, text: &str) -> Result<(), Failure> {
        if self.is_quiet() { Ok(()) } else { print(text) }
    }
}

/// `word` in bold and in `colour`, where standard error shows colours.
pub(super) fn coloured(word: &str, colour: AnsiColor) -> String {
    if has_colours() {
        let style = Style::new().bold().fg_color(Some(colour.into()));
        format!("{style}{word}{style:#}")
    } else {
        word.to_owned()
    }
}

/// Whether standard error is a terminal that shows colours, and nobody has said that they are not wanted (<https://no-color.org>).
fn has_colours() -> bool {
    let variable = |name| std::env::var_os(name);
    wants_colours(variable("NO_COLOR").as_deref(), variable("TERM").as_deref()) && std::io::stderr().is_terminal()
}

fn wants_colours(no_color: Option<&OsStr>, term: Option<&OsStr>) -> bool {
    no_color.is_none_or(OsStr::is_empty) && term.is_some_and(|term| term != "dumb")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_two_options_says_how_much() {
        assert_eq!(Voice::of(false, false).unwrap().level(), LevelFilter::Info);
        assert_eq!(Voice::of(true, false).unwrap().level(), LevelFilter::Error);
        assert_eq!(Voice::of(false, true).unwrap().level(), LevelFilter::Debug);
        assert_eq!(Voice::of(true, true).unwrap_err().code(), Code::Usage);
    }

    #[test]
    fn colours_can_be_refused() {
        let cases = [
            (None, Some("xterm"), true),
            (Some(""), Some("xterm"), true),
            (Some("1"), Some("xterm"), false),
            (Some("0"), Some("xterm"), false),
            (None, Some("dumb"), false),
            (None, None, false),
        ];
        for (no_color, term, wanted) in cases {
            assert_eq!(
                wants_colours(no_color.map(OsStr::new), term.map(OsStr::new)),
                wanted,
                "{no_color:?} {term:?}"
            );
        }
    }
}
