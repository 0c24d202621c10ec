//! A bar that shows how far something that takes long has come.

use super::exit::escaped;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use parking_lot::Mutex;
use std::io::IsTerminal;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// What takes less needs no bar.
const SOON: Duration = Duration::from_secs(1);
/// How often what has several steps is drawn.
const TICK: Duration = Duration::from_millis(100);
const BYTES: &str = "{msg} [{wide_bar}] {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left";
const FILES: &str = "{spinner} {msg}: {human_pos} files";
const ENDLESS: &str = "{spinner} {msg}";

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

fn style(template: &str) -> ProgressStyle {
    let style = ProgressStyle::with_template(template);
    style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> ")
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
        bar.set_style(style(BYTES));
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
        bar.set_style(style(FILES));
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

/// What is done in several steps: a line on standard error, if that is a terminal, which says how far the present step is. It is there from the second second on, also when
/// nothing is reported, and is drawn again and again. Gone when dropped.
pub(super) struct Steps {
    bar: ProgressBar,
    /// The present step. Leaf lock.
    step: Mutex<&'static str>,
    /// Makes the bar visible, unless its sender is gone first.
    shower: Option<(Sender<()>, JoinHandle<()>)>,
}

impl Steps {
    /// Before the first step.
    pub(super) fn new() -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        bar.set_style(style(ENDLESS));
        Self {
            shower: shows_progress().then(|| show_soon(bar.clone())).flatten(),
            step: Mutex::new(""),
            bar,
        }
    }

    /// The step `what`, of which so many bytes are done.
    pub(super) fn bytes(&self, what: &'static str, done: u64, total: u64) {
        self.go_to(what, BYTES, total);
        self.bar.set_position(done);
    }

    /// The step `what`, which is done for so many files.
    pub(super) fn files(&self, what: &'static str, files: u64) {
        self.go_to(what, FILES, 0);
        self.bar.set_position(files);
    }

    /// The step `what`, of which is not known how far it is.
    pub(super) fn endless(&self, what: &'static str) {
        self.go_to(what, ENDLESS, 0);
    }

    /// Begins the step `what`, if that is not the present one.
    fn go_to(&self, what: &'static str, template: &str, total: u64) {
        let mut step = self.step.lock();
        if *step == what {
            return;
        }
        *step = what;
        self.bar.set_message(what);
        self.bar.reset();
        self.bar.set_length(total);
        self.bar.set_style(style(template));
    }
}

/// Makes `bar` visible after a second. Without a thread to do it, it stays hidden.
fn show_soon(bar: ProgressBar) -> Option<(Sender<()>, JoinHandle<()>)> {
    let (end, ended) = channel();
    let show = move || {
        if ended.recv_timeout(SOON) == Err(RecvTimeoutError::Timeout) {
            bar.set_draw_target(ProgressDrawTarget::stderr());
            bar.enable_steady_tick(TICK);
        }
    };
    let thread = thread::Builder::new().spawn(show).ok()?;
    Some((end, thread))
}

impl Drop for Steps {
    fn drop(&mut self) {
        if let Some((end, thread)) = self.shower.take() {
            drop(end);
            // That it panicked was said when it did.
            let _ = thread.join();
        }
        self.bar.disable_steady_tick();
        self.bar.finish_and_clear();
    }
}
