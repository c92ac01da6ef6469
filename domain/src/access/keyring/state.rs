//! What the keyring remembers: every key there ever was, so that an old one is told from an invented one.

use super::event::{KeyCreated, KeyRevoked};
use crate::access::role::{Action, Grant};
use crate::ids::Actor;
use crate::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

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

    /// From when on it is no longer taken, as far as that is known; `None` for never.
    #[must_use]
    pub fn end(&self) -> Option<Timestamp> {
        let revoked_at = self.revoked.as_ref().map(|fact| fact.at);
        revoked_at.into_iter().chain(self.created.expires_at).min()
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

    /// Everybody who had a hand in a key: who made it, who made the key that it was made with, and so on up to somebody
    /// who came without a key. Where an old fact does not say which key its maker came with, it may have been any of
    /// theirs.
    #[must_use]
    pub fn makers(&self, id: &str) -> BTreeSet<Actor> {
        let (mut makers, mut seen) = (BTreeSet::new(), BTreeSet::new());
        let mut next = vec![id];
        while let Some(id) = next.pop() {
            let Some(key) = self.keys.get(id).filter(|_| seen.insert(id)) else { continue };
            let created = &key.created;
            makers.insert(created.by.clone());
            match (&created.made_with, created.by.as_str().strip_prefix("person:")) {
                (Some(with), _) => next.push(with),
                (None, Some(person)) => next.extend(self.ids(|made| made.owner == person)),
                (None, None) => {}
            }
        }
        makers
    }

    /// Every key that a key made, or that one of those made, and so on; by id.
    #[must_use]
    pub fn made_with(&self, id: &str) -> BTreeSet<&str> {
        let mut all: BTreeSet<&str> = BTreeSet::new();
        let mut next = vec![id];
        while let Some(id) = next.pop() {
            for made in self.ids(|made| made.made_with.as_deref() == Some(id)) {
                if all.insert(made) {
                    next.push(made);
                }
            }
        }
        all
    }

    fn ids(&self, of: impl Fn(&KeyCreated) -> bool) -> impl Iterator<Item = &str> {
        let of = self.keys.values().filter(move |key| of(&key.created));
        of.map(|key| key.created.key_id.as_str())
    }
}
