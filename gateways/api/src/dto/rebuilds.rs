//! Rebuilds of read models.

use serde::{Deserialize, Serialize};
use stele_domain::time::Timestamp;
use utoipa::ToSchema;
use uuid::Uuid;

/// Fold a projection anew, beside the tables that serve.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StartRebuild {
    /// Why, in 3 to 500 characters.
    pub reason: String,
    /// Throw away what an interrupted rebuild has left, instead of going on with it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub from_zero: bool,
    /// Swap although the live tables are not what follows from the log. The replaced ones are kept.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub despite_difference: bool,
}

/// The answer to a wish about rebuilds: it is on its way, or done. How far it is tells the list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RebuildAnswer {
    /// The wish.
    pub command_id: Uuid,
    /// Which projections it is about.
    pub projections: Vec<String>,
}

/// How far a rebuild is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RebuildPhase {
    /// The log is being folded into the next tables.
    Folding,
    /// The next tables are as far as the live ones, and are compared.
    Comparing,
    /// They have taken the place of the live ones.
    Swapped,
    /// The live tables are not what they should be: nothing was swapped, and both are kept.
    Different,
    /// It ended before it was done, and can be gone on with.
    Interrupted,
}

/// The last rebuild of a projection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Rebuild {
    /// The projection.
    pub projection: String,
    /// How far it is.
    pub phase: RebuildPhase,
    /// The definition that is folded.
    pub version: u32,
    /// The definition of the rows that served when it began; 0 for none.
    pub live_version: u32,
    /// Who does it.
    pub by: String,
    /// When it began.
    #[schema(value_type = String, format = DateTime)]
    pub began_at: Timestamp,
    /// When this was said.
    #[schema(value_type = String, format = DateTime)]
    pub moved_at: Timestamp,
    /// Everything up to here is in the next tables.
    pub position: u64,
    /// Where it goes to, as far as is known.
    pub target: u64,
    /// Log positions a second.
    pub per_second: u64,
    /// How long it still takes at that pace, in seconds; none when it is over, or nobody knows.
    pub remaining_s: Option<u64>,
    /// How it ended, in words: what was equal, which parts differ, or what was in the way.
    pub detail: String,
}

/// Tables that a rebuild has replaced, and that are still there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReplacedTables {
    /// The projection.
    pub projection: String,
    /// The definition of their rows.
    pub version: u32,
    /// Everything up to here is in them.
    pub position: u64,
    /// When others took their place.
    #[schema(value_type = String, format = DateTime)]
    pub replaced_at: Timestamp,
}

/// What is known of rebuilds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RebuildsAnswer {
    /// The last rebuild of each of these projections that had one.
    pub rebuilds: Vec<Rebuild>,
    /// Replaced tables that are still there.
    pub replaced: Vec<ReplacedTables>,
}
