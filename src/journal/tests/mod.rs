//! Tests of the journal, over a simulated disk. Those that need a vault's files are in `vault/file/tests/crash`.

mod histories;
mod inode;
pub(crate) mod mounted;
mod overlay;
mod runtime;
pub(crate) mod sim;
mod simfile;
mod together;
