//! plainview: parse, run one command, print the error, leave with its exit code.
fn main() {}
