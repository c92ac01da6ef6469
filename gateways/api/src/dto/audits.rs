//! Audits: what is asked for, and how far it is.

use serde::{Deserialize, Serialize};
use stele_domain::time::Timestamp;
use utoipa::ToSchema;
use uuid::Uuid;

/// Begin an audit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StartAudit {
    /// One projection; all of them without it.
    #[serde(default)]
    pub projection: Option<String>,
    /// Up to this position; up to where the tables are without it.
    #[serde(default)]
    #[schema(minimum = 1)]
    pub position: Option<u64>,
    /// Why, in at most 500 characters.
    #[serde(default)]
    pub reason: String,
}

/// Where an audit stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AuditState {
    /// It goes on.
    Running,
    /// It has a verdict, and a report unless `why` says why none is kept.
    Done,
    /// It came to nothing, for or against.
    Failed,
}

/// An audit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Audit {
    /// Names it: the `Idempotency-Key` of the wish.
    pub id: Uuid,
    /// Where it stands.
    pub state: AuditState,
    /// `agrees`, `differs` or `not_compared`, once it is done.
    pub verdict: Option<String>,
    /// Why it came to nothing, or why its report is not kept.
    pub why: Option<String>,
    /// Of one that came to nothing: the exit code with which `stele audit` ends because of it, as the README lists them.
    pub exit_code: Option<u8>,
    /// The one projection that was asked for.
    pub projection: Option<String>,
    /// The position that was asked for.
    pub position: Option<u64>,
    /// Who asked.
    pub asked_by: String,
    /// When it began.
    #[schema(value_type = String, format = DateTime)]
    pub began_at: Timestamp,
    /// When it ended.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ended_at: Option<Timestamp>,
    /// What is being done, in words.
    pub phase: String,
    /// How far that is, of `total`: bytes of the log, positions, or rows in the lake, as the phase is.
    pub done: u64,
    /// How much there is to do; 0 while that is not known.
    pub total: u64,
}

/// The audits that are remembered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditsAnswer {
    /// Newest first.
    pub audits: Vec<Audit>,
}
