//! The event log on KurrentDB or EventStoreDB, by the official client crate. Not a database, and not the protocol's other
//! side: that is `gateways/kurrent`.
//!
//! [`EventStoreLog`] keeps the contract of [`stele_domain::port::event_log`] over whatever answers the protocol: a cluster,
//! or a desk that owns an embedded log. What the client crate does not do well is hidden here; `README.md` lists it.

#![forbid(unsafe_code)]

mod address;
mod append;
mod connection;
mod failure;
mod follow;
mod lanes;
mod log;
mod observe;
mod read;
mod readings;
mod record;

pub use address::{Address, InvalidAddress};
pub use log::{CannotConnect, EventStoreLog};
pub use observe::announce;
