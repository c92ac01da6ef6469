//! The binary as its users meet it: arguments, configuration, exit codes, and a whole desk against the simulated
//! world. Nothing here looks inside.
#![expect(clippy::unwrap_used, clippy::panic, reason = "the support of tests is test code too")]

mod alerts;
mod configuration;
mod copies;
mod database;
mod desk;
mod disks;
mod exit_codes;
mod keys;
mod offline;
mod operating;
mod proofs;
mod remote;
mod support;
