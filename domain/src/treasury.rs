//! What the desk holds at the verifier, as read from the chain.

pub mod event;
pub mod inventory;
