//! Read stores: where the tables that follow from the log are kept. Implements
//! [`stele_domain::port::read_store`]; knows nothing of projections.
//!
//! [`MemoryStore`] keeps the newest part of every history in memory and is filled from the log at start;
//! [`PostgresStore`] keeps all of it; [`RunStore`] keeps tables, and past states of them, as sorted runs on disk. Every store passes the suite in `tests/conformance`. [`migrate`] makes the
//! tables, and [`PrivateServer`] runs a PostgreSQL of our own where nobody has one.

#![forbid(unsafe_code)]

mod memory;
pub mod migrate;
mod packed;
mod postgres;
pub mod private;
mod runs;
mod still;

mod observe;

pub use observe::announce;

pub use memory::{MemoryStore, Usage};
pub use migrate::{MigrateError, Migrated};
pub use postgres::{AddressError, OpenError, Options, PostgresStore, Sql, Trouble};
pub use private::{PrivateError, PrivateServer};
pub use runs::{Orders, RUN_MEMORY_BYTES_MIN, RunError, RunOptions, RunStore, States};
