//! plainview keeps a folder encrypted on disk and shows it in the clear while it is mounted.
//!
//! A password becomes keys, keys seal records, records make files, names make directories, both make a view, and the kernel asks the view. The modules
//! below are in that order, and each depends only on those above it (`tests/layering.rs` keeps it so):
//! a [`secret`] is zeroed when dropped; a [`password`] comes from a person or a program and is made slow to guess; [`keys`] are derived from each other,
//! and `plainview.toml` keeps the master key; a [`record`] is 4 KiB of a file, sealed; a [`name`] is an entry of a directory, sealed;
//! a [`journal`] makes what was written to a file outlast a power cut; a [`folder`] is what any kind of encrypted folder
//! can do, a [`vault`] is the kind that plainview makes, and a [`recipe`] folder one that a well-known Python program made, a [`local`] directory one that is not encrypted; the [`view`] shows a folder in the clear, and a [`check`] looks at a vault without one;
//! a [`walk`] goes about a view by names; [`fuse`] lets the kernel ask it, and a [`transfer`] copies what one view shows into another; [`mount`] starts and ends what the kernel asks; [`cli`] is what people type.

pub mod check;
pub mod cli;
pub mod error;
pub mod folder;
pub mod fuse;
pub mod journal;
pub mod keys;
pub mod local;
pub mod mount;
pub mod name;
pub mod password;
pub mod recipe;
pub mod record;
pub mod secret;
pub mod sys;
pub mod transfer;
pub mod vault;
pub mod view;
pub mod walk;
