//! Commands: the one path from a wish to facts, and the reactors that turn facts into further wishes and into
//! effects.
//!
//! It reaches the outside only through the ports of the domain. No decision here reads a read model.

pub mod access;
pub mod aggregate;
pub mod attempts;
pub mod canonical;
pub mod control;
pub mod envelope;
pub mod fence;
pub mod ledger;
pub mod service;
pub mod snapshots;
pub mod stop;
pub mod streams;
pub mod whatif;
pub mod wishes;

pub mod alerts;
pub mod executor;
pub mod ingest;
pub mod inventory;
pub mod market;
pub mod refresh;
pub mod strategy;
pub mod strict;
pub mod tiering;

mod observe;

pub use observe::announce;
