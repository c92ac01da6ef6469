//! Who asks, as a door found out.

use super::role::{Action, Grant, Role, Scope};
use crate::ids::Actor;
use serde::{Deserialize, Serialize};

/// A caller whom a door vouches for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Under this name their acts are recorded: `operator:<user>` at the machine's own socket, `person:<owner>`
    /// with a key, `service:<owner>` for a process. Two keys of one owner are one person.
    pub actor: Actor,
    /// What they are.
    pub role: Role,
    /// What their credential is narrowed to.
    pub scope: Scope,
    /// Where they came in.
    pub origin: Origin,
}

/// Where a request came in: kept beside every fact that it led to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The id of the key, which is no secret; none at the machine's own socket or with a certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_id: Option<String>,
    /// The peer: an IP address without its port, or `unix`.
    pub address: String,
}

impl Caller {
    /// Whether role and scope let the caller do it.
    #[must_use]
    pub fn may(&self, action: Action) -> bool {
        self.role.permits(action) && self.scope.covers(action)
    }

    /// What they may do, without who they are.
    #[must_use]
    pub fn grant(&self) -> Grant {
        Grant { role: self.role, scope: self.scope.clone() }
    }
}

/// Whether two names are one person's: `operator:alice` at the machine's own socket, `person:alice` with a key or a
/// certificate. Names differ in more than the case of their letters.
#[must_use]
pub fn same_person(one: &Actor, other: &Actor) -> bool {
    person(one).eq_ignore_ascii_case(person(other))
}

fn person(actor: &Actor) -> &str {
    let name = actor.as_str();
    name.strip_prefix("operator:").or_else(|| name.strip_prefix("person:")).unwrap_or(name)
}
