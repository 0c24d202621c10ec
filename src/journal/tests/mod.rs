//! Tests of the journal, over a simulated disk and, for recovery, over real directories. Those that need a vault's files are in `vault/file/tests/crash`.

mod again;
mod foreign;
mod histories;
mod inode;
pub(crate) mod mounted;
mod overlay;
mod real;
mod runtime;
pub(crate) mod sim;
mod simfile;
mod times;
mod together;
mod verify;
mod walk;
mod writeback;
