//! The command path and the executor on a real log in memory, with a venue that is written here: it belongs to
//! the outside, and keeps what it is sent.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that can't go on has failed")]

mod access;
mod alerts;
mod approval;
mod desk;
mod door;
mod executor;
mod faults;
mod feed;
mod idempotency;
mod inventory;
mod kills;
mod ledger;
mod lost;
mod moody;
mod newest;
mod refresh;
mod replies;
mod settlements;
mod snapshots;
mod standby;
mod story;
mod strategy;
mod strict;
mod venue;
mod waiting;
mod whatif;
mod whatif_laws;
mod whatif_logs;
