//! The KurrentDB streams protocol over the event log: clients of others read, follow and append here. Not a database of
//! its own: what it keeps is in the log, as records that every other door shows too.
//!
//! [`Server::open`] listens; [`Server::serve`] answers until it is told to stop. Who asks is found out by whoever wires
//! it ([`Access`]); what they may write stands in [`Writes`], so that nobody passes by the gates.

#![forbid(unsafe_code)]

pub mod fuzzing;

mod access;
mod door;
mod gate;
mod intake;
mod observe;
mod server;
mod strangers;

mod append;
mod batch;
mod features;
mod gossip;
mod second;
mod streams;

mod filter;
mod read;
mod subscription;

mod event;
mod inward;
mod no;
mod outward;

mod envelope;
mod name;
mod seats;
mod settings;
mod standing;
mod store;

pub use access::{Access, Outside, Writes};
pub use door::{CannotOpen, Tls};
pub use observe::announce;
pub use server::{Options, Server};
