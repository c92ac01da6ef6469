//! What the core asks of the outside. Each trait's docs are its contract, and every implementation of a
//! port passes that port's conformance suite in `tests/conformance`.
//!
//! Ports are used as trait objects (`Arc<dyn EventLog>`): which engine stands behind one is
//! configuration, and a boxed future per call is nothing beside a disk or a socket.

pub mod blob_store;
pub mod clock;
pub mod event_log;
pub mod feeds;
pub mod read_store;
pub mod state_store;
pub mod tiering;
pub mod venue;
pub mod verifier;

use std::future::Future;
use std::pin::Pin;

/// What an asynchronous port method returns. No runtime type crosses into the domain.
pub type PortFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
