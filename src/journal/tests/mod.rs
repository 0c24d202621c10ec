//! Tests of the journal, over a simulated disk and, for recovery, over real directories. Those that need a vault's files are in `vault/file/tests/crash`.

mod foreign;
mod real;
pub(crate) mod sim;
mod simfile;
mod verify;
mod walk;
