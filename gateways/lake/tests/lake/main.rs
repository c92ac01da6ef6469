//! The lake against directories, memory and a real server that speaks S3, with everything that goes wrong between them.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "a test that can't go on has failed, and its numbers are small"
)]

mod doctors;
mod faults;
mod proxy;
mod publishing;
mod s3;
#[path = "../../../../tests/support/s3_server.rs"]
mod server;
mod support;
mod tables;
mod tampering;
