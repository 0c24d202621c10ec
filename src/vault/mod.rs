//! (being written)

pub mod file;
