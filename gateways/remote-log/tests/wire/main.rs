//! The log of another process on its public surface, over real sockets: the port's contract, lost answers, lost
//! connections, who may append what, proofs, and TLS.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that can't go on has failed"
)]

#[cfg(test)]
#[path = "../../../../tests/support/certificates.rs"]
mod certificates;
#[path = "../../../../tests/conformance/event_log/suite.rs"]
mod suite;
mod support;

mod conformance;
mod identity;
mod lists;
mod losses;
mod proofs;
mod revoked;
mod tls;
