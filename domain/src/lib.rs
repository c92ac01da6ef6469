//! The domain of Stele: values, events, deciders, policies and ports.
//!
//! Nothing here does anything: no I/O, no clock, no randomness, no async runtime. What cannot fail need not be
//! mocked, and what is decided here is decided the same way live, in replay and in simulation.

#![forbid(unsafe_code)]
#![deny(clippy::float_arithmetic, clippy::as_conversions, clippy::arithmetic_side_effects)]

pub mod decider;
#[cfg(test)]
mod testing;

pub mod backoff;
pub mod causes;
mod compact;
pub mod event;
pub mod ids;
pub mod money;
pub mod pair;
pub mod port;
pub mod reason;
pub mod time;

pub mod access;
pub mod intents;
pub mod market;
pub mod operations;
pub mod trading;
pub mod treasury;

pub mod codec;
