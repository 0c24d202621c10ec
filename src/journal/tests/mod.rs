//! Tests of the journal, over a simulated disk. Those that need a vault's files are in `vault/file/tests/crash`.

pub(crate) mod sim;
mod simfile;
