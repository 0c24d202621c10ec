//! Mounting, the life of a mount, and unmounting.
//!
//! Knows the kernel's mount table, `/dev/fuse`, fusermount3, signals and the background; does not know what a vault holds or how the kernel's requests are
//! answered. Keeps true: a vault is mounted once at a time; a mount that was announced answers; when a mount has ended, what was written to it is durable
//! before its lock is free.

mod background;
mod connect;
mod detach;
mod error;
mod fusermount;
mod holders;
mod idle;
mod lock;
mod logging;
mod options;
mod point;
mod serve;
mod status;
mod table;
mod told;
mod umount;

pub use background::{Started, follow_parent, start as start_in_background};
pub use error::Error;
pub use holders::{Holders, Process, Use};
pub use lock::Lock;
pub use logging::start as start_logging;
pub use options::{Audience, Options, parse_cache_time, parse_idle};
pub use point::MountPoint;
pub use serve::{Kind, Place, Start, serve};
pub use status::{State, Status, statuses};
pub use table::is_mount_of;
pub use told::{DamageTold, IdleTold, JournalTold, Told, pass_on};
pub use umount::{Unmounted, WhenBusy, umount};
