//! The event log's tests on its public surface: the port's contract, crashes, damage, faults and proofs.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that can't go on has failed")]

#[path = "../../../../tests/conformance/event_log/suite.rs"]
mod suite;
mod support;

mod archive;
mod backups;
mod closing;
mod conformance;
mod crash;
mod damage;
mod entries;
mod everywhere;
mod exports;
mod faults;
mod flips;
mod followers;
mod golden;
mod laws;
mod proofs;
mod room;
mod slow;
