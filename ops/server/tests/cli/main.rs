//! The binary as its users meet it: arguments, configuration, exit codes, and a whole desk against the simulated
//! world. Nothing here looks inside.
#![expect(clippy::unwrap_used, clippy::panic, reason = "the support of tests is test code too")]

mod alerts;
mod archive;
mod audit;
mod configuration;
mod copies;
mod database;
mod desk;
mod disks;
mod exit_codes;
mod flips;
mod keys;
mod killed;
mod lake;
mod offline;
mod operating;
#[path = "../../../../tests/support/witness.rs"]
#[expect(dead_code, clippy::expect_used, reason = "shared with the tests of the log")]
mod outside;
mod parked;
mod past;
mod proofs;
mod remote;
#[path = "../../../../tests/support/s3_server.rs"]
#[expect(clippy::expect_used, reason = "shared with the tests of the store")]
mod s3_server;
mod support;
mod tier;
mod whatif;
mod witness;
