//! Read stores: where the tables that follow from the log are kept. Implements
//! [`stele_domain::port::read_store`]; knows nothing of projections.
//!
//! [`MemoryStore`] keeps the newest part of every history in memory and is filled from the log at start. Every
//! store passes the suite in `tests/conformance`.

#![forbid(unsafe_code)]

mod memory;

pub use memory::{MemoryStore, Usage};
