//! Tiering with everything that it stands on: a real PostgreSQL as its least-privileged role, the lake in memory, in a directory
//! and on a server that speaks S3, and a log. Rows are made up, at positions that a desk reaches after months.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "a test that can't go on has failed, and its numbers are small"
)]

mod audited;
mod crashes;
#[path = "../../../read-store/tests/support/ddl.rs"]
mod ddl;
mod declared;
mod desk;
mod differences;
mod moving;
#[path = "../lake/proxy.rs"]
mod proxy;
mod readers;
mod restores;
#[path = "../../../../tests/support/s3_server.rs"]
mod s3_server;
#[path = "../../../read-store/tests/support/server.rs"]
#[expect(dead_code, reason = "others need more of it")]
mod server;
#[path = "../lake/support.rs"]
#[expect(dead_code, reason = "others need more of it")]
mod support;
