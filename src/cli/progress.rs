//! A bar that shows how far something that takes long has come.

use super::exit::escaped;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;
use std::time::Duration;

/// What takes less needs no bar.
const SOON: Duration = Duration::from_secs(1);

/// Whether anybody looks: at a terminal, and not with --quiet, which lowers the level of the logger.
pub(super) fn shows_progress() -> bool {
    log::max_level() >= log::LevelFilter::Warn && std::io::stderr().is_terminal()
}

/// As [`shows_progress`], for what prints as it goes on: at a terminal that shows how far it has come, and a bar would be in its way.
pub(super) fn shows_progress_beside_output() -> bool {
    shows_progress() && !std::io::stdout().is_terminal()
}

/// Moves `bar` to `position`; makes it visible from the second second on, if it is to be seen at all.
fn advance(bar: &ProgressBar, shows: fn() -> bool, position: u64) {
    if bar.is_hidden() && bar.elapsed() >= SOON && shows() {
        bar.set_draw_target(ProgressDrawTarget::stderr());
    }
    bar.set_position(position);
}

/// A bar on standard error, if that is a terminal, from the second second on. Gone when dropped.
pub(super) struct Progress {
    bar: ProgressBar,
    shows: fn() -> bool,
}

impl Progress {
    /// A bar for `what`, which has `total` bytes.
    pub(super) fn new(what: &str, total: u64) -> Self {
        Self::shown_if(shows_progress, what, total)
    }

    /// The same for what prints as it goes on: only where that goes to no terminal.
    pub(super) fn beside_output(what: &str, total: u64) -> Self {
        Self::shown_if(shows_progress_beside_output, what, total)
    }

    fn shown_if(shows: fn() -> bool, what: &str, total: u64) -> Self {
        let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::hidden());
        let style = ProgressStyle::with_template("{msg} [{wide_bar}] {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> "));
        bar.set_message(escaped(what));
        Self { bar, shows }
    }

    /// There are so many bytes, as is known now.
    pub(super) fn set_total(&self, total: u64) {
        self.bar.set_length(total);
    }

    /// So many bytes are done.
    pub(super) fn set(&self, done: u64) {
        advance(&self.bar, self.shows, done);
    }

    /// Calls `say`, which writes to standard error, where the bar is not in its way.
    pub(super) fn aside(&self, say: impl FnOnce()) {
        self.bar.suspend(say);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// A number of files on standard error, if that is a terminal, from the second second on. Gone when dropped.
pub(super) struct Counter {
    bar: ProgressBar,
    shows: fn() -> bool,
}

impl Counter {
    /// A counter for `what`.
    pub(super) fn new(what: &str) -> Self {
        Self::shown_if(shows_progress, what)
    }

    /// The same for what prints as it goes on: only where that goes to no terminal.
    pub(super) fn beside_output(what: &str) -> Self {
        Self::shown_if(shows_progress_beside_output, what)
    }

    fn shown_if(shows: fn() -> bool, what: &str) -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        let style = ProgressStyle::with_template("{spinner} {msg}: {human_pos} files");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
        bar.set_message(escaped(what));
        Self { bar, shows }
    }

    /// So many files were looked at.
    pub(super) fn set(&self, files: u64) {
        advance(&self.bar, self.shows, files);
    }

    /// Calls `say`, which writes to standard error, where the counter is not in its way.
    pub(super) fn aside(&self, say: impl FnOnce()) {
        self.bar.suspend(say);
    }
}

impl Drop for Counter {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
