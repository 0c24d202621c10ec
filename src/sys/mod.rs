//! Thin helpers over rustix, for what several layers ask of the operating system. Know nothing of vaults. The only place where `unsafe` may be: there are two such lines, in `memory`.

pub(crate) mod block;
pub mod descriptor;
pub mod directory;
pub mod disk;
pub mod limits;
pub(crate) mod memory;
pub mod metadata;
mod passing;
pub mod shield;
pub mod temporary;
