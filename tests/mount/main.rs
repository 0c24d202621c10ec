//! What needs a real mount: the program as its users meet it, under real programs, in bad conditions, and with bad input.
//!
//! One binary, so that it links once. Each test makes its own vault and its own mount below the temporary directory, so they run side by side in any
//! order; a test that fails still unmounts, ends its daemon and removes what it made. Meant to be run as root (`scripts/test.sh`), who can also play an
//! ordinary user; without root, what needs it says SKIPPED, which fails in CI.
#![allow(clippy::unwrap_used, clippy::panic, reason = "here a panic is how a failure is reported")]

mod access;
mod busy;
mod check;
mod cli;
mod corpus;
mod cuts;
mod decode;
mod differential;
mod faults;
mod files;
mod hardening;
mod harness;
mod harness_tests;
mod idle;
mod keys;
mod lifecycle;
mod limits;
mod mounted;
mod people;
mod permissions;
mod places;
mod posix;
mod power;
mod programs;
mod recipe;
mod recovery;
mod refusals;
mod space;
mod status;
mod tamper;
mod terminal;
mod tree;
mod words;
