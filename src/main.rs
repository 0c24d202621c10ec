//! plainview: parse, run one command, print the error, leave with its exit code.

use clap::Parser;
use plainview::cli::{self, Cli};
use std::process::ExitCode;

fn main() -> ExitCode {
    match cli::run(&Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.report();
            ExitCode::from(failure.code().number())
        }
    }
}
