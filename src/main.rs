//! plainview: hide from others of the same user, parse, run one command, print the error, leave with its exit code.

use plainview::cli;
use plainview::sys::shield;
use std::process::ExitCode;

fn main() -> ExitCode {
    // Before there is anything to hide.
    if let Err(errno) = shield::raise() {
        eprintln!("plainview: other programs of yours may be able to read the memory of this one: {errno}");
    }
    match cli::start() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.report();
            ExitCode::from(failure.code().number())
        }
    }
}
