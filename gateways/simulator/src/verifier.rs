//! The verifier contract: accounts, keys, balances, nonces and salts, the signed payloads it accepts, and the
//! engine that executes them all or not at all.
//!
//! A chain of blocks stands under it, with a bounded history of states, so that a reader can pin one block.

pub mod chain;
pub mod engine;
pub mod payload;
pub mod state;
