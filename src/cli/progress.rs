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

/// A bar on standard error, if that is a terminal, from the second second on. Gone when dropped.
pub(super) struct Progress(ProgressBar);

impl Progress {
    /// A bar for `what`, which has `total` bytes.
    pub(super) fn new(what: &str, total: u64) -> Self {
        let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::hidden());
        let style = ProgressStyle::with_template("{msg} [{wide_bar}] {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> "));
        bar.set_message(escaped(what));
        Self(bar)
    }

    /// There are so many bytes, as is known now.
    pub(super) fn set_total(&self, total: u64) {
        self.0.set_length(total);
    }

    /// So many bytes are done.
    pub(super) fn set(&self, done: u64) {
        if self.0.is_hidden() && self.0.elapsed() >= SOON && shows_progress() {
            self.0.set_draw_target(ProgressDrawTarget::stderr());
        }
        self.0.set_position(done);
    }

    /// Calls `say`, which writes to standard error, where the bar is not in its way.
    pub(super) fn aside(&self, say: impl FnOnce()) {
        self.0.suspend(say);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// A number of files on standard error, if that is a terminal, from the second second on. Gone when dropped.
pub(super) struct Counter(ProgressBar);

impl Counter {
    /// A counter for `what`.
    pub(super) fn new(what: &str) -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        let style = ProgressStyle::with_template("{spinner} {msg}: {human_pos} files");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
        bar.set_message(escaped(what));
        Self(bar)
    }

    /// So many files were looked at.
    pub(super) fn set(&self, files: u64) {
        if self.0.is_hidden() && self.0.elapsed() >= SOON && shows_progress() {
            self.0.set_draw_target(ProgressDrawTarget::stderr());
        }
        self.0.set_position(files);
    }
}

impl Drop for Counter {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
