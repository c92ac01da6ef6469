//! Trading: what we would offer, whether we may, and what became of it.

#[cfg(test)]
pub(crate) mod fixtures;

pub mod event;
pub mod gate;
pub mod limits;
pub mod pricing;

pub mod account;
pub mod strategy;
