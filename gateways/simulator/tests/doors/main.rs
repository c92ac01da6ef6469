//! The simulator through its doors: real sockets, real signatures, nothing reached from inside.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests, outside test functions, fail the test in the same way"
)]

mod admin;
mod faults;
mod feeds;
mod near;
mod refusals;
mod relay;
mod support;
