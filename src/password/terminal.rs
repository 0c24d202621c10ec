//! The password that a person types.

use super::typing::{self, Shown};
use super::{Asking, LineError, Password, PasswordError};
use signal_hook::consts::SIGINT;
use signal_hook::{flag, low_level};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Asks at the terminal, without echo: once, or twice for a new password.
pub(super) fn ask(asking: Asking) -> Result<Password, PasswordError> {
    match asking {
        Asking::Existing => prompt("Password: ", Shown::Nothing),
        Asking::ExistingOf(what) => prompt(&format!("Password of {what}: "), Shown::Nothing),
        Asking::Recovery => prompt("Recovery key: ", Shown::Star),
        Asking::New => {
            let password = prompt("New password: ", Shown::Nothing)?;
            let again = prompt("The same again: ", Shown::Nothing)?;
            if password.expose() == again.expose() {
                Ok(password)
            } else {
                Err(PasswordError::Mismatch)
            }
        }
    }
}

fn prompt(text: &str, shown: Shown) -> Result<Password, PasswordError> {
    let typed = uninterrupted(|| typing::ask(text, shown)).map_err(PasswordError::Terminal)?;
    let typed = typed.and_then(Password::new).map_err(|error| PasswordError::Line {
        from: "the terminal".to_owned(),
        error,
    })?;
    // The same letters typed elsewhere would be other bytes: better said now than when it does not open.
    match std::str::from_utf8(typed.expose()) {
        Ok(_) => Ok(typed),
        Err(_) => Err(PasswordError::NotText),
    }
}

/// Runs `ask` so that Ctrl-C, or a SIGINT that comes from elsewhere, ends the program only after `ask` has returned: were it to end while the echo is off, the terminal would stay mute.
fn uninterrupted<T>(ask: impl FnOnce() -> Result<T, LineError>) -> io::Result<Result<T, LineError>> {
    let interrupted = Arc::new(AtomicBool::new(false));
    let handler = flag::register(SIGINT, Arc::clone(&interrupted))?;
    let typed = ask();
    low_level::unregister(handler);
    let is_interrupt = |error: &io::Error| error.kind() == io::ErrorKind::Interrupted;
    if interrupted.load(Ordering::Relaxed) || matches!(&typed, Err(LineError::Read(error)) if is_interrupt(error)) {
        low_level::emulate_default_handler(SIGINT)?;
    }
    match typed {
        Err(LineError::Read(error)) => Err(error),
        typed => Ok(typed),
    }
}
