//! The password that a person types.

use super::{Asking, LineError, Password, PasswordError};
use rpassword::ConfigBuilder;
use signal_hook::consts::SIGINT;
use signal_hook::{flag, low_level};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use zeroize::Zeroizing;

/// Asks at the terminal, without echo: once, or twice for a new password.
pub(super) fn ask(asking: Asking) -> Result<Password, PasswordError> {
    match asking {
        Asking::Existing => prompt("Password: "),
        Asking::ExistingOf(what) => prompt(&format!("Password of {what}: ")),
        Asking::Recovery => prompt_with("Recovery key: ", ConfigBuilder::new().password_feedback_mask('*')),
        Asking::New => {
            let password = prompt("New password: ")?;
            let again = prompt("The same again: ")?;
            if password.expose() == again.expose() {
                Ok(password)
            } else {
                Err(PasswordError::Mismatch)
            }
        }
    }
}

fn prompt(text: &str) -> Result<Password, PasswordError> {
    prompt_with(text, ConfigBuilder::new())
}

fn prompt_with(text: &str, config: ConfigBuilder) -> Result<Password, PasswordError> {
    let typed = uninterrupted(|| rpassword::prompt_password_with_config(text, config.build())).map_err(PasswordError::Terminal)?;
    let typed = Zeroizing::new(typed.into_bytes());
    // rpassword puts U+FFFD for what is not UTF-8: another password than a file with the same bytes would give.
    if typed.windows(REPLACEMENT.len()).any(|part| part == REPLACEMENT) {
        return Err(PasswordError::NotText);
    }
    Password::new(typed).map_err(|error: LineError| PasswordError::Line {
        from: "the terminal".to_owned(),
        error,
    })
}

/// U+FFFD in UTF-8.
const REPLACEMENT: &[u8] = "\u{FFFD}".as_bytes();

/// Runs `ask` so that Ctrl-C ends the program only after `ask` has returned. rpassword raises SIGINT itself, while the echo is still off: were the program to
/// end there, the terminal would stay mute.
fn uninterrupted<T>(ask: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    let interrupted = Arc::new(AtomicBool::new(false));
    let handler = flag::register(SIGINT, Arc::clone(&interrupted))?;
    let typed = ask();
    low_level::unregister(handler);
    if interrupted.load(Ordering::Relaxed) {
        low_level::emulate_default_handler(SIGINT)?;
    }
    typed
}
