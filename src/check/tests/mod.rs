//! Checks of vaults that a view has made, and of files made byte by byte.

mod differential;
mod directories;
mod oracle;
mod repairs;
mod salvages;
mod scene;
mod small;
mod torn;
