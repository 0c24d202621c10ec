//! The password that a person types.

use super::typing::{self, Shown};
use super::{Asking, LineError, Password, PasswordError};
use signal_hook::consts::SIGINT;
use signal_hook::low_level::emulate_default_handler;
use std::io::ErrorKind;

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
    let typed = match typing::ask(text, shown) {
        Err(LineError::Read(error)) => {
            if error.kind() == ErrorKind::Interrupted {
                // Ctrl-C, as if the terminal had made a signal of it.
                emulate_default_handler(SIGINT).map_err(PasswordError::Terminal)?;
            }
            return Err(PasswordError::Terminal(error));
        }
        typed => typed,
    };
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
