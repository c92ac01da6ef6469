//! Everything that happens in the access context.

use super::{attempt, keyring};

/// A fact of the access context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// On the stream `access-keys`.
    Keyring(keyring::event::Event),
    /// On the stream `audit-attempts`.
    Attempted(attempt::Attempted),
    /// On the stream `audit-attempts`.
    StrangersRefused(attempt::StrangersRefused),
    /// On the stream `audit-attempts`.
    AttemptsUnkept(attempt::AttemptsUnkept),
}
