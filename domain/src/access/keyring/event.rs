//! Facts about keys.

use crate::access::role::{Role, Scope};
use crate::ids::Actor;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// A fact on the stream `access-keys`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Somebody was given a key.
    KeyCreated(KeyCreated),
    /// It was taken back.
    KeyRevoked(KeyRevoked),
}

/// Somebody was given a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyCreated {
    /// Names the key; no secret.
    pub key_id: String,
    /// Whose it is.
    pub owner: String,
    /// What they are.
    pub role: Role,
    /// What this key is narrowed to.
    pub scope: Scope,
    /// BLAKE3 of the secret, keyed by the pepper, in hex. Worth nothing without the pepper.
    pub hash: String,
    /// From when on it is no longer taken; none for never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// What it is for.
    pub label: String,
    /// Why.
    pub reason: String,
    /// Who made it.
    pub by: Actor,
    /// The id of the key that its maker came with. None for who came without one, and in facts of old builds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made_with: Option<String>,
    /// When.
    pub at: Timestamp,
}

/// A key was taken back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRevoked {
    /// Which.
    pub key_id: String,
    /// Why.
    pub reason: String,
    /// Who took it back.
    pub by: Actor,
    /// When.
    pub at: Timestamp,
}
