//! The event log of another process of the same desk, over gRPC (`stele.log.v1`): the adapter that a process without a
//! log of its own works on, and the service that the log's owner answers with. Not a log of its own.
//!
//! Whoever appends through the service does so under write lists ([`grants`]): a process appends the facts that its
//! roles are for, and no others, so that nobody passes by the gates.

#![forbid(unsafe_code)]

pub mod fuzzing;
pub mod grants;

mod client;
mod failure;
mod identity;
mod observe;
mod page;
mod proof;
mod service;
mod stat;
mod wire;

pub use client::{CannotConnect, Options, RemoteLog, Trust};
pub use grants::{Process, WriteLists};
pub use observe::announce;
pub use proof::{Consistency, Proof, SignedCheckpoint};
pub use service::{Consistent, Denial, LogService, Method, Proven};
pub use stat::{Archived, Growth, Stat};

/// Most bytes of one message: the largest append or page (16 MiB of data and metadata) with its names around it.
pub const MESSAGE_BYTES_MAX: usize = 24 * 1024 * 1024;
