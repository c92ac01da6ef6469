//! The protocol over real sockets: the official client's scenarios, and what no client of good will sends.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "what goes wrong in a test ends it")]

mod batches;
mod deleting;
mod filters;
mod following;
mod hostile;
mod reading;
mod revoked;
mod room;
mod support;
mod tls;
mod writing;
