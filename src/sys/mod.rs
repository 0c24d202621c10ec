//! Thin helpers over the operating system. Know nothing of vaults.

pub mod descriptor;
pub mod temporary;
