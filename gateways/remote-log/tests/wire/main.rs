//! The log of another process on its public surface, over real sockets: the port's contract, lost answers, lost
//! connections, and who may append what.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that can't go on has failed")]

#[path = "../../../../tests/conformance/event_log/suite.rs"]
mod suite;
mod support;

mod conformance;
mod lists;
mod losses;
