//! Who may do what: keys, and who a caller is.

use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use stele_domain::access::{Action, Role};
use stele_domain::time::Timestamp;
use utoipa::ToSchema;
use uuid::Uuid;

/// Who asks, as the door sees them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WhoAmI {
    /// Under this name your acts are recorded.
    pub actor: String,
    /// What you are.
    #[schema(value_type = String)]
    pub role: Role,
    /// What you may do with this credential.
    #[schema(value_type = Vec<String>)]
    pub actions: BTreeSet<Action>,
    /// The key that you came with; none at the machine's own socket or with a certificate.
    pub key_id: Option<String>,
    /// Where you come from: an IP address, or `unix`.
    pub address: String,
}

/// What a role may do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RoleInfo {
    /// Which.
    #[schema(value_type = String)]
    pub role: Role,
    /// What it may do; a key's scope can only narrow it.
    #[schema(value_type = Vec<String>)]
    pub actions: BTreeSet<Action>,
}

/// What each role may do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RolesAnswer {
    /// Every role.
    pub roles: Vec<RoleInfo>,
}

/// How a key stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum KeyStanding {
    /// It is taken.
    Valid,
    /// Its time is over.
    Expired,
    /// It was taken back.
    Revoked,
}

/// A key, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Key {
    /// Names the key; no secret.
    pub key_id: String,
    /// Whose it is. All keys of one owner are one person.
    pub owner: String,
    /// What they are.
    #[schema(value_type = String)]
    pub role: Role,
    /// Only these of the role's actions; empty for all of them.
    #[schema(value_type = Vec<String>)]
    pub actions: BTreeSet<Action>,
    /// For the role `service`: the roles of the process.
    pub processes: BTreeSet<String>,
    /// What it is for.
    pub label: String,
    /// Whether it is taken.
    pub standing: KeyStanding,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// Who made it.
    pub created_by: String,
    /// From when on it is no longer taken; none for never.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub expires_at: Option<Timestamp>,
    /// When it was taken back.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub revoked_at: Option<Timestamp>,
    /// The key that its maker came with: whoever has that key could have kept a copy of this one. None when it was made
    /// at the machine's own socket, with a certificate, or before this was written down.
    #[serde(default)]
    pub made_with: Option<String>,
}

/// Every key there ever was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct KeysAnswer {
    /// By id.
    pub keys: Vec<Key>,
    /// Everything up to here is in it.
    pub as_of: u64,
    /// The last position of the log.
    pub head: u64,
}

/// Give somebody a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateKey {
    /// Whose it is: 1 to 64 of `a-z`, `0-9`, `.`, `-`, `@`, beginning with a letter or digit.
    #[schema(min_length = 1, max_length = 64, pattern = "^[a-z0-9][a-z0-9.@-]*$", example = "ann")]
    pub owner: String,
    /// What they are: `viewer`, `trader`, `operator`, `admin`, `auditor` or `service`.
    #[schema(value_type = String)]
    pub role: Role,
    /// What it is for, in 1 to 80 characters.
    #[schema(min_length = 1, max_length = 80, pattern = "^[A-Za-z0-9 ]*[A-Za-z0-9]$", example = "dashboard")]
    pub label: String,
    /// Only these of the role's actions; all of them without it.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    #[schema(value_type = Vec<String>)]
    pub actions: BTreeSet<Action>,
    /// For the role `service`, which needs it: the roles of the process.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub processes: BTreeSet<String>,
    /// From when on it is no longer taken, at most five years from now; this or `for_ms`, or for ever without both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub expires_at: Option<Timestamp>,
    /// How long it is taken, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 157_680_000_000_u64)]
    pub for_ms: Option<u64>,
    /// Why, in 3 to 500 characters. It is kept for ever beside the act.
    #[schema(example = "a screen in the office")]
    pub reason: String,
}

/// A new key. Nobody can show it again.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CreatedKey {
    /// The wish.
    pub command_id: Uuid,
    /// Names the key; no secret.
    pub key_id: String,
    /// The key itself, to be sent as `Authorization: Bearer …`. It is shown this once.
    #[schema(example = "stele_…")]
    pub key: String,
    /// Where the fact stands in the log.
    pub log_position: Option<u64>,
}

impl std::fmt::Debug for CreatedKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CreatedKey").field("key_id", &self.key_id).finish_non_exhaustive()
    }
}
