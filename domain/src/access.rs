//! Who may do what: roles, keys, and attempts that came to nothing.
//!
//! It decides; it does not authenticate. Whoever vouches for a caller stands at a door.

pub mod attempt;
pub mod caller;
pub mod event;
pub mod keyring;
pub mod role;

pub use caller::{Caller, Origin, same_person};
pub use role::{Action, Grant, Role, Scope};

#[cfg(test)]
mod tests;
