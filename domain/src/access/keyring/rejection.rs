//! The rules that say no to who hands out keys.

use super::decide::KEYS_MAX;
use crate::access::role::{Action, Role};
use crate::time::Timestamp;

/// A rule that said no.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// A reason is missing.
    #[error("a reason is needed, of 3 to 500 characters: it is kept for ever beside the act")]
    ReasonMissing,
    /// The owner can't be named so.
    #[error(
        "an owner is 1 to 64 of a-z, 0-9, `.`, `-`, `@`, and starts with a letter or digit: {0:?} is not"
    )]
    BadOwner(String),
    /// The label says nothing, or too much.
    #[error("a label is 1 to 80 characters without line breaks")]
    BadLabel,
    /// The key would be over before it begins, or outlive us.
    #[error("a key's end lies in the future and within 5 years: {0} does not")]
    BadExpiry(Timestamp),
    /// The scope names what the role could never do.
    #[error("a {role} may not {action} in any case: a scope narrows a role and can't widen it")]
    ScopeBeyondRole {
        /// The role.
        role: Role,
        /// What it lacks.
        action: Action,
    },
    /// Processes are for service keys, and every service key has some.
    #[error("a service key names the roles of its process (1 to 16 of a-z, `-`, `_`), and no other key does")]
    BadProcesses,
    /// The maker may do less than the key could.
    #[error(
        "this key could do more than its maker may: ask an admin, or make it at the machine's own socket"
    )]
    Widens,
    /// The key would be taken after its maker's is over.
    #[error(
        "the key that makes it ends at {0}, and nothing that it hands out may last longer: name an end up to then, or make it at the machine's own socket"
    )]
    OutlivesMaker(Timestamp),
    /// The id is in use.
    #[error("there is a key {0} already")]
    KeyExists(String),
    /// There is no such key.
    #[error("there is no key {0:?}: stele keys list names them")]
    UnknownKey(String),
    /// Nobody could hand out keys any more.
    #[error(
        "{0} is the last key that can manage keys: make another first (on the machine itself: stele keys create --role admin)"
    )]
    LastAdmin(String),
    /// There are too many.
    #[error("there are {KEYS_MAX} keys that are neither revoked nor expired: revoke some first")]
    TooManyKeys,
}

impl Rejection {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::ReasonMissing => "reason_missing",
            Self::BadOwner(_) => "bad_owner",
            Self::BadLabel => "bad_label",
            Self::BadExpiry(_) => "bad_expiry",
            Self::ScopeBeyondRole { .. } => "scope_beyond_role",
            Self::BadProcesses => "bad_processes",
            Self::Widens => "key_widens",
            Self::OutlivesMaker(_) => "outlives_maker",
            Self::KeyExists(_) => "key_exists",
            Self::UnknownKey(_) => "unknown_key",
            Self::LastAdmin(_) => "last_admin",
            Self::TooManyKeys => "too_many_keys",
        }
    }
}
