//! The contract of the read store, one rule per function, and the stores that keep it. A new store adds a file
//! like `conformance/memory.rs`; a new rule adds a line to `suite::RULES`.

#[cfg(test)]
#[path = "conformance/digests.rs"]
mod digests;
#[cfg(test)]
#[path = "conformance/fixture.rs"]
mod fixture;
#[cfg(test)]
#[path = "conformance/memory.rs"]
mod memory;
#[cfg(test)]
#[path = "conformance/queries.rs"]
mod queries;
#[cfg(test)]
#[path = "conformance/runs.rs"]
mod runs;
#[cfg(test)]
#[path = "conformance/suite.rs"]
mod suite;
