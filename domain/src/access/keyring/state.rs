//! What the keyring remembers: every key there ever was, so that an old one is told from an invented one.

use super::event::{KeyCreated, KeyRevoked};
use crate::access::role::{Action, Grant};
use crate::time::Timestamp;
use std::collections::BTreeMap;

/// The keyring.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct State {
    pub(super) keys: BTreeMap<String, Key>,
}

/// One key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// As it was made.
    pub created: KeyCreated,
    /// How it was taken back, when it was.
    pub revoked: Option<KeyRevoked>,
}

/// Whether a key is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Yes.
    Valid,
    /// Not any more: its time is over.
    Expired,
    /// Not any more: it was taken back.
    Revoked,
}

impl Key {
    /// Whether it is taken at a moment.
    #[must_use]
    pub fn standing(&self, at: Timestamp) -> Standing {
        if self.revoked.is_some() {
            Standing::Revoked
        } else if self.created.expires_at.is_some_and(|end| end <= at) {
            Standing::Expired
        } else {
            Standing::Valid
        }
    }

    /// What it lets its holder do.
    #[must_use]
    pub fn grant(&self) -> Grant {
        Grant { role: self.created.role, scope: self.created.scope.clone() }
    }

    /// Whether its holder can make further keys at a moment.
    #[must_use]
    pub fn manages(&self, at: Timestamp) -> bool {
        self.standing(at) == Standing::Valid && self.grant().includes(Action::ManageKeys)
    }
}

impl State {
    /// Every key, by id.
    #[must_use]
    pub fn keys(&self) -> &BTreeMap<String, Key> {
        &self.keys
    }

    /// The key of that id.
    #[must_use]
    pub fn key(&self, id: &str) -> Option<&Key> {
        self.keys.get(id)
    }
}
