//! Tests of the journal, over a simulated disk.

pub(crate) mod sim;
