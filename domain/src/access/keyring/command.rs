//! What can be asked of the keyring.

use crate::access::role::{Grant, Role, Scope};
use crate::ids::Actor;
use crate::time::Timestamp;

/// A wish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Give somebody a key.
    Create(Box<Create>),
    /// Take it back.
    Revoke {
        /// Which.
        key_id: String,
        /// Why.
        reason: String,
        /// Who takes it back.
        by: Actor,
        /// Now.
        at: Timestamp,
    },
}

/// A key for somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Create {
    /// Names the key; no secret.
    pub key_id: String,
    /// Whose it is. All keys of one owner are one person.
    pub owner: String,
    /// What they are.
    pub role: Role,
    /// What this key is narrowed to.
    pub scope: Scope,
    /// Keyed hash of its secret, in hex.
    pub hash: String,
    /// From when on it is no longer taken; `None` for never.
    pub expires_at: Option<Timestamp>,
    /// What it is for, in a few words.
    pub label: String,
    /// Why.
    pub reason: String,
    /// Who makes it.
    pub by: Actor,
    /// The id of the key that its maker came with; none at the machine's own socket or with a certificate.
    pub made_with: Option<String>,
    /// What its maker may do.
    pub may: Grant,
    /// Now.
    pub at: Timestamp,
}
