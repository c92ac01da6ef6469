//! An answer that says no (RFC 9457).

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// An answer that says no.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// `urn:stele:problem:{code}`.
    #[serde(rename = "type", default)]
    pub kind: String,
    /// The words of the HTTP status.
    #[serde(default)]
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What is wrong here, and what to do.
    pub detail: String,
    /// Stable. With underscores: a rule of the desk, as in the log. With dashes: the door's own.
    pub code: String,
    /// The fields, parameters or headers that are wrong.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
    /// Where the tables are, when that is what is wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_position: Option<u64>,
    /// The wish that came to nothing. Asking again with this `Idempotency-Key` is safe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command_id: Option<Uuid>,
}

/// A field that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FieldError {
    /// Its path in the body, the parameter's or the header's name.
    pub field: String,
    /// What is wrong with it.
    pub message: String,
}
