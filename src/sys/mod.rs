//! Thin helpers over rustix, for what several layers ask of the operating system. Know nothing of vaults. The only place where `unsafe` could be, and there is none.

pub mod descriptor;
pub mod directory;
pub mod limits;
pub mod metadata;
pub mod temporary;
