//! plainview: parse, run one command, print the error, leave with its exit code.

use plainview::cli;
use std::process::ExitCode;

fn main() -> ExitCode {
    match cli::start() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.report();
            ExitCode::from(failure.code().number())
        }
    }
}
